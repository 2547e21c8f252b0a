//! What a system is made of, why one does not start, and how one ended.

use std::time::Duration;

use regie_core::agents::{Route, RouteError};
use regie_core::automation::{RuleSet, RuleSetError};
use regie_core::event::Principal;
use regie_core::governance::PolicySet;
use regie_core::reasoning::Refused;
use regie_core::workflow::Definitions;
use regie_journal::{SqliteOptions, StoreError};

use crate::agent::AgentSpec;
use crate::bus::{SubscribeError, SubscriberSpec};
use crate::clock::Clock;
use crate::faults::Faults;
use crate::meter::Meter;
use crate::orchestrator::Keep;
use crate::projections::MakeProjection;
use crate::reasoner::{ReasonerSpec, Unaskable};

/// Where the journal is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In memory: gone with the process.
    Memory,
    /// In files.
    Files(SqliteOptions),
}

/// Which rules are in force.
#[derive(Clone, Debug)]
pub enum Rules {
    /// These.
    These(RuleSet),
    /// Those that the journal recorded last, whatever they are.
    AsRecorded {
        /// Where it has recorded none.
        else_these: RuleSet,
    },
}

/// What a system is made of.
pub struct Settings {
    /// Where the journal is.
    pub place: Place,
    /// How many shards; at least one.
    pub shards: usize,
    /// What tells the time.
    pub clock: Clock,
    /// The policies in force.
    pub policies: PolicySet,
    /// Who put them in force.
    pub policies_by: Option<Principal>,
    /// The rules in force.
    pub rules: Rules,
    /// Who put them in force.
    pub rules_by: Option<Principal>,
    /// The handlers.
    pub definitions: Definitions,
    /// The agents.
    pub agents: Vec<AgentSpec>,
    /// The routes among them.
    pub routes: Vec<Route>,
    /// Subscribers with handlers; each is among the agents too.
    pub subscribers: Vec<SubscriberSpec>,
    /// The reasoners.
    pub reasoners: Vec<ReasonerSpec>,
    /// Users' views of the journal.
    pub projections: Vec<MakeProjection>,
    /// Whether questions that are owed go out to them.
    pub asks: bool,
    /// Events that may be under way at once.
    pub admission: usize,
    /// How many workflows are kept in memory.
    pub keep: Keep,
    /// How long shutdown waits for what is under way outside.
    pub grace: Duration,
    /// What users count.
    pub meter: Meter,
    /// Faults on purpose, for tests.
    pub faults: Faults,
}

/// Why a system did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] StoreError),
    /// The operating system gave no thread.
    #[error("the system gives no thread: {0}")]
    Thread(#[from] std::io::Error),
    /// Two handlers of one name and version.
    #[error("two handlers have the name and version '{0}'")]
    HandlerTwice(String),
    /// Two agents of one name.
    #[error("two agents have the name '{0}'")]
    AgentTwice(String),
    /// An agent that cannot be registered.
    #[error("the agent '{name}': {why}")]
    Agent {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// A step asks an agent that there is not.
    #[error(
        "the workflow '{workflow}' version {version} asks '{agent}' in its step '{step}', and there is no agent or route of that name; there is: {known}"
    )]
    NoSuchAgent {
        /// Whose step.
        workflow: String,
        /// Which version of it.
        version: u32,
        /// Which step.
        step: String,
        /// The name that it asks.
        agent: String,
        /// The names that there are.
        known: String,
    },
    /// A module that cannot be brought.
    #[error("the module '{module}': {why}")]
    Module {
        /// Which.
        module: String,
        /// Why.
        why: String,
    },
    /// A route that cannot be.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A subscriber's subscription is refused.
    #[error("the subscriber '{name}': {why}")]
    Subscriber {
        /// Which.
        name: String,
        /// Why.
        why: SubscribeError,
    },
    /// Two reasoners of one name.
    #[error("two reasoners have the name '{0}'")]
    ReasonerTwice(String),
    /// Two projections of one name.
    #[error("two projections have the name '{0}'")]
    ProjectionTwice(String),
    /// A reasoner takes longer than reasoners may.
    #[error("the reasoner '{name}' has {why}: see ReasonerLimits::allow_longer")]
    ReasonerLimit {
        /// Which.
        name: String,
        /// What it would take.
        why: Refused,
    },
    /// A policy asks a reasoner that there is not, or gives it more time than it may take.
    #[error(transparent)]
    Unaskable(#[from] Unaskable),
    /// The rules rest on more relations than are taken.
    #[error(transparent)]
    Rules(#[from] RuleSetError),
    /// It ended while it was starting.
    #[error("the runtime ended while it was starting")]
    Ended,
}

/// How a shutdown went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long it took.
    pub took: Duration,
    /// What was still under way outside when its grace was over. It is owed in the journal, and goes on at the next start.
    pub left_owed: usize,
    /// What went wrong while closing; what was answered is durable all the same.
    pub error: Option<StoreError>,
}
