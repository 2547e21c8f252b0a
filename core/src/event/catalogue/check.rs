//! Holding an event against its type, and bringing an older one up.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::breach::{Breach, escaped, shown};
use super::schema::Schema;
use super::upcast::{UpcastError, bring_up};
use super::{Catalogue, Registered};
use crate::Json;
use crate::entity::{check_place, is_checked};
use crate::event::Event;

impl Catalogue {
    /// Whether an event is one of its type. Of an unknown type everything is taken; but what changes a checked
    /// entity is in the one correlation that this has.
    ///
    /// # Errors
    /// The first place at which it is not, what was wanted there, and what is there.
    pub fn check(&self, event: &Event) -> Result<(), Breach> {
        if is_checked(event, self) {
            check_place(event)?;
        }
        let Some(known) = self.0.types.get(&event.kind) else { return Ok(()) };
        let version = |error: &UpcastError| {
            let latest = known.it.version;
            let wanted = match error {
                UpcastError::Newer { .. } => format!("a version up to {latest}"),
                UpcastError::Missing { from, .. } => format!("version {latest}, or an upcaster from {from} on,"),
                UpcastError::Failed { why, .. } => format!("what can be brought up to version {latest} ({why})"),
            };
            Breach::new(&event.kind, "/schema_version", wanted, event.schema_version.to_string())
        };
        let event = known.bring_up(event).map_err(|error| version(&error))?;
        known.check_entity(&event)?;
        known.check_changes(&event)?;
        known.check_payload(&event)
    }

    /// An event in the form of its type's latest version; as it is, if it is in that or of an unknown type.
    ///
    /// # Errors
    /// If there is no way up, or an upcaster failed.
    pub fn bring_up<'e>(&self, event: &'e Event) -> Result<Cow<'e, Event>, UpcastError> {
        match self.0.types.get(&event.kind) {
            Some(known) => known.bring_up(event),
            None => Ok(Cow::Borrowed(event)),
        }
    }

    /// The same for an event that is shared.
    ///
    /// # Errors
    /// As [`Catalogue::bring_up`].
    pub fn bring_up_shared(&self, event: Arc<Event>) -> Result<Arc<Event>, UpcastError> {
        let brought = match self.bring_up(&event)? {
            Cow::Borrowed(_) => None,
            Cow::Owned(brought) => Some(Arc::new(brought)),
        };
        Ok(brought.unwrap_or(event))
    }
}

impl Registered {
    fn bring_up<'e>(&self, event: &'e Event) -> Result<Cow<'e, Event>, UpcastError> {
        let (version, latest) = (event.schema_version, self.it.version);
        match version {
            _ if version > latest => Err(UpcastError::Newer { event_type: event.kind.clone(), version, latest }),
            _ if version == latest => Ok(Cow::Borrowed(event)),
            _ => bring_up(event, &self.it.upcasters, latest).map(Cow::Owned),
        }
    }

    fn check_entity(&self, event: &Event) -> Result<(), Breach> {
        let Some(wanted) = &self.it.entity else { return Ok(()) };
        match &event.entity {
            Some(entity) if entity.kind == *wanted => Ok(()),
            Some(entity) => Err(Breach::new(&event.kind, "/entity/type", quoted(wanted), quoted(&entity.kind))),
            None => {
                Err(Breach::new(&event.kind, "/entity", format!("an entity of type {}", quoted(wanted)), "nothing"))
            }
        }
    }

    fn check_changes(&self, event: &Event) -> Result<(), Breach> {
        let Some(schema) = &self.changes else { return Ok(()) };
        let mut changes = Map::new();
        for (field, change) in &event.changes {
            let read = |part: &str, json: &Json| read(event, &format!("/changes/{}/{part}", escaped(field)), json);
            let mut both = Map::new();
            both.insert("before".into(), read("before", &change.before)?);
            both.insert("after".into(), read("after", &change.after)?);
            changes.insert(field.clone(), both.into());
        }
        hold(event, schema, "/changes", &changes.into())
    }

    fn check_payload(&self, event: &Event) -> Result<(), Breach> {
        let Some(schema) = &self.payload else { return Ok(()) };
        hold(event, schema, "/payload", &read(event, "/payload", &event.payload)?)
    }
}

fn quoted(text: &str) -> String {
    Json::of(text).text().to_string()
}

/// A value as a tree; a number that no float can be near to is told, and not taken for null.
fn read(event: &Event, pointer: &str, json: &Json) -> Result<Value, Breach> {
    let wanted = "a value whose numbers are within a float's range";
    json.to().map_err(|_| Breach::new(&event.kind, pointer, wanted, shown(json.text())))
}

fn hold(event: &Event, schema: &Schema, place: &str, value: &Value) -> Result<(), Breach> {
    let told = |misfit: super::schema::Misfit| {
        Breach::new(&event.kind, format!("{place}{}", misfit.pointer), misfit.wanted, misfit.found)
    };
    schema.check(value).map_err(told)
}
