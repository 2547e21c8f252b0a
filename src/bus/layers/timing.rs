//! How long a subscriber takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use regie_actors::bus::{Delivery, HandleError, SubscriberContext};

use super::{Layer, Next};

/// Measures how long what is inside takes. Keep a clone to look at.
#[derive(Clone, Debug, Default)]
pub struct Timing(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    handled: AtomicU64,
    failed: AtomicU64,
    nanos: AtomicU64,
    longest: AtomicU64,
}

/// What was measured. One that was stopped at its time limit, or panicked, is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timed {
    /// Deliveries that came back, with whatever outcome.
    pub handled: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// The time of all together.
    pub total: Duration,
    /// The longest of one.
    pub longest: Duration,
}

impl Timing {
    /// Nothing was measured yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was measured.
    pub fn timed(&self) -> Timed {
        let told = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Timed {
            handled: told(&self.0.handled),
            failed: told(&self.0.failed),
            total: Duration::from_nanos(told(&self.0.nanos)),
            longest: Duration::from_nanos(told(&self.0.longest)),
        }
    }
}

impl Layer for Timing {
    async fn handle(
        &self,
        delivery: Arc<Delivery>,
        context: SubscriberContext,
        next: Next<'_>,
    ) -> Result<(), HandleError> {
        let began = Instant::now();
        let done = next.run(delivery, context).await;
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.handled.fetch_add(1, Ordering::Relaxed);
        self.0.failed.fetch_add(u64::from(done.is_err()), Ordering::Relaxed);
        self.0.nanos.fetch_add(took, Ordering::Relaxed);
        self.0.longest.fetch_max(took, Ordering::Relaxed);
        done
    }
}
