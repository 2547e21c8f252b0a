//! Whatever reaches a workflow, and why it may be refused.

use super::effect::{EffectEnd, EffectKey};
use super::migrate::Migration;
use super::operation::Operation;
use super::registry::Definitions;
use crate::Timestamp;
use crate::entity::Update;
use crate::event::{EventError, Incoming, LifeState, Principal};
use crate::governance::Judgement;
use crate::reasoning::Reasoning;

/// Whatever reaches a workflow. Each is one turn, or shares one with others, and leaves one record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// An event comes in.
    Submit {
        /// The event.
        event: Incoming,
        /// Whether the runtime itself emitted it.
        emitted: bool,
    },
    /// The time of a deferred event has come.
    Return {
        /// The sequence of the record that received it.
        event: u64,
    },
    /// An owed effect ended.
    EffectEnded {
        /// Its key.
        key: EffectKey,
        /// How.
        end: EffectEnd,
    },
    /// Somebody resolves an escalated event.
    Resolve {
        /// The sequence of the record that received it.
        event: u64,
        /// Whether it may go on.
        approved: bool,
        /// Who says so.
        by: Principal,
        /// Why.
        why: String,
    },
    /// The reasoners that were asked about an event have answered, or their time was up.
    Reasoned {
        /// The sequence of the record that received it.
        event: u64,
        /// What each said.
        reasonings: Vec<Reasoning>,
    },
    /// Nobody resolved an escalated event in time.
    Lapse {
        /// The sequence of the record that received it.
        event: u64,
    },
    /// An entity is to have these values. Its turn [expands](super::expand) it into the events that tell them, each with a
    /// record of its own: it is never decided as it is.
    Update(Box<Update>),
    /// Somebody does something to the run.
    Operate {
        /// What.
        operation: Operation,
        /// Its id: asked twice is done once.
        id: String,
        /// Who.
        by: Principal,
        /// Why.
        why: String,
    },
    /// The run is to go on under another version of its definition.
    Migrate(Box<Migration>),
}

impl Command {
    /// The event that it is about, by the sequence of the record that received it; nothing for one that comes in now, or
    /// for what is about no event.
    pub fn about(&self) -> Option<u64> {
        match self {
            Command::Return { event } | Command::Lapse { event } => Some(*event),
            Command::Resolve { event, .. } | Command::Reasoned { event, .. } => Some(*event),
            Command::Submit { .. }
            | Command::EffectEnded { .. }
            | Command::Update(_)
            | Command::Operate { .. }
            | Command::Migrate(_) => None,
        }
    }
}

/// What a decision may depend on besides the state and the command.
#[derive(Debug)]
pub struct Context<'a> {
    /// When it is decided; never earlier than the time of an earlier decision.
    pub now: Timestamp,
    /// What governance says, for commands that it has a say over.
    pub judgement: Option<Judgement>,
    /// The handlers that there are.
    pub definitions: &'a Definitions,
    /// Set once the command has killed its workflow too often: it is parked with this error.
    pub poison: Option<Poison>,
}

/// Why a command is parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong at last.
    pub error: String,
}

/// Why a command left no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The event is known: its first answer stands.
    #[error("the event is known, since sequence {sequence}")]
    Known {
        /// The sequence of the record that received it.
        sequence: u64,
    },
    /// More events of the correlation are open than its state may hold.
    #[error("{open} events of this correlation are open; at most {limit} may be: resolve some first")]
    TooManyOpen {
        /// How many are open.
        open: usize,
        /// How many may be.
        limit: usize,
    },
    /// The correlation's open events hold more bytes than its state may.
    #[error("the open events of this correlation have {bytes} bytes; at most {limit} may be: resolve some first")]
    OpenTooLarge {
        /// Bytes that are open.
        bytes: usize,
        /// Bytes that may be.
        limit: usize,
    },
    /// The run's definition is not part of this program. What it owes stays owed.
    #[error(
        "the workflow runs '{name}' version {version}, which this program does not have, or which cannot read what it noted \
         itself (the log tells): run it with one that does"
    )]
    UnknownDefinition {
        /// The definition.
        name: String,
        /// Its version.
        version: u32,
    },
    /// What the command is about is over already; there is nothing to do.
    #[error("{what} is over already")]
    Over {
        /// What.
        what: String,
    },
    /// The event does not wait for a person.
    #[error("{} {event} does not wait for a decision: {}", "the event of sequence", stands(.state))]
    NotEscalated {
        /// The sequence of the record that was to have received it.
        event: u64,
        /// How it stands; nothing where it is not known here.
        state: Option<LifeState>,
    },
    /// Something that a person does, without who or why.
    #[error("who does this is kept, and why: {0}")]
    Unsigned(EventError),
    /// The id of an operation is not one.
    #[error("{0}")]
    BadId(EventError),
    /// The id of an operation was used before, for another one.
    #[error("the operation id '{id}' was used before, to {done}, and cannot be used to {asked}: take a new one")]
    OtherOperation {
        /// The id.
        id: String,
        /// What was done under it.
        done: Operation,
        /// What is asked under it now.
        asked: Operation,
    },
    /// There is no run that something could be done to.
    #[error("no workflow runs here: there is nothing to {operation}")]
    NoRun {
        /// What was to be done.
        operation: Operation,
    },
    /// The run as it stands does not allow this.
    #[error("{operation} is not possible: {why}")]
    NotNow {
        /// What was to be done.
        operation: Operation,
        /// Why not.
        why: String,
    },
    /// No event can tell what an update asks.
    #[error("no event can tell this update: {0}")]
    NoUpdate(EventError),
    /// The handler panicked. The state is to be thrown away and read anew.
    #[error("the handler panicked: {message}")]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// The state could not follow: a fault of the program or of the journal. The state is to be thrown away.
    #[error("{why}")]
    Broken {
        /// What does not fit.
        why: String,
    },
}

fn stands(state: &Option<LifeState>) -> String {
    match state {
        Some(state) => format!("it is {state}"),
        None => "there is no such event, or its life is over".into(),
    }
}

impl Refusal {
    /// Whether the state may be half changed and must be thrown away.
    pub fn spoils_the_state(&self) -> bool {
        matches!(self, Refusal::Panicked { .. } | Refusal::Broken { .. })
    }
}
