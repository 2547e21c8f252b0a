//! Reading our own envelope.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::envelope::LOCAL_SOURCE;
use super::error::EventError;
use super::scan::check_shape;
use super::trace::is_traceparent;
use super::wanted::{self, Wanted};
use super::{Change, CorrelationId, Event, Pattern, Priority, changes};
use crate::limits;
use crate::{Json, Timestamp};

/// The fields of one JSON object, in the order in which they came, each as its text.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads an object whose shape nobody has looked at yet.
    pub(super) fn read(text: &'a str) -> Result<Self, EventError> {
        let fields = Self::of_known_shape(text)?;
        check_shape(text)?;
        Ok(fields)
    }

    /// Reads an object that was checked before it was recorded.
    pub(super) fn of_known_shape(text: &'a str) -> Result<Self, EventError> {
        match text.trim_start().as_bytes().first() {
            Some(b'{') => {}
            Some(b'[') => return Err(EventError::NotAnObject { found: "an array" }),
            Some(b'"') => return Err(EventError::NotAnObject { found: "a text" }),
            Some(b'0'..=b'9' | b'-') => return Err(EventError::NotAnObject { found: "a number" }),
            None => return Err(EventError::NotAnObject { found: "nothing" }),
            Some(_) => match text.trim() {
                "null" => return Err(EventError::NotAnObject { found: "null" }),
                "true" | "false" => return Err(EventError::NotAnObject { found: "true or false" }),
                _ => {}
            },
        }
        serde_json::from_str(text).map_err(|error| EventError::NotJson { why: error.to_string() })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// A field, as its text.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, raw)| raw.get())
    }

    /// Takes a field out, as its text; `null` counts as absent.
    pub(super) fn take_raw(&mut self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.swap_remove(at).1.get()).filter(|raw| *raw != "null")
    }

    /// Takes a field out, as a type; `null` counts as absent.
    pub(super) fn take<T: Wanted<'a>>(&mut self, name: &str) -> Result<Option<T>, EventError> {
        self.take_raw(name).map(|raw| wanted::read(name, raw)).transpose()
    }

    /// Takes out a text that names something: an id, a key.
    pub(super) fn take_name(&mut self, name: &str, rules: Rules) -> Result<Option<String>, EventError> {
        let text = self.take::<String>(name)?;
        if let (Some(text), Rules::Strict) = (&text, rules) {
            check_name(name, text)?;
        }
        Ok(text)
    }

    /// What nobody has taken.
    pub(super) fn rest(self) -> BTreeMap<String, Json> {
        self.0.into_iter().map(|(key, raw)| (key.into_owned(), Json::from(raw))).collect()
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

/// A key that borrows from the text unless it holds an escape.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut fields = Vec::with_capacity(16);
        while let Some(Key(key)) = map.next_key()? {
            fields.push((key, map.next_value()?));
        }
        Ok(Fields(fields))
    }
}

/// By which rules a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// Today's: it comes in.
    Strict,
    /// Those of the day on which it was recorded, which nobody can break any more.
    Recorded,
}

impl Rules {
    /// Reads changes.
    pub(super) fn changes(self, field: &str, text: &str) -> Result<BTreeMap<String, Change>, EventError> {
        match self {
            Rules::Strict => changes::read(field, text),
            Rules::Recorded => changes::recover(field, text),
        }
    }

    /// What holds for every event, whichever form it came in.
    pub(super) fn check(self, event: &Event) -> Result<(), EventError> {
        match self {
            Rules::Strict => check(event),
            Rules::Recorded => Ok(()),
        }
    }
}

/// Reads our own envelope; what it does not know goes to the extensions.
pub(super) fn envelope(mut fields: Fields<'_>, rules: Rules) -> Result<Event, EventError> {
    let correlation =
        fields.take_name("correlation_id", rules)?.ok_or(EventError::Missing { field: "correlation_id" })?;
    let kind = fields.take::<String>("type")?.ok_or(EventError::Missing { field: "type" })?;
    let event = Event {
        id: fields.take_name("id", rules)?.unwrap_or_default(),
        source: fields.take_name("source", rules)?.unwrap_or_else(|| LOCAL_SOURCE.into()),
        kind,
        schema_version: fields.take("schema_version")?.unwrap_or(1),
        correlation_id: correlation.into(),
        causation_id: fields.take("causation_id")?,
        correlation_chain: fields.take::<Vec<CorrelationId>>("correlation_chain")?.unwrap_or_default(),
        session_key: fields.take_name("session_key", rules)?,
        actor: fields.take("actor")?,
        timestamp: take_time(&mut fields, "timestamp")?,
        entity: fields.take("entity")?,
        related: fields.take("related")?.unwrap_or_default(),
        changes: fields.take_raw("changes").map_or(Ok(BTreeMap::new()), |raw| rules.changes("changes", raw))?,
        priority: fields.take::<Priority>("priority")?.unwrap_or_default(),
        payload: fields.take("payload")?.unwrap_or_default(),
        metadata: fields.take("metadata")?.unwrap_or_default(),
        traceparent: fields.take("traceparent")?,
        extensions: fields.rest(),
    };
    rules.check(&event)?;
    Ok(event)
}

/// Takes out a time; the earliest stands for none.
pub(super) fn take_time(fields: &mut Fields<'_>, name: &str) -> Result<Timestamp, EventError> {
    let Some(text) = fields.take::<String>(name)? else { return Ok(Timestamp::MIN) };
    Timestamp::parse(&text).map_err(|error| EventError::wrong(name, error))
}

fn check(event: &Event) -> Result<(), EventError> {
    check_kind(&event.kind)?;
    if event.schema_version == 0 {
        return Err(EventError::wrong("schema_version", "versions count from 1"));
    }
    if let Some(cause) = &event.causation_id {
        check_cause(cause)?;
    }
    check_count("correlation_chain", event.correlation_chain.len(), limits::CHAIN_LENGTH)?;
    check_count("related", event.related.len(), limits::RELATED)?;
    check_count("changes", event.changes.len(), limits::CHANGES)?;
    check_count("metadata", event.metadata.len(), limits::METADATA)?;
    event.correlation_chain.iter().try_for_each(|outer| check_name("correlation_chain", outer))?;
    for (field, entity) in
        event.entity.iter().map(|it| ("entity", it)).chain(event.related.iter().map(|it| ("related", it)))
    {
        check_name(field, &entity.kind)?;
        check_name(field, &entity.id)?;
    }
    if let Some(actor) = &event.actor {
        check_name("actor", &actor.kind)?;
        check_name("actor", &actor.id)?;
    }
    match &event.traceparent {
        Some(trace) if !is_traceparent(trace) => Err(EventError::wrong("traceparent", "no W3C trace context")),
        _ => Ok(()),
    }
}

/// An event type: dotted segments without wildcards, none of them blank.
pub(crate) fn check_kind(kind: &str) -> Result<(), EventError> {
    let wrong = |why: &str| Err(EventError::wrong("type", why));
    match Pattern::parse(kind) {
        Err(error) => wrong(error.why()),
        Ok(pattern) if !pattern.is_literal() => wrong("a type has no wildcards"),
        Ok(_) if kind.split('.').any(|segment| segment.trim().is_empty()) => wrong("a segment is blank"),
        Ok(_) if kind.chars().any(reorders) => wrong(REORDERS),
        Ok(_) => Ok(()),
    }
}

fn check_count(field: &str, count: usize, limit: usize) -> Result<(), EventError> {
    if count > limit {
        return Err(EventError::wrong(field, format!("{count} entries; at most {limit} are taken")));
    }
    Ok(())
}

/// A cause: an id, or a source and an id with a `#` between, each within its own bound.
fn check_cause(cause: &str) -> Result<(), EventError> {
    let named = |(at, _): (usize, &str)| {
        check_name("causation_id", &cause[..at]).and_then(|()| check_name("causation_id", &cause[at + 1..])).is_ok()
    };
    match check_name("causation_id", cause) {
        Err(_) if cause.match_indices('#').any(named) => Ok(()),
        plain => plain,
    }
}

/// An id or key: 1 to 255 bytes, not blank, without what a terminal would obey.
pub(crate) fn check_name(field: &str, text: &str) -> Result<(), EventError> {
    if text.is_empty() || text.len() > limits::ID_BYTES {
        let why = format!("it has {} bytes; 1 to {} are taken", text.len(), limits::ID_BYTES);
        return Err(EventError::wrong(field, why));
    }
    if text.chars().any(char::is_control) {
        return Err(EventError::wrong(field, "it holds a control character"));
    }
    if text.trim().is_empty() {
        return Err(EventError::wrong(field, "it is blank"));
    }
    if text.chars().any(reorders) {
        return Err(EventError::wrong(field, REORDERS));
    }
    Ok(())
}

const REORDERS: &str = "it holds a character that changes the direction of text or breaks its line";

/// Whether a character, though no control character, makes what stands around it look like something else: overrides,
/// embeddings and isolates of direction, and the separators of lines.
pub fn reorders(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}
