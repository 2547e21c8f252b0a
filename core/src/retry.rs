//! How soon what failed is tried again: a delivery, or a step of a workflow.

use std::time::Duration;

/// How often a wait grows; what has not come to the longest by then never will.
const GROWN_AT_MOST: u32 = 10_000;

/// Tries with waits between them that grow, each made shorter by a part that looks random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often it is tried in all; at least once.
    pub attempts: u32,
    /// The wait after the first failure.
    pub first: Duration,
    /// How much longer each wait is than the one before, in hundredths: 200 doubles it, 100 keeps it.
    pub growth_percent: u32,
    /// The longest wait.
    pub most: Duration,
    /// How much of a wait may be taken off, in hundredths; at most 100.
    pub jitter_percent: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 5, ..Self::once() }
    }
}

impl Retry {
    /// Once, and never again.
    pub fn never() -> Self {
        Self::once()
    }

    pub(crate) const fn once() -> Self {
        Self {
            attempts: 1,
            first: Duration::from_millis(100),
            growth_percent: 200,
            most: Duration::from_secs(30),
            jitter_percent: 50,
        }
    }

    /// So many tries in all.
    pub fn times(attempts: u32) -> Self {
        Self { attempts, ..Self::default() }
    }

    /// How long to wait after so many failed tries; nothing if that was the last. The same seed gives the same waits.
    pub fn wait(&self, failed: u32, seed: u64) -> Option<Duration> {
        if failed >= self.attempts.max(1) {
            return None;
        }
        let whole = self.grown(failed.saturating_sub(1));
        let off = mixed(seed ^ u64::from(failed)) % (u64::from(self.jitter_percent.min(100)) * 10 + 1);
        // In thousandths, so that the least wait is what the percentage says.
        Some(whole.saturating_sub(whole.mul_f64(off as f64 / 1_000.0)))
    }

    /// The wait after so many that grew, before anything is taken off. In whole numbers: the same on every machine.
    fn grown(&self, times: u32) -> Duration {
        let growth = self.growth_percent.max(100);
        let mut wait = self.first;
        for _ in 0..times.min(GROWN_AT_MOST) {
            if growth == 100 || wait >= self.most {
                break;
            }
            wait = wait.checked_mul(growth).map_or(self.most, |grown| grown / 100);
        }
        wait.min(self.most)
    }
}

/// A number that looks random, and is the same for the same seed.
fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_then_end() {
        let exact = Retry {
            attempts: 6,
            first: Duration::from_millis(100),
            growth_percent: 200,
            most: Duration::from_millis(500),
            jitter_percent: 0,
        };
        let waits: Vec<_> = (1..=6).map(|failed| exact.wait(failed, 7).map(|wait| wait.as_millis())).collect();
        assert_eq!(waits, [Some(100), Some(200), Some(400), Some(500), Some(500), None]);
    }

    #[test]
    fn waits_grow_as_they_are_told_to() {
        let exact = |growth_percent| Retry {
            attempts: 9,
            first: Duration::from_millis(100),
            growth_percent,
            most: Duration::from_secs(9),
            jitter_percent: 0,
        };
        let after = |growth, failed| exact(growth).wait(failed, 1).map(|wait| wait.as_millis());
        assert_eq!((after(100, 4), after(150, 3), after(300, 3)), (Some(100), Some(225), Some(900)));
    }

    #[test]
    fn jitter_takes_off_no_more_than_it_may_and_is_the_same_for_the_same_seed() {
        let retry = Retry { jitter_percent: 50, first: Duration::from_millis(100), ..Retry::default() };
        let waits: Vec<_> = (0..200).filter_map(|seed| retry.wait(1, seed)).map(|wait| wait.as_millis()).collect();
        assert!(waits.iter().all(|wait| (50..=100).contains(wait)), "{waits:?}");
        assert!(waits.iter().max().unwrap() - waits.iter().min().unwrap() > 20);
        assert_eq!(retry.wait(2, 9), retry.wait(2, 9));
    }

    #[test]
    fn any_numbers_give_a_wait_that_is_no_longer_than_the_longest() {
        let retry = Retry { attempts: u32::MAX, ..Retry::default() };
        for failed in [1, 31, 32, 33, 64, 1_000, u32::MAX - 1] {
            assert!(retry.wait(failed, 3).unwrap() <= retry.most);
        }
        assert_eq!(Retry::never().wait(1, 0), None);
        assert!(Retry { attempts: 0, ..retry }.wait(1, 0).is_none());
    }
}
