//! Bringing an event of an older schema version up to the latest: when it is read, never in the journal.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::Json;
use crate::event::{Change, Event};
use crate::workflow::panic_text;

/// What an upcaster may rewrite of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Its payload.
    pub payload: Json,
    /// What it did to its entity.
    pub changes: BTreeMap<String, Change>,
}

/// A pure function from one version's form to the next one's.
pub type Upcaster = Arc<dyn Fn(Told) -> Result<Told, String> + Send + Sync>;

/// Why an event cannot be brought up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpcastError {
    /// Nobody has told how.
    #[error("{event_type} has schema version {version}, and there is no upcaster from {from} on the way to {latest}")]
    Missing {
        /// The event's type.
        event_type: String,
        /// The event's version.
        version: u32,
        /// The version from which there is no way on.
        from: u32,
        /// The latest version.
        latest: u32,
    },
    /// Written by a newer program.
    #[error("{event_type} has schema version {version}; this program knows it up to {latest}")]
    Newer {
        /// The event's type.
        event_type: String,
        /// The event's version.
        version: u32,
        /// The latest version.
        latest: u32,
    },
    /// The upcaster refused it, or panicked.
    #[error("{event_type} cannot be brought up from schema version {from}: {why}")]
    Failed {
        /// The event's type.
        event_type: String,
        /// The version from which it could not go on.
        from: u32,
        /// Why.
        why: String,
    },
}

/// An older event in the form of the latest version.
pub(super) fn bring_up(event: &Event, upcasters: &BTreeMap<u32, Upcaster>, latest: u32) -> Result<Event, UpcastError> {
    let (event_type, version) = (event.kind.clone(), event.schema_version);
    let mut told = Told { payload: event.payload.clone(), changes: event.changes.clone() };
    for from in version..latest {
        let Some(upcaster) = upcasters.get(&from) else {
            return Err(UpcastError::Missing { event_type, version, from, latest });
        };
        let next = catch_unwind(AssertUnwindSafe(|| upcaster(told)));
        let next = next.unwrap_or_else(|panic| Err(format!("its upcaster panicked: {}", panic_text(panic.as_ref()))));
        told = next.map_err(|why| UpcastError::Failed { event_type: event_type.clone(), from, why })?;
    }
    let mut event = event.clone();
    (event.payload, event.changes, event.schema_version) = (told.payload, told.changes, latest);
    Ok(event)
}
