//! The state of the user's things: a fold over the events that are about them.

use std::collections::BTreeMap;

use crate::event::Event;
use crate::{Json, Timestamp};

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
    for (event, position, is_about) in events {
        state.get_or_insert_default().go_on(event, position, is_about);
    }
    state
}

impl EntityState {
    /// Folds one event more, which comes after all that were folded. One that only touches the entity counts, and changes
    /// no field.
    pub fn go_on(&mut self, event: &Event, position: u64, is_about: bool) {
        self.events += 1;
        self.last = Some(event.timestamp);
        for (field, change) in event.changes.iter().filter(|_| is_about) {
            let before = self.fields.insert(field.clone(), change.after.clone());
            // A field's first mention may claim what it likes: what was before Regie is not known.
            if let Some(found) = before.filter(|found| !found.same(&change.before)) {
                let (field, claimed) = (field.clone(), change.before.clone());
                self.mismatches.push(Mismatch { position, field, claimed, found });
            }
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
