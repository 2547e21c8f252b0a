//! What kind of advice is asked for.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits;

/// What kind of advice is asked for: three that Regie knows, and those of yours by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Mode(Cow<'static, str>);

/// Why a text names no mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no mode: a mode has 1 to {max} bytes, of a-z, 0-9, '_' and '-'", max = limits::MODE_BYTES)]
pub struct ModeError(String);

impl Mode {
    /// Whatever the reasoner has to say.
    pub const DEFAULT: Mode = Mode(Cow::Borrowed("default"));
    /// What might be done.
    pub const ACTION_SUGGESTION: Mode = Mode(Cow::Borrowed("action_suggestion"));
    /// What might go wrong.
    pub const RISK_FLAGGING: Mode = Mode(Cow::Borrowed("risk_flagging"));

    /// What those are counted as that are too many to be counted apart.
    pub const OTHERS: Mode = Mode(Cow::Borrowed("others"));

    /// A mode by its name: one of the three, or one of yours.
    ///
    /// ```
    /// use regie_core::reasoning::Mode;
    /// assert_eq!(Mode::named("risk_flagging").unwrap(), Mode::RISK_FLAGGING);
    /// assert!(Mode::named("second-opinion").is_ok());
    /// assert!(Mode::named("Second Opinion").is_err());
    /// ```
    pub fn named(name: &str) -> Result<Self, ModeError> {
        let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if name.is_empty() || name.len() > limits::MODE_BYTES || !name.chars().all(is_fine) {
            return Err(ModeError(name.chars().take(limits::MODE_BYTES).collect()));
        }
        Ok(Self(Cow::Owned(name.to_string())))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Mode {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::named(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
