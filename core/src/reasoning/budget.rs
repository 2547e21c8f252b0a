//! What a chat model may spend: tokens per period, as a bucket that fills evenly.

use std::time::Duration;

use crate::Timestamp;

/// A bucket of tokens. It is full at first, holds as much as one period gives, and fills evenly: exactly, for it counts in
/// tokens times the period's microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    tokens: u64,
    period_us: u64,
    level: i128,
    at: Timestamp,
}

/// Why tokens cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// More than a full bucket holds.
    #[error("{wanted} tokens are more than the {most} of a whole period")]
    Never {
        /// What was to be taken.
        wanted: u64,
        /// What there is at most.
        most: u64,
    },
    /// Not yet there.
    #[error("{wanted} tokens are there in {} ms", wait.as_micros().div_ceil(1_000))]
    Later {
        /// What was to be taken.
        wanted: u64,
        /// How long until they are there.
        wait: Duration,
    },
}

impl TokenBucket {
    /// A full bucket of so many tokens a period; a period is at least a microsecond.
    pub fn new(tokens: u64, period: Duration, now: Timestamp) -> Self {
        let period_us = u64::try_from(period.as_micros()).unwrap_or(u64::MAX).max(1);
        let full = i128::from(tokens).saturating_mul(i128::from(period_us));
        Self { tokens, period_us, level: full, at: now }
    }

    /// Takes tokens, all or none.
    pub fn take(&mut self, wanted: u64, now: Timestamp) -> Result<(), BudgetError> {
        self.fill(now);
        if wanted > self.tokens {
            return Err(BudgetError::Never { wanted, most: self.tokens });
        }
        let missing = self.worth(wanted) - self.level;
        if missing > 0 {
            // Each microsecond gives as much as there are tokens in a period. They are more than none, or it were never.
            let micros = (missing - 1) / i128::from(self.tokens) + 1;
            let wait = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
            return Err(BudgetError::Later { wanted, wait });
        }
        self.level -= self.worth(wanted);
        Ok(())
    }

    /// What was taken turned out to cost something else: the rest comes back, or what was too little is owed.
    pub fn settle(&mut self, taken: u64, cost: u64) {
        let back = self.worth(taken).saturating_sub(self.worth(cost));
        self.level = self.level.saturating_add(back).min(self.full());
    }

    /// Whole tokens that are there; none while some are owed.
    pub fn left(&mut self, now: Timestamp) -> u64 {
        self.fill(now);
        u64::try_from(self.level / i128::from(self.period_us)).unwrap_or(0)
    }

    fn fill(&mut self, now: Timestamp) {
        let passed = i128::try_from(now.since(self.at).as_micros()).unwrap_or(i128::MAX);
        self.at = self.at.max(now);
        self.level = self.level.saturating_add(passed.saturating_mul(i128::from(self.tokens))).min(self.full());
    }

    fn worth(&self, tokens: u64) -> i128 {
        i128::from(tokens).saturating_mul(i128::from(self.period_us))
    }

    fn full(&self) -> i128 {
        self.worth(self.tokens)
    }
}
