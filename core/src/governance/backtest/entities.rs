//! Entities as conditions see them while a set is tried: the fold over the events seen so far.

use std::collections::HashMap;

use crate::Json;
use crate::entity::LatestFields;
use crate::event::{EntityRef, Event};
use crate::governance::surroundings::entity_seen;

/// All entities that an event was about or touched.
#[derive(Debug, Default)]
pub(super) struct Entities {
    known: HashMap<EntityRef, Known>,
    events: u64,
}

#[derive(Debug, Default)]
struct Known {
    fields: LatestFields,
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
        if let Some(known) = event.entity.as_ref().and_then(|entity| self.known.get_mut(entity)) {
            known.fields.tell(event, self.events);
        }
    }

    /// An event's entity; null where it has none, or nothing is known of it.
    pub(super) fn seen(&self, event: &Event) -> Json {
        let Some((entity, known)) = event.entity.as_ref().and_then(|it| self.known.get_key_value(it)) else {
            return Json::null();
        };
        entity_seen(entity, &known.fields.values(), known.position)
    }
}
