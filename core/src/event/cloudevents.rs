//! CloudEvents 1.0 in JSON: the map to our envelope and back.
//!
//! | Ours | CloudEvents |
//! |---|---|
//! | id, source, type, payload | the same, `data` |
//! | timestamp | `time` |
//! | correlation_id, causation_id, session_key | `correlationid`, `causationid`, `sessionkey` |
//! | actor | `actorkind`, `actorid` |
//! | entity | `entitytype`, `entityid`, and `subject` as `type/id` on the way out |
//! | priority, schema_version, traceparent | `priority`, `schemaversion`, `traceparent` |
//! | correlation_chain, related, changes, metadata | JSON texts in `correlationchain`, `related`, `changes`, `metadata` |
//! | extension `data_base64`, where there is no payload | the same |
//! | extensions that are texts, whole numbers or booleans under a legal name that the map does not use | the same |
//! | attributes called `actor`, `entity`, `payload` or `timestamp` | extensions with `ce-` before the name |
//! | other extensions | one JSON text in `regieextensions` |

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::EventError;
use super::parse::{Fields, Rules, take_time};
use super::scan::check_shape;
use super::wanted::{self, Wanted};
use super::{Change, CorrelationId, EntityRef, Event, Principal, Priority};
use crate::{Json, Timestamp};

/// Reads a CloudEvent in JSON, structured mode.
pub(super) fn from_cloudevent(mut fields: Fields<'_>, rules: Rules) -> Result<Event, EventError> {
    if fields.take::<String>("specversion")?.as_deref() != Some("1.0") {
        return Err(EventError::wrong("specversion", "only CloudEvents 1.0 is read"));
    }
    if fields.has("data") && fields.has("data_base64") {
        return Err(EventError::wrong("data_base64", "an event has data or data_base64, not both"));
    }
    if rules == Rules::Strict {
        check_data(&fields)?;
    }
    let missing = |field| EventError::Missing { field };
    let correlation = fields.take_name("correlationid", rules)?.ok_or(missing("correlationid"))?;
    let mut event = Event {
        id: fields.take_name("id", rules)?.ok_or(missing("id"))?,
        source: fields.take_name("source", rules)?.ok_or(missing("source"))?,
        kind: fields.take("type")?.ok_or(missing("type"))?,
        schema_version: take_version(&mut fields)?,
        correlation_id: correlation.into(),
        causation_id: fields.take("causationid")?,
        correlation_chain: take_text::<Vec<CorrelationId>>(&mut fields, "correlationchain")?.unwrap_or_default(),
        session_key: fields.take_name("sessionkey", rules)?,
        actor: take_pair(&mut fields, ["actorkind", "actorid"], rules)?.map(|(kind, id)| Principal { kind, id }),
        timestamp: take_time(&mut fields, "time")?,
        entity: take_pair(&mut fields, ["entitytype", "entityid"], rules)?.map(|(kind, id)| EntityRef { kind, id }),
        related: take_text::<Vec<EntityRef>>(&mut fields, "related")?.unwrap_or_default(),
        changes: take_changes(&mut fields, rules)?,
        priority: fields.take::<Priority>("priority")?.unwrap_or_default(),
        payload: fields.take("data")?.unwrap_or_default(),
        metadata: take_text::<BTreeMap<String, String>>(&mut fields, "metadata")?.unwrap_or_default(),
        traceparent: fields.take("traceparent")?,
        extensions: take_text::<BTreeMap<String, Json>>(&mut fields, "regieextensions")?.unwrap_or_default(),
    };
    let mut rest = fields.rest();
    // The subject that `to_cloudevent` makes of the entity says nothing new.
    if event.entity.as_ref().is_some_and(|entity| rest.get("subject") == Some(&subject(entity))) {
        rest.remove("subject");
    }
    let carried = std::mem::take(&mut event.extensions);
    event.extensions = carried.into_iter().chain(rest).map(|(name, value)| (kept_name(name), value)).collect();
    rules.check(&event)?;
    Ok(event)
}

/// Names of our own envelope: an attribute of such a name that has no meaning in the map must not pass for them.
const ENVELOPE: [&str; 17] = [
    "id",
    "source",
    "type",
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
];
/// What stands before such a name while it is with us. No attribute's name holds a `-`.
const KEPT: &str = "ce-";

fn kept_name(name: String) -> String {
    if ENVELOPE.contains(&name.as_str()) { format!("{KEPT}{name}") } else { name }
}

fn wire_name(name: &str) -> &str {
    name.strip_prefix(KEPT).filter(|plain| ENVELOPE.contains(plain)).unwrap_or(name)
}

/// A structured value that travels as a JSON text, for CloudEvents attributes hold none.
fn take_text<T: for<'a> Wanted<'a>>(fields: &mut Fields<'_>, name: &str) -> Result<Option<T>, EventError> {
    let Some(text) = fields.take::<String>(name)? else { return Ok(None) };
    let value = wanted::read(name, &text)?;
    check_shape(&text).map_err(|error| EventError::wrong(name, error))?;
    Ok(Some(value))
}

fn take_changes(fields: &mut Fields<'_>, rules: Rules) -> Result<BTreeMap<String, Change>, EventError> {
    let Some(text) = fields.take::<String>("changes")? else { return Ok(BTreeMap::new()) };
    if Json::parse(&text).is_ok() {
        check_shape(&text).map_err(|error| EventError::wrong("changes", error))?;
    }
    rules.changes("changes", &text)
}

/// Binary data is a text in base64, padded, of the standard alphabet.
fn check_data(fields: &Fields<'_>) -> Result<(), EventError> {
    let Some(raw) = fields.raw("data_base64").filter(|raw| *raw != "null") else { return Ok(()) };
    let wrong = |why: &str| Err(EventError::wrong("data_base64", why));
    let text = wanted::read::<String>("data_base64", raw)?;
    let data = text.trim_end_matches('=');
    if let Some(other) = data.chars().find(|it| !(it.is_ascii_alphanumeric() || *it == '+' || *it == '/')) {
        return wrong(&format!("{other:?} is no letter of base64"));
    }
    if !text.len().is_multiple_of(4) || text.len() - data.len() > 2 {
        return wrong("base64 comes in groups of four letters, the last one filled up with one or two '='");
    }
    Ok(())
}

fn subject(entity: &EntityRef) -> Json {
    Json::of(&entity.to_string())
}

fn take_pair(
    fields: &mut Fields<'_>,
    [first, second]: [&str; 2],
    rules: Rules,
) -> Result<Option<(String, String)>, EventError> {
    match (fields.take_name(first, rules)?, fields.take_name(second, rules)?) {
        (Some(kind), Some(id)) => Ok(Some((kind, id))),
        (None, None) => Ok(None),
        _ => Err(EventError::wrong(first, format!("it comes together with {second}"))),
    }
}

/// SDKs send whole numbers as numbers or as texts.
fn take_version(fields: &mut Fields<'_>) -> Result<u32, EventError> {
    let version = match fields.take::<Value>("schemaversion")? {
        None => Some(1),
        Some(Value::Number(number)) => number.as_u64().and_then(|it| u32::try_from(it).ok()),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    version.ok_or_else(|| EventError::wrong("schemaversion", "a whole number from 1"))
}

/// An event as a CloudEvent in JSON.
pub fn to_cloudevent(event: &Event) -> Json {
    let mut out = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(name.to_string(), value);
        }
    };
    let text_of = |empty: bool, text: &dyn Fn() -> String| (!empty).then(|| Value::String(text()));
    put("specversion", Some(json!("1.0")));
    put("id", Some(json!(event.id)));
    put("source", Some(json!(event.source)));
    put("type", Some(json!(event.kind)));
    put("time", (event.timestamp != Timestamp::MIN).then(|| json!(event.timestamp)));
    put("correlationid", Some(json!(event.correlation_id)));
    put("causationid", event.causation_id.as_ref().map(|it| json!(it)));
    put("sessionkey", event.session_key.as_ref().map(|it| json!(it)));
    put("actorkind", event.actor.as_ref().map(|it| json!(it.kind)));
    put("actorid", event.actor.as_ref().map(|it| json!(it.id)));
    put("entitytype", event.entity.as_ref().map(|it| json!(it.kind)));
    put("entityid", event.entity.as_ref().map(|it| json!(it.id)));
    put("priority", Some(json!(event.priority)));
    put("schemaversion", Some(json!(event.schema_version)));
    put("traceparent", event.traceparent.as_ref().map(|it| json!(it)));
    let chain = &event.correlation_chain;
    put("correlationchain", text_of(chain.is_empty(), &|| Json::of(chain).to_string()));
    put("related", text_of(event.related.is_empty(), &|| Json::of(&event.related).to_string()));
    put("changes", text_of(event.changes.is_empty(), &|| Json::of(&event.changes).to_string()));
    put("metadata", text_of(event.metadata.is_empty(), &|| Json::of(&event.metadata).to_string()));
    let (plain, other): (BTreeMap<_, _>, BTreeMap<_, _>) =
        event.extensions.iter().partition(|(name, value)| is_attribute(event, name, value));
    put("regieextensions", text_of(other.is_empty(), &|| Json::of(&other).to_string()));
    // The payload and what is carried on go in as their own texts, so that nothing of them is rewritten.
    let mut fields: BTreeMap<String, Json> = out.into_iter().map(|(name, value)| (name, value.into())).collect();
    fields.extend(event.entity.as_ref().map(|entity| ("subject".to_string(), subject(entity))));
    fields.extend(plain.into_iter().map(|(name, value)| (wire_name(name).to_string(), value.clone())));
    fields.extend(Some(&event.payload).filter(|it| !it.is_null()).map(|it| ("data".to_string(), it.clone())));
    Json::of(&fields)
}

/// Attributes that have a meaning in the map: an extension of such a name does not pass for one.
const OURS: [&str; 21] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "data",
    "correlationid",
    "causationid",
    "sessionkey",
    "actorkind",
    "actorid",
    "entitytype",
    "entityid",
    "priority",
    "schemaversion",
    "traceparent",
    "correlationchain",
    "related",
    "changes",
    "metadata",
    "regieextensions",
];

fn is_attribute(event: &Event, name: &str, value: &Json) -> bool {
    let name = wire_name(name);
    let legal = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let binary = name == "data_base64" && event.payload.is_null();
    if !(legal || binary) || OURS.contains(&name) {
        return false;
    }
    match value.value() {
        // A subject that is just the entity's would not be told from the one that is made of it.
        Value::String(_) if name == "subject" && event.entity.as_ref().map(subject).as_ref() == Some(value) => false,
        Value::String(text) => !text.chars().any(char::is_control),
        Value::Bool(_) => name != "subject" && !binary,
        Value::Number(number) => {
            name != "subject" && !binary && number.as_i64().is_some_and(|it| i32::try_from(it).is_ok())
        }
        _ => false,
    }
}
