//! One lane per shard: carries its appends and policy asks over the thread boundary, gathered, one message a poll.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use actix::prelude::*;
use regie_core::event::CorrelationId;
use regie_core::governance::{Ask, AskId, Ruling, Who};
use regie_core::limits;
use regie_journal::{Conflict, Placed, StoreError, Told, Turn};
use tokio::sync::oneshot;

use crate::busy::UnderWay;
use crate::faults::FaultPoint;
use crate::journal::{Appended, Batch, JournalHandle, Load};
use crate::life::{Life, Twin};
use crate::metrics::{Counted, Metrics};
use crate::post::Post;
use crate::tally::Tally;

/// Why a turn was not appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// It was not what comes next: its workflow's state is stale.
    Conflict(Conflict),
    /// The store did not take it.
    Store(StoreError),
}

/// A turn to append. Answered once it is durable, or has failed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Append {
    /// The turn.
    pub turn: Turn,
    /// What its records hold.
    pub told: Told,
    /// The reservation that stands or falls with it.
    pub ask: Option<AskId>,
    /// Places at concurrency limits that it frees.
    pub freed: Vec<FreedPlace>,
    /// What is to be counted once it stands.
    pub tally: Tally,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Placed, AppendError>>,
}

/// A place at a concurrency limit that is free again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreedPlace {
    /// The policy.
    pub policy: String,
    /// Its key.
    pub key: String,
    /// Who held it.
    pub who: Who,
}

/// An ask of the policies with state.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AskPolicy {
    /// Whose: should it die, its reservations are given up.
    pub correlation: CorrelationId,
    /// The ask.
    pub ask: Ask,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Ruling>,
}

/// An ask's event will not commit.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct GiveUp(pub AskId);

/// Everything that was sent before is committed or has failed once this is answered; what the dead workflow had reserved
/// is given up then.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Fence {
    /// The dead workflow.
    pub correlation: CorrelationId,
}

/// What the policy actor is told in one message: what became of earlier asks, then new ones.
#[derive(Debug, Default, Message)]
#[rtype(result = "()")]
pub struct ToPolicy {
    /// New asks, and where their answers go.
    pub asks: Vec<(Ask, WayBack)>,
    /// Settled ones, and at which position their events committed, if they did.
    pub settled: Vec<(AskId, Option<u64>)>,
    /// Places that are free again; told after what is settled.
    pub freed: Vec<FreedPlace>,
    /// Whether a lane has died, with whose end it is unknown what became of its asks.
    pub forget: bool,
    /// Counts what was settled as under way: somebody who waits for a place may go on by it.
    pub under_way: Option<UnderWay>,
}

/// What the policy actor answers, in one message; none to what it has forgotten.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct FromPolicy(pub Vec<(AskId, Option<Ruling>)>);

/// Grants that are not appended yet are void: the policies forget them, and read what is committed behind a fence after
/// this is answered.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Void;

/// The way of an answer back to the lane that asked. Dropped unused, it says that there will be none: with the policy
/// actor die all that it holds.
#[derive(Debug)]
pub struct WayBack {
    ask: AskId,
    lane: Option<Arc<Recipient<FromPolicy>>>,
}

impl WayBack {
    /// The lane, for an answer that goes there with others.
    pub fn lane(mut self) -> Option<Arc<Recipient<FromPolicy>>> {
        self.lane.take()
    }
}

impl Drop for WayBack {
    /// Runs while a panic unwinds, and does nothing that can fail.
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            answer_lane(&lane, FromPolicy(vec![(self.ask, None)]));
        }
    }
}

/// Past the mailbox's capacity: at most one answer for each ask, so that their number is bounded, and without it a workflow
/// would wait for ever.
#[allow(clippy::disallowed_methods)]
pub fn answer_lane(lane: &Recipient<FromPolicy>, answers: FromPolicy) {
    lane.do_send(answers);
}

/// Batches whose room is kept: one is on its way as a rule, and one is gathered.
const SPARE: usize = 2;

#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

struct Waiting {
    ask: Option<AskId>,
    freed: Vec<FreedPlace>,
    tally: Tally,
    reply: oneshot::Sender<Result<Placed, AppendError>>,
}

/// The actor.
pub struct Lane {
    journal: JournalHandle,
    policy: Post<Recipient<ToPolicy>>,
    metrics: Post<Addr<Metrics>>,
    /// What nobody was there to count.
    uncounted: Tally,
    load: Load,
    waiting: Vec<Waiting>,
    /// Room that is not needed now.
    spare: (Vec<Load>, Vec<Vec<Waiting>>),
    in_flight: HashMap<u64, Vec<Waiting>>,
    next_batch: u64,
    to_policy: ToPolicy,
    /// Whose each ask is that is not settled.
    asked: HashMap<AskId, CorrelationId>,
    unanswered: HashMap<AskId, oneshot::Sender<Ruling>>,
    /// Granted by rules that have forgotten it: nothing is appended on it any more.
    void: HashSet<AskId>,
    way_back: Option<Arc<Recipient<FromPolicy>>>,
    flush_is_due: bool,
    life: Life,
    /// The shard: one does not go on without the other.
    shard: Twin,
}

/// Where a lane goes.
#[derive(Clone)]
pub struct Ways {
    /// To the journal.
    pub journal: JournalHandle,
    /// To the policies.
    pub policy: Post<Recipient<ToPolicy>>,
    /// To the metrics.
    pub metrics: Post<Addr<Metrics>>,
}

impl Lane {
    /// A lane to the journal, the policies and the metrics, for a shard.
    pub fn new(ways: Ways, life: Life, shard: Twin) -> Self {
        let Ways { journal, policy, metrics } = ways;
        Self {
            journal,
            policy,
            metrics,
            uncounted: Tally::default(),
            life,
            shard,
            load: Load::default(),
            waiting: Vec::new(),
            spare: Default::default(),
            in_flight: HashMap::new(),
            next_batch: 0,
            to_policy: ToPolicy::default(),
            asked: HashMap::new(),
            unanswered: HashMap::new(),
            void: HashSet::new(),
            way_back: None,
            flush_is_due: false,
        }
    }

    /// The mailbox is drained before a notification runs: what has queued up goes together, without a timer.
    fn flush_later(&mut self, ctx: &mut Context<Self>) {
        if !self.flush_is_due {
            self.flush_is_due = true;
            ctx.notify(Flush);
        }
    }

    fn flush(&mut self, ctx: &mut Context<Self>) {
        self.flush_is_due = false;
        let ToPolicy { asks, settled, freed, .. } = &self.to_policy;
        if !asks.is_empty() || !settled.is_empty() || !freed.is_empty() {
            self.send_to_policy();
        }
        self.to_policy.under_way = None;
        if !self.load.turns.is_empty() {
            self.send_batch(ctx);
        }
    }

    /// Past the mailbox's capacity: one message a commit, and a lost one would be a wrong count.
    #[allow(clippy::disallowed_methods)]
    fn count(&mut self, tally: Tally) {
        self.uncounted.add(tally);
        let Some(metrics) = self.metrics.address().filter(|metrics| metrics.connected()) else { return };
        if !self.uncounted.is_empty() {
            metrics.do_send(Counted(std::mem::take(&mut self.uncounted)));
        }
    }

    /// Past the mailbox's capacity: every ask belongs to a workflow's turn, so that their number is bounded; and what is
    /// settled must not be lost. If the policy actor is dead, the replies are dropped with the message, and who waits is
    /// told; what was settled is in the journal, which the next one reads once it is found here.
    #[allow(clippy::disallowed_methods)]
    fn send_to_policy(&mut self) {
        let told = std::mem::take(&mut self.to_policy);
        if let Some(policy) = self.policy.address() {
            policy.do_send(told);
        }
    }

    fn send_batch(&mut self, ctx: &mut Context<Self>) {
        let id = self.next_batch;
        self.next_batch += 1;
        let (load, waiting) = (self.spare.0.pop().unwrap_or_default(), self.spare.1.pop().unwrap_or_default());
        self.in_flight.insert(id, std::mem::replace(&mut self.waiting, waiting));
        let load = std::mem::replace(&mut self.load, load);
        let lane = ctx.address().recipient();
        if let Err(batch) = self.journal.append(Batch { id, load, lane }) {
            let gone = StoreError::Failed { why: "the journal's thread is gone".into() };
            self.appended(Appended { id: batch.id, results: Err(gone), emptied: Load::default() });
        }
    }

    /// Keeps the room of a batch for one to come.
    fn keep(&mut self, load: Load, waiting: Vec<Waiting>) {
        let (loads, waits) = &mut self.spare;
        if loads.len() < SPARE
            && load.turns.capacity() <= limits::COMMIT_TURNS
            && load.turns.is_empty()
            && load.told.is_empty()
        {
            loads.push(load);
        }
        if waits.len() < SPARE && waiting.capacity() <= limits::COMMIT_TURNS {
            waits.push(waiting);
        }
    }

    fn appended(&mut self, Appended { id, results, emptied }: Appended) {
        let mut waiting = self.in_flight.remove(&id).unwrap_or_default();
        let error = results.as_ref().err().cloned();
        let mut results = results.unwrap_or_default().into_iter();
        let lost = || StoreError::Failed { why: "the store answered for fewer turns than it was given".into() };
        let mut counted = Tally::default();
        let mut replies = Vec::with_capacity(waiting.len());
        for Waiting { ask, freed, tally, reply } in waiting.drain(..) {
            let result = match (&error, results.next()) {
                (Some(error), _) => Err(AppendError::Store(error.clone())),
                (None, Some(result)) => result.map_err(AppendError::Conflict),
                (None, None) => Err(AppendError::Store(lost())),
            };
            if let Some(ask) = ask {
                self.settle(ask, result.as_ref().ok().map(|placed| placed.first));
            }
            if result.is_ok() {
                let tells = ask.is_some() || !freed.is_empty();
                // Before it is answered, so that nobody finds all at rest between this and who goes on by it.
                if tells && self.to_policy.under_way.is_none() {
                    self.to_policy.under_way = Some(self.life.under_way());
                }
                self.to_policy.freed.extend(freed);
                counted.add(tally);
            }
            replies.push((reply, result));
        }
        self.keep(emptied, waiting);
        // Counted before it is answered: who has the answer finds it counted.
        self.count(counted);
        for (reply, result) in replies {
            // A workflow that died meanwhile is read anew behind the fence.
            let _ = reply.send(result);
        }
    }

    fn settle(&mut self, ask: AskId, committed: Option<u64>) {
        self.void.remove(&ask);
        if self.asked.remove(&ask).is_some() {
            self.to_policy.settled.push((ask, committed));
        }
    }
}

impl Actor for Lane {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.way_back = Some(Arc::new(ctx.address().recipient()));
        ctx.spawn(self.shard.other_is_gone().into_actor(self).map(|(), _, ctx| ctx.stop()));
    }
}

impl Handler<Append> for Lane {
    type Result = ();
    fn handle(&mut self, message: Append, ctx: &mut Self::Context) {
        self.life.maybe(FaultPoint::LaneAppend);
        let Append { turn, told, ask, freed, tally, reply } = message;
        if let Some(ask) = ask.filter(|ask| self.void.contains(ask)) {
            self.settle(ask, None);
            self.flush_later(ctx);
            let why = "what it was granted is void: the policies were read anew".into();
            // Its workflow is read anew, and whoever asked is told.
            let _ = reply.send(Err(AppendError::Store(StoreError::Failed { why })));
            return;
        }
        self.load.turns.push(turn);
        self.load.told.push(Some(told));
        self.waiting.push(Waiting { ask, freed, tally, reply });
        self.flush_later(ctx);
    }
}

impl Handler<AskPolicy> for Lane {
    type Result = ();
    fn handle(&mut self, message: AskPolicy, ctx: &mut Self::Context) {
        let AskPolicy { correlation, ask, reply } = message;
        self.asked.insert(ask.id, correlation);
        self.unanswered.insert(ask.id, reply);
        let way_back = WayBack { ask: ask.id, lane: self.way_back.clone() };
        self.to_policy.asks.push((ask, way_back));
        self.flush_later(ctx);
    }
}

impl Handler<FromPolicy> for Lane {
    type Result = ();
    fn handle(&mut self, FromPolicy(answers): FromPolicy, _: &mut Self::Context) {
        for (ask, ruling) in answers {
            // Without a ruling the reply is dropped, which tells its workflow. Should that have died, its shard has the
            // reservation given up behind the fence.
            let reply = self.unanswered.remove(&ask);
            let _ = ruling.and_then(|ruling| reply?.send(ruling).ok());
        }
    }
}

impl Handler<GiveUp> for Lane {
    type Result = ();
    fn handle(&mut self, GiveUp(ask): GiveUp, ctx: &mut Self::Context) {
        self.settle(ask, None);
        self.flush_later(ctx);
    }
}

impl Handler<Fence> for Lane {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, Fence { correlation }: Fence, ctx: &mut Self::Context) -> Self::Result {
        self.flush(ctx);
        let passed = self.journal.fence().into_actor(self);
        Box::pin(passed.map(move |_, lane, ctx| {
            // The results of everything before the fence came before it; what is still open will never be appended.
            ctx.notify(Abandon(correlation));
            lane.flush_later(ctx);
        }))
    }
}

impl Handler<Void> for Lane {
    type Result = ();
    fn handle(&mut self, _: Void, ctx: &mut Self::Context) {
        // What was gathered is handed to the journal, and so lies before the fence.
        self.flush(ctx);
        let is_granted = |ask: &&AskId| !self.unanswered.contains_key(*ask);
        self.void.extend(self.asked.keys().filter(is_granted));
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Abandon(CorrelationId);

impl Handler<Abandon> for Lane {
    type Result = ();
    fn handle(&mut self, Abandon(correlation): Abandon, ctx: &mut Self::Context) {
        let open: Vec<AskId> =
            self.asked.iter().filter(|(_, whose)| **whose == correlation).map(|(ask, _)| *ask).collect();
        open.into_iter().for_each(|ask| self.settle(ask, None));
        self.flush_later(ctx);
    }
}

impl Handler<Appended> for Lane {
    type Result = ();
    fn handle(&mut self, message: Appended, ctx: &mut Self::Context) {
        self.life.maybe(FaultPoint::LaneAppended);
        self.appended(message);
        self.flush_later(ctx);
    }
}

impl Handler<Flush> for Lane {
    type Result = ();
    fn handle(&mut self, _: Flush, ctx: &mut Self::Context) {
        self.flush(ctx);
    }
}
