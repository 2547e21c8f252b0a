//! Entities that conditions look at: a shard remembers what it has folded of each, so that a long history is read once.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use regie_core::entity::{EntityState, LatestFields, fold};
use regie_core::event::{Catalogue, CorrelationId, EntityRef, Event, LifeState};
use regie_core::governance::entity_seen;
use regie_core::{Json, Timestamp};
use regie_journal::{Reader, StoreError, StoredEvent};

use crate::updated::received;

/// How many are remembered; beyond that all are forgotten, and read when they are looked at again.
const REMEMBERED: usize = 4_096;

/// An entity's fields, by all its events up to a position.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folded {
    pub(crate) fields: LatestFields,
    /// Of the last event that was read; it is about it or touches it.
    position: u64,
    /// Of the last one that is processed.
    processed: u64,
    /// Those that are neither processed nor discarded yet.
    waiting: Vec<u64>,
}

/// What the plan of an update knew when its first event was recorded.
pub(crate) struct Planned {
    /// The update's correlation: what it had recorded before that event, be it in the same turn, was known.
    pub(crate) correlation: CorrelationId,
    /// Where the first event is.
    pub(crate) first: u64,
    /// Of other correlations up to here.
    pub(crate) read: u64,
}

/// What is remembered. Of one shard: its thread alone looks there.
#[derive(Debug, Default)]
pub struct Entities(RefCell<HashMap<EntityRef, Arc<Folded>>>);

impl Entities {
    pub(crate) fn known(&self, entity: &EntityRef) -> Option<Arc<Folded>> {
        self.0.borrow().get(entity).cloned()
    }

    /// Of two that were read side by side the longer stays.
    pub(crate) fn remember(&self, entity: EntityRef, folded: Arc<Folded>) {
        let mut all = self.0.borrow_mut();
        let is_further = |known: &Arc<Folded>| {
            (known.position, std::cmp::Reverse(known.waiting.len()))
                >= (folded.position, std::cmp::Reverse(folded.waiting.len()))
        };
        if all.get(&entity).is_some_and(is_further) {
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

/// What is told of an entity's fields, by all that the index covers.
///
/// # Errors
/// If the journal cannot be read.
pub fn read_fields(reader: &mut Reader, entity: &EntityRef, catalogue: &Catalogue) -> Result<LatestFields, StoreError> {
    let folded = Folded::read(reader, entity, None, catalogue)?;
    Ok(folded.map(|folded| folded.fields.clone()).unwrap_or_default())
}

impl Folded {
    /// As conditions see it.
    pub(crate) fn seen(&self, entity: &EntityRef) -> Json {
        match self.processed {
            0 => Json::null(),
            position => entity_seen(entity, &self.fields.values(), position),
        }
    }

    /// Goes on from what is known. Nothing comes back where no event told of the entity.
    pub(crate) fn read(
        reader: &mut Reader,
        entity: &EntityRef,
        known: Option<Arc<Self>>,
        catalogue: &Catalogue,
    ) -> Result<Option<Arc<Self>>, StoreError> {
        let new = reader.touches_after(entity, known.as_ref().map_or(0, |known| known.position))?;
        let mut gone_on = Vec::new();
        for position in known.iter().flat_map(|known| &known.waiting) {
            gone_on.extend(reader.state_of(*position)?.filter(|state| is_over(*state)).map(|state| (*position, state)));
        }
        if new.is_empty() && gone_on.is_empty() {
            return Ok(known);
        }
        let mut folded = known.as_deref().cloned().unwrap_or_default();
        for (position, state) in gone_on {
            folded.waiting.retain(|waiting| *waiting != position);
            let stored = reader.record(position)?.and_then(|stored| received(&stored.record));
            if let (LifeState::Processed, Some(incoming)) = (state, stored) {
                folded.tell(incoming.event(), entity, position, catalogue);
            }
        }
        for stored in new {
            folded.position = folded.position.max(stored.position);
            match stored.state {
                LifeState::Processed => folded.tell(stored.incoming.event(), entity, stored.position, catalogue),
                LifeState::Discarded => {}
                _ => folded.waiting.push(stored.position),
            }
        }
        Ok(Some(Arc::new(folded)))
    }

    /// An entity by those of its events that a plan knew.
    pub(crate) fn read_planned(
        reader: &mut Reader,
        entity: &EntityRef,
        planned: &Planned,
        catalogue: &Catalogue,
    ) -> Result<Self, StoreError> {
        let mut folded = Self::default();
        let knew = |stored: &&StoredEvent| {
            let is_own =
                stored.incoming.event().correlation_id == planned.correlation && stored.position < planned.first;
            stored.state == LifeState::Processed && (stored.position <= planned.read || is_own)
        };
        for stored in reader.touches_after(entity, 0)?.iter().filter(knew) {
            folded.tell(stored.incoming.event(), entity, stored.position, catalogue);
        }
        Ok(folded)
    }

    /// Where the last event stands that was about it or touched it.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    fn tell(&mut self, event: &Event, entity: &EntityRef, position: u64, catalogue: &Catalogue) {
        if event.entity.as_ref() == Some(entity) {
            // What there is no way up for is told as it came: it was taken so.
            self.fields.tell(&catalogue.bring_up(event).unwrap_or(Cow::Borrowed(event)), position);
        }
        self.processed = self.processed.max(position);
    }
}

fn is_over(state: LifeState) -> bool {
    matches!(state, LifeState::Processed | LifeState::Discarded)
}

/// What the journal tells of an entity: the events about it, and those that touch it, by timestamp and position. What has been
/// processed counts alone, in the latest version of its type: what is discarded changed nothing, and what waits nothing yet.
///
/// # Errors
/// If the journal cannot be read.
pub fn touches(
    reader: &mut Reader,
    entity: &EntityRef,
    at: Option<Timestamp>,
    catalogue: &Catalogue,
) -> Result<Vec<Touch>, StoreError> {
    let processed = reader.touches(entity, at)?.into_iter().filter(|stored| stored.state == LifeState::Processed);
    let touch = |stored: StoredEvent| {
        let came = stored.incoming.shared();
        let event = catalogue.bring_up_shared(Arc::clone(&came)).unwrap_or(came);
        Touch { is_about: event.entity.as_ref() == Some(entity), event, position: stored.position }
    };
    Ok(processed.map(touch).collect())
}

/// An event that is about an entity or touches it.
#[derive(Clone, Debug)]
pub struct Touch {
    /// The event, in the latest version of its type.
    pub event: Arc<Event>,
    /// Its position.
    pub position: u64,
    /// Whether it is about the entity.
    pub is_about: bool,
}

/// An entity's state at an instant, with what is stamped then; now unless said. Nothing if nothing had touched it.
///
/// # Errors
/// If the journal cannot be read.
pub fn read_state(
    reader: &mut Reader,
    entity: &EntityRef,
    at: Option<Timestamp>,
    catalogue: &Catalogue,
) -> Result<Option<EntityState>, StoreError> {
    let touches = touches(reader, entity, at, catalogue)?;
    Ok(fold(touches.iter().map(|touch| (&*touch.event, touch.position, touch.is_about))))
}
