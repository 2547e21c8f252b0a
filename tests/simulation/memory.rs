//! What a process has in memory, all of which a crash loses: live workflows, what they are to do, reservations, calls.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use regie_core::Timestamp;
use regie_core::entity::Update;
use regie_core::event::{CorrelationId, Event, Incoming};
use regie_core::governance::{Ask, AskId, Governor, Judgement, Promise, Ruling, Who};
use regie_core::limits;
use regie_core::reasoning::Reasoning;
use regie_core::workflow::{
    self as core, AgentOutcome, Command, EffectEnd, EffectKey, KnownEvent, Operation, Poison, Refusal, State,
};
use regie_journal::{Conflict, Placed, SetInForce, Tip};

use crate::simulation::rules::InForce;

/// An effect of a correlation.
pub(crate) type Key = (CorrelationId, EffectKey);

/// What a workflow is to do.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    Command(Arc<Command>),
    /// Take what is due, and let out again what is owed and not out.
    Due,
}

/// Who is told what became of a task.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    /// The client with that submission.
    Client(usize),
    /// Whoever has this effect's end to tell.
    End(Key),
    /// The effect that sent this event.
    Send(Key),
    Timer,
    /// The person who has decided so of an event.
    Person {
        event: u64,
        approved: bool,
    },
    /// Whoever has reasoners' words about that event to tell.
    Question(Who),
    /// The policies, which have a place for it.
    Promise(Promise),
    /// What has rules look at events, in that life of it: their run.
    Run(u64, Incoming),
    /// The subscription, in that life of it: its cursor, and how many were done with by then.
    Cursor(u64, u64, u64),
    /// The same: its letter about the delivery of that position.
    Letter(u64, u64),
    /// The effect that asked for this update.
    Update(Key),
    /// Whoever has done that to a workflow, under that id.
    Operator(Operation, String),
    /// The effect that asked for this workflow elsewhere.
    Begins(Key),
    /// The effect that has something told or done to another workflow.
    Other(Key),
    /// A repetition that nobody waits for.
    Nobody,
}

/// A task that is not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) ticket: u64,
    pub(crate) task: Task,
    pub(crate) asker: Asker,
    /// How often it was there when its workflow died.
    pub(crate) attempts: u32,
}

/// A task as it is handed to a life.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) ticket: u64,
    pub(crate) task: Task,
    pub(crate) alone: bool,
    pub(crate) poison: Option<Poison>,
    /// Whether the ticket is answered by a later item.
    pub(crate) more_follow: bool,
}

/// What became of a task.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The event is recorded by the record at this place of the turn.
    Recorded(Arc<Event>, usize),
    /// The event is known; the position is 0 if it is known since this very turn.
    Known(KnownEvent),
    Done,
    Refused(Reason),
}

/// Why a task was not taken.
#[derive(Clone, Debug)]
pub(crate) enum Reason {
    /// The journal did not take it, now.
    Store,
    Core(Refusal),
    /// Other bytes were recorded under this identity.
    OtherContent,
}

/// What one correlation has in memory.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Handed over or waiting, and not answered, in order.
    pub(crate) held: VecDeque<Held>,
    pub(crate) life: Option<Life>,
    /// After a death: the place in its lane that must be settled before it is read anew.
    pub(crate) fence: Option<u64>,
    /// What its timer was last set to.
    pub(crate) due: Option<Timestamp>,
    pub(crate) last_error: String,
}

/// A workflow in memory.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) state: State,
    /// Effects that it has let out.
    pub(crate) out: BTreeSet<EffectKey>,
    /// Events that it has had asked about.
    pub(crate) asked: BTreeSet<u64>,
    pub(crate) inbox: VecDeque<Item>,
    pub(crate) turn: Option<Turn>,
}

/// A turn under way.
#[derive(Debug)]
pub(crate) struct Turn {
    /// The policies of this turn.
    pub(crate) in_force: InForce,
    pub(crate) before: Tip,
    pub(crate) rest: VecDeque<Item>,
    pub(crate) records: Vec<core::Turn>,
    pub(crate) done: Vec<(u64, Outcome)>,
    pub(crate) ask: Option<AskId>,
    pub(crate) governed: bool,
    /// Its events that are processed by it.
    pub(crate) changes: Vec<Arc<Event>>,
    /// The rules that watch for one of them, or for a new one.
    pub(crate) watched: Option<&'static Arc<SetInForce>>,
    pub(crate) stage: Stage,
}

/// How far a turn is.
#[derive(Debug)]
pub(crate) enum Stage {
    Taking,
    /// It waits for the policies' answer.
    Asking(Box<Paused>),
    Appending,
    /// Its append is answered.
    Placed(Result<Placed, AppendError>),
}

/// A command whose judgement waits for the policies' answer.
#[derive(Debug)]
pub(crate) struct Paused {
    pub(crate) item: Item,
    pub(crate) now: Timestamp,
    pub(crate) draft: Judgement,
    /// Whether the answer has a say, or the ask just gives a place back.
    pub(crate) counts: bool,
    pub(crate) ruling: Option<Ruling>,
}

#[derive(Clone, Debug)]
pub(crate) enum AppendError {
    Store,
    Conflict(Conflict),
}

/// A turn on its way to the journal.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) turn: regie_journal::Turn,
    pub(crate) ask: Option<AskId>,
    /// Places that it frees: policy, key and holder.
    pub(crate) freed: Vec<(String, String, Who)>,
}

/// What the policies are told, in order.
#[derive(Debug)]
pub(crate) enum ToPolicies {
    Ask(Ask),
    Settle(AskId, Option<u64>),
    Freed(String, String, Who),
}

/// The way of half the correlations to the journal and the policies.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) appends: VecDeque<Append>,
    /// How many appends came to it, and how many of them are settled.
    pub(crate) came: u64,
    pub(crate) settled: u64,
    pub(crate) to_policies: VecDeque<ToPolicies>,
    /// Asks that are not settled, and whose they are.
    pub(crate) asked: BTreeMap<AskId, CorrelationId>,
}

/// An effect that is out.
#[derive(Clone, Debug)]
pub(crate) enum Out {
    /// An agent works on it.
    Call {
        ends: Timestamp,
        outcome: AgentOutcome,
    },
    /// Its event is on its way.
    Sending(Arc<str>),
    /// Its event is to be sent again.
    SendAgain(Arc<str>),
    /// An update is on its way.
    Updating(Box<Update>),
    /// It is to be asked for again.
    UpdateAgain(Box<Update>),
    /// The event that begins another workflow is on its way, or is to be sent again.
    Beginning(Arc<str>),
    BeginAgain(Arc<str>),
    /// Another workflow is told something, or is to be told again.
    Telling(CorrelationId, Arc<Command>),
    TellAgain(CorrelationId, Arc<Command>),
    /// It is to be looked up what a run changed.
    Trace,
    /// Its end has been told to its workflow.
    Ending(EffectEnd),
    /// Its end is to be told again.
    EndAgain(EffectEnd),
}

/// A question to reasoners.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// They think.
    Out { ends: Timestamp, said: Vec<Reasoning> },
    /// What they said has been told to the workflow.
    Telling(Vec<Reasoning>),
    /// It is to be told again.
    TellAgain(Vec<Reasoning>),
}

/// Other policies, of which it is read what they have granted before.
#[derive(Debug)]
pub(crate) struct Reading {
    /// When they come into force.
    pub(crate) done: Timestamp,
    pub(crate) in_force: InForce,
    /// What was read, as it stood when that began.
    pub(crate) governor: Governor,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) slots: BTreeMap<CorrelationId, Slot>,
    pub(crate) lanes: [Lane; 2],
    pub(crate) governor: Governor,
    /// Asks that the policies have not answered.
    pub(crate) unanswered: BTreeSet<AskId>,
    pub(crate) timers: BTreeMap<CorrelationId, Timestamp>,
    pub(crate) out: BTreeMap<Key, Out>,
    /// Ends that were told, to be told once more.
    pub(crate) told: Vec<(Key, EffectEnd)>,
    /// Questions by event.
    pub(crate) questions: BTreeMap<Who, Question>,
    /// What reasoners said, to be told once more.
    pub(crate) said: Vec<(Who, Vec<Reasoning>)>,
    /// Places that are free, of which their events must be told again.
    pub(crate) promises: Vec<Promise>,
    /// Policies that are about to come into force.
    pub(crate) read: Option<Reading>,
    next: u64,
}

impl Memory {
    /// Nothing but what the policies have read.
    pub(crate) fn new(governor: Governor) -> Self {
        Self { governor, ..Self::default() }
    }

    /// A number for an ask or a ticket.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn lane_of(correlation: &CorrelationId) -> usize {
        usize::from(correlation.as_bytes().last().is_some_and(|last| last % 2 == 1))
    }

    pub(crate) fn lane(&mut self, correlation: &CorrelationId) -> &mut Lane {
        &mut self.lanes[Self::lane_of(correlation)]
    }

    /// Whether an effect of this correlation is out.
    pub(crate) fn has_out(&self, correlation: &CorrelationId) -> bool {
        let asked = self.questions.keys().any(|(whose, _)| whose == correlation);
        asked || self.out.keys().any(|(whose, _)| whose == correlation)
    }
}

impl Held {
    pub(crate) fn item(&self, last_error: &str) -> Item {
        let poison = (self.attempts >= limits::POISON_ATTEMPTS)
            .then(|| Poison { attempts: self.attempts, error: last_error.to_string() });
        let (ticket, task) = (self.ticket, self.task.clone());
        Item { ticket, task, alone: self.attempts > 0, poison, more_follow: false }
    }
}

impl Life {
    pub(crate) fn new(state: State, held: &VecDeque<Held>, last_error: &str) -> Self {
        let inbox = held.iter().map(|held| held.item(last_error)).collect();
        Self { state, out: BTreeSet::new(), asked: BTreeSet::new(), inbox, turn: None }
    }
}
