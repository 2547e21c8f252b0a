//! The state of the user's things: a fold over the events that are about them.

mod checked;
mod plan;
mod relation;
mod update;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::{Json, Timestamp};

pub(crate) use checked::check_place;
pub use checked::{check_claims, is_checked};
pub use plan::{
    Found, OfUpdate, UPDATE_SOURCE, Unfit, check, digest, event_id, plan, plan_found, read_until, refusal, refused_type,
};
pub use relation::Relation;
pub use update::Update;

/// An entity as its events tell it, each field with its last `after` by timestamp and position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntityState {
    /// Its fields.
    pub fields: BTreeMap<String, Json>,
    /// Events that were about it or touched it.
    pub events: u64,
    /// The timestamp of the last of them.
    pub last: Option<Timestamp>,
    /// Claims about what was there before that did not fit.
    pub mismatches: Vec<Mismatch>,
}

/// The fields of an entity, whatever the order in which its events are told: of each the latest by timestamp and position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestFields(BTreeMap<String, (Timestamp, u64, Json)>);

impl LatestFields {
    /// An event that is about the entity.
    pub fn tell(&mut self, event: &Event, position: u64) {
        let told = (event.timestamp, position);
        for (field, change) in &event.changes {
            match self.0.get_mut(field) {
                Some((at, nth, _)) if (*at, *nth) > told => {}
                Some(known) => *known = (told.0, told.1, change.after.clone()),
                None => drop(self.0.insert(field.clone(), (told.0, told.1, change.after.clone()))),
            }
        }
    }

    /// The latest timestamp that told of a field.
    pub fn last(&self) -> Option<Timestamp> {
        self.0.values().map(|(at, ..)| *at).max()
    }

    /// The timestamp that told of a field last.
    pub fn told_at(&self, field: &str) -> Option<Timestamp> {
        self.0.get(field).map(|(at, ..)| *at)
    }

    /// A field's value.
    pub fn get(&self, field: &str) -> Option<&Json> {
        self.0.get(field).map(|(.., value)| value)
    }

    /// Each field with when it was last told, at which position, and its value.
    pub fn told(&self) -> impl Iterator<Item = (&str, Timestamp, u64, &Json)> {
        self.0.iter().map(|(field, (at, position, value))| (field.as_str(), *at, *position, value))
    }

    /// Each field's value.
    pub fn values(&self) -> BTreeMap<String, Json> {
        self.0.iter().map(|(field, (.., value))| (field.clone(), value.clone())).collect()
    }
}

/// An event's claim about a field's old value that did not fit what was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The event's position.
    pub position: u64,
    /// The field.
    pub field: String,
    /// What the event says was there.
    pub claimed: Json,
    /// What was there.
    pub found: Json,
}

/// Folds events, given in the order of timestamp and position, into the state of the entity that they are about or touch.
/// One that only touches it counts, and changes no field.
pub fn fold<'a>(events: impl IntoIterator<Item = (&'a Event, u64, bool)>) -> Option<EntityState> {
    let mut state: Option<EntityState> = None;
    let mut update: Option<OfUpdate> = None;
    for (event, position, is_about) in events {
        let state = state.get_or_insert_default();
        state.events += 1;
        state.last = Some(event.timestamp);
        if is_about {
            let before = std::mem::replace(&mut update, OfUpdate::read(event));
            apply(state, event, position, before.is_some() && before == update);
        }
    }
    state
}

/// `again`: the event before was of the same update, which may tell of one change by several events.
fn apply(state: &mut EntityState, event: &Event, position: u64, again: bool) {
    for (field, change) in &event.changes {
        let before = state.fields.insert(field.clone(), change.after.clone());
        let fits = |found: &Json| found.same(&change.before) || again && found.same(&change.after);
        // A field's first mention may claim what it likes: what was before Regie is not known.
        if let Some(found) = before.filter(|found| !fits(found)) {
            let (field, claimed) = (field.clone(), change.before.clone());
            state.mismatches.push(Mismatch { position, field, claimed, found });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EntityRef, Incoming};

    fn event(field: &str, before: Option<&str>, after: &str) -> Incoming {
        Event::new("t", "c").entity(EntityRef::new("task", "1")).change(field, before, after).build().unwrap()
    }

    #[test]
    fn each_field_has_its_last_after() {
        let events =
            [event("status", None, "open"), event("owner", None, "ana"), event("status", Some("open"), "done")];
        let state = fold(events.iter().zip(1..).map(|(event, position)| (event.event(), position, true))).unwrap();
        assert_eq!(state.fields["status"].text(), "\"done\"");
        assert_eq!((state.events, state.mismatches.len()), (3, 0));
    }

    #[test]
    fn a_claim_that_does_not_fit_is_told_and_does_not_stop() {
        let events = [event("status", None, "open"), event("status", Some("closed"), "done")];
        let state = fold(events.iter().zip(1..).map(|(event, position)| (event.event(), position, true))).unwrap();
        assert_eq!(state.mismatches[0].found.text(), "\"open\"");
        assert_eq!(state.fields["status"].text(), "\"done\"");
    }

    #[test]
    fn what_is_only_touched_has_no_fields_and_what_nobody_touched_has_no_state() {
        let touching = event("status", None, "open");
        assert!(fold([(touching.event(), 1, false)]).unwrap().fields.is_empty());
        assert_eq!(fold([]), None);
    }
}
