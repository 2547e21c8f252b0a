//! What rules know of things, found anew in the whole history each time: no fold, no edges kept, no CEL.

use std::collections::BTreeSet;

use super::event::Entity;
use super::thread::Event;
use crate::simulation::automation::words::{Holds, Watch};

/// All users' events up to one of them, in the order in which they were processed.
#[derive(Clone, Copy)]
pub(super) struct History<'h> {
    pub(super) events: &'h [&'h Event],
    /// Whether things move from group to group.
    pub(super) moves: bool,
}

impl<'h> History<'h> {
    pub(super) fn until(self, nth: usize) -> Self {
        Self { events: &self.events[..=nth], ..self }
    }

    /// Without its last event.
    pub(super) fn before(self) -> Self {
        Self { events: &self.events[..self.events.len() - 1], ..self }
    }

    /// The event that told a field last, by its timestamp.
    fn teller(self, entity: &Entity, field: &str) -> Option<&'h Event> {
        let about = self.events.iter().filter(|event| event.seen.entity.as_ref() == Some(entity));
        let told = about.filter(|event| event.seen.changes.contains_key(field));
        told.max_by_key(|event| (event.timestamp, event.position)).copied()
    }

    fn told(self, entity: &Entity, field: &str) -> Option<&'h serde_json::Value> {
        self.teller(entity, field).map(|event| &event.seen.changes[field].after)
    }

    pub(super) fn field(self, entity: &Entity, field: &str) -> serde_json::Value {
        self.told(entity, field).cloned().unwrap_or_default()
    }

    /// The groups that a thing belongs to.
    fn groups(self, thing: &Entity) -> BTreeSet<&'h Entity> {
        let about = self.events.iter().filter(|event| event.seen.entity.as_ref() == Some(thing));
        let named: Vec<&Vec<Entity>> =
            about.map(|event| &event.seen.related).filter(|named| !named.is_empty()).collect();
        let counts = if self.moves { &named[named.len().saturating_sub(1)..] } else { &named[..] };
        counts.iter().flat_map(|named| named.iter()).filter(|other| other.kind == "group").collect()
    }

    /// The things that belong to a group.
    pub(super) fn things(self, group: &Entity) -> BTreeSet<&'h Entity> {
        let all: BTreeSet<&Entity> = self.events.iter().filter_map(|event| event.seen.entity.as_ref()).collect();
        all.into_iter().filter(|thing| self.groups(thing).contains(group)).collect()
    }

    /// What a rule is looked at for, by the last event.
    pub(super) fn subjects(self, watch: &Watch) -> Vec<Option<Entity>> {
        let event = self.events.last().expect("an event");
        let Holds::AllEven(_) = watch.when else { return vec![event.seen.entity.clone()] };
        let mut found: BTreeSet<&Entity> = event.seen.entity.iter().chain(&event.seen.related).collect();
        if let Some(thing) = &event.seen.entity {
            found.extend(self.before().groups(thing));
            found.extend(self.groups(thing));
        }
        found.into_iter().filter(|entity| entity.kind == "group").cloned().map(Some).collect()
    }

    /// Whether a rule holds for a subject; nothing where that cannot be told: what is put back may be nothing, and no number.
    pub(super) fn holds(self, watch: &Watch, subject: Option<&Entity>) -> Option<bool> {
        let number = |entity: &Entity, field: &str| self.told(entity, field).map_or(Some(0), |told| told.as_u64());
        match watch.when {
            Holds::Always => Some(true),
            Holds::Odd(field) => Some(number(subject?, field)? % 2 == 1),
            Holds::AllEven(field) => {
                let things = self.things(subject?);
                Some(
                    !things.is_empty()
                        && things.iter().all(|thing| number(thing, field).expect("clients tell it") % 2 == 0),
                )
            }
        }
    }
}
