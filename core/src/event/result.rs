//! What a submit gives back: a function of the record that it left, so that the first answer can be given again.

use serde::{Deserialize, Serialize};

use super::{LifeState, Principal};
use crate::governance::PolicyDecision;
use crate::{Json, Timestamp};

/// How a submit was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// Recorded by this call.
    New,
    /// Recorded before: this is the first answer again.
    Duplicate,
    /// Not recorded; `error` says why.
    Refused,
}

/// One move in the life of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Where it was; none when it came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<LifeState>,
    /// Where it went.
    pub to: LifeState,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Who did it, if not the runtime itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Principal>,
}

/// An error as it is told to callers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// A stable word for programs.
    pub code: String,
    /// What happened and what to do, for people.
    pub message: String,
}

impl ErrorInfo {
    /// An error of that code.
    pub fn new(code: impl Into<String>, message: impl ToString) -> Self {
        Self { code: code.into(), message: message.to_string() }
    }
}

/// The answer to a submit, as stable JSON: fields may be added, and an older reader passes over what it does not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventResult {
    /// The event's id, made by the runtime if it came without.
    pub event_id: String,
    /// Its correlation.
    pub correlation_id: String,
    /// Its place in the journal's global order; none if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// The state in which its first turn left it; none if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_state: Option<LifeState>,
    /// How this submit was taken.
    pub status: Status,
    /// With a duplicate: the state it is in now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_state: Option<LifeState>,
    /// Advice that passed.
    #[serde(default)]
    pub signals: Vec<Json>,
    /// Advice that was filtered out.
    #[serde(default)]
    pub signals_filtered: Vec<Json>,
    /// Every policy that was looked at.
    #[serde(default)]
    pub policy_decisions: Vec<PolicyDecision>,
    /// Its moves in its first turn.
    #[serde(default)]
    pub state_transitions: Vec<Move>,
    /// How long this call took, in milliseconds.
    #[serde(default)]
    pub processing_time_ms: f64,
    /// How long reasoners took of it, in milliseconds.
    #[serde(default)]
    pub reasoning_time_ms: f64,
    /// When a deferred event comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred_until: Option<Timestamp>,
    /// What went wrong, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
}
