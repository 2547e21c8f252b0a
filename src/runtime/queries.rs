//! What a handle can look up: read beside the writer, and never in its way.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use regie_actors::entities::read_state;
use regie_core::Timestamp;
use regie_core::entity::EntityState;
use regie_core::event::{CorrelationId, EntityRef};
use regie_core::query::{Filter, Stats};
use regie_journal::{Readers, StoreError, StoredEvent, StoredRecord};

use super::handle::Handle;

/// How long a query waits for the index to cover what was committed before it.
const PATIENCE: Duration = Duration::from_secs(30);

impl Handle {
    /// Readers of the journal, for whatever is not here.
    pub fn readers(&self) -> Readers {
        self.core.readers.readers().clone()
    }

    /// An entity's state at an instant, with what is stamped then; now unless said. Nothing if nothing had touched it yet.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn state(&self, entity: &EntityRef, at: Option<Timestamp>) -> Result<Option<EntityState>, StoreError> {
        let (entity, least, definitions) = (entity.clone(), self.position(), Arc::clone(&self.core.definitions));
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            read_state(reader, &entity, at, definitions.catalogue())
        });
        read.await
    }

    /// Events, in time order.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn events(&self, filter: Filter) -> Result<Vec<StoredEvent>, StoreError> {
        let least = self.position();
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            let mut events = Vec::new();
            reader.events(&filter, &mut |event| {
                events.push(event);
                ControlFlow::Continue(())
            })?;
            Ok(events)
        });
        read.await
    }

    /// Counts over events.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn stats(&self, filter: Filter) -> Result<Stats, StoreError> {
        let least = self.position();
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            reader.stats(&filter)
        });
        read.await
    }

    /// Everything that a correlation left, in order; its chain is checked on the way.
    ///
    /// # Errors
    /// If the journal cannot be read, or is not what was written.
    pub async fn records(&self, correlation: &CorrelationId) -> Result<Vec<StoredRecord>, StoreError> {
        let (correlation, least) = (correlation.clone(), self.position());
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            reader.load(&correlation, 0)
        });
        read.await
    }

    /// The position of the journal's last record.
    pub fn position(&self) -> u64 {
        self.core.journal.view().position.load(std::sync::atomic::Ordering::Acquire)
    }
}
