//! How durations are spread, in bounded memory: buckets that are as fine as the durations are short.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Buckets in which a doubling is cut, as a power of two: what is told is off by less than a hundredth.
const FINE: u32 = 7;

/// Durations counted, in nanoseconds. Its memory is bounded by the buckets that there are, some 7,000.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: BTreeMap<u32, u64>,
    count: u64,
    most: u64,
    total: u64,
}

/// How durations are spread, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// 95 of a hundred took no longer.
    pub p95_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// All together.
    pub total_ms: f64,
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        *self.buckets.entry(bucket(nanos)).or_default() += 1;
        self.count += 1;
        self.most = self.most.max(nanos);
        self.total = self.total.saturating_add(nanos);
    }

    /// Takes another's counts.
    pub fn merge(&mut self, other: &Histogram) {
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
        self.count += other.count;
        self.most = self.most.max(other.most);
        self.total = self.total.saturating_add(other.total);
    }

    /// The duration that so many of a hundred do not exceed: the top of its bucket, and never more than the longest.
    pub fn quantile(&self, of_a_hundred: u64) -> Duration {
        let rank = (self.count * of_a_hundred).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(top(*bucket).min(self.most));
            }
        }
        Duration::ZERO
    }

    /// How they are spread; nothing while there is none.
    pub fn spread(&self) -> Option<Spread> {
        let millis = |duration: Duration| duration.as_secs_f64() * 1_000.0;
        (self.count > 0).then(|| Spread {
            count: self.count,
            p50_ms: millis(self.quantile(50)),
            p95_ms: millis(self.quantile(95)),
            max_ms: millis(Duration::from_nanos(self.most)),
            total_ms: millis(Duration::from_nanos(self.total)),
        })
    }
}

/// The bucket of a number: short ones have one each.
fn bucket(nanos: u64) -> u32 {
    let doublings = (u64::BITS - nanos.leading_zeros()).saturating_sub(FINE + 1);
    (doublings << FINE) + u32::try_from(nanos >> doublings).unwrap_or(0)
}

/// The largest number of a bucket.
fn top(bucket: u32) -> u64 {
    let doublings = (bucket >> FINE).saturating_sub(1);
    let least = u64::from(bucket - (doublings << FINE));
    (((u128::from(least) + 1) << doublings) - 1).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_is_within_its_bucket_and_the_one_before_ends_below_it(shift in 0_u32..64, number: u64) {
            let nanos = number >> shift;
            let at = bucket(nanos);
            prop_assert!(nanos <= top(at), "{nanos} in {at}");
            prop_assert!(at == 0 || top(at - 1) < nanos, "{nanos} in {at}");
            prop_assert!((top(at) - nanos) as f64 <= nanos as f64 / 100.0);
        }

        #[test]
        fn quantiles_are_those_of_the_sorted_list_within_a_hundredth(
            micros in proptest::collection::vec(0_u64..10_000_000_000, 1..200),
        ) {
            let mut histogram = Histogram::default();
            micros.iter().for_each(|it| histogram.add(Duration::from_micros(*it)));
            let mut sorted = micros;
            sorted.sort_unstable();
            for of_a_hundred in [1, 50, 95, 100] {
                let exact = sorted[(sorted.len() * of_a_hundred).div_ceil(100) - 1];
                let told = histogram.quantile(of_a_hundred as u64).as_micros() as u64;
                prop_assert!(exact <= told && (told - exact) as f64 <= exact as f64 / 100.0, "{exact} {told}");
            }
            prop_assert_eq!(histogram.quantile(100), Duration::from_micros(*sorted.last().unwrap()));
        }
    }

    #[test]
    fn one_duration_is_told_as_it_is_and_none_tells_nothing() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.spread(), None);
        histogram.add(Duration::from_millis(3_000));
        let spread = histogram.spread().unwrap();
        assert_eq!((spread.p50_ms, spread.p95_ms, spread.max_ms, spread.total_ms), (3e3, 3e3, 3e3, 3e3));
    }
}
