//! What a chat model may spend.

use std::time::Duration;

use proptest::prelude::*;
use regie_core::Timestamp;
use regie_core::reasoning::{BudgetError, TokenBucket};

const MINUTE: Duration = Duration::from_secs(60);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn a_period_gives_as_much_at_once_and_then_evenly() {
    let mut bucket = TokenBucket::new(600, MINUTE, at(0));
    assert_eq!(bucket.take(600, at(0)), Ok(()));
    let refused = bucket.take(10, at(0)).unwrap_err();
    assert_eq!(refused, BudgetError::Later { wanted: 10, wait: Duration::from_secs(1) });
    assert_eq!(refused.to_string(), "10 tokens are there in 1000 ms");
    assert!(bucket.take(10, at(999)).is_err());
    assert_eq!(bucket.take(10, at(1_000)), Ok(()));
    assert_eq!(bucket.left(at(10_000_000)), 600);
}

#[test]
fn what_a_whole_period_does_not_give_is_never_there() {
    let mut bucket = TokenBucket::new(600, MINUTE, at(0));
    assert_eq!(bucket.take(601, at(0)), Err(BudgetError::Never { wanted: 601, most: 600 }));
    assert_eq!(TokenBucket::new(0, MINUTE, at(0)).take(1, at(0)), Err(BudgetError::Never { wanted: 1, most: 0 }));
}

#[test]
fn what_was_not_needed_comes_back_and_what_was_more_is_owed() {
    let mut bucket = TokenBucket::new(600, MINUTE, at(0));
    bucket.take(100, at(0)).unwrap();
    bucket.settle(100, 40);
    assert_eq!(bucket.left(at(0)), 560);
    bucket.take(560, at(0)).unwrap();
    bucket.settle(560, 570);
    assert_eq!(bucket.left(at(0)), 0);
    assert_eq!(bucket.take(1, at(0)), Err(BudgetError::Later { wanted: 1, wait: Duration::from_millis(1_100) }));
}

#[test]
fn a_clock_that_runs_back_gives_nothing() {
    let mut bucket = TokenBucket::new(600, MINUTE, at(60_000));
    bucket.take(600, at(60_000)).unwrap();
    assert_eq!(bucket.left(at(0)), 0);
    assert_eq!(bucket.left(at(61_000)), 10);
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let mut bucket = TokenBucket::new(u64::MAX, Duration::MAX, Timestamp::MIN);
    let _ = bucket.take(u64::MAX, Timestamp::MAX);
    bucket.settle(0, u64::MAX);
    bucket.settle(u64::MAX, 0);
    bucket.left(Timestamp::MAX);
}

/// In any stretch of time, no more is taken than a full bucket and what the stretch gives.
fn most_within(tokens: u64, period: Duration, stretch: Duration) -> u128 {
    u128::from(tokens) + u128::from(tokens) * stretch.as_micros() / period.as_micros()
}

proptest! {
    #[test]
    fn no_stretch_of_time_takes_more_than_it_may_and_who_waits_as_told_is_served(
        tokens in 1..1_000_u64,
        period_ms in 1..100_000_u64,
        asks in proptest::collection::vec((0..5_000_u64, 0..300_u64), 1..60),
    ) {
        let period = Duration::from_millis(period_ms);
        let (mut bucket, mut now) = (TokenBucket::new(tokens, period, at(0)), at(0));
        let mut taken: Vec<(Timestamp, u64)> = Vec::new();
        for (pause, wanted) in asks {
            now = now.after(Duration::from_millis(pause));
            match bucket.take(wanted, now) {
                Ok(()) => taken.push((now, wanted)),
                Err(BudgetError::Never { .. }) => prop_assert!(wanted > tokens),
                Err(BudgetError::Later { wait, .. }) => {
                    let early = now.after(wait.saturating_sub(Duration::from_micros(1)));
                    prop_assert!(bucket.clone().take(wanted, early).is_err());
                    prop_assert!(bucket.clone().take(wanted, now.after(wait)).is_ok());
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
        for (from, (begin, _)) in taken.iter().enumerate() {
            let mut sum = 0_u128;
            for (end, wanted) in &taken[from..] {
                sum += u128::from(*wanted);
                prop_assert!(sum <= most_within(tokens, period, end.since(*begin)));
            }
        }
    }
}
