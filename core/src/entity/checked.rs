//! Entities that are checked: what an event says was there before must be there.

use std::collections::BTreeMap;

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
/// The first claim that does not fit. What was there before anything was told is not known, and may be claimed to be anything.
pub fn check_claims(event: &Event, fields: &BTreeMap<String, Json>) -> Result<(), Breach> {
    for (field, change) in &event.changes {
        if let Some(found) = fields.get(field).filter(|found| !found.same(&change.before)) {
            let pointer = format!("/changes/{}/before", escaped(field));
            return Err(Breach::new(&event.kind, pointer, shown(found.text()), shown(change.before.text())));
        }
    }
    Ok(())
}

/// Holds when such an event happened against when its entity's fields were told last: an older one would change nothing.
///
/// # Errors
/// If a field of its changes was told later. One without a timestamp is of now.
pub fn check_order(event: &Event, fields: &LatestFields) -> Result<(), Breach> {
    let told = event.changes.keys().filter_map(|field| fields.told_at(field)).max();
    match told.filter(|told| Timestamp::MIN < event.timestamp && event.timestamp < *told) {
        None => Ok(()),
        Some(told) => {
            Err(Breach::new(&event.kind, "/timestamp", format!("{told} or later"), event.timestamp.to_string()))
        }
    }
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
