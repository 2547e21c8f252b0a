//! A reasoner's advice, piece by piece.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize};

use super::mode::Mode;
use crate::event::{Pattern, check_shape};
use crate::{Json, limits};

/// How sure a reasoner is: a number from 0 to 1, which NaN is not.
#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Confidence(f64);

/// Why a number is no confidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("confidence {0} is not in [0, 1]")]
pub struct ConfidenceError(String);

impl Confidence {
    /// Takes a number from 0 to 1.
    ///
    /// ```
    /// use regie_core::reasoning::Confidence;
    /// assert_eq!(Confidence::new(0.7).unwrap().get(), 0.7);
    /// assert!(Confidence::new(1.2).is_err() && Confidence::new(f64::NAN).is_err());
    /// ```
    pub fn new(number: f64) -> Result<Self, ConfidenceError> {
        if !(0.0..=1.0).contains(&number) {
            return Err(ConfidenceError(number.to_string()));
        }
        Ok(Self(number + 0.0)) // minus nothing becomes nothing, so that equal ones print and hash alike
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

// There is no NaN among them.
impl Eq for Confidence {}

impl PartialOrd for Confidence {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Confidence {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Confidence {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for Confidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What a reasoner gives: a signal as it is before it is checked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalDraft {
    /// What it is about, as a dotted name.
    pub kind: String,
    /// How sure the reasoner is, from 0 to 1.
    pub confidence: f64,
    /// Why, for people.
    #[serde(default)]
    pub rationale: String,
    /// Anything.
    #[serde(default)]
    pub payload: Json,
}

impl SignalDraft {
    /// A signal of a kind, without rationale or payload.
    pub fn new(kind: impl Into<String>, confidence: f64) -> Self {
        Self { kind: kind.into(), confidence, rationale: String::new(), payload: Json::null() }
    }

    /// Why, for people.
    pub fn rationale(mut self, why: impl Into<String>) -> Self {
        self.rationale = why.into();
        self
    }

    /// Anything.
    pub fn payload(mut self, payload: impl Into<Json>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Its confidence if all of it is in order, and what is wrong with it otherwise.
    pub(super) fn check(&self) -> Result<Confidence, String> {
        if !Pattern::parse(&self.kind).is_ok_and(|kind| kind.is_literal()) {
            return Err("its kind is no dotted name".into());
        }
        at_most(limits::SIGNAL_RATIONALE_BYTES, self.rationale.len(), "its rationale")?;
        at_most(limits::SIGNAL_PAYLOAD_BYTES, self.payload.text().len(), "its payload")?;
        check_shape(self.payload.text()).map_err(|error| format!("its payload: {error}"))?;
        Confidence::new(self.confidence).map_err(|error| error.to_string())
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.kind.len() + self.rationale.len() + self.payload.text().len()
    }
}

fn at_most(limit: usize, bytes: usize, what: &str) -> Result<(), String> {
    if bytes > limit { Err(format!("{what} has {bytes} bytes; at most {limit} are taken")) } else { Ok(()) }
}

/// One piece of a reasoner's advice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// What it is about, as a dotted name.
    pub kind: String,
    /// How sure the reasoner is.
    pub confidence: Confidence,
    /// Why, for people.
    pub rationale: String,
    /// Anything.
    pub payload: Json,
    /// Who gave it.
    pub reasoner: String,
    /// What was asked for.
    pub mode: Mode,
    /// Milliseconds from the question to the answer.
    pub elapsed_ms: u64,
}
