//! What is counted of each thing.

use std::collections::BTreeMap;

use regie_actors::agent::AgentView;
use regie_actors::reasoner::ModeCounts;
use regie_actors::tally::{Lives, RunLives};
use regie_core::event::LifeState;
use regie_core::histogram::{Histogram, Spread};
use serde::Serialize;

/// Counts of one event type, or of all together, since the start. States count what this process saw move: an event that
/// was deferred before the start and came back since counts −1 as deferred and 1 where it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TypeMetrics {
    /// Came in.
    pub received: u64,
    /// Are pending.
    pub pending: i64,
    /// Were processed.
    pub processed: i64,
    /// Are deferred.
    pub deferred: i64,
    /// Are escalated.
    pub escalated: i64,
    /// Were discarded.
    pub discarded: i64,
}

impl TypeMetrics {
    pub(super) fn of(lives: &Lives) -> Self {
        Self {
            received: lives.received,
            pending: lives.in_state(LifeState::Pending),
            processed: lives.in_state(LifeState::Processed),
            deferred: lives.in_state(LifeState::Deferred),
            escalated: lives.in_state(LifeState::Escalated),
            discarded: lives.in_state(LifeState::Discarded),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.pending += other.pending;
        self.processed += other.processed;
        self.deferred += other.deferred;
        self.escalated += other.escalated;
        self.discarded += other.discarded;
    }
}

impl TypeMetrics {
    /// How many of those that came in went on, from 0 to 1; nothing while none came in.
    pub fn acceptance_rate(&self) -> Option<f64> {
        (self.received > 0).then(|| self.processed.max(0) as f64 / self.received as f64)
    }
}

/// How often one policy has said what since the start: each decision that the journal took counts, a return's too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyMetrics {
    /// Events might go on.
    pub passed: u64,
    /// Events were stopped.
    pub discarded: u64,
    /// Events were put off.
    pub deferred: u64,
    /// Events were left to a person.
    pub escalated: u64,
}

/// Counts of one agent since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AgentMetrics {
    /// Calls that run now.
    pub running: u64,
    /// Calls that wait now.
    pub waiting: u64,
    /// Calls that gave a result.
    pub done: u64,
    /// Calls that gave an error.
    pub failed: u64,
    /// Calls that were stopped at their limit.
    pub timed_out: u64,
    /// Calls that panicked.
    pub panicked: u64,
    /// Calls that were refused for want of room.
    pub refused: u64,
    /// Calls that were given up with their workflow.
    pub cancelled: u64,
    /// Threads that were left behind, stuck.
    pub stuck: u64,
    /// Calls that were answered by a result that was kept, in memory or beside it.
    pub hits: u64,
    /// Calls of an agent whose results are kept that were made, for none was.
    pub misses: u64,
    /// Calls that shared the end of one that was under way.
    pub shared: u64,
}

/// Counts of one reasoner since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReasonerMetrics {
    /// Questions that it works on now.
    pub running: u64,
    /// Questions that wait now.
    pub waiting: u64,
    /// Threads that were left behind, stuck.
    pub stuck: u64,
    /// What ended, by mode.
    pub modes: BTreeMap<String, ModeCounts>,
}

pub(super) fn policy([passed, discarded, deferred, escalated]: [u64; 4]) -> PolicyMetrics {
    PolicyMetrics { passed, discarded, deferred, escalated }
}

/// Counts of the runs of one definition since the start: facts counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct WorkflowMetrics {
    /// Runs that began.
    pub started: u64,
    /// Runs that ended as their definition wanted.
    pub completed: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that were cancelled.
    pub cancelled: u64,
    /// Runs that were ended without putting anything back.
    pub terminated: u64,
    /// Runs that went on after they had failed.
    pub retried: u64,
    /// Runs that began to put back what they had done.
    pub compensated: u64,
    /// Calls of agents that were begun: each attempt at a step counts.
    pub calls: u64,
    /// Those that gave a result.
    pub calls_done: u64,
    /// Those that ended otherwise.
    pub calls_failed: u64,
    /// Steps and ends of effects that came to wait for a person.
    pub parked: u64,
    /// How long runs took that ended; nothing while none has.
    pub took: Option<Spread>,
    /// How long the definition took to decide, on its shard.
    pub deciding: Option<Spread>,
}

impl From<&RunLives> for WorkflowMetrics {
    fn from(lives: &RunLives) -> Self {
        let [completed, failed, cancelled, terminated] = lives.ended;
        Self {
            started: lives.started,
            completed,
            failed,
            cancelled,
            terminated,
            retried: lives.retried,
            compensated: lives.compensated,
            calls: lives.calls,
            calls_done: lives.calls_done,
            calls_failed: lives.calls_failed,
            parked: lives.parked,
            took: lives.took.spread(),
            deciding: None,
        }
    }
}

/// How long calls of one agent waited and took since the start, over all of its instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct AgentTimes {
    /// Until they began; nothing while none has.
    pub waited: Option<Spread>,
    /// From when they began, however they ended.
    pub took: Option<Spread>,
}

impl From<&AgentView> for AgentTimes {
    fn from(view: &AgentView) -> Self {
        let (mut waited, mut took) = (Histogram::default(), Histogram::default());
        for instance in &view.instances {
            waited.merge(&instance.calls.waited.until_now());
            took.merge(&instance.calls.took.until_now());
        }
        Self { waited: waited.spread(), took: took.spread() }
    }
}
