//! Owns the state of the policies that hold any. One mailbox, so that of N racing events of one key one goes on.
//!
//! Should its rules panic, or a lane die with what it had asked for, it forgets everything and reads its state anew from
//! the journal, behind a fence; so does the actor that comes after one that died. Who asks meanwhile waits. What was granted
//! before and is not appended yet is void: each lane is told so before the fence, so that nothing commits on a grant that is
//! forgotten.

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use futures::future::{join_all, ready};
use regie_core::event::CorrelationId;
use regie_core::governance::{Ask, AskId, Governor, PolicySet, Promise, Ruling, Settled};
use regie_core::limits;
use regie_core::workflow::{Command, Record};
use regie_journal::{Reader, StoreError};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use crate::awaited::{Awaited, Awaits};
use crate::busy::{Busy, UnderWay};
use crate::clock::Clock;
use crate::entry::{Entry, Places, Router, Until, Work};
use crate::faults::FaultPoint;
use crate::in_force::{EnactError, InForce};
use crate::journal::JournalHandle;
use crate::lane::{FreedPlace, FromPolicy, ToPolicy, Void, WayBack, answer_lane};
use crate::life::Life;
use crate::pool::ReaderPool;
use crate::refused::Reason;

/// How soon a state that could not be read is read again.
const AGAIN: Duration = Duration::from_millis(200);

/// The actor.
pub struct Policy {
    /// None while it is read anew.
    governor: Option<Governor>,
    enacts: Arc<watch::Sender<Arc<InForce>>>,
    /// Whether a set is about to come into force.
    enacting: bool,
    clock: Clock,
    journal: JournalHandle,
    readers: ReaderPool,
    lanes: watch::Receiver<Places<Void>>,
    router: Router,
    busy: Busy,
    /// Those who are told to come back, until a while after that has ended: who is told again and again holds the actor. With
    /// each, whether it is to be told again meanwhile, which is counted as under way.
    called: HashMap<(CorrelationId, u64), Option<UnderWay>>,
    /// Places that were freed while there was no state: the reading may lack that.
    freed_late: Vec<FreedPlace>,
    unanswered: HashMap<AskId, WayBack>,
    /// Who only wants to know. Their ids are taken from the end: those of the shards begin at the other.
    checks: HashMap<AskId, oneshot::Sender<Ruling>>,
    /// How many wanted to know so far.
    checked: u64,
    /// Answers that go back together, each to its lane.
    answers: Vec<(WayBack, AskId, Ruling)>,
    /// Asks that were answered here, and are not settled.
    holding: HashSet<AskId>,
    /// Asks that came while the state is read.
    waiting: Vec<(Ask, WayBack)>,
    /// How often it was read anew: only the latest reading counts, for an earlier one lacks what committed since.
    readings: u64,
    life: Life,
    /// Answers of those who were called back. Last, so that its end is told before what these count as under way is over.
    awaited: Awaited<Self>,
}

/// What the rules of the policies need from outside.
#[derive(Clone)]
pub struct Sources {
    /// Tells all others which policies are in force.
    pub enacts: Arc<watch::Sender<Arc<InForce>>>,
    /// What tells the time.
    pub clock: Clock,
    /// What the state is read behind.
    pub journal: JournalHandle,
    /// What it is read with.
    pub readers: ReaderPool,
    /// The lanes, each of which holds grants.
    pub lanes: watch::Receiver<Places<Void>>,
    /// The way to those who waited and have a place now.
    pub router: Router,
    /// Counts what is under way.
    pub busy: Busy,
}

impl Policy {
    /// Over the state that the journal gave; without one it is read first.
    pub fn new(governor: Option<Governor>, sources: Sources, life: Life) -> Self {
        let Sources { enacts, clock, journal, readers, lanes, router, busy } = sources;
        Self {
            governor,
            enacts,
            enacting: false,
            clock,
            journal,
            readers,
            lanes,
            router,
            busy,
            called: HashMap::new(),
            freed_late: Vec::new(),
            unanswered: HashMap::new(),
            checks: HashMap::new(),
            checked: 0,
            answers: Vec::new(),
            holding: HashSet::new(),
            awaited: Awaited::default(),
            waiting: Vec::new(),
            readings: 0,
            life,
        }
    }

    /// Lets the rules work, and answers those whom they answer.
    fn think(&mut self, ctx: &mut Context<Self>, rules: impl FnOnce(&mut Governor) -> Vec<Settled>) {
        let mut settled = VecDeque::from(self.decide(ctx, rules));
        while let Some((ask, ruling)) = settled.pop_front() {
            if let Some(reply) = self.checks.remove(&ask) {
                let _ = reply.send(ruling); // who asked may have gone
                // Who only wanted to know gives back at once what it would have been granted.
                let now = self.clock.now();
                settled.extend(self.decide(ctx, |governor| governor.forget(ask, now)));
                continue;
            }
            self.holding.insert(ask);
            if let Some(way_back) = self.unanswered.remove(&ask) {
                self.answers.push((way_back, ask, ruling));
            }
        }
    }

    /// Should the rules panic, their state is read anew.
    fn decide(&mut self, ctx: &mut Context<Self>, rules: impl FnOnce(&mut Governor) -> Vec<Settled>) -> Vec<Settled> {
        let Some(governor) = &mut self.governor else { return Vec::new() };
        catch_unwind(AssertUnwindSafe(|| rules(governor))).unwrap_or_else(|_| {
            tracing::error!("the policies' state panicked; it is read anew");
            self.read_anew(ctx);
            Vec::new()
        })
    }

    /// One message a lane: answers cross threads gathered.
    fn send_answers(&mut self) {
        type Gathered = (Arc<Recipient<FromPolicy>>, Vec<(AskId, Option<Ruling>)>);
        let mut gathered: Vec<Gathered> = Vec::new();
        for (way_back, ask, ruling) in self.answers.drain(..) {
            let Some(lane) = way_back.lane() else { continue };
            let answer = (ask, Some(ruling));
            match gathered.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &lane)) {
                Some((_, answers)) => answers.push(answer),
                None => gathered.push((lane, vec![answer])),
            }
        }
        gathered.into_iter().for_each(|(lane, answers)| answer_lane(&lane, FromPolicy(answers)));
    }

    fn read_anew(&mut self, ctx: &mut Context<Self>) {
        self.governor = None;
        self.readings += 1;
        let this = self.readings;
        // Whoever waits is told by the loss of the way back.
        self.unanswered.clear();
        self.answers.clear();
        self.checks.clear();
        self.holding.clear();
        let (journal, readers, set) =
            (self.journal.clone(), self.readers.clone(), Arc::clone(&self.enacts.borrow().set));
        let lanes = Arc::clone(&self.lanes.borrow());
        let void = join_all(lanes.iter().flatten().map(|lane| lane.send(Void)).collect::<Vec<_>>());
        let read = async move {
            let _ = void.await; // a lane that is dead appends nothing
            // Set up only now: what the lanes handed over when they were told must lie before it.
            let _ = journal.fence().await;
            readers.run(move |reader| read_governor(&set, reader)).await
        };
        ctx.spawn(read.into_actor(self).map(move |governor, policy, ctx| match governor {
            _ if policy.readings != this => {}
            Ok(governor) => {
                policy.governor = Some(governor);
                let late = std::mem::take(&mut policy.freed_late);
                policy.free(late, ctx);
                let waiting = std::mem::take(&mut policy.waiting);
                policy.ask_all(waiting, ctx);
            }
            Err(error) => {
                policy.waiting.clear(); // it may take long: they are told
                tracing::error!(%error, "the policies' state cannot be read; it is tried again");
                ctx.run_later(AGAIN, |policy, ctx| policy.read_anew(ctx));
            }
        }));
    }

    fn ask_all(&mut self, asks: Vec<(Ask, WayBack)>, ctx: &mut Context<Self>) {
        for (ask, reply) in asks {
            // Within this very loop the rules may panic: who comes after waits for what is read then.
            if self.governor.is_none() {
                self.waiting.push((ask, reply));
                continue;
            }
            self.unanswered.insert(ask.id, reply);
            let now = self.clock.now();
            self.think(ctx, |governor| governor.ask(ask, now).into_iter().collect());
        }
        self.life.maybe(FaultPoint::PolicyGranted);
        self.send_answers();
        self.keep_promises(ctx);
    }

    /// Places are free again; told twice is once.
    fn free(&mut self, freed: Vec<FreedPlace>, ctx: &mut Context<Self>) {
        for place in freed {
            // Within this very loop the rules may panic.
            if self.governor.is_none() {
                self.freed_late.push(place);
                continue;
            }
            let (FreedPlace { policy, key, who }, now) = (place, self.clock.now());
            self.think(ctx, |governor| governor.freed(&policy, &key, &who, now));
        }
    }

    /// Tells those who waited and have a place now to come back.
    fn keep_promises(&mut self, ctx: &mut Context<Self>) {
        let promises = self.governor.as_mut().map(Governor::take_promises).unwrap_or_default();
        if promises.is_empty() {
            return;
        }
        let (router, under_way) = (self.router.clone(), self.busy.begin());
        let up = async move { router.up().await }; // at a start there are no shards yet
        ctx.spawn(up.into_actor(self).map(move |(), policy, _| {
            let _until_told = under_way;
            promises.into_iter().for_each(|promise| policy.call_back(promise));
        }));
    }

    /// One is told again and again until it is taken: one that has come back already, or has no place after all, is passed
    /// over or waits on.
    fn call_back(&mut self, promise: Promise) {
        let who = (promise.correlation.clone(), promise.event);
        if let Some(again) = self.called.get_mut(&who) {
            again.get_or_insert_with(|| self.busy.begin());
            return;
        }
        self.called.insert(who.clone(), None);
        let (reply, answer) = oneshot::channel();
        self.router.send(Entry {
            correlation: promise.correlation.clone(),
            work: Work::Command(Arc::new(Command::Return { event: promise.event })),
            as_of: (!self.clock.fires()).then(|| self.clock.now()),
            until: Until::Judged,
            reply: Some(reply),
            since: Instant::now(),
            permit: None, // bounded by what keys may have waiting
            under_way: Some(self.busy.begin()),
        });
        self.awaited.push(answer, move |answer, policy, _| {
            // Lost with a shard that died, or refused for a reason that passes.
            let passes = match &answer {
                Err(_) => true,
                Ok(answer) => answer.as_ref().is_err_and(Reason::is_passing),
            };
            let closing = matches!(answer, Ok(Err(Reason::Closing)));
            let under_way = passes.then(|| policy.busy.begin());
            policy.awaited.push(sleep(AGAIN), move |(), policy, _| {
                let told_again = policy.called.remove(&who).flatten();
                if passes || closing || told_again.is_some() {
                    policy.call_back(promise);
                }
                drop((under_way, told_again));
            });
        });
    }

    /// What became of asks; whoever waited for that is asked again once for all of them.
    fn settle(&mut self, settled: Vec<(AskId, Option<u64>)>, ctx: &mut Context<Self>) {
        let (mut known, now) = (Vec::with_capacity(settled.len()), self.clock.now());
        for (ask, committed) in settled {
            if self.unanswered.remove(&ask).is_some() {
                self.think(ctx, |governor| governor.forget(ask, now));
            } else if self.holding.remove(&ask) {
                known.push((ask, committed));
            } else {
                // Of one who was here before: if it commits, it lies before the fence and is read.
                self.waiting.retain(|(other, _)| other.id != ask);
            }
        }
        self.think(ctx, |governor| governor.settle_all(&known, now));
    }
}

impl Actor for Policy {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.begin_to_await(ctx);
        if self.governor.is_none() {
            return self.read_anew(ctx);
        }
        self.keep_promises(ctx);
    }
}

impl Awaits for Policy {
    fn awaited(&mut self) -> &mut Awaited<Self> {
        &mut self.awaited
    }
}

impl Handler<ToPolicy> for Policy {
    type Result = ();

    fn handle(&mut self, told: ToPolicy, ctx: &mut Self::Context) {
        let ToPolicy { asks, settled, freed, forget, under_way: _until_told } = told;
        self.life.maybe(FaultPoint::PolicyTold);
        if forget {
            self.waiting.clear(); // who of them belongs to the dead lane would never settle; the others are told
        }
        self.settle(settled, ctx);
        self.free(freed, ctx);
        if forget {
            self.read_anew(ctx);
        }
        self.ask_all(asks, ctx);
    }
}

/// Puts a set in force: what is judged from now on is judged by it.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), EnactError>")]
pub struct Enact(pub Arc<InForce>);

impl Handler<Enact> for Policy {
    type Result = ResponseActFuture<Self, Result<(), EnactError>>;

    /// What the new policies have granted in earlier days is read before anybody asks them; of the others the state is at
    /// hand, and goes on as it is.
    fn handle(&mut self, Enact(set): Enact, _: &mut Self::Context) -> Self::Result {
        if self.governor.is_none() || self.enacting {
            return Box::pin(ready(Err(EnactError::Busy)).into_actor(self));
        }
        self.enacting = true;
        self.governor.iter_mut().for_each(Governor::begins_to_learn);
        let (readers, named, readings) = (self.readers.clone(), Arc::clone(&set.set), self.readings);
        let read = async move { readers.run(move |reader| read_governor(&named, reader)).await };
        Box::pin(read.into_actor(self).map(move |read, policy, ctx| {
            policy.enacting = false;
            // Read anew meanwhile, perhaps: then what was read here is not all.
            if policy.governor.is_none() || policy.readings != readings {
                return Err(EnactError::Busy);
            }
            match read {
                Ok(read) => {
                    let now = policy.clock.now();
                    policy.think(ctx, |governor| governor.learn(read, now));
                }
                Err(error) => {
                    policy.governor.iter_mut().for_each(Governor::learns_nothing);
                    return Err(error.into());
                }
            }
            policy.enacts.send_replace(set);
            policy.send_answers();
            policy.keep_promises(ctx); // a limit may be wider now
            Ok(())
        }))
    }
}

/// What the policies with state would say to an ask now. Nothing is granted: what it would have got is given back at once.
/// Nothing comes back while their state is being read.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Option<Ruling>")]
pub struct Check(pub Ask);

impl Handler<Check> for Policy {
    type Result = ResponseActFuture<Self, Option<Ruling>>;

    fn handle(&mut self, Check(mut ask): Check, ctx: &mut Self::Context) -> Self::Result {
        if self.governor.is_none() {
            return Box::pin(ready(None).into_actor(self));
        }
        ask.id = AskId(u64::MAX - self.checked);
        self.checked += 1;
        let (reply, ruling) = oneshot::channel();
        self.checks.insert(ask.id, reply);
        let now = self.clock.now();
        self.think(ctx, |governor| governor.ask(ask, now).into_iter().collect());
        self.send_answers();
        self.keep_promises(ctx);
        Box::pin(ruling.into_actor(self).map(|ruling, _, _| ruling.ok()))
    }
}

/// The state of the policies: what the index has folded, and what came after.
///
/// # Errors
/// If the journal cannot be read.
pub fn read_governor(set: &PolicySet, reader: &mut Reader) -> Result<Governor, StoreError> {
    // Also of a set that holds no state: who waits at a limit of earlier days is to come back.
    let mut governor = Governor::new(set);
    let grants = reader.grants()?;
    grants.tell(&mut governor);
    let mut position = grants.position;
    loop {
        let rows = reader.rows_after(position, limits::COMMIT_TURNS)?;
        let Some(last) = rows.last() else {
            governor.was_read_to(position);
            return Ok(governor);
        };
        position = last.last();
        for row in &rows {
            let mut correlation = None;
            for record in &row.records {
                let record =
                    Record::decode(&record.bytes).map_err(|error| StoreError::Damaged { why: error.to_string() })?;
                if !Governor::cares_for(&record) {
                    continue;
                }
                let name = match correlation.take() {
                    Some(name) => name,
                    None => reader.name(row.number)?.ok_or_else(|| nameless(row.number))?,
                };
                governor.replay(&name, &record);
                correlation = Some(name);
            }
        }
    }
}

fn nameless(number: u64) -> StoreError {
    StoreError::Damaged { why: format!("correlation #{number} has no name") }
}
