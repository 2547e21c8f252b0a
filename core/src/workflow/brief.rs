//! A run in brief: what lists and counts of workflows tell of it, followed fact by fact without its definition.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fact::{Fact, RunEnd};
use super::operation::Operation;
use super::run::RunStatus;
use crate::{Timestamp, limits};

/// How a run stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It takes inputs.
    Running,
    /// What it did is being put back.
    Compensating,
    /// It is over, as its definition wanted.
    Completed,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It was ended without putting anything back.
    Terminated,
}

impl Standing {
    /// All of them; those that are not over come first.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Compensating, Self::Completed, Self::Failed, Self::Cancelled, Self::Terminated];

    /// Its name, as [`RunStatus::name`] has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Terminated => "terminated",
        }
    }

    /// Whether the run is over.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Running | Self::Compensating)
    }
}

impl From<&RunStatus> for Standing {
    fn from(status: &RunStatus) -> Self {
        match status {
            RunStatus::Running => Self::Running,
            RunStatus::Compensating { .. } => Self::Compensating,
            RunStatus::Completed { .. } => Self::Completed,
            RunStatus::Failed { .. } => Self::Failed,
            RunStatus::Cancelled { .. } => Self::Cancelled,
            RunStatus::Terminated { .. } => Self::Terminated,
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A run in brief.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunBrief {
    /// The definition's name.
    pub definition: String,
    /// The version that the run keeps.
    pub version: u32,
    /// How it stands.
    pub status: Standing,
    /// Whether nothing of it goes out for now.
    pub paused: bool,
    /// How much of it waits for a person.
    pub parked: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it did not end as its definition wanted, or is being put back: the beginning of that.
    pub error: Option<String>,
}

/// What a fact changes of a run in brief.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunChange {
    /// It began.
    Started {
        /// The definition's name.
        definition: String,
        /// Its version.
        version: u32,
    },
    /// It lets nothing out any more, or does again.
    Paused(bool),
    /// It goes on after a failure.
    Retried,
    /// More of it waits for a person.
    Parked,
    /// Less does.
    Unparked,
    /// It goes on under another version.
    Migrated(u32),
    /// It stands like that, and why.
    Stands(Standing, Option<String>),
}

impl RunChange {
    /// Whether a run begins by it.
    pub fn is_start(&self) -> bool {
        matches!(self, Self::Started { .. })
    }

    /// What a fact changes of the run of its correlation, if anything; `follows_end` where the fact before it in its record is the
    /// end of an effect: what is parked then is that end, which waits for a person.
    pub fn of(fact: &Fact, follows_end: bool) -> Option<Self> {
        Some(match fact {
            Fact::Started { definition, version } => {
                Self::Started { definition: definition.clone(), version: *version }
            }
            Fact::Operated { operation, .. } => match operation {
                Operation::Pause => Self::Paused(true),
                Operation::Resume => Self::Paused(false),
                Operation::Retry => Self::Retried,
                Operation::Unpark(_) => Self::Unparked,
                Operation::Cancel | Operation::Terminate | Operation::Migrate { .. } => return None,
            },
            Fact::Migrated { version, .. } => Self::Migrated(*version),
            Fact::Halted { .. } => Self::Parked,
            Fact::Parked { .. } if follows_end => Self::Parked,
            Fact::Compensating { then } => Self::Stands(Standing::Compensating, why(then)),
            Fact::Finished { end } => Self::Stands(Standing::from(&RunStatus::from(end)), why(end)),
            _ => return None,
        })
    }
}

impl RunBrief {
    /// How a run stands after a change that was decided at an instant. Without a run only its beginning is one.
    pub fn follow(run: Option<Self>, change: RunChange, at: Timestamp) -> Option<Self> {
        if let RunChange::Started { definition, version } = change {
            let status = Standing::Running;
            let (paused, parked, started_at) = (false, 0, at);
            return Some(Self { definition, version, status, paused, parked, started_at, ended_at: None, error: None });
        }
        let mut run = run?;
        match change {
            RunChange::Started { .. } => {}
            RunChange::Paused(paused) => run.paused = paused,
            RunChange::Retried => (run.status, run.ended_at, run.error) = (Standing::Running, None, None),
            RunChange::Migrated(version) => run.version = version,
            RunChange::Parked => run.parked += 1,
            RunChange::Unparked => run.parked = run.parked.saturating_sub(1),
            RunChange::Stands(status, error) => {
                (run.status, run.error) = (status, error);
                if status.is_over() {
                    (run.paused, run.parked, run.ended_at) = (false, 0, Some(at));
                }
            }
        }
        Some(run)
    }
}

/// Why a run ends like that: the beginning of it.
fn why(end: &RunEnd) -> Option<String> {
    let text = match end {
        RunEnd::Completed { .. } => return None,
        RunEnd::Failed { error: text } | RunEnd::Cancelled { reason: text } | RunEnd::Terminated { reason: text } => {
            text
        }
    };
    Some(text[..text.floor_char_boundary(limits::RUN_ERROR_BYTES)].to_string())
}
