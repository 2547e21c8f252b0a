//! What rules are told of the journal: events that are processed, each by the record by which it is.

use std::borrow::Cow;
use std::time::Duration;

use regie_core::Timestamp;
use regie_core::automation::Committed;
use regie_core::event::{Catalogue, Event, Incoming};
use regie_journal::{Followed, Reader, Readers, StoreError};

use crate::updated::received;

/// How long a look for an event of an earlier record waits for the index.
const PATIENCE: Duration = Duration::from_secs(10);

/// An event that is processed.
#[derive(Clone, Debug)]
pub struct Processed {
    incoming: Incoming,
    position: u64,
    recorded_at: Timestamp,
    /// The position of the record by which it is.
    pub by: u64,
}

impl Processed {
    /// The event in the latest version of its type, as rules see it; what there is no way up for is told as it came.
    pub fn event(&self, catalogue: &Catalogue) -> Cow<'_, Event> {
        let event = self.incoming.event();
        catalogue.bring_up(event).unwrap_or(Cow::Borrowed(event))
    }

    /// As the evaluator takes it.
    pub fn committed<'e>(&self, event: &'e Event) -> Committed<'e> {
        Committed { event, position: self.position, recorded_at: self.recorded_at }
    }
}

/// Tells of what is followed which event is processed by it. What came in earlier is looked up.
#[derive(Debug)]
pub struct ProcessedEvents {
    readers: Readers,
    reader: Option<Reader>,
}

impl ProcessedEvents {
    /// Of that journal.
    pub fn new(readers: Readers) -> Self {
        Self { readers, reader: None }
    }

    /// The event that is processed by what was followed; nothing if none is.
    ///
    /// # Errors
    /// If the journal cannot be read, or does not hold what it tells of.
    pub fn of(&mut self, followed: Followed) -> Result<Option<Processed>, StoreError> {
        match followed {
            Followed::Event(came) if came.processed => {
                let (position, recorded_at) = (came.position, came.recorded_at);
                Ok(Some(Processed { incoming: came.incoming, position, recorded_at, by: position }))
            }
            Followed::Processed { position: by, recorded_at, number, sequence } => {
                let missing = || StoreError::Damaged { why: format!("position {by}: event {sequence} is not there") };
                let reader = self.reader()?;
                reader.caught_up(by, PATIENCE)?;
                let earlier = reader.record_of(number, sequence)?.ok_or_else(missing)?;
                let incoming = received(&earlier.record).ok_or_else(missing)?;
                Ok(Some(Processed { incoming, position: earlier.position, recorded_at, by }))
            }
            _ => Ok(None),
        }
    }

    fn reader(&mut self) -> Result<&mut Reader, StoreError> {
        Ok(match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(self.readers.open()?),
        })
    }
}
