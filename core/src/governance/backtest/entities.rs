//! Entities as conditions see them while a set is tried: the fold over the events seen so far.

use std::collections::{BTreeMap, HashMap};

use crate::entity::EntityState;
use crate::event::{EntityRef, Event};
use crate::governance::surroundings::entity_seen;
use crate::{Json, Timestamp};

/// All entities that an event was about or touched.
#[derive(Debug, Default)]
pub(super) struct Entities {
    known: HashMap<EntityRef, Known>,
    events: u64,
}

#[derive(Debug, Default)]
struct Known {
    /// Each with the timestamp of the event that told it, and which event that was.
    fields: BTreeMap<String, (Timestamp, u64, Json)>,
    /// The last event that was about it or touched it.
    position: u64,
}

impl Entities {
    /// An event was recorded, whatever the policies said of it.
    pub(super) fn see(&mut self, event: &Event) {
        self.events += 1;
        for touched in event.related.iter().chain(&event.entity) {
            self.known.entry(touched.clone()).or_default().position = self.events;
        }
        let Some(known) = event.entity.as_ref().and_then(|entity| self.known.get_mut(entity)) else { return };
        for (field, change) in &event.changes {
            let told = (event.timestamp, self.events);
            match known.fields.get_mut(field) {
                Some((at, nth, _)) if (*at, *nth) > told => {}
                Some(value) => *value = (told.0, told.1, change.after.clone()),
                None => drop(known.fields.insert(field.clone(), (told.0, told.1, change.after.clone()))),
            }
        }
    }

    /// An event's entity; null where it has none, or nothing is known of it.
    pub(super) fn seen(&self, event: &Event) -> Json {
        let Some((entity, known)) = event.entity.as_ref().and_then(|it| self.known.get_key_value(it)) else {
            return Json::null();
        };
        let fields = known.fields.iter().map(|(field, (.., value))| (field.clone(), value.clone())).collect();
        entity_seen(entity, &EntityState { fields, ..EntityState::default() }, known.position)
    }
}
