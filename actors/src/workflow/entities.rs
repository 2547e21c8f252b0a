//! Entities that conditions look at: a shard remembers what it has folded of each, so that a long history is read once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use regie_core::entity::EntityState;
use regie_core::event::EntityRef;
use regie_journal::{Reader, StoreError, StoredEvent};

/// How many are remembered; beyond that all are forgotten, and read when they are looked at again.
const REMEMBERED: usize = 4_096;

/// An entity's state, by all its events up to a position.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub(super) state: EntityState,
    pub(super) position: u64,
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

impl Folded {
    /// Goes on from what is known; where an event has come in between what was folded, by its timestamp, all is read.
    pub(super) fn read(
        reader: &mut Reader,
        entity: &EntityRef,
        known: Option<Arc<Self>>,
    ) -> Result<Option<Arc<Self>>, StoreError> {
        if let Some(known) = known
            && let Some(last) = known.state.last
        {
            let all = reader.touch_count(entity)?;
            if all == known.state.events {
                return Ok(Some(known));
            }
            let mut new = reader.touches_from(entity, last)?;
            new.retain(|stored| stored.position > known.position);
            if known.state.events + new.len() as u64 == all {
                let mut folded = Self { state: known.state.clone(), position: known.position };
                folded.go_on(entity, &new);
                return Ok(Some(Arc::new(folded)));
            }
        }
        let all = reader.touches(entity, None)?;
        let mut folded = Self::default();
        folded.go_on(entity, &all);
        Ok((!all.is_empty()).then(|| Arc::new(folded)))
    }

    fn go_on(&mut self, entity: &EntityRef, events: &[StoredEvent]) {
        for stored in events {
            let event = stored.incoming.event();
            self.state.go_on(event, stored.position, event.entity.as_ref() == Some(entity));
            self.position = self.position.max(stored.position);
        }
    }
}
