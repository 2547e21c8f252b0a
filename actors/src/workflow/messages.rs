//! What a workflow and its shard tell each other.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::prelude::*;
use regie_core::event::{CorrelationId, EventResult, Incoming, LifeState};
use regie_core::governance::AskId;
use regie_core::reasoning::Ask;
use regie_core::workflow::{Command, Definitions, Effect, EffectKey, Parked, Poison, RunStatus};
use regie_core::{Json, Timestamp};

use crate::automation::CurrentRules;
use crate::clock::Clock;
use crate::entities::Entities;
use crate::faults::Faults;
use crate::in_force::Current;
use crate::index::IndexHandle;
use crate::journal::JournalHandle;
use crate::lane::Lane;
use crate::pool::ReaderPool;
use crate::refused::Reason;
use crate::watchdog::Holder;

/// What all workflows of one shard share.
pub struct Links {
    /// The way to the journal and the policies.
    pub lane: Addr<Lane>,
    /// Where turns are reported.
    pub shard: Recipient<Reported>,
    /// Where the end of a life is reported.
    pub shard_gone: Recipient<Gone>,
    /// What tells the time.
    pub clock: Clock,
    /// The handlers.
    pub definitions: Arc<Definitions>,
    /// The policies in force.
    pub in_force: Current,
    /// The rules in force.
    pub rules: CurrentRules,
    /// What may be seen of the journal.
    pub journal: JournalHandle,
    /// Where snapshots go.
    pub index: Option<IndexHandle>,
    /// Where older identities are looked up.
    pub readers: ReaderPool,
    /// What is known of entities that conditions look at.
    pub entities: Entities,
    /// Numbers for asks: unique over all shards, since each has its own residue.
    pub next_ask: Cell<u64>,
    /// How far the next number is.
    pub ask_stride: u64,
    /// Who decides here now.
    pub holder: Holder,
    /// Faults on purpose, for tests.
    pub faults: Faults,
}

impl Links {
    /// The position of the journal's last record.
    pub fn head(&self) -> u64 {
        self.journal.view().position.load(Ordering::Acquire)
    }

    /// Whether the journal is latched: it takes nothing more in this process, and what is owed goes out with the next.
    pub fn is_latched(&self) -> bool {
        self.journal.view().latched.load(Ordering::Acquire)
    }

    /// A number for an ask.
    pub fn ask_id(&self) -> AskId {
        let id = self.next_ask.get();
        self.next_ask.set(id + self.ask_stride);
        AskId(id)
    }
}

/// What a workflow is to do.
#[derive(Clone, Debug)]
pub enum Task {
    /// Take a command.
    Command(Arc<Command>),
    /// Take what is due, and let go out again what is owed and not under way.
    Due,
    /// Tell how it stands, with the handler's own state if it is to be whole.
    Look {
        /// Whether it is.
        whole: bool,
    },
}

/// A task with the shard's number for it.
#[derive(Clone, Debug)]
pub struct Item {
    /// The shard's number.
    pub ticket: u64,
    /// What to do.
    pub task: Task,
    /// In event time, when it entered.
    pub as_of: Option<Timestamp>,
    /// Whether it was there when the workflow died, and so is taken by itself.
    pub alone: bool,
    /// Set once it has killed the workflow too often.
    pub poison: Option<Poison>,
    /// Whether the ticket is answered by a later item of the same ticket.
    pub more_follow: bool,
    /// Whether a part of it was taken in an earlier turn of this life.
    pub begun: bool,
}

/// Hands over a task.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Deliver(pub Item);

/// Leave memory. Sent to an idle workflow alone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Leave;

/// What became of a task.
#[derive(Debug)]
pub enum Outcome {
    /// The event is recorded, at this sequence.
    Recorded(Box<EventResult>, u64),
    /// Work that is no submit is done.
    Done,
    /// The event is known since that position and sequence, and is in that state now.
    Known {
        /// The position of the record that received it.
        position: u64,
        /// The sequence of that record; 0 where only the index knew it.
        sequence: u64,
        /// The state that it is in; none where only the index knew it.
        state: Option<LifeState>,
        /// Whether it is this very task that made it known, in an earlier turn.
        new: bool,
    },
    /// How the workflow stands.
    View(Box<WorkflowView>),
    /// It was not taken.
    Refused(Reason),
}

/// How a workflow stands.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkflowView {
    /// The sequence of its last record; 0 where there is none.
    pub sequence: u64,
    /// Whether the piece of work is over.
    pub ended: bool,
    /// The handler's run, if one took over.
    pub run: Option<RunView>,
    /// Events whose life is not over.
    pub open: Vec<OpenView>,
    /// What it owes to the outside.
    pub owed: Vec<EffectKey>,
}

/// A handler's run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunView {
    /// The definition's name.
    pub definition: String,
    /// Its version.
    pub version: u32,
    /// How it stands.
    pub status: RunStatus,
    /// Whether nothing of it goes out for now.
    pub paused: bool,
    /// What of it waits for a person, since longest first.
    pub parked: Vec<Parked>,
    /// The handler's own state, where it was asked for and this program has the definition.
    pub state: Option<Json>,
}

/// What the records of a turn mean for whoever waits for the run's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Nothing.
    No,
    /// It is over now.
    Over,
    /// It goes on after it was over.
    GoesOn,
}

/// An event whose life is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenView {
    /// The sequence of the record that received it.
    pub sequence: u64,
    /// Where it is in its life.
    pub state: LifeState,
    /// When it comes back, if it is deferred.
    pub until: Option<Timestamp>,
}

/// Reasoners that are to be asked about an event.
#[derive(Clone, Debug)]
pub struct Question {
    /// The sequence of the record that received it.
    pub event: u64,
    /// The event.
    pub incoming: Incoming,
    /// Who is asked.
    pub asks: Vec<Ask>,
}

/// What a turn came to.
#[derive(Debug)]
pub enum Report {
    /// Its records stand.
    Turn {
        /// What became of its tasks.
        outcomes: Vec<(u64, Outcome)>,
        /// Effects to let go out now.
        effects: Vec<(EffectKey, Effect)>,
        /// Reasoners to be asked now.
        questions: Vec<Question>,
        /// The next instant at which something is due; effects that are owed now are out already.
        due: Option<Timestamp>,
        /// The position of its last record; 0 where it appended none.
        position: u64,
        /// Sequences of events whose lives ended.
        ended: Vec<u64>,
        /// Sequences of events that reasoners were asked about, and that are judged now.
        judged: Vec<u64>,
        /// All that is still owed, if the run gave up something that it had under way.
        still_owed: Option<BTreeSet<EffectKey>>,
        /// How the workflow stands, if its piece of work is over now.
        over: Option<Box<WorkflowView>>,
        /// Whether its run ended in it, or goes on after that.
        run_end: Ends,
    },
    /// Nothing of it stands, and the state is to be read anew; the tasks are answered.
    Failed {
        /// What became of its tasks.
        outcomes: Vec<(u64, Outcome)>,
    },
    /// A task panicked, and was caught.
    Died {
        /// The task that did it.
        ticket: u64,
        /// What it said.
        error: String,
    },
}

/// A turn's report, and whose.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Reported {
    /// Whose.
    pub correlation: CorrelationId,
    /// In which life.
    pub epoch: u64,
    /// What it came to.
    pub report: Report,
}

/// A life is over: the actor is dropped, however that came.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Gone {
    /// Whose.
    pub correlation: CorrelationId,
    /// Which life.
    pub epoch: u64,
}

/// Tells the shard when it is dropped: the one sign of death that even a panic cannot hold back.
pub(super) struct Lifeline {
    shard: Recipient<Gone>,
    correlation: CorrelationId,
    epoch: u64,
}

impl Lifeline {
    pub(super) fn new(shard: Recipient<Gone>, correlation: CorrelationId, epoch: u64) -> Self {
        Self { shard, correlation, epoch }
    }

    pub(super) fn correlation(&self) -> &CorrelationId {
        &self.correlation
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl Drop for Lifeline {
    /// Runs while a panic unwinds, and does nothing that can fail: a message past the capacity of a mailbox, lost only
    /// with the shard itself, which then has nobody to revive.
    #[allow(clippy::disallowed_methods)]
    fn drop(&mut self) {
        self.shard.do_send(Gone { correlation: self.correlation.clone(), epoch: self.epoch });
    }
}
