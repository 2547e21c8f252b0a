//! What became of asking a reasoner.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;

/// What became of asking a reasoner. Each has a word that does not change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It answered, and its signals are in order. There may be none.
    Ok,
    /// It did not answer in time, and was given up.
    TimedOut {
        /// Its limit in milliseconds.
        after_ms: u64,
    },
    /// It panicked.
    Panicked(String),
    /// It answered what is no answer; nothing of it is kept.
    Invalid(String),
    /// It gave an error.
    Failed(String),
    /// It was not asked.
    Refused(Refused),
}

impl Outcome {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::TimedOut { .. } => "timed_out",
            Outcome::Panicked(_) => "panicked",
            Outcome::Invalid(_) => "invalid",
            Outcome::Failed(_) => "failed",
            Outcome::Refused(_) => "refused",
        }
    }

    /// Of a call whose gate died under it.
    pub fn lost() -> Self {
        Outcome::Failed("the call was lost".into())
    }

    /// The same with a text that fits into the journal.
    pub(super) fn bounded(self) -> Self {
        match self {
            Outcome::Panicked(text) => Outcome::Panicked(cut(text)),
            Outcome::Invalid(text) => Outcome::Invalid(cut(text)),
            Outcome::Failed(text) => Outcome::Failed(cut(text)),
            other => other,
        }
    }
}

/// The beginning of a text, and that there was more.
pub(super) fn cut(mut text: String) -> String {
    let limit = limits::REASON_TEXT_BYTES;
    if text.len() > limit {
        let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Ok => f.write_str("ok"),
            Outcome::TimedOut { after_ms } => write!(f, "timed_out after {after_ms} ms"),
            Outcome::Panicked(why) => write!(f, "panicked: {why}"),
            Outcome::Invalid(why) => write!(f, "invalid: {why}"),
            Outcome::Failed(why) => write!(f, "failed: {why}"),
            Outcome::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

/// Why a reasoner was not asked. Each has a word that does not change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refused {
    /// Nobody of that name is registered.
    #[error("there is no reasoner '{reasoner}'")]
    Unknown {
        /// The name.
        reasoner: String,
    },
    /// What it was to see is too large.
    #[error("what it was to see has {bytes} bytes; at most {limit} are taken")]
    TooLarge {
        /// Bytes that there are.
        bytes: u64,
        /// Bytes that are taken.
        limit: u64,
    },
    /// What it was to see is no proper JSON object.
    #[error("what it was to see is no proper JSON object: {why}")]
    NotAnObject {
        /// What is wrong with it.
        why: String,
    },
    /// It was to have more time than it is allowed, or none.
    #[error("a limit of {limit_ms} ms; 1 to {longest_ms} are allowed")]
    TimeLimit {
        /// What it was to have.
        limit_ms: u64,
        /// What it may have.
        longest_ms: u64,
    },
    /// As many as may wait for it do so already, or it is being started anew.
    #[error("{why}")]
    Full {
        /// In words.
        why: String,
    },
    /// What it may spend is spent.
    #[error("its token budget: {why}")]
    Budget {
        /// In words.
        why: String,
    },
}

impl Refused {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Refused::Unknown { .. } => "unknown",
            Refused::TooLarge { .. } => "too_large",
            Refused::NotAnObject { .. } => "not_an_object",
            Refused::TimeLimit { .. } => "time_limit",
            Refused::Full { .. } => "full",
            Refused::Budget { .. } => "budget",
        }
    }
}

/// Why a reasoner has no advice to give, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReasonError {
    /// It could not do it.
    #[error("{0}")]
    Failed(String),
    /// What it leans on answered what is no answer.
    #[error("{0}")]
    Invalid(String),
    /// It did not try.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl From<ReasonError> for Outcome {
    fn from(error: ReasonError) -> Self {
        match error {
            ReasonError::Failed(why) => Outcome::Failed(why),
            ReasonError::Invalid(why) => Outcome::Invalid(why),
            ReasonError::Refused(why) => Outcome::Refused(why),
        }
    }
}
