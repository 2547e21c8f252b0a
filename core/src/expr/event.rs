//! An event as an expression sees it: each field is made when it is first asked for, and once.

use std::fmt;
use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{self, CelInt, CelNull, CelString, CelTimestamp, Type};
use cel::common::value::{CowVal, Val};

use super::json::{self, Value};
use crate::Timestamp;
use crate::event::{EntityRef, Event};

const FIELDS: [&str; 18] = [
    "type",
    "id",
    "source",
    "schema_version",
    "correlation_id",
    "causation_id",
    "correlation_chain",
    "session_key",
    "actor",
    "timestamp",
    "entity",
    "related",
    "changes",
    "priority",
    "payload",
    "metadata",
    "traceparent",
    "extensions",
];

/// An event, field by field. The check lets nobody see it whole.
pub(super) struct EventValue<'a> {
    event: &'a Event,
    fields: [OnceLock<Result<Value<'a>, String>>; FIELDS.len()],
}

impl<'a> EventValue<'a> {
    pub(super) fn new(event: &'a Event) -> Self {
        Self { event, fields: [const { OnceLock::new() }; FIELDS.len()] }
    }

    fn field(&self, name: &str) -> Result<&(dyn Val + 'a), ExecutionError> {
        let missing = || ExecutionError::no_such_key(name);
        let at = FIELDS.iter().position(|field| *field == name).ok_or_else(missing)?;
        match self.fields[at].get_or_init(|| convert(self.event, FIELDS[at])) {
            Ok(value) => Ok(value.as_ref()),
            Err(why) => Err(ExecutionError::function_error(name, why)),
        }
    }
}

impl fmt::Debug for EventValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}", self.event.id)
    }
}

impl Val for EventValue<'_> {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        &types::MAP_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(EventValue::new(self.event))
    }
}

impl Indexer for EventValue<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = key.downcast_ref::<CelString>().map_or("", CelString::inner);
        self.field(name).map(CowVal::Borrowed)
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

fn convert<'a>(event: &'a Event, field: &str) -> Result<Value<'a>, String> {
    Ok(match field {
        "type" => json::text(&event.kind),
        "id" => json::text(&event.id),
        "source" => json::text(&event.source),
        "schema_version" => Box::new(CelInt::from(i64::from(event.schema_version))),
        "correlation_id" => json::text(event.correlation_id.as_str()),
        "causation_id" => maybe(event.causation_id.as_deref().map(json::text)),
        "correlation_chain" => json::list(event.correlation_chain.iter().map(|outer| json::text(outer.as_str()))),
        "session_key" => maybe(event.session_key.as_deref().map(json::text)),
        "priority" => json::text(event.priority.as_str()),
        "traceparent" => maybe(event.traceparent.as_deref().map(json::text)),
        "actor" => maybe(event.actor.as_ref().map(|actor| pair("kind", &actor.kind, &actor.id))),
        "timestamp" => maybe((event.timestamp != Timestamp::MIN).then(|| time(event.timestamp))),
        "entity" => maybe(event.entity.as_ref().map(entity)),
        "related" => json::list(event.related.iter().map(entity)),
        "metadata" => json::object(event.metadata.iter().map(|(name, value)| (name.as_str(), json::text(value)))),
        "changes" => changes(event)?,
        "extensions" => extensions(event)?,
        _ => json::read(&event.payload)?,
    })
}

fn changes(event: &Event) -> Result<Value<'_>, String> {
    let mut all = Vec::with_capacity(event.changes.len());
    for (field, change) in &event.changes {
        let (before, after) = (json::read(&change.before)?, json::read(&change.after)?);
        all.push((field.as_str(), json::object([("before", before), ("after", after)])));
    }
    Ok(json::object(all))
}

fn extensions(event: &Event) -> Result<Value<'_>, String> {
    let read = |(name, value)| Ok((str_of(name), json::read(value)?));
    Ok(json::object(event.extensions.iter().map(read).collect::<Result<Vec<_>, String>>()?))
}

fn str_of(name: &String) -> &str {
    name
}

fn maybe(value: Option<Value<'_>>) -> Value<'_> {
    value.unwrap_or_else(|| Box::new(CelNull))
}

fn entity(entity: &EntityRef) -> Value<'_> {
    pair("type", &entity.kind, &entity.id)
}

fn pair<'a>(first: &'a str, kind: &'a str, id: &'a str) -> Value<'a> {
    json::object([(first, json::text(kind)), ("id", json::text(id))])
}

/// An instant as the evaluator has it.
pub(super) fn time<'a>(at: Timestamp) -> Value<'a> {
    Box::new(CelTimestamp::from(at.to_chrono().fixed_offset()))
}
