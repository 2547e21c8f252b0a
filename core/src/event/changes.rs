//! Reading `changes`: the one part of an event that the state of entities follows, so that a slip in it is refused and not
//! taken for a field that became `null`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::Change;
use super::error::EventError;
use super::wanted::instead;
use crate::Json;

const OBJECT: &str = "an object of changes by field";
const CHANGE: &str = "an object with \"after\", and \"before\" if that is known,";

/// Reads changes as they were taken once, by whichever rules held then.
pub(super) fn recover(field: &str, text: &str) -> Result<BTreeMap<String, Change>, EventError> {
    serde_json::from_str(text).map_err(|_| EventError::wrong(field, instead(OBJECT, text)))
}

/// Reads changes, each of which has an `after`, and nothing but that and a `before`.
pub(super) fn read(field: &str, text: &str) -> Result<BTreeMap<String, Change>, EventError> {
    let all: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|_| EventError::wrong(field, instead(OBJECT, text)))?;
    all.into_iter().map(|(name, raw)| change(&format!("{field}.{name}"), raw.get()).map(|it| (name, it))).collect()
}

fn change(place: &str, text: &str) -> Result<Change, EventError> {
    let wrong = |why: String| Err(EventError::wrong(place, why));
    let Ok(parts) = serde_json::from_str::<BTreeMap<Cow<'_, str>, Json>>(text) else {
        return wrong(instead(CHANGE, text));
    };
    if let Some(other) = parts.keys().find(|part| !["before", "after"].contains(&part.as_ref())) {
        return wrong(format!("a change has \"after\" and \"before\", and no \"{other}\""));
    }
    match parts.get("after") {
        Some(after) => Ok(Change { before: parts.get("before").cloned().unwrap_or_default(), after: after.clone() }),
        None => wrong("\"after\" is missing; null stands for a value that is gone".to_string()),
    }
}
