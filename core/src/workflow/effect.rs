//! What a workflow asks of the outside, and how each of these ends.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fact::RunEnd;
use super::operation::Operation;
use crate::agents::Choice;
use crate::entity::Update;
use crate::event::{CorrelationId, LifeState};
use crate::{Json, Timestamp};

/// Which effect of a workflow: the step that asked, and which attempt at it. With the correlation it is the idempotency
/// token that agents are given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectKey {
    /// The step, named by the handler.
    pub step: String,
    /// Which attempt at this step, from 1.
    pub attempt: u32,
}

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.step, self.attempt)
    }
}

/// What is asked of the outside. Each happens at least once, under its key, and ends by a fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Effect {
    /// An agent does a task.
    Call {
        /// The agent's registered name.
        agent: String,
        /// What it is to do.
        task: Json,
        /// Its time limit in milliseconds; the agent's own unless said.
        timeout_ms: Option<u64>,
    },
    /// The handler is called again at an instant.
    Timer {
        /// When.
        due: Timestamp,
    },
    /// An event goes to another correlation. Its id is made from this effect's key, so that it arrives once.
    Send {
        /// Our envelope, as JSON.
        event: Arc<str>,
    },
    /// An entity is updated. Its id is made from this effect's key unless it has one, so that it is done once.
    Update(#[serde(with = "whole")] Box<Update>),
    /// The journal is asked what the run of a rule that this correlation holds has changed, and what was there before.
    Trace,
    /// A workflow is to run in another correlation: an event begins it, and the effect ends when that workflow does.
    Run {
        /// Our envelope, as JSON; its id is made from this effect's key.
        event: Arc<str>,
    },
    /// The workflow that this one ran for is told how it ended.
    Report {
        /// Which.
        to: CorrelationId,
        /// Its effect.
        key: EffectKey,
        /// How it ended, or why it never ran.
        end: Result<RunEnd, String>,
    },
    /// Something is done to another workflow, in this one's name. Its id is made from this effect's key.
    Operate {
        /// Which.
        on: CorrelationId,
        /// What.
        operation: Operation,
        /// Why.
        why: String,
    },
}

/// An update as one JSON text: it leaves out what it does not say, which the binary form could not read again.
mod whole {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::Json;
    use crate::entity::Update;

    pub(super) fn serialize<S: Serializer>(update: &Update, serializer: S) -> Result<S::Ok, S::Error> {
        Json::of(update).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<Update>, D::Error> {
        Json::deserialize(deserializer)?.to().map_err(D::Error::custom)
    }
}

/// How an agent's call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AgentOutcome {
    /// It gave a result.
    Done(Json),
    /// It gave an error.
    Failed(String),
    /// It was stopped at its time limit.
    TimedOut {
        /// The limit in milliseconds.
        after_ms: u64,
    },
    /// It panicked.
    Panicked(String),
    /// It was never called: no such agent, or its queue was full.
    Refused(String),
    /// It gave an error with a code, or one after which trying again does not help.
    Rejected {
        /// What programs may go by.
        code: Option<String>,
        /// What went wrong.
        message: String,
        /// Whether the same task would be rejected again.
        is_final: bool,
    },
}

impl AgentOutcome {
    /// Whether the agent gave a result.
    pub fn is_done(&self) -> bool {
        matches!(self, AgentOutcome::Done(_))
    }
}

/// How an effect ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EffectEnd {
    /// An agent's call.
    Agent(AgentOutcome),
    /// A timer's instant came.
    TimerFired,
    /// The event was recorded in its correlation.
    Sent {
        /// Where.
        position: u64,
        /// In what state its first turn left it.
        state: LifeState,
    },
    /// The event was refused there for good.
    NotSent {
        /// Why.
        reason: String,
    },
    /// The update is recorded.
    Updated {
        /// The position of its first event; 0 where nothing differed.
        first: u64,
        /// How many events it came to.
        events: u32,
    },
    /// What the run of a rule changed.
    Traced {
        /// Each entity, with its fields.
        changed: Json,
    },
    /// The workflow that was to run is over.
    Ran {
        /// How it ended.
        end: RunEnd,
    },
    /// What was to be told or done to another workflow is; or it was over already.
    Told,
    /// The call of whoever a route found.
    Routed {
        /// Who that was, and why.
        choice: Box<Choice>,
        /// How the call ended.
        outcome: AgentOutcome,
    },
}
