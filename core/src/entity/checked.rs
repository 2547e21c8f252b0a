//! Entities that are checked: what an event says was there before must be there.

use std::collections::BTreeMap;

use crate::Json;
use crate::event::{Breach, Catalogue, EntityRef, Event, escaped, shown};

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
