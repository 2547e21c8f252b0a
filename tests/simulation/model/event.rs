//! An event as the model reads it: from its bytes, by its own eyes.

use std::collections::BTreeMap;
use std::fmt;

use regie_core::Timestamp;
use regie_core::entity::fold;
use regie_core::event::{Format, Incoming};
use regie_core::governance::KeyKind;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::thread::Event;
use crate::simulation::script::Do;

/// What the model sees of an event.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) source: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) correlation_id: String,
    #[serde(default)]
    actor: Option<Actor>,
    #[serde(default)]
    pub(super) entity: Option<Entity>,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "script")]
    pub(super) payload: Vec<Do>,
    #[serde(default)]
    pub(super) timestamp: Option<String>,
    #[serde(default)]
    pub(super) changes: BTreeMap<String, Change>,
    #[serde(default)]
    pub(super) related: Vec<Entity>,
    #[serde(default)]
    pub(super) causation_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Actor {
    kind: String,
    id: String,
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entity {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) id: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    pub(super) before: Value,
    #[serde(default)]
    pub(super) after: Value,
}

/// What tells a puppet nothing is no script.
fn script<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Do>, D::Error> {
    struct Script;
    impl<'de> Visitor<'de> for Script {
        type Value = Vec<Do>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a script, or what is none")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<Do>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(seq))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Do>, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Vec::new())
        }

        fn visit_unit<E>(self) -> Result<Vec<Do>, E> {
            Ok(Vec::new())
        }
    }
    deserializer.deserialize_any(Script)
}

impl Seen {
    pub(super) fn read(raw: &str) -> Self {
        serde_json::from_str(raw).unwrap_or_else(|error| panic!("{error}: {raw}"))
    }

    /// The handler and the policies that its type is about.
    pub(super) fn parts(&self) -> (&str, &str) {
        self.kind.split_once('.').expect("two segments")
    }

    /// Its key at a cooldown.
    pub(super) fn key(&self, kind: KeyKind) -> Option<String> {
        match kind {
            KeyKind::All => Some(String::new()),
            KeyKind::Correlation => Some(self.correlation_id.clone()),
            KeyKind::Actor => self.actor.as_ref().map(|actor| format!("{}:{}", actor.kind, actor.id)),
            KeyKind::Entity => self.entity.as_ref().map(|entity| format!("{}/{}", entity.kind, entity.id)),
            KeyKind::Session => None,
        }
    }

    /// When it happened; what came without takes the time at which it was recorded.
    pub(super) fn timestamp(&self, recorded: Timestamp) -> Timestamp {
        self.timestamp.as_ref().map_or(recorded, |text| Timestamp::parse(text).expect("a timestamp"))
    }
}

/// Each field of each entity has its last `after` by timestamp and position: by the core's fold, and by a plain search.
pub(super) fn assert_entities<'a>(events: impl Iterator<Item = &'a Event>) {
    let mut by_entity: BTreeMap<Entity, Vec<&Event>> = BTreeMap::new();
    for event in events {
        let entity = event.seen.entity.clone();
        entity.into_iter().for_each(|entity| by_entity.entry(entity).or_default().push(event));
    }
    for (entity, mut events) in by_entity {
        events.sort_by_key(|event| (event.timestamp, event.position));
        let read: Vec<(Incoming, u64)> = events.iter().map(|event| (event.incoming(), event.position)).collect();
        let state = fold(read.iter().map(|(event, position)| (event.event(), *position, true))).expect("a state");
        let last = |field: &str| events.iter().rev().find_map(|event| event.seen.changes.get(field));
        for field in ["colour", "size", "shade", "mark", "things"] {
            let found = state.fields.get(field).map(|value| value.text().to_string());
            assert_eq!(found, last(field).map(|change| change.after.to_string()), "{field} of {entity:?}");
        }
        assert_eq!(state.events, events.len() as u64);
    }
}

impl Event {
    pub(super) fn incoming(&self) -> Incoming {
        let raw = self.raw.as_str().into();
        Incoming::recover(Format::Regie, raw, None, self.recorded).expect("an event that was recorded")
    }
}
