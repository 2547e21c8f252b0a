//! A runtime on a manual clock, and a limit on everything that waits.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use regie_actors::clock::Clock;
use regie_core::Timestamp;
use regie_core::event::{EventBuilder, EventResult, LifeState};
use regie_core::query::{Filter, Stats};

use crate::{Builder, ClockKind, Handle, Runtime};

/// How long a test may take before something is said to hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a future to its end on a thread of its own.
///
/// # Panics
/// If the future does, or takes longer than a minute: a test never hangs.
#[track_caller]
pub fn within<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    within_at_most(PATIENCE, work)
}

/// The same for work that may take longer.
///
/// # Panics
/// If the future does, or takes longer than `most`.
#[track_caller]
pub fn within_at_most<T: Send + 'static>(most: Duration, work: impl Future<Output = T> + Send + 'static) -> T {
    let (done, result) = channel();
    let thread = std::thread::spawn(move || drop(done.send(futures::executor::block_on(work))));
    match result.recv_timeout(most) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("not done within {most:?}: something hangs"),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => panic!("it ended without a result"),
        },
    }
}

/// How long time stands still for calls that are under way: most answer at once, and some never do.
const CALLS_END_WITHIN: Duration = Duration::from_millis(50);
/// How long it does for all else.
const ALL_ELSE_ENDS_WITHIN: Duration = Duration::from_secs(1);

/// A runtime on a manual clock, with a journal in memory unless said.
pub struct Stage {
    /// The runtime.
    pub runtime: Runtime,
    /// A handle to it.
    pub handle: Handle,
    /// Its clock, which stands still until it is moved.
    pub clock: Clock,
}

impl Stage {
    /// Two shards, the clock at 1970-01-01T00:00:00Z, and whatever else you add.
    ///
    /// # Panics
    /// If the runtime does not start.
    pub async fn with(more: impl FnOnce(Builder) -> Builder) -> Self {
        Self::at(Timestamp::from_millis(0), more).await
    }

    /// The same from a later instant on.
    ///
    /// # Panics
    /// If the runtime does not start.
    pub async fn at(start: Timestamp, more: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = Clock::manual(start);
        let builder = crate::builder().shards(2).clock(ClockKind::Given(clock.clone()));
        match more(builder).start().await {
            Ok(runtime) => Self { handle: runtime.handle(), runtime, clock },
            Err(error) => panic!("the runtime does not start: {error}"),
        }
    }

    /// Submits an event.
    ///
    /// # Panics
    /// If it cannot be built, or is refused.
    pub async fn submit(&self, event: EventBuilder) -> EventResult {
        let event = event.build().unwrap_or_else(|error| panic!("this is no event: {error}"));
        self.handle.submit(event).await.unwrap_or_else(|refused| panic!("it is refused: {}", refused.reason))
    }

    /// Lets the clock go on to an instant, never back, and what is due by then happen: each at its own instant, in order.
    /// While a call to an agent is under way, time jumps instead, for the call may wait for its time limit.
    pub async fn advance_to(&self, to: Timestamp) {
        if self.comes_to_rest() {
            self.handle.advance_to(to).await;
        }
        self.clock.advance_to(to);
        self.settle().await;
    }

    /// Whether nothing is under way any more: what was answered just now still has its end to come. Who waits for a call that
    /// never ends, or for a handler that is held, does not wait for long.
    fn comes_to_rest(&self) -> bool {
        let began = Instant::now();
        while !self.handle.is_at_rest() {
            let patience = if self.handle.has_calls_out() { CALLS_END_WITHIN } else { ALL_ELSE_ENDS_WITHIN };
            if began.elapsed() > patience {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }

    /// Lets so much time pass, and what is due by then happen.
    pub async fn advance(&self, by: Duration) {
        self.advance_to(self.clock.now().after(by)).await;
    }

    /// Waits until nothing is under way.
    pub async fn settle(&self) {
        self.handle.settle().await;
    }

    /// The state of each event, by `correlation/id`.
    ///
    /// # Panics
    /// If the journal cannot be read.
    pub async fn states(&self) -> BTreeMap<String, LifeState> {
        let events = self.handle.events(Filter::default()).await;
        let events = events.unwrap_or_else(|error| panic!("the journal cannot be read: {error}"));
        let named = events.iter().map(|stored| {
            let event = stored.incoming.event();
            (format!("{}/{}", event.correlation_id, event.id), stored.state)
        });
        named.collect()
    }

    /// The state of one event, by `correlation/id`.
    ///
    /// # Panics
    /// If the journal cannot be read.
    pub async fn state_of(&self, name: &str) -> Option<LifeState> {
        self.states().await.get(name).copied()
    }

    /// Counts over all events.
    ///
    /// # Panics
    /// If the journal cannot be read.
    pub async fn stats(&self) -> Stats {
        let stats = self.handle.stats(Filter::default()).await;
        stats.unwrap_or_else(|error| panic!("the journal cannot be read: {error}"))
    }

    /// Shuts the runtime down.
    ///
    /// # Panics
    /// If that does not go well.
    pub async fn close(self) {
        let shutdown = self.runtime.shutdown().await;
        assert_eq!(shutdown.error, None, "the shutdown did not go well");
    }
}
