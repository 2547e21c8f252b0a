//! Time: the system's, or one that a test or an event log drives.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::FutureExt;
use futures::future::BoxFuture;
use regie_core::Timestamp;
use tokio::sync::watch;

/// What tells the time. It never runs back. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// The latest time told, in microseconds, so that a system clock that is set back is not followed.
    System(Arc<AtomicI64>),
    /// Told by whoever holds the sender.
    Driven { time: Arc<watch::Sender<Timestamp>>, fires: bool },
}

impl Clock {
    /// The system's wall clock.
    pub fn system() -> Self {
        Self(Kind::System(Arc::new(AtomicI64::new(i64::MIN))))
    }

    /// A clock that stands still until it is told to go on: for tests. Timers fire when it does.
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Driven { time: Arc::new(watch::Sender::new(start)), fires: true })
    }

    /// A clock that follows the timestamps of the events that enter. Timers fire when the one who feeds the events lets
    /// them: the input is one sequence.
    pub fn event_time() -> Self {
        Self(Kind::Driven { time: Arc::new(watch::Sender::new(Timestamp::MIN)), fires: false })
    }

    /// The time. In event time, the earliest instant until the first event has entered.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System(latest) => {
                let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                let wall = i64::try_from(wall.as_micros()).unwrap_or(i64::MAX);
                Timestamp::from_micros(wall.max(latest.fetch_max(wall, Ordering::Relaxed)))
            }
            Kind::Driven { time, .. } => *time.borrow(),
        }
    }

    /// Whether there is a time: a clock in event time has none until the first event has entered.
    pub fn has_begun(&self) -> bool {
        self.fires() || self.now() > Timestamp::MIN
    }

    /// Lets a driven clock go on to an instant; never back. Says whether it moved. The system's cannot be told.
    pub fn advance_to(&self, to: Timestamp) -> bool {
        let Kind::Driven { time, .. } = &self.0 else { return false };
        time.send_if_modified(|now| {
            let moves = to > *now;
            *now = to.max(*now);
            moves
        })
    }

    /// Lets a driven clock go on by a duration.
    pub fn advance(&self, by: Duration) -> bool {
        self.advance_to(self.now().after(by))
    }

    /// Comes back at an instant, or as soon as it is past. On the system clock this needs a tokio runtime with time.
    pub fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        match &self.0 {
            Kind::System(_) => {
                let clock = self.clone();
                async move {
                    // Wall and monotonic time drift apart: look again after each sleep.
                    while clock.now() < at {
                        tokio::time::sleep(at.since(clock.now()).min(Duration::from_secs(60))).await;
                    }
                }
                .boxed()
            }
            Kind::Driven { time, .. } => {
                let mut time = time.subscribe();
                async move {
                    // The sender lives as long as any clone of the clock; with the last, nobody waits.
                    let _ = time.wait_for(|now| *now >= at).await;
                }
                .boxed()
            }
        }
    }

    /// Comes back after a duration: of real time, which no wall clock moves, unless a test drives the clock. In event time,
    /// too, which stands still while it waits for what is limited by this. It needs a tokio runtime with time.
    pub fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        match &self.0 {
            Kind::Driven { fires: true, .. } => self.sleep_until(self.now().after(duration)),
            _ => async move { tokio::time::sleep(duration).await }.boxed(),
        }
    }

    /// How many wait for a driven clock to go on: who drives it can wait until they do.
    pub fn waiters(&self) -> usize {
        match &self.0 {
            Kind::System(_) => 0,
            Kind::Driven { time, .. } => time.receiver_count(),
        }
    }

    /// A time limit that runs from now: of the same time as [`Clock::sleep`].
    pub fn limit(&self, limit: Duration) -> TimeLimit {
        TimeLimit { limit, deadline: self.now().after(limit), is_up: self.sleep(limit) }
    }

    /// Measures how long something takes, in the same time as [`Clock::sleep`].
    pub fn stopwatch(&self) -> Stopwatch {
        Stopwatch { clock: self.clone(), began: self.now(), began_really: Instant::now() }
    }

    /// Whether timers fire by themselves.
    pub fn fires(&self) -> bool {
        !matches!(&self.0, Kind::Driven { fires: false, .. })
    }

    /// Whether this is the system's.
    pub fn is_system(&self) -> bool {
        matches!(&self.0, Kind::System(_))
    }
}

/// A time limit that runs.
pub struct TimeLimit {
    /// How long it is.
    pub limit: Duration,
    /// When it is up, as the clock will tell.
    pub deadline: Timestamp,
    /// Comes back when it is up.
    pub is_up: BoxFuture<'static, ()>,
}

/// Measures how long something takes.
#[derive(Clone, Debug)]
pub struct Stopwatch {
    clock: Clock,
    began: Timestamp,
    began_really: Instant,
}

impl Stopwatch {
    /// How long it has been: of real time, unless a test drives the clock.
    pub fn elapsed(&self) -> Duration {
        match &self.clock.0 {
            Kind::Driven { fires: true, .. } => self.clock.now().since(self.began),
            _ => self.began_really.elapsed(),
        }
    }

    /// The same in whole milliseconds.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driven_clock_never_runs_back() {
        let clock = Clock::manual(Timestamp::from_millis(5));
        assert!(!clock.advance_to(Timestamp::from_millis(3)));
        assert_eq!(clock.now(), Timestamp::from_millis(5));
    }

    #[test]
    fn in_event_time_there_is_no_time_before_the_first_event() {
        let clock = Clock::event_time();
        assert!(!clock.has_begun());
        clock.advance_to(Timestamp::from_millis(0));
        assert!(clock.has_begun() && Clock::system().has_begun() && Clock::manual(Timestamp::MIN).has_begun());
    }

    #[test]
    fn who_sleeps_on_a_driven_clock_is_woken_by_it() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let asleep = clock.sleep_until(Timestamp::from_millis(7));
        clock.advance(Duration::from_millis(7));
        assert!(asleep.now_or_never().is_some());
    }
}
