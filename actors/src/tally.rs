//! What committed turns are counted as, fact by fact.

use std::sync::Arc;
use std::time::Duration;

use regie_core::event::LifeState;
use regie_core::governance::{Judgement, PolicyOutcome};
use regie_core::histogram::Histogram;
use regie_core::workflow::{AgentOutcome, Effect, EffectEnd, Fact, Operation, Record, Run, RunEnd};

use crate::by_name::ByName;

/// How many events of a type came in, and how many are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lives {
    /// Came in since the start.
    pub received: u64,
    /// In each state now, in the order of [`LifeState::ALL`]; of those that came in before the start only what moved since.
    pub states: [i64; 5],
}

impl Lives {
    /// How many are in a state.
    pub fn in_state(&self, state: LifeState) -> i64 {
        self.states[place(state)]
    }

    fn add(&mut self, other: &Lives) {
        self.received += other.received;
        self.states.iter_mut().zip(other.states).for_each(|(mine, theirs)| *mine += theirs);
    }
}

fn place(state: LifeState) -> usize {
    LifeState::ALL.iter().position(|other| *other == state).unwrap_or(0)
}

/// What the runs of one definition came to since the start, and what was asked for by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunLives {
    /// Began.
    pub started: u64,
    /// Ended, by how: completed, failed, cancelled, terminated.
    pub ended: [u64; 4],
    /// Went on after a failure.
    pub retried: u64,
    /// Began to put back what they had done.
    pub compensated: u64,
    /// Calls of agents: steps, each attempt for itself.
    pub calls: u64,
    /// Calls that gave a result.
    pub calls_done: u64,
    /// Calls that ended otherwise.
    pub calls_failed: u64,
    /// What came to wait for a person.
    pub parked: u64,
    /// How long those took that ended.
    pub took: Histogram,
}

impl RunLives {
    /// Counts a fact; `follows_end` where the one before it is the end of an effect: what is parked then is that end.
    fn count(&mut self, fact: &Fact, follows_end: bool, took: Duration) {
        match fact {
            Fact::Started { .. } => self.started += 1,
            Fact::Finished { end } => {
                self.ended[end_place(end)] += 1;
                self.took.add(took);
            }
            Fact::Operated { operation: Operation::Retry, .. } => self.retried += 1,
            Fact::Compensating { .. } => self.compensated += 1,
            Fact::Owes { effect: Effect::Call { .. }, .. } => self.calls += 1,
            Fact::Ended { end: EffectEnd::Agent(outcome) | EffectEnd::Routed { outcome, .. }, .. } => match outcome {
                AgentOutcome::Done(_) => self.calls_done += 1,
                _ => self.calls_failed += 1,
            },
            Fact::Halted { .. } => self.parked += 1,
            Fact::Parked { .. } if follows_end => self.parked += 1,
            _ => {}
        }
    }

    fn add(&mut self, other: &RunLives) {
        self.ended.iter_mut().zip(other.ended).for_each(|(mine, theirs)| *mine += theirs);
        self.started += other.started;
        self.retried += other.retried;
        self.compensated += other.compensated;
        self.calls += other.calls;
        self.calls_done += other.calls_done;
        self.calls_failed += other.calls_failed;
        self.parked += other.parked;
        self.took.merge(&other.took);
    }
}

fn end_place(end: &RunEnd) -> usize {
    match end {
        RunEnd::Completed { .. } => 0,
        RunEnd::Failed { .. } => 1,
        RunEnd::Cancelled { .. } => 2,
        _ => 3,
    }
}

/// What some turns are to be counted as, once they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By event type.
    pub types: ByName<Lives>,
    /// What each policy has said, by its name, in the order of passed, discarded, deferred, escalated.
    pub policies: ByName<[u64; 4]>,
    /// Runs, by their definition; the runtime's own outside.
    pub workflows: ByName<RunLives>,
    /// Turns: rows of the journal.
    pub turns: u64,
    /// Records.
    pub records: u64,
    /// Correlations that began.
    pub opened: u64,
    /// Runs of handlers that began.
    pub started: u64,
    /// Runs that ended.
    pub finished: u64,
    /// Inputs that were parked.
    pub parked: u64,
}

impl Tally {
    /// Counts a record. `kind_of` tells the type of an event, and the state that it was in, by its record's sequence.
    pub fn count(&mut self, record: &Record, kind_of: impl Fn(u64) -> Option<(Arc<str>, LifeState)>) {
        self.records += 1;
        // Of the one event that this record received or moves: it may move again in it.
        let mut states: Vec<(u64, (Arc<str>, LifeState))> = Vec::new();
        for fact in &record.facts {
            match fact {
                Fact::Opened { .. } => self.opened += 1,
                Fact::Started { .. } => self.started += 1,
                Fact::Finished { .. } => self.finished += 1,
                Fact::Parked { .. } => self.parked += 1,
                Fact::Judged { judgement, .. } => self.judged(judgement),
                Fact::Received { .. } => {
                    let Some((kind, _)) = kind_of(record.sequence) else { continue };
                    let lives = self.types.of(Arc::clone(&kind));
                    lives.received += 1;
                    lives.states[place(LifeState::Pending)] += 1;
                    states.push((record.sequence, (kind, LifeState::Pending)));
                }
                Fact::Moved { event, to, .. } => {
                    let known = states.iter().rev().find(|(known, _)| known == event).map(|(_, it)| it.clone());
                    let known = known.or_else(|| kind_of(*event));
                    let Some((kind, from)) = known else { continue };
                    let lives = self.types.of(Arc::clone(&kind));
                    lives.states[place(from)] -= 1;
                    lives.states[place(*to)] += 1;
                    states.push((*event, (kind, *to)));
                }
                _ => {}
            }
        }
    }

    /// Counts what a record means for the run of its correlation, which stands like that after it.
    pub fn count_run(&mut self, record: &Record, run: &Run) {
        let tells = |fact: &Fact| {
            matches!(
                fact,
                Fact::Started { .. }
                    | Fact::Finished { .. }
                    | Fact::Operated { .. }
                    | Fact::Compensating { .. }
                    | Fact::Owes { effect: Effect::Call { .. }, .. }
                    | Fact::Ended { .. }
                    | Fact::Halted { .. }
            )
        };
        if !record.facts.iter().any(tells) {
            return;
        }
        let took = record.at.max(run.started_at).since(run.started_at);
        let lives = self.workflows.of(run.definition.as_str());
        let mut follows_end = false;
        for fact in &record.facts {
            lives.count(fact, follows_end, took);
            follows_end = matches!(fact, Fact::Ended { .. });
        }
    }

    fn judged(&mut self, judgement: &Judgement) {
        for decision in &judgement.decisions {
            let place = match decision.outcome {
                PolicyOutcome::Discarded => 1,
                PolicyOutcome::Deferred => 2,
                PolicyOutcome::Escalated => 3,
                _ => 0,
            };
            self.policies.of(decision.policy.as_str())[place] += 1;
        }
    }

    /// Whether there is nothing to count.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Takes another's counts.
    pub fn add(&mut self, other: Tally) {
        self.types.add(other.types, |mine, theirs| mine.add(&theirs));
        self.policies.add(other.policies, |mine, theirs| {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        });
        self.workflows.add(other.workflows, |mine, theirs| mine.add(&theirs));
        self.turns += other.turns;
        self.records += other.records;
        self.opened += other.opened;
        self.started += other.started;
        self.finished += other.finished;
        self.parked += other.parked;
    }
}
