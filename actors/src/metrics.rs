//! Counts what was committed.
//!
//! Counters of events are facts counted: at rest they equal what the journal gives. What is not a fact (wakes, restarts,
//! refusals) is counted where it happens, in views that nothing is decided by.
//!
//! Should the actor die, the next one goes on with what was counted: what the dead one was about to count, and what waited
//! in its mailbox, is not in the counts then; nor is what a lane that died had handed to the journal. The journal has it:
//! what must be exact is asked there.

use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::faults::FaultPoint;
use crate::life::Life;
use crate::tally::Tally;

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
