//! What each field may be, in words of JSON: errors tell those, not what our types are called.

use std::collections::BTreeMap;

use serde::de::Deserialize;
use serde_json::Value;

use super::error::EventError;
use super::{CorrelationId, EntityRef, Principal, Priority};
use crate::Json;

/// Characters of a value that an error shows.
const SHOWN: usize = 60;

/// A type that a field may have.
pub(super) trait Wanted<'a>: Deserialize<'a> {
    /// What it is called.
    const WANTED: &'static str;
}

macro_rules! wanted {
    ($($kind:ty: $words:literal),* $(,)?) => { $(impl<'a> Wanted<'a> for $kind { const WANTED: &'static str = $words; })* };
}

wanted! {
    String: "a text",
    u32: "a whole number from 1 to 4294967295",
    Vec<CorrelationId>: "a list of texts",
    Principal: "an object with the texts \"kind\" and \"id\"",
    EntityRef: "an object with the texts \"type\" and \"id\"",
    Vec<EntityRef>: "a list of objects with the texts \"type\" and \"id\"",
    Priority: "one of \"P0\", \"P1\", \"P2\" and \"P3\"",
    BTreeMap<String, String>: "an object of texts",
    BTreeMap<String, Json>: "an object",
    Json: "any value",
    Value: "any value",
}

/// Reads the value of a field.
pub(super) fn read<'a, T: Wanted<'a>>(field: &str, text: &'a str) -> Result<T, EventError> {
    serde_json::from_str(text).map_err(|_| EventError::wrong(field, instead(T::WANTED, text)))
}

/// What is wanted, and what is there.
pub(super) fn instead(wanted: &str, text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{wanted} is wanted, this is {shown}")
}
