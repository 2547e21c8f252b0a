//! A run: what one rule makes of one event, for one subject. It is kept whole, before anything of it is done.

use serde::{Deserialize, Serialize};

use crate::Json;
use crate::entity::Update;
use crate::event::{CorrelationId, EntityRef};

/// The event that a rule fired on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its correlation.
    pub correlation: CorrelationId,
    /// Its source.
    pub source: String,
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where the journal has it.
    pub position: u64,
}

/// What one rule makes of one event, for one subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Made from rule, trigger and subject: the same again is the same run.
    pub id: String,
    /// The rule's name.
    pub rule: String,
    /// The digest of the rule set that was in force.
    pub rules: String,
    /// What it is about, if it is about an entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<EntityRef>,
    /// What it fired on.
    pub trigger: Trigger,
    /// What it does, in order; nothing where it could not be made out.
    pub acts: Vec<Act>,
    /// Why it does nothing: an act that could not be made out, or the guard against loops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One thing that a run does. Whatever it needs is in it: it is made out before the run is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Act {
    /// An event goes out: our envelope, with its id, cause, chain and actor.
    Emit(Json),
    /// An entity is updated.
    Update(Box<Update>),
    /// An agent does a task.
    Call {
        /// The agent's name.
        agent: String,
        /// The task.
        task: Json,
    },
}

/// The type of the event that a run which does nothing is recorded as: one that could not be made out, or was stopped by the
/// guard against loops. Its payload is the [`Run`], with the error.
pub const RULE_FAILED: &str = "regie.rule.failed";

/// The correlation that a run is recorded in.
pub fn run_correlation(run: &str) -> CorrelationId {
    format!("regie/run/{run}").into()
}

/// The run that is recorded in a correlation, if one is.
pub fn run_of(correlation: &CorrelationId) -> Option<&str> {
    correlation.strip_prefix("regie/run/")
}

/// The correlation that an attempt at the undo of a run is recorded in, from 1.
pub fn undo_correlation(run: &str, attempt: u32) -> CorrelationId {
    match attempt {
        1 => format!("regie/undo/{run}").into(),
        again => format!("regie/undo/{run}/{again}").into(),
    }
}
