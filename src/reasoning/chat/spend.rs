//! What a chat model may spend over time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use regie_core::Timestamp;
use regie_core::reasoning::{Refused, TokenBucket};

/// What there is to spend; without a budget, anything.
#[derive(Default)]
pub(super) struct Purse {
    budget: Option<(u64, Duration)>,
    // lock: calls run side by side and share what there is; it is held for a sum, and never while one waits.
    bucket: Mutex<Option<TokenBucket>>,
}

/// Tokens that were taken for a call: until it is settled, they are spent.
pub(super) struct Taken<'a> {
    purse: &'a Purse,
    tokens: u64,
}

/// A call that would take more than any may.
pub(super) fn too_much(tokens: u64, most: u64) -> Refused {
    Refused::Budget { why: format!("the call would take about {tokens} tokens; at most {most} are allowed") }
}

impl Purse {
    pub(super) fn of(tokens: u64, period: Duration) -> Self {
        Self { budget: Some((tokens, period)), bucket: Mutex::default() }
    }

    pub(super) fn take(&self, tokens: u64, now: Timestamp) -> Result<Taken<'_>, Refused> {
        let taken = self.with(|bucket, full| bucket.get_or_insert_with(|| full(now)).take(tokens, now));
        match taken {
            Some(Err(error)) => Err(Refused::Budget { why: error.to_string() }),
            _ => Ok(Taken { purse: self, tokens }),
        }
    }

    /// Works on the bucket, if there is a budget.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Option<TokenBucket>, &dyn Fn(Timestamp) -> TokenBucket) -> T,
    ) -> Option<T> {
        let (tokens, period) = self.budget?;
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        Some(work(&mut bucket, &|now| TokenBucket::new(tokens, period, now)))
    }
}

impl Taken<'_> {
    /// What the call cost, as far as that is known; what is not stays as it was taken.
    pub(super) fn settle(self, cost: Option<u64>) {
        let Some(cost) = cost else { return };
        self.purse.with(|bucket, _| bucket.as_mut().map(|bucket| bucket.settle(self.tokens, cost)));
    }
}
