//! One actor per live correlation: runs the loop.
//!
//! It takes what it is handed in turns; one append is under way at a time, and what arrives meanwhile is decided together
//! next. Its state moves into the turn's future and back, so that nobody else can touch it in between.

mod done;
mod govern;
mod life_log;
mod messages;
mod rest;
mod told;
mod turn;
mod update;
mod view;

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use regie_core::event::CorrelationId;
use regie_core::limits;
use regie_core::workflow::{Definitions, Fact, State, evolve};
use regie_journal::{Reader, Snapshot, StoreError, StoredRecord, Tip};
use tracing::Instrument;

use crate::faults::FaultPoint;

use messages::Lifeline;
pub use messages::{
    Deliver, Ends, Gone, Item, Leave, Links, OpenView, Outcome, Question, Report, Reported, RunView, Task, WorkflowView,
};
use turn::Finished;
pub(crate) use view::view;
pub use view::whole_view;

/// What a workflow has in memory.
#[derive(Debug)]
pub struct Body {
    /// Its state.
    pub state: State,
    /// Effects that were let go out since it was last read from the journal.
    pub(crate) out: std::collections::BTreeSet<regie_core::workflow::EffectKey>,
    /// Events that reasoners are asked about since then.
    pub(crate) asked: std::collections::BTreeSet<u64>,
    /// The sequence that its last snapshot tells.
    pub(crate) saved: u64,
    /// The definitions without that of its run, where that cannot read what it noted.
    pub(crate) lacking: Option<Arc<Definitions>>,
}

impl Body {
    /// Of a state that was just read from the journal, up to a snapshot's sequence from that snapshot.
    pub fn new(state: State, saved: u64) -> Self {
        Self { state, out: Default::default(), asked: Default::default(), saved, lacking: None }
    }

    /// Reads a correlation from the journal, as far as the index covers it: its snapshot, if there is a good one, and the
    /// records after it.
    ///
    /// # Errors
    /// If the journal cannot be read, or what is there does not hold.
    pub fn read(
        reader: &mut Reader,
        correlation: &CorrelationId,
        definitions: &Definitions,
    ) -> Result<Self, StoreError> {
        let snapshot = reader.snapshot(correlation)?;
        let restored = snapshot.and_then(|it| State::restore(&it.body, it.tip.sequence, it.tip.digest, definitions));
        let (state, records) = match restored {
            None => (State::default(), reader.load(correlation, 0)?),
            Some(state) => {
                // A snapshot counts only if the record that it is of is the one in the journal.
                let mut records = reader.load(correlation, state.sequence.saturating_sub(1))?;
                if records.first().is_some_and(|first| first.digest == state.digest) {
                    records.remove(0);
                    (state, records)
                } else {
                    (State::default(), reader.load(correlation, 0)?)
                }
            }
        };
        let saved = state.sequence;
        match follow(state, records, definitions) {
            Ok(state) => Ok(Self::new(state, saved)),
            Err(why) => Self::unread(reader, correlation, (definitions, &why)),
        }
    }

    /// Of one whose definition cannot read what it noted itself: the journal holds, and the definition is another one now, under
    /// the same name. It stands as if this program lacked it.
    fn unread(
        reader: &mut Reader,
        correlation: &CorrelationId,
        (definitions, why): (&Definitions, &str),
    ) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged { why: format!("{correlation}: {why}") };
        let records = reader.load(correlation, 0)?;
        let facts = records.iter().flat_map(|stored| &stored.record.facts);
        let mut begun = facts.filter_map(|fact| match fact {
            Fact::Started { definition, .. } => Some(definition.clone()),
            _ => None,
        });
        let lacking = begun.next().and_then(|name| definitions.without(&name)).ok_or_else(damaged)?;
        let state = follow(State::default(), records, &lacking).map_err(|_| damaged())?;
        tracing::error!(%correlation, why, "the definition cannot read what it noted: it is another one than it was");
        Ok(Self { lacking: Some(Arc::new(lacking)), ..Self::new(state, 0) })
    }
}

/// Takes records into a state.
fn follow(mut state: State, records: Vec<StoredRecord>, definitions: &Definitions) -> Result<State, String> {
    for stored in records {
        evolve(&mut state, &stored.record, definitions).map_err(|error| error.to_string())?;
        state.digest = stored.digest;
        state.placed(stored.record.sequence, stored.position);
    }
    Ok(state)
}

/// The actor.
pub struct Workflow {
    links: Rc<Links>,
    life: Lifeline,
    inbox: VecDeque<Item>,
    /// Away while a turn is under way.
    body: Option<Body>,
}

impl Workflow {
    /// Of a correlation, in its so-many-th life.
    pub fn new(links: Rc<Links>, correlation: CorrelationId, epoch: u64, body: Body) -> Self {
        let life = Lifeline::new(links.shard_gone.clone(), correlation, epoch);
        Self { links, life, inbox: VecDeque::new(), body: Some(body) }
    }

    /// Starts the actor. The shard bounds what it hands over, so that the mailbox must not be what refuses, from its first
    /// message on: actix gives it 16 places until it is told.
    pub fn live(self) -> Addr<Self> {
        let mut context = Context::new();
        context.set_mailbox_capacity(4 * limits::QUEUED_PER_WORKFLOW);
        context.run(self)
    }

    fn next_turn(&mut self, ctx: &mut Context<Self>) {
        if self.inbox.is_empty() {
            return;
        }
        let Some(body) = self.body.take() else { return };
        let items = std::mem::take(&mut self.inbox);
        let span = tracing::debug_span!(target: "regie::turn", "turn", correlation = %self.life.correlation());
        let turn = turn::run(Rc::clone(&self.links), self.life.correlation().clone(), body, items);
        ctx.spawn(
            turn.instrument(span).into_actor(self).map(|finished, workflow, ctx| workflow.finished(finished, ctx)),
        );
    }

    fn finished(&mut self, finished: Finished, ctx: &mut Context<Self>) {
        let Finished { body, report, rest } = finished;
        rest.into_iter().rev().for_each(|item| self.inbox.push_front(item));
        self.body = body;
        self.report(report);
        match &self.body {
            None => ctx.stop(), // stale or spoiled: it is read anew
            Some(body) => {
                if body.state.sequence - body.saved >= limits::SNAPSHOT_RECORDS {
                    self.save();
                }
                self.next_turn(ctx);
            }
        }
    }

    /// An answer upward, past the mailbox's capacity: should the shard be dead, so will this actor be, and what it
    /// committed is found in the journal.
    #[allow(clippy::disallowed_methods)]
    fn report(&self, report: Report) {
        let (correlation, epoch) = (self.life.correlation().clone(), self.life.epoch());
        self.links.shard.do_send(Reported { correlation, epoch, report });
    }

    fn save(&mut self) {
        let (Some(index), Some(body)) = (&self.links.index, &mut self.body) else { return };
        let tip = Tip { sequence: body.state.sequence, digest: body.state.digest };
        if let Some(bytes) = body.state.save(&self.links.definitions) {
            index.snapshot(Snapshot { correlation: self.life.correlation().clone(), tip, body: bytes });
            body.saved = tip.sequence;
        }
    }
}

impl Actor for Workflow {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.links.faults.maybe(FaultPoint::Start, self.life.correlation());
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.links.faults.maybe(FaultPoint::Stop, self.life.correlation());
    }
}

impl Handler<Deliver> for Workflow {
    type Result = ();

    fn handle(&mut self, Deliver(item): Deliver, ctx: &mut Self::Context) {
        self.links.faults.maybe(FaultPoint::Handle, self.life.correlation());
        self.inbox.push_back(item);
        self.next_turn(ctx);
    }
}

impl Handler<Leave> for Workflow {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        // A short history is as fast to read as a snapshot.
        const WORTH_IT: u64 = 32;
        if self.body.as_ref().is_some_and(|body| body.state.sequence - body.saved >= WORTH_IT) {
            self.save();
        }
        ctx.stop();
    }
}
