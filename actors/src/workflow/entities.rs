//! Entities that conditions look at: a shard remembers what it has folded of each, so that a long history is read once.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use regie_core::Json;
use regie_core::entity::LatestFields;
use regie_core::event::{Catalogue, CorrelationId, EntityRef, Event};
use regie_core::governance::entity_seen;
use regie_journal::{Reader, StoreError};

/// How many are remembered; beyond that all are forgotten, and read when they are looked at again.
const REMEMBERED: usize = 4_096;

/// An entity's fields, by all its events up to a position.
#[derive(Clone, Debug, Default)]
pub(super) struct Folded {
    pub(super) fields: LatestFields,
    /// Of the last event that was about it or touched it.
    position: u64,
}

/// What the plan of an update knew when its first event was recorded.
pub(super) struct Planned {
    /// The update's correlation: what it had recorded before that event, be it in the same turn, was known.
    pub(super) correlation: CorrelationId,
    /// Where the first event is.
    pub(super) first: u64,
    /// Of other correlations up to here.
    pub(super) read: u64,
}

/// What is remembered. Of one shard: its thread alone looks there.
#[derive(Debug, Default)]
pub struct Entities(RefCell<HashMap<EntityRef, Arc<Folded>>>);

impl Entities {
    pub(super) fn known(&self, entity: &EntityRef) -> Option<Arc<Folded>> {
        self.0.borrow().get(entity).cloned()
    }

    /// Of two that were read side by side the longer stays.
    pub(super) fn remember(&self, entity: EntityRef, folded: Arc<Folded>) {
        let mut all = self.0.borrow_mut();
        if all.get(&entity).is_some_and(|known| known.position >= folded.position) {
            return;
        }
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(entity, folded);
    }
}

/// An entity as conditions see it, by all that the index covers; null where nothing is known of it.
///
/// # Errors
/// If the journal cannot be read.
pub fn read_entity(reader: &mut Reader, entity: &EntityRef, catalogue: &Catalogue) -> Result<Json, StoreError> {
    let folded = Folded::read(reader, entity, None, catalogue)?;
    Ok(folded.map_or(Json::null(), |folded| folded.seen(entity)))
}

impl Folded {
    /// As conditions see it.
    pub(super) fn seen(&self, entity: &EntityRef) -> Json {
        entity_seen(entity, &self.fields.values(), self.position)
    }

    /// Goes on from what is known. Nothing comes back where no event told of the entity.
    pub(super) fn read(
        reader: &mut Reader,
        entity: &EntityRef,
        known: Option<Arc<Self>>,
        catalogue: &Catalogue,
    ) -> Result<Option<Arc<Self>>, StoreError> {
        let new = reader.touches_after(entity, known.as_ref().map_or(0, |known| known.position))?;
        if new.is_empty() {
            return Ok(known);
        }
        let mut folded = known.as_deref().cloned().unwrap_or_default();
        for stored in new {
            folded.tell(stored.incoming.event(), entity, stored.position, catalogue);
        }
        Ok(Some(Arc::new(folded)))
    }

    /// An entity by those of its events that a plan knew.
    pub(super) fn read_planned(
        reader: &mut Reader,
        entity: &EntityRef,
        planned: &Planned,
        catalogue: &Catalogue,
    ) -> Result<Self, StoreError> {
        let mut folded = Self::default();
        for stored in reader.touches_after(entity, 0)? {
            let event = stored.incoming.event();
            let is_own = event.correlation_id == planned.correlation && stored.position < planned.first;
            if stored.position <= planned.read || is_own {
                folded.tell(event, entity, stored.position, catalogue);
            }
        }
        Ok(folded)
    }

    /// Where the last event stands that was about it or touched it.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn tell(&mut self, event: &Event, entity: &EntityRef, position: u64, catalogue: &Catalogue) {
        if event.entity.as_ref() == Some(entity) {
            // What there is no way up for is told as it came: it was taken so.
            self.fields.tell(&catalogue.bring_up(event).unwrap_or(Cow::Borrowed(event)), position);
        }
        self.position = self.position.max(position);
    }
}
