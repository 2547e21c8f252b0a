//! Faults on purpose, for tests: where an actor or a thread of the runtime is to panic.

use std::fmt;
use std::sync::Arc;

use regie_core::event::CorrelationId;

/// A place at which something can be made to panic. Those of a workflow come with its correlation, those of a part of the
/// runtime with the part's name: `shard 0`, `policy`, `timers`, `metrics`, `agent mailer`,
/// `reasoner risk`, `index`, `readers`, `bus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultPoint {
    /// When a workflow's actor starts.
    Start,
    /// When it is handed something.
    Handle,
    /// Within its turn's future, before the append.
    Decide,
    /// Within its turn's future, after the append and before the answer.
    Appended,
    /// When it stops.
    Stop,
    /// When a shard is handed something.
    ShardEntry,
    /// When a shard is told what a turn came to, before it answers anybody.
    ShardReport,
    /// When a lane is handed a turn.
    LaneAppend,
    /// When a lane is told what became of turns, before it tells anybody.
    LaneAppended,
    /// When the policy actor is told something, before it looks at it.
    PolicyTold,
    /// When the policy actor has granted, before it answers.
    PolicyGranted,
    /// When the timers are told of an instant.
    TimersSet,
    /// When the timers look at what is due.
    TimersFire,
    /// When something is to be counted.
    MetricsCount,
    /// The rules look at what was committed.
    Automation,
    /// When an agent's or a reasoner's gate is asked for a call.
    GateCall,
    /// When such a gate has begun a call.
    GateBegun,
    /// Before the index follows the journal.
    Index,
    /// Before a reader's thread does what it is asked.
    Reader,
    /// When the bus is about to look for what was committed.
    BusLook,
    /// When the bus offers an event to those who may want it.
    BusOffer,
}

type Plan = dyn Fn(FaultPoint, &CorrelationId) -> bool + Send + Sync;

/// Decides where to panic. For tests; a runtime without one has none of this.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Plan>>);

impl Faults {
    /// Panics wherever the function says so.
    pub fn when(plan: impl Fn(FaultPoint, &CorrelationId) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(plan)))
    }

    /// Panics if the plan says so; never while a panic unwinds, for that would abort the process.
    ///
    /// # Panics
    /// That is what it is for.
    pub fn maybe(&self, point: FaultPoint, correlation: &CorrelationId) {
        let Some(plan) = &self.0 else { return };
        assert!(
            std::thread::panicking() || !plan(point, correlation),
            "a fault on purpose at {point:?} of {correlation}"
        );
    }

    /// The same in a part of the runtime.
    ///
    /// # Panics
    /// That is what it is for.
    pub fn maybe_in(&self, point: FaultPoint, part: &str) {
        if self.0.is_some() {
            self.maybe(point, &CorrelationId::from(part));
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Faults(planned)" } else { "Faults(none)" })
    }
}
