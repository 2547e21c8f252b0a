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
use super::{Change, CorrelationId, Event, Pattern, Priority};
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
            Some(_) => {}
        }
        serde_json::from_str(text).map_err(|error| EventError::NotJson { why: error.to_string() })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Takes a field out, as a type; `null` counts as absent.
    pub(super) fn take<T: Deserialize<'a>>(&mut self, name: &str) -> Result<Option<T>, EventError> {
        let Some(at) = self.0.iter().position(|(key, _)| key == name) else { return Ok(None) };
        let raw = self.0.swap_remove(at).1.get();
        if raw == "null" {
            return Ok(None);
        }
        serde_json::from_str(raw).map(Some).map_err(|error| EventError::wrong(name, plain(&error)))
    }

    /// Takes out a text that names something: an id, a key.
    pub(super) fn take_name(&mut self, name: &str) -> Result<Option<String>, EventError> {
        let text: Option<String> = self.take(name)?;
        text.map(|text| check_name(name, &text).map(|()| text)).transpose()
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

/// Reads our own envelope; what it does not know goes to the extensions.
pub(super) fn envelope(mut fields: Fields<'_>) -> Result<Event, EventError> {
    let correlation = fields.take_name("correlation_id")?.ok_or(EventError::Missing { field: "correlation_id" })?;
    let kind = fields.take::<String>("type")?.ok_or(EventError::Missing { field: "type" })?;
    let event = Event {
        id: fields.take_name("id")?.unwrap_or_default(),
        source: fields.take_name("source")?.unwrap_or_else(|| LOCAL_SOURCE.into()),
        kind,
        schema_version: fields.take("schema_version")?.unwrap_or(1),
        correlation_id: correlation.into(),
        causation_id: fields.take("causation_id")?,
        correlation_chain: fields.take::<Vec<CorrelationId>>("correlation_chain")?.unwrap_or_default(),
        session_key: fields.take_name("session_key")?,
        actor: fields.take("actor")?,
        timestamp: take_time(&mut fields, "timestamp")?,
        entity: fields.take("entity")?,
        related: fields.take("related")?.unwrap_or_default(),
        changes: fields.take::<BTreeMap<String, Change>>("changes")?.unwrap_or_default(),
        priority: fields.take::<Priority>("priority")?.unwrap_or_default(),
        payload: fields.take("payload")?.unwrap_or_default(),
        metadata: fields.take("metadata")?.unwrap_or_default(),
        traceparent: fields.take("traceparent")?,
        extensions: fields.rest(),
    };
    check(&event)?;
    Ok(event)
}

/// Takes out a time; the earliest stands for none.
pub(super) fn take_time(fields: &mut Fields<'_>, name: &str) -> Result<Timestamp, EventError> {
    let Some(text) = fields.take::<String>(name)? else { return Ok(Timestamp::MIN) };
    Timestamp::parse(&text).map_err(|error| EventError::wrong(name, error))
}

/// What holds for every event, whichever form it came in.
pub(super) fn check(event: &Event) -> Result<(), EventError> {
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

fn check_kind(kind: &str) -> Result<(), EventError> {
    let pattern = Pattern::parse(kind).map_err(|error| EventError::wrong("type", error))?;
    if pattern.is_literal() { Ok(()) } else { Err(EventError::wrong("type", "a type has no wildcards")) }
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

/// An id or key: 1 to 255 bytes without control characters.
pub(super) fn check_name(field: &str, text: &str) -> Result<(), EventError> {
    if text.is_empty() || text.len() > limits::ID_BYTES {
        let why = format!("it has {} bytes; 1 to {} are taken", text.len(), limits::ID_BYTES);
        return Err(EventError::wrong(field, why));
    }
    if text.chars().any(char::is_control) {
        return Err(EventError::wrong(field, "it holds a control character"));
    }
    Ok(())
}

/// A parser's words without its line and column, which would count from the start of the field.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(words, _)| words.to_string())
}
