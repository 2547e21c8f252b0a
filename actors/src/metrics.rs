//! Counts what was committed.
//!
//! Counters of events are facts counted: at rest they equal what the journal gives. What is not a fact (wakes, restarts,
//! refusals) is counted where it happens, in views that nothing is decided by.
//!
//! Should the actor die, the next one goes on with what was counted: what the dead one was about to count, and what waited
//! in its mailbox, is not in the counts then; nor is what a lane that died had handed to the journal. The journal has it:
//! what must be exact is asked there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::*;
use regie_core::event::LifeState;
use regie_core::governance::{Judgement, PolicyOutcome};
use regie_core::workflow::{Fact, Record};
use tokio::sync::oneshot;

use crate::faults::FaultPoint;
use crate::life::Life;

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

/// What some turns are to be counted as, once they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By event type.
    pub types: BTreeMap<Arc<str>, Lives>,
    /// What each policy has said, by its name, in the order of passed, discarded, deferred, escalated.
    pub policies: BTreeMap<Arc<str>, [u64; 4]>,
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
        let mut states: BTreeMap<u64, (Arc<str>, LifeState)> = BTreeMap::new();
        for fact in &record.facts {
            match fact {
                Fact::Opened { .. } => self.opened += 1,
                Fact::Started { .. } => self.started += 1,
                Fact::Finished { .. } => self.finished += 1,
                Fact::Parked { .. } => self.parked += 1,
                Fact::Judged { judgement, .. } => self.judged(judgement),
                Fact::Received { .. } => {
                    let Some((kind, _)) = kind_of(record.sequence) else { continue };
                    let lives = self.types.entry(Arc::clone(&kind)).or_default();
                    lives.received += 1;
                    lives.states[place(LifeState::Pending)] += 1;
                    states.insert(record.sequence, (kind, LifeState::Pending));
                }
                Fact::Moved { event, to, .. } => {
                    let known = states.get(event).cloned().or_else(|| kind_of(*event));
                    let Some((kind, from)) = known else { continue };
                    let lives = self.types.entry(Arc::clone(&kind)).or_default();
                    lives.states[place(from)] -= 1;
                    lives.states[place(*to)] += 1;
                    states.insert(*event, (kind, *to));
                }
                _ => {}
            }
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
            match self.policies.get_mut(decision.policy.as_str()) {
                Some(said) => said[place] += 1,
                None => {
                    let mut said = [0; 4];
                    said[place] = 1;
                    self.policies.insert(decision.policy.as_str().into(), said);
                }
            }
        }
    }

    /// Whether there is nothing to count.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Takes another's counts.
    pub fn add(&mut self, other: Tally) {
        for (kind, lives) in other.types {
            self.types.entry(kind).or_default().add(&lives);
        }
        for (policy, said) in other.policies {
            let mine = self.policies.entry(policy).or_default();
            mine.iter_mut().zip(said).for_each(|(mine, theirs)| *mine += theirs);
        }
        self.turns += other.turns;
        self.records += other.records;
        self.opened += other.opened;
        self.started += other.started;
        self.finished += other.finished;
        self.parked += other.parked;
    }
}

/// Turns that stand.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Counted(pub Tally);

/// Asks for the counts.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Tally")]
pub struct Count;

/// The actor.
pub struct Metrics {
    counts: Tally,
    heir: Option<oneshot::Sender<Tally>>,
    life: Life,
}

impl Metrics {
    /// Goes on with what was counted before; what it counts goes to its heir when it is dropped.
    pub fn new(counts: Tally, heir: oneshot::Sender<Tally>, life: Life) -> Self {
        Self { counts, heir: Some(heir), life }
    }
}

impl Drop for Metrics {
    /// Runs while a panic unwinds, and does nothing that can fail.
    fn drop(&mut self) {
        if let Some(heir) = self.heir.take() {
            let _ = heir.send(std::mem::take(&mut self.counts)); // without an heir nobody asks any more
        }
    }
}

impl Actor for Metrics {
    type Context = Context<Self>;
}

impl Handler<Counted> for Metrics {
    type Result = ();
    fn handle(&mut self, Counted(tally): Counted, _: &mut Self::Context) {
        self.life.maybe(FaultPoint::MetricsCount);
        self.counts.add(tally);
    }
}

impl Handler<Count> for Metrics {
    type Result = MessageResult<Count>;
    fn handle(&mut self, _: Count, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.counts.clone())
    }
}

/// What one shard counts that is no fact. A view: nothing is decided by it.
#[derive(Debug, Default)]
pub struct ShardView {
    /// Workflows in memory now.
    pub live: AtomicU64,
    /// Workflows and events whose ends somebody waits for now.
    pub waiters: AtomicU64,
    /// Workflows that have something out now: calls, sends, questions.
    pub out: AtomicU64,
    /// Results in memory now.
    pub results: AtomicU64,
    /// Their bytes.
    pub result_bytes: AtomicU64,
    /// Workflows that were started in memory: new ones, and those read from the journal.
    pub woken: AtomicU64,
    /// Workflows that left memory.
    pub passivated: AtomicU64,
    /// Workflows that died and were recreated.
    pub restarts: AtomicU64,
    /// Times that a workflow died too often and was left down for a while.
    pub storms: AtomicU64,
    /// Times that one decision held the shard for too long.
    pub held: AtomicU64,
    /// Submits of known events.
    pub duplicates: AtomicU64,
    /// Entries that were refused.
    pub refused: AtomicU64,
}

impl ShardView {
    /// Adds one.
    pub fn up(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
