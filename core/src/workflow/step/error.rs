//! Why a step failed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::workflow::{AgentOutcome, Request};

/// What kind of failure it was: what is caught and retried is told by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StepErrorKind {
    /// The agent gave an error.
    Error,
    /// It was stopped at its time limit: nobody knows what it did.
    Timeout,
    /// The agent panicked: nobody knows what it did.
    Panic,
    /// The agent was never asked: there is none, it is full, or its breaker is open.
    Refused,
}

impl StepErrorKind {
    /// Its name, as conditions and people write it.
    pub fn name(self) -> &'static str {
        match self {
            StepErrorKind::Error => "error",
            StepErrorKind::Timeout => "timeout",
            StepErrorKind::Panic => "panic",
            StepErrorKind::Refused => "refused",
        }
    }

    /// Whether the work may have been done all the same.
    pub fn is_unknown(self) -> bool {
        matches!(self, StepErrorKind::Timeout | StepErrorKind::Panic)
    }
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepError {
    /// What kind of failure it was.
    pub kind: StepErrorKind,
    /// The agent's own name for it, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What went wrong.
    pub message: String,
    /// Whether the agent says that trying again is of no use.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
}

impl StepError {
    /// Somebody said that what a step gave is to be passed over: it fails for good.
    pub(in crate::workflow) fn passed_over(request: &Request<'_>) -> Self {
        Self { kind: StepErrorKind::Error, code: None, message: request.passed_over(), is_final: true }
    }

    /// What an agent's call came to: its result, or why there is none.
    pub fn of(outcome: &AgentOutcome) -> Result<crate::Json, StepError> {
        let failed = |kind, message: String| Err(StepError { kind, code: None, message, is_final: false });
        match outcome {
            AgentOutcome::Done(result) => Ok(result.clone()),
            AgentOutcome::Failed(message) => failed(StepErrorKind::Error, message.clone()),
            AgentOutcome::TimedOut { after_ms } => {
                failed(StepErrorKind::Timeout, format!("it was stopped after {after_ms} ms"))
            }
            AgentOutcome::Panicked(message) => failed(StepErrorKind::Panic, message.clone()),
            AgentOutcome::Refused(message) => failed(StepErrorKind::Refused, message.clone()),
            AgentOutcome::Rejected { code, message, is_final } => {
                let (kind, code, message) = (StepErrorKind::Error, code.clone(), message.clone());
                Err(StepError { kind, code, message, is_final: *is_final })
            }
        }
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} {code}: {}", self.kind.name(), self.message),
            None => write!(f, "{}: {}", self.kind.name(), self.message),
        }
    }
}
