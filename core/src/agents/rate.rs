//! How often an agent is called: a token bucket, by the instant at which it would be full again.

use std::time::Duration;

use crate::Timestamp;

/// How many calls in how long, and how many of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRate {
    /// How many calls; at least one.
    pub calls: u32,
    /// In how long.
    pub per: Duration,
    /// How many may begin at once after a rest; at least one.
    pub burst: u32,
}

impl CallRate {
    /// So many calls in so long, evenly.
    pub fn new(calls: u32, per: Duration) -> Self {
        Self { calls, per, burst: 1 }
    }

    /// So many at once after a rest.
    #[must_use]
    pub fn burst(mut self, burst: u32) -> Self {
        self.burst = burst;
        self
    }

    /// Nanoseconds between two calls, rounded up: never more than were said.
    fn apart(&self) -> i128 {
        self.per.as_nanos().div_ceil(u128::from(self.calls.max(1))).cast_signed()
    }

    fn tolerance(&self) -> i128 {
        i128::from(self.burst.max(1) - 1) * self.apart()
    }
}

/// The state of one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When it would be full, in nanoseconds; none before the first call.
    full: Option<i128>,
}

impl Bucket {
    /// When a call may begin that comes now, with so many to begin before it.
    pub fn ready_at(&self, rate: &CallRate, now: Timestamp, ahead: u64) -> Timestamp {
        let at = nanos(now);
        let full = self.full.map_or(at, |full| full.max(at));
        let ready = full + i128::from(ahead) * rate.apart() - rate.tolerance();
        let micros = i64::try_from((ready + 999).div_euclid(1_000)).unwrap_or(i64::MAX);
        Timestamp::from_micros(micros).max(now)
    }

    /// A call begins.
    pub fn take(&mut self, rate: &CallRate, now: Timestamp) {
        let at = nanos(now);
        self.full = Some(self.full.map_or(at, |full| full.max(at)) + rate.apart());
    }
}

fn nanos(at: Timestamp) -> i128 {
    i128::from(at.micros()) * 1_000
}
