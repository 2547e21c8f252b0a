//! What happens in a flow.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::model::Then;
use super::state::Frame;
use crate::Json;
use crate::workflow::step::{StepError, StepFact};

/// Why a task failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowError {
    /// The path of the task.
    pub task: String,
    /// What kind of failure: `error`, `timeout`, `panic`, `refused` of an agent's call; `expression` if what the definition
    /// computes could not be; `workflow` if a sub-workflow did not complete; or what the definition raised.
    pub kind: String,
    /// The agent's own name for it, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What went wrong.
    pub message: String,
    /// What the definition raised beside that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
}

impl FlowError {
    /// A failure of a kind.
    pub fn new(task: &str, kind: &str, message: impl Into<String>) -> Self {
        Self { task: task.into(), kind: kind.into(), code: None, message: message.into(), data: None }
    }

    pub(super) fn of_step(task: &str, error: StepError) -> Self {
        let kind = error.kind.name().into();
        Self { task: task.into(), kind, code: error.code, message: error.message, data: None }
    }
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{}: {} {code}: {}", self.task, self.kind, self.message),
            None => write!(f, "{}: {}: {}", self.task, self.kind, self.message),
        }
    }
}

/// What happens in a flow. Tasks are named by their paths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FlowFact {
    /// The flow began.
    Began {
        /// What it was given.
        input: Json,
    },
    /// A task began.
    Entered {
        /// Which.
        path: String,
        /// What is kept of it while it is under way.
        frame: Frame,
    },
    /// A task was passed over: its condition did not hold.
    Skipped {
        /// Which.
        path: String,
    },
    /// A task is done.
    Left {
        /// Which.
        path: String,
        /// What it gave.
        output: Json,
    },
    /// A task failed, and the one that holds it goes on.
    Failed {
        /// Which.
        path: String,
        /// Why.
        error: FlowError,
    },
    /// A task, and all within it, is given up.
    Cut {
        /// Which.
        path: String,
    },
    /// A variable has a value.
    Set {
        /// Which.
        name: String,
        /// The value; none is taken away.
        value: Json,
    },
    /// A task that listens took an event.
    Took {
        /// Which.
        path: String,
        /// Which of those that it waits for.
        place: usize,
        /// The event's payload.
        payload: Json,
        /// Which of the kept ones it was, if it had come before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<u64>,
    },
    /// An event came before anybody listened; it is kept until somebody does.
    Kept {
        /// Its number.
        number: u64,
        /// Its type.
        kind: String,
        /// Its payload.
        payload: Json,
    },
    /// What is tried failed, and is tried again.
    Retries {
        /// Which task tries.
        path: String,
        /// What went wrong.
        error: FlowError,
    },
    /// What is tried failed, and what is to be done then begins.
    Catches {
        /// Which task tries.
        path: String,
        /// What went wrong.
        error: FlowError,
    },
    /// Nobody catches a failure: what was under way stays where it is, so that somebody may have it go on.
    Broke {
        /// What went wrong.
        error: FlowError,
        /// What had come to the task that failed, or what it was to give.
        value: Json,
        /// Where it was to go on, if it was done and failed on its way out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leaving: Option<Then>,
        /// What was still to begin or to end in that turn.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<Left>,
    },
    /// It goes on where it was.
    Resumed,
    /// What happened to a step.
    Step(StepFact),
    /// That, with the value of the last fact before it, of the same turn, that has a long one.
    Same {
        /// What happened; its value is null here.
        of: Box<FlowFact>,
    },
}

/// Something that was still to be done when a flow broke. Tasks are named by their paths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// A task is to begin, with what came to the one that holds it.
    Begins {
        /// Which.
        path: String,
    },
    /// A task is to begin.
    Enters {
        /// Which.
        path: String,
        /// With what.
        value: Json,
    },
    /// A task is to end.
    Leaves {
        /// Which.
        path: String,
        /// What it gives.
        output: Json,
        /// Where to go on.
        then: Then,
    },
    /// Items of a loop are to begin.
    Fills {
        /// Which loop.
        path: String,
    },
}

impl FlowFact {
    /// What happened, though its value may be that of another.
    pub(super) fn what(&self) -> &FlowFact {
        if let FlowFact::Same { of } = self { of } else { self }
    }
}
