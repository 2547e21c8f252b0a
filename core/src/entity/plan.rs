//! What an update comes to: the events that tell each difference, or why it is refused.

use std::collections::BTreeMap;

use super::Update;
use crate::event::{
    Breach, Catalogue, Event, EventBuilder, EventError, EventType, Incoming, check_name, emitted_id, shown,
};
use crate::{Digest, Json, Timestamp, limits};

/// The source of the events that updates make.
pub const UPDATE_SOURCE: &str = "regie:update";

/// In the events' metadata: which update they belong to.
const ID: &str = "update";
/// What that asked, as a digest.
const DIGEST: &str = "update_digest";
/// How many events it came to.
const EVENTS: &str = "update_events";
/// Of the first of several: up to which position of the journal the entity was read.
const READ: &str = "update_read";

/// Why an update is refused. Recorded, as an event of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// A field is not what it was expected to be.
    #[error("'{field}' was expected to be {}, and is {}", shown(.expected.text()), shown(.found.text()))]
    Unexpected {
        /// The field.
        field: String,
        /// What it was expected to be.
        expected: Json,
        /// What it is.
        found: Json,
    },
    /// An event that would tell it is none of its type.
    #[error(transparent)]
    Breach(#[from] Breach),
    /// An event that would tell it is none at all.
    #[error("no event can tell it: {0}")]
    NoEvent(#[from] EventError),
    /// It comes to more events than one turn takes.
    #[error("it comes to {events} events; at most {} are taken at once", limits::TURN_COMMANDS)]
    TooMany {
        /// How many.
        events: usize,
    },
    /// Entities of that type are checked, and so have one correlation.
    #[error("a {entity_type} is checked: its updates go to the correlation '{wanted}' alone")]
    Elsewhere {
        /// The type of the entity.
        entity_type: String,
        /// Its correlation.
        wanted: String,
    },
}

impl Unfit {
    /// The field that it is about; none where it is about the whole.
    pub fn field(&self) -> Option<String> {
        match self {
            Unfit::Unexpected { field, .. } => Some(field.clone()),
            Unfit::Breach(breach) => breach.field(),
            _ => None,
        }
    }
}

/// An entity as an update finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its fields; empty where nothing is known of it.
    pub fields: BTreeMap<String, Json>,
    /// The position of the last event of the journal that was taken into account; others of the update's own correlation may
    /// have come since.
    pub read: u64,
}

/// What an event of an update tells of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfUpdate {
    /// The update's id.
    pub id: String,
    /// The digest of what it asked.
    pub digest: String,
    /// How many events it came to.
    pub events: u32,
}

impl OfUpdate {
    /// What an event tells; nothing if it is of no update.
    pub fn read(event: &Event) -> Option<Self> {
        if event.source != UPDATE_SOURCE {
            return None;
        }
        let text = |name: &str| event.metadata.get(name).cloned();
        Some(Self { id: text(ID)?, digest: text(DIGEST)?, events: text(EVENTS)?.parse().ok()? })
    }
}

/// Up to which position of the journal the entity was read when the update was planned whose first event this is; nothing
/// where that is not told, because it came to this event alone.
pub fn read_until(first: &Event) -> Option<u64> {
    OfUpdate::read(first)?;
    first.metadata.get(READ)?.parse().ok()
}

/// The type of the event that tells that an update of such an entity was refused.
pub fn refused_type(entity_type: &str) -> String {
    format!("orchestration.{entity_type}.validation_failed")
}

/// The id of the so-many-th event of an update, from 0.
pub fn event_id(update: &Update, nth: usize) -> String {
    let id = update.id.as_deref().unwrap_or_default();
    emitted_id("update", id, u32::try_from(nth).unwrap_or(u32::MAX))
}

/// The events that tell how an entity of these fields comes to have those of the update; none where nothing differs.
/// `fields` are empty where nothing is known of it. Pure: the same gives the same events, byte by byte.
///
/// # Errors
/// Why it is refused; [`refusal`] is the event that tells it.
pub fn plan(
    update: &Update,
    fields: &BTreeMap<String, Json>,
    catalogue: &Catalogue,
    at: Timestamp,
) -> Result<Vec<Incoming>, Unfit> {
    planned(update, (fields, None), catalogue, at)
}

/// The same of an entity that was read from a journal: the first of several events tells how far, so that whoever finds that
/// one alone comes to the same plan again.
///
/// # Errors
/// As [`plan`].
pub fn plan_found(
    update: &Update,
    found: &Found,
    catalogue: &Catalogue,
    at: Timestamp,
) -> Result<Vec<Incoming>, Unfit> {
    planned(update, (&found.fields, Some(found.read)), catalogue, at)
}

fn planned(
    update: &Update,
    (fields, read): (&BTreeMap<String, Json>, Option<u64>),
    catalogue: &Catalogue,
    at: Timestamp,
) -> Result<Vec<Incoming>, Unfit> {
    let entity_type = update.entity.kind.as_str();
    let own = update.entity.correlation();
    if catalogue.is_checked(entity_type) && update.correlation() != own {
        return Err(Unfit::Elsewhere { entity_type: entity_type.to_string(), wanted: own.to_string() });
    }
    expected(update, fields)?;
    let changed = differences(update, fields);
    let told = events(entity_type, fields, catalogue, &changed);
    if told.len() > limits::TURN_COMMANDS {
        return Err(Unfit::TooMany { events: told.len() });
    }
    let count = told.len();
    let build = |(nth, (kind, version, named)): (usize, Told<'_>)| {
        let mut event = envelope(update, kind, (nth, count), at).schema_version(version);
        for field in named {
            event = event.change(field, fields.get(field), &changed[field]);
        }
        if let (Some(read), 0, true) = (read, nth, count > 1) {
            event = event.metadata(READ, read.to_string());
        }
        let incoming = event.build()?;
        catalogue.check(incoming.event())?;
        Ok(incoming)
    };
    told.into_iter().enumerate().map(build).collect()
}

/// The event that tells that an update was refused.
///
/// # Errors
/// If what the update names can stand in no event: then it is none, and nothing is recorded of it.
pub fn refusal(update: &Update, unfit: &Unfit, at: Timestamp) -> Result<Incoming, EventError> {
    let digest = digest(update).to_string();
    let mut payload = serde_json::json!({ "reason": unfit.to_string(), "digest": digest });
    if let Some(field) = unfit.field() {
        payload["field"] = field.into();
    }
    envelope(update, refused_type(&update.entity.kind), (0, 1), at).payload(payload).build()
}

/// Whether events can tell what an update asks.
///
/// # Errors
/// What could stand in no event: then nothing of it is recorded, not even that it was refused.
pub fn check(update: &Update) -> Result<(), EventError> {
    update.correlation().check_free()?;
    update.id.as_deref().map_or(Ok(()), |id| check_name("id", id))?;
    if update.fields.len() > limits::CHANGES || update.expected.len() > limits::CHANGES {
        return Err(EventError::wrong("fields", format!("at most {} are taken at once", limits::CHANGES)));
    }
    refusal(update, &Unfit::TooMany { events: 0 }, Timestamp::MIN).map(drop)
}

/// The digest of what an update asks.
pub fn digest(update: &Update) -> Digest {
    Digest::of(Json::of(update).text().as_bytes())
}

fn expected(update: &Update, fields: &BTreeMap<String, Json>) -> Result<(), Unfit> {
    for (field, expected) in &update.expected {
        let found = fields.get(field).cloned().unwrap_or_default();
        if !found.same(expected) {
            return Err(Unfit::Unexpected { field: field.clone(), expected: expected.clone(), found });
        }
    }
    Ok(())
}

/// The fields that are not what they are to be, with what they are to be.
fn differences(update: &Update, fields: &BTreeMap<String, Json>) -> BTreeMap<String, Json> {
    let null = Json::null();
    let differs = |(field, value): &(&String, &Json)| !fields.get(*field).unwrap_or(&null).same(value);
    update.fields.iter().filter(differs).map(|(field, value)| (field.clone(), value.clone())).collect()
}

/// An event that is to be: its type, that one's version, and the fields that it tells of.
type Told<'a> = (String, u32, Vec<&'a String>);

fn events<'a>(
    entity_type: &str,
    fields: &BTreeMap<String, Json>,
    catalogue: &Catalogue,
    changed: &'a BTreeMap<String, Json>,
) -> Vec<Told<'a>> {
    let named = |it: &EventType| (it.name().to_string(), it.latest());
    if changed.is_empty() {
        return Vec::new();
    }
    if let (true, Some(creating)) = (fields.is_empty(), catalogue.creating(entity_type)) {
        let (kind, version) = named(creating);
        return vec![(kind, version, changed.keys().collect())];
    }
    let mut telling: Vec<&EventType> = catalogue.telling(entity_type, changed).collect();
    // What always tells comes before what tells of one value alone.
    telling.sort_by_key(|it| it.is_of_one_value());
    let mut rest: Vec<&String> = changed.keys().collect();
    let mut told = Vec::with_capacity(telling.len() + 1);
    for it in telling {
        let (kind, version) = named(it);
        rest.retain(|field| !it.told_fields().contains(field));
        told.push((kind, version, changed.keys().filter(|field| it.told_fields().contains(field)).collect()));
    }
    if !rest.is_empty() {
        let kind = catalogue.rest(entity_type);
        let version = catalogue.get(&kind).map_or(1, EventType::latest);
        told.push((kind, version, rest));
    }
    told
}

fn envelope(update: &Update, kind: String, (nth, count): (usize, usize), at: Timestamp) -> EventBuilder {
    let mut event = Event::new(kind, update.correlation())
        .id(event_id(update, nth))
        .source(UPDATE_SOURCE)
        .timestamp(at)
        .actor(update.by.clone())
        .entity(update.entity.clone())
        .chain(update.chain.iter().cloned());
    for (name, text) in &update.metadata {
        event = event.metadata(name, text);
    }
    event = event.metadata(ID, update.id.clone().unwrap_or_default());
    event = event.metadata(DIGEST, digest(update).to_string()).metadata(EVENTS, count.to_string());
    match &update.cause {
        Some(cause) => event.cause(cause),
        None => event,
    }
}
