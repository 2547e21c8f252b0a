//! A breach: why an event is none of its type.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Characters of a value that a breach shows.
const SHOWN: usize = 60;

/// Where an event is not what its type says, what was wanted there, and what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{event_type} at {pointer}: {wanted} is wanted, this is {found}")]
pub struct Breach {
    /// The event's type.
    pub event_type: String,
    /// The place in the event, as a JSON pointer: `/changes/status/after`.
    pub pointer: String,
    /// What was wanted.
    pub wanted: String,
    /// What is there.
    pub found: String,
}

impl Breach {
    pub(crate) fn new(
        event_type: &str,
        pointer: impl Into<String>,
        wanted: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let (event_type, pointer) = (event_type.to_string(), pointer.into());
        Self { event_type, pointer, wanted: wanted.into(), found: found.into() }
    }

    /// The field of the entity that it is about; none where it is about something else.
    pub fn field(&self) -> Option<String> {
        let field = self.pointer.strip_prefix("/changes/")?.split('/').next()?;
        Some(field.replace("~1", "/").replace("~0", "~"))
    }
}

/// A name as it stands in a JSON pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The text of a value, as much of it as an error shows.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// A value as it is shown.
pub(super) fn shown_value(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".into(), |value| shown(&value.to_string()))
}
