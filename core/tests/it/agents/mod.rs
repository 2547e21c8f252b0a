//! Agents: the breaker, the rate, the cache, routes.

mod breaker;
mod cache;
mod rate;
mod route;

use std::time::Duration;

use regie_core::Timestamp;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
