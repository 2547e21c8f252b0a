//! Entities that are checked: what an event says was there before must be there.

use super::LatestFields;
use crate::event::{Breach, Catalogue, EntityRef, Event, escaped, shown};
use crate::{Json, Timestamp};

/// Whether an event may be taken only if what it claims of its entity is so.
pub fn is_checked(event: &Event, catalogue: &Catalogue) -> bool {
    let about = event.entity.as_ref().filter(|_| !event.changes.is_empty());
    about.is_some_and(|entity| catalogue.is_checked(&entity.kind))
}

/// Holds such an event against its entity's fields.
///
/// # Errors
/// The first claim that does not fit; what was there before anything was told is not known, and may be claimed to be anything.
/// Or that a field was told later, so that the event would change nothing; one without a timestamp is of now.
pub fn check_claims(event: &Event, fields: &LatestFields) -> Result<(), Breach> {
    let has_time = event.timestamp > Timestamp::MIN;
    for (field, change) in &event.changes {
        if let Some(found) = fields.get(field).filter(|found| !found.same(&change.before)) {
            let pointer = format!("/changes/{}/before", escaped(field));
            return Err(Breach::new(&event.kind, pointer, shown(found.text()), shown(change.before.text())));
        }
        if let Some(told) = fields.told_at(field).filter(|told| has_time && event.timestamp < *told) {
            let (wanted, found) = (format!("{told} or later"), event.timestamp.to_string());
            return Err(Breach::new(&event.kind, "/timestamp", wanted, found));
        }
    }
    Ok(())
}

/// Whether such an event is in the one correlation that its entity has.
///
/// # Errors
/// If it is in another.
pub(crate) fn check_place(event: &Event) -> Result<(), Breach> {
    let own = event.entity.as_ref().map_or_else(|| "".into(), EntityRef::correlation);
    if event.correlation_id == own {
        return Ok(());
    }
    let (wanted, found) = (Json::of(&own), Json::of(&event.correlation_id));
    Err(Breach::new(&event.kind, "/correlation_id", wanted.text(), found.text()))
}
