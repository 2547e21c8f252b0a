//! What may be seen of a gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use regie_core::histogram::Histogram;
use tokio::sync::watch;

use crate::clock::Stopwatch;

/// What may be seen of a gate. Only its bounds rest on it: what runs and what waits.
#[derive(Debug, Default)]
pub struct GateView {
    /// Calls that run now.
    pub running: AtomicU64,
    /// Calls that wait now.
    pub waiting: AtomicU64,
    /// Calls that gave a result.
    pub done: AtomicU64,
    /// Calls that gave an error.
    pub failed: AtomicU64,
    /// Calls that were stopped at their limit.
    pub timed_out: AtomicU64,
    /// Calls that panicked.
    pub panicked: AtomicU64,
    /// Calls that were refused for want of room.
    pub refused: AtomicU64,
    /// Calls that were given up by the one who asked.
    pub cancelled: AtomicU64,
    /// Threads that were left behind, and are stuck still.
    pub stuck: AtomicU64,
    /// How long calls waited until they began, or were given up before.
    pub waited: Durations,
    /// How long calls took from when they began, however they ended.
    pub took: Durations,
}

/// How durations are spread, for whoever looks.
#[derive(Debug, Default)]
pub struct Durations(watch::Sender<Histogram>);

impl Durations {
    fn add(&self, duration: Duration) {
        self.0.send_modify(|histogram| histogram.add(duration));
    }

    /// Those until now.
    pub fn until_now(&self) -> Histogram {
        self.0.borrow().clone()
    }
}

/// How a call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It gave a result.
    Done,
    /// It gave an error.
    Failed,
    /// It was stopped at its limit.
    TimedOut,
    /// It panicked.
    Panicked,
    /// It was refused.
    Refused,
    /// It was given up by the one who asked.
    Cancelled,
}

impl GateView {
    /// Calls that run or wait.
    pub fn under_way(&self) -> u64 {
        self.running.load(Ordering::Relaxed) + self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, end: End) {
        let counter = match end {
            End::Done => &self.done,
            End::Failed => &self.failed,
            End::TimedOut => &self.timed_out,
            End::Panicked => &self.panicked,
            End::Refused => &self.refused,
            End::Cancelled => &self.cancelled,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl AsRef<GateView> for GateView {
    fn as_ref(&self) -> &GateView {
        self
    }
}

/// Measures until it is dropped, however that comes about.
pub(super) struct Timed<V: AsRef<GateView>> {
    view: Arc<V>,
    of: fn(&GateView) -> &Durations,
    stopwatch: Stopwatch,
}

impl<V: AsRef<GateView>> Timed<V> {
    pub(super) fn new(view: &Arc<V>, of: fn(&GateView) -> &Durations, stopwatch: Stopwatch) -> Self {
        Self { view: Arc::clone(view), of, stopwatch }
    }
}

impl<V: AsRef<GateView>> Drop for Timed<V> {
    fn drop(&mut self) {
        (self.of)(self.view.as_ref().as_ref()).add(self.stopwatch.elapsed());
    }
}

/// Counts as one of something until it is dropped.
pub(super) struct Counted<V: AsRef<GateView>> {
    view: Arc<V>,
    of: fn(&GateView) -> &AtomicU64,
}

impl<V: AsRef<GateView>> Counted<V> {
    pub(super) fn new(view: &Arc<V>, of: fn(&GateView) -> &AtomicU64) -> Self {
        of(view.as_ref().as_ref()).fetch_add(1, Ordering::AcqRel);
        Self { view: Arc::clone(view), of }
    }
}

impl<V: AsRef<GateView>> Drop for Counted<V> {
    fn drop(&mut self) {
        (self.of)(self.view.as_ref().as_ref()).fetch_sub(1, Ordering::AcqRel);
    }
}
