//! What rules and projections are told of the journal: events that are processed, each by the record by which it is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use regie_core::Timestamp;
use regie_core::event::{Catalogue, Event, Incoming, LifeState};
use regie_core::query::Committed;
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
    /// The event in the latest version of its type, as all see it; what there is no way up for is told as it came.
    pub fn event(&self, catalogue: &Catalogue) -> Cow<'_, Event> {
        let event = self.incoming.event();
        catalogue.bring_up(event).unwrap_or(Cow::Borrowed(event))
    }

    /// As rules and projections take it.
    pub fn committed<'e>(&self, event: &'e Event) -> Committed<'e> {
        Committed { event, position: self.position, recorded_at: self.recorded_at, by: self.by }
    }
}

/// Events that wait of which is remembered where they are; beyond that all are forgotten, and looked up by the index.
const REMEMBERED: usize = 65_536;

/// Tells of what is followed which event is processed by it. What came in earlier is read again, where it stands.
#[derive(Debug)]
pub struct ProcessedEvents {
    readers: Readers,
    reader: Option<Reader>,
    /// Where those are that came in while this followed, and are neither processed nor discarded yet, by number and sequence:
    /// for them no index is needed. Others are waited for until the index covers them.
    waiting: HashMap<(u64, u64), u64>,
}

impl ProcessedEvents {
    /// Of that journal.
    pub fn new(readers: Readers) -> Self {
        Self { readers, reader: None, waiting: HashMap::new() }
    }

    /// The event that is processed by what was followed; nothing if none is.
    ///
    /// # Errors
    /// If the journal cannot be read, or does not hold what it tells of.
    pub fn of(&mut self, followed: Followed) -> Result<Option<Processed>, StoreError> {
        match followed {
            Followed::Event(came) if came.state == LifeState::Processed => {
                let (position, recorded_at) = (came.position, came.recorded_at);
                Ok(Some(Processed { incoming: came.incoming, position, recorded_at, by: position }))
            }
            Followed::Event(came) if came.state != LifeState::Discarded => {
                if self.waiting.len() >= REMEMBERED {
                    self.waiting.clear();
                }
                self.waiting.insert((came.number, came.sequence), came.position);
                Ok(None)
            }
            Followed::Processed { position: by, recorded_at, number, sequence } => {
                let missing = || StoreError::Damaged { why: format!("position {by}: event {sequence} is not there") };
                let known = self.waiting.get(&(number, sequence)).copied();
                let reader = self.reader()?;
                let earlier = match known {
                    Some(position) => reader.record(position)?,
                    None => {
                        reader.caught_up(by, PATIENCE)?;
                        reader.record_of(number, sequence)?
                    }
                };
                let earlier = earlier.ok_or_else(missing)?;
                let incoming = received(&earlier.record).ok_or_else(missing)?;
                self.waiting.remove(&(number, sequence));
                Ok(Some(Processed { incoming, position: earlier.position, recorded_at, by }))
            }
            Followed::Discarded { number, sequence } => {
                self.waiting.remove(&(number, sequence));
                Ok(None)
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
