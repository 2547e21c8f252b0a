//! A definition's run in a correlation: how it stands, and what of it waits for a person.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::command::Refusal;
use super::effect::{EffectEnd, EffectKey};
use super::fact::RunEnd;
use super::operation::Operation;
use super::parent::Parent;
use crate::{Json, Timestamp, limits};

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RunStatus {
    /// It takes inputs.
    Running,
    /// It is over, as its definition wanted.
    Completed {
        /// What it gave.
        output: Json,
    },
    /// It failed: later events of it are recorded as skipped.
    Failed {
        /// Why.
        error: String,
    },
    /// What it did is being put back: later events of it are recorded as skipped.
    Compensating {
        /// How it ends after that.
        then: RunEnd,
    },
    /// It was cancelled: later events of it are recorded as skipped.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// It was ended without putting anything back: later events of it are recorded as skipped.
    Terminated {
        /// Why.
        reason: String,
    },
}

impl RunStatus {
    /// Whether it takes no input any more.
    pub fn is_over(&self) -> bool {
        !matches!(self, RunStatus::Running | RunStatus::Compensating { .. })
    }

    /// Whether later events are only recorded, as skipped.
    pub fn skips(&self) -> bool {
        !matches!(self, RunStatus::Running | RunStatus::Completed { .. })
    }

    /// Its name in tables, conditions and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Completed { .. } => "completed",
            RunStatus::Failed { .. } => "failed",
            RunStatus::Compensating { .. } => "compensating",
            RunStatus::Cancelled { .. } => "cancelled",
            RunStatus::Terminated { .. } => "terminated",
        }
    }
}

impl From<&RunEnd> for RunStatus {
    fn from(end: &RunEnd) -> Self {
        match end.clone() {
            RunEnd::Completed { output } => RunStatus::Completed { output },
            RunEnd::Failed { error } => RunStatus::Failed { error },
            RunEnd::Cancelled { reason } => RunStatus::Cancelled { reason },
            RunEnd::Terminated { reason } => RunStatus::Terminated { reason },
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunStatus::Running | RunStatus::Completed { .. } => f.write_str(self.name()),
            RunStatus::Compensating { then } => write!(f, "compensating, then {}", RunStatus::from(then)),
            RunStatus::Failed { error: why }
            | RunStatus::Cancelled { reason: why }
            | RunStatus::Terminated { reason: why } => write!(f, "{} ({why})", self.name()),
        }
    }
}

/// Something of a run that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// What: a step, or the end of an effect that the definition could not take.
    pub what: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong at last.
    pub error: String,
    /// The end that the definition could not take; nothing where the definition itself gave up.
    pub(super) end: Option<(EffectKey, EffectEnd)>,
}

/// A definition's run in a correlation.
pub struct Run {
    /// The definition's name.
    pub definition: String,
    /// The version that the run keeps.
    pub version: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How it stands.
    pub status: RunStatus,
    /// Whether nothing of it goes out for now.
    pub paused: bool,
    /// What of it waits for a person, since longest first.
    pub parked: Vec<Parked>,
    /// The definition's own state; none where this program does not have the definition.
    pub(super) data: Option<Box<dyn Any + Send>>,
    /// The last attempt at each step.
    pub(super) attempts: BTreeMap<String, u32>,
    /// Whom it runs for.
    pub(super) parent: Option<Parent>,
    /// The last operations by their ids: one that comes again, because its answer was lost, is known.
    pub(super) operations: Vec<(String, Operation)>,
}

impl Run {
    /// A run that begins.
    pub(super) fn new(
        (definition, version): (&str, u32),
        started_at: Timestamp,
        data: Option<Box<dyn Any + Send>>,
    ) -> Self {
        Self {
            definition: definition.to_string(),
            version,
            started_at,
            status: RunStatus::Running,
            paused: false,
            parked: Vec::new(),
            data,
            attempts: BTreeMap::new(),
            parent: None,
            operations: Vec::new(),
        }
    }

    /// Whether an operation is new here.
    ///
    /// # Errors
    /// If it, or another one, was done lately under that id.
    pub(super) fn check_new(&self, id: &str, operation: Operation) -> Result<(), Refusal> {
        match self.operations.iter().find(|(known, _)| known == id) {
            None => Ok(()),
            Some((_, done)) if *done == operation => Err(Refusal::Over { what: format!("the operation {id}") }),
            Some((_, done)) => Err(Refusal::OtherOperation { id: id.to_string(), done: *done, asked: operation }),
        }
    }

    /// An operation of that id is done.
    pub(super) fn remember(&mut self, id: &str, operation: Operation) {
        if self.operations.len() >= limits::KNOWN_OPERATIONS {
            self.operations.remove(0);
        }
        self.operations.push((id.to_string(), operation));
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}: {:?}", self.definition, self.version, self.status)
    }
}
