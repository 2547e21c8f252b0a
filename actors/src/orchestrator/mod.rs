//! The orchestrator: a root that supervises all parts, and the shards, each of which supervises its workflows.
//!
//! A shard admits, wakes, passivates and revives; it is the only one that sends to a workflow. What it has handed over it
//! keeps until it is answered: after a death it hands the same over again, and ids make that safe.

mod admit;
mod answer;
mod effects;
mod idle;
mod reason;
mod results;
mod revive;
mod root;
mod shard_part;
mod slot;
mod wake;

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures::future::AbortHandle;
use regie_core::event::{CorrelationId, Status};
use regie_core::limits;
use regie_core::workflow::EffectKey;
use tokio::sync::oneshot;

use crate::agent::Agents;
use crate::awaited::{Awaited, Awaits};
use crate::busy::Busy;
use crate::entry::{Entry, Router};
use crate::faults::FaultPoint;
use crate::life::{Life, Twin};
use crate::metrics::ShardView;
use crate::post::Post;
use crate::reasoner::Reasoners;
use crate::timers::Timers;
use crate::workflow::{Gone, Links, Report, Reported, WorkflowView};
use results::Results;
pub use root::{Part, Raise, Reins, Root};
pub use shard_part::{ShardSpec, Told};
use slot::Slot;

/// How many workflows a shard keeps, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Workflows that one shard keeps in memory.
    pub live: usize,
    /// How long one may be idle.
    pub idle: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        Self { live: limits::LIVE_WORKFLOWS, idle: limits::IDLE }
    }
}

/// What somebody wants to know of a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// How it ends, once it does.
    End,
    /// How it stands now.
    Look,
    /// The same with its definition's own state, which is serialised for that on its shard.
    Whole,
    /// How it ended, if that is in memory still.
    Kept,
    /// The same, and that is forgotten.
    Forget,
}

/// Asks for a workflow's end, or how it stands.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AwaitEnd {
    /// Whose.
    pub correlation: CorrelationId,
    /// What is wanted of it.
    pub wanted: Wanted,
    /// Where the answer goes; dropped if it cannot be told.
    pub reply: oneshot::Sender<WorkflowView>,
}

/// Answered once the shard is up, and its mailbox is as large as it must be: until then actix gives it 16 places.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Up;

impl Handler<Up> for Shard {
    type Result = ();
    fn handle(&mut self, _: Up, _: &mut Self::Context) {}
}

/// What a shard needs of the rest of the system.
#[derive(Clone)]
pub struct Neighbours {
    /// The timers.
    pub timers: Post<Addr<Timers>>,
    /// The agents.
    pub agents: Agents,
    /// The reasoners.
    pub reasoners: Reasoners,
    /// Whether questions that are owed go out to them.
    pub asks: bool,
    /// The way to all shards.
    pub router: Router,
    /// Counts what is under way.
    pub busy: Busy,
}

/// Which correlations the journal may know.
#[derive(Clone, Debug)]
pub enum Directory {
    /// Those of these hashes: what is not among them is new, and needs no look.
    Known(HashSet<u64>),
    /// Any, of a shard that was restarted: each is looked up, once the index covers this position.
    Any(u64),
}

/// One shard.
pub struct Shard {
    links: Rc<Links>,
    neighbours: Neighbours,
    keep: Keep,
    view: Arc<ShardView>,
    /// Boxed: half of a table is empty.
    slots: HashMap<CorrelationId, Box<Slot>>,
    directory: Directory,
    /// Who left memory before the index covered them, and up to where it must be to be read.
    left: HashMap<CorrelationId, u64>,
    /// Live ones, in the order in which they will be looked at when there are too many.
    ring: VecDeque<CorrelationId>,
    /// How many in the ring have left already.
    left_ring: usize,
    to_wake: VecDeque<CorrelationId>,
    waking: usize,
    /// Workflows that could not be read, for another reason than one that passes.
    unreadable: u64,
    /// Agents' calls and sends under way, by whose they are.
    out: HashMap<CorrelationId, HashMap<EffectKey, AbortHandle>>,
    /// Questions to reasoners under way, by whose they are, and the events that they are about.
    asked: HashMap<CorrelationId, HashSet<u64>>,
    /// Who waits until an event is judged that reasoners are asked about, by correlation and the event's sequence.
    judgements: HashMap<CorrelationId, HashMap<u64, Vec<(Entry, Status)>>>,
    /// Who waits for the end of an event, by correlation and the event's sequence.
    event_ends: HashMap<CorrelationId, HashMap<u64, Vec<Entry>>>,
    /// Who waits for the end of a workflow.
    work_ends: HashMap<CorrelationId, Vec<oneshot::Sender<WorkflowView>>>,
    /// How workflows ended that are over.
    results: Results,
    /// Numbers for lives and for tasks.
    next_epoch: u64,
    next_ticket: u64,
    /// Ends of what is out, answers to its own commands, reads.
    awaited: Awaited<Self>,
    life: Life,
    /// The lane: one does not go on without the other.
    lane: Twin,
}

impl Shard {
    /// An empty shard.
    pub fn new(
        links: Rc<Links>,
        neighbours: Neighbours,
        keep: Keep,
        (view, directory): (Arc<ShardView>, Directory),
        (life, lane): (Life, Twin),
    ) -> Self {
        Self {
            links,
            neighbours,
            keep,
            view,
            slots: HashMap::new(),
            directory,
            left: HashMap::new(),
            ring: VecDeque::new(),
            left_ring: 0,
            to_wake: VecDeque::new(),
            waking: 0,
            unreadable: 0,
            out: HashMap::new(),
            asked: HashMap::new(),
            judgements: HashMap::new(),
            event_ends: HashMap::new(),
            work_ends: HashMap::new(),
            results: Results::default(),
            next_epoch: 1,
            next_ticket: 1,
            awaited: Awaited::default(),
            life,
            lane,
        }
    }
}

impl Actor for Shard {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Admission bounds what comes; the mailbox must not be what refuses.
        ctx.set_mailbox_capacity(4 * limits::ADMISSION + limits::EFFECTS_IN_FLIGHT);
        self.begin_to_await(ctx);
        ctx.spawn(self.lane.other_is_gone().into_actor(self).map(|(), _, ctx| ctx.stop()));
        ctx.run_interval((self.keep.idle / 4).max(Duration::from_millis(50)), |shard, _| shard.let_idle_go());
    }
}

impl Awaits for Shard {
    fn awaited(&mut self) -> &mut Awaited<Self> {
        &mut self.awaited
    }
}

impl Handler<Entry> for Shard {
    type Result = ();

    fn handle(&mut self, entry: Entry, _: &mut Self::Context) {
        self.life.maybe(FaultPoint::ShardEntry);
        self.enter(entry);
    }
}

impl Handler<Reported> for Shard {
    type Result = ();

    fn handle(&mut self, Reported { correlation, epoch, report }: Reported, _: &mut Self::Context) {
        self.life.maybe(FaultPoint::ShardReport);
        if self.slots.get(&correlation).is_none_or(|slot| slot.epoch != epoch) {
            return; // of an earlier life: what it committed is found in the journal
        }
        match report {
            Report::Turn { outcomes, effects, questions, due, position, ended, judged, still_owed, over, run_end } => {
                // Timers are set and effects let out before anybody is answered: who then waits for rest finds them.
                self.advance(&correlation, position, due);
                self.run_ended(&correlation, run_end, over.as_deref());
                if let Some(still_owed) = still_owed {
                    self.give_up_calls(&correlation, &still_owed);
                }
                self.let_out(&correlation, effects);
                self.are_asked_no_more(&correlation, &judged);
                self.ask_reasoners(&correlation, questions);
                self.outcomes(&correlation, outcomes);
                self.tell_judged(&correlation, &judged);
                self.tell_ended(&correlation, &ended);
                if let Some(view) = over {
                    self.tell_over(&correlation, &view);
                }
                self.leave_if_over(&correlation);
            }
            Report::Failed { outcomes } => {
                self.outcomes(&correlation, outcomes);
                if let Some(slot) = self.slots.get_mut(&correlation) {
                    slot.stale = true;
                }
            }
            Report::Died { ticket, error } => {
                if let Some(slot) = self.slots.get_mut(&correlation) {
                    slot.blame(ticket, error);
                }
            }
        }
        self.show();
    }
}

impl Handler<Gone> for Shard {
    type Result = ();

    fn handle(&mut self, Gone { correlation, epoch }: Gone, _: &mut Self::Context) {
        self.gone(&correlation, epoch);
    }
}

impl Handler<AwaitEnd> for Shard {
    type Result = ();

    fn handle(&mut self, message: AwaitEnd, _: &mut Self::Context) {
        self.await_end(message);
    }
}
