//! What the records of a row change in any view of the journal: the one place where a store reads facts.

use std::sync::Arc;

use regie_core::Timestamp;
use regie_core::event::{CorrelationId, Event, Format, Identity, Incoming, LifeState};
use regie_core::governance::{Booking, Grant, Judgement, Verdict};
use regie_core::workflow::{EncodedRecord, Fact, Record, RunChange};

use crate::error::StoreError;
use crate::handed::Told;
use crate::store::Row;

/// One change of a view. Events are named by the sequence of the record that received them.
pub(crate) enum Change {
    /// The row's correlation began.
    Opened(CorrelationId),
    /// An event came in.
    Received(Received),
    /// An event moved.
    Moved { event: u64, to: LifeState },
    /// A policy granted an event something; whether the event waits without a time.
    Granted { policy: String, grant: Grant, event: u64, waits: bool },
    /// A promised place was given up or used.
    Released { booking: Booking, event: u64 },
    /// A place that was held is free.
    Freed { policy: String, key: String, event: u64 },
    /// The run of the correlation changed, by the record at a position, decided then.
    Run { position: u64, at: Timestamp, change: RunChange },
}

/// An event as its fact has it, not yet understood: not every view has to.
pub(crate) struct Received {
    pub(crate) position: u64,
    pub(crate) sequence: u64,
    pub(crate) recorded_at: Timestamp,
    pub(crate) identity: Identity,
    pub(crate) format: Format,
    pub(crate) raw: Arc<str>,
    /// The event, where it is at hand.
    pub(crate) told: Option<Arc<Event>>,
    made_id: Option<String>,
}

impl Received {
    /// As a fact would have it.
    #[cfg(test)]
    pub(crate) fn new(incoming: &Incoming, recorded_at: Timestamp) -> Self {
        let (identity, format, raw) = (incoming.identity(), incoming.format(), incoming.raw().clone());
        let made_id = incoming.made_id().map(str::to_string);
        Self { position: 1, sequence: 1, recorded_at, identity, format, raw, told: None, made_id }
    }

    /// The event, understood.
    pub(crate) fn incoming(self) -> Result<Incoming, StoreError> {
        let place = Place { position: self.position, sequence: self.sequence };
        Incoming::recover(self.format, self.raw, self.made_id.as_deref(), self.recorded_at)
            .map_err(|error| place.damaged(&format!("its event cannot be read: {error}")))
    }
}

/// Hands out the changes of a row in their order.
pub(crate) fn changes(row: &Row, each: &mut dyn FnMut(Change) -> Result<(), StoreError>) -> Result<(), StoreError> {
    for (nth, encoded) in (0..).zip(&row.records) {
        let place = Place { position: row.first + nth, sequence: row.sequence + nth };
        let record = place.decode(encoded)?;
        place.record(&record, None, each)?;
    }
    Ok(())
}

/// Hands out the changes of a row that stands from a position on, and of which it was told what it holds.
pub(crate) fn changes_told(
    first: u64,
    told: &Told,
    each: &mut dyn FnMut(Change) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for (position, (record, event)) in (first..).zip(told.each()) {
        Place { position, sequence: record.sequence }.record(record, event, each)?;
    }
    Ok(())
}

/// Decodes a record, and names its place if it cannot be.
pub(crate) fn decode(encoded: &EncodedRecord, position: u64, sequence: u64) -> Result<Record, StoreError> {
    Place { position, sequence }.decode(encoded)
}

/// The event that a record received, if it received one.
pub(crate) fn received(record: Record, position: u64) -> Result<Option<Incoming>, StoreError> {
    let place = Place { position, sequence: record.sequence };
    let found = record.facts.iter().find_map(|fact| place.received(fact, record.at, None));
    found.map(Received::incoming).transpose()
}

struct Place {
    position: u64,
    sequence: u64,
}

impl Place {
    fn damaged(&self, what: &str) -> StoreError {
        let Place { position, sequence } = self;
        StoreError::Damaged { why: format!("the record at position {position} (sequence {sequence}): {what}") }
    }

    fn decode(&self, encoded: &EncodedRecord) -> Result<Record, StoreError> {
        let record = Record::decode(&encoded.bytes).map_err(|error| self.damaged(&error.to_string()))?;
        if record.sequence == self.sequence {
            return Ok(record);
        }
        Err(self.damaged(&format!("it says that its sequence is {}", record.sequence)))
    }

    fn record(
        &self,
        record: &Record,
        event: Option<&Arc<Event>>,
        each: &mut dyn FnMut(Change) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (mut about, mut follows_end) = (self.sequence, false);
        for fact in &record.facts {
            if let Some(change) = RunChange::of(fact, follows_end) {
                each(Change::Run { position: self.position, at: record.at, change })?;
            }
            follows_end = matches!(fact, Fact::Ended { .. });
            // A place is released by the event that has just moved.
            if let Fact::Moved { event, .. } = fact {
                about = *event;
            }
            match self.received(fact, record.at, event) {
                Some(received) => each(Change::Received(received))?,
                None => other(fact, about, each)?,
            }
        }
        Ok(())
    }

    fn received(&self, fact: &Fact, recorded_at: Timestamp, event: Option<&Arc<Event>>) -> Option<Received> {
        let Fact::Received { format, raw, identity, made_id, .. } = fact else { return None };
        let Place { position, sequence } = *self;
        let (raw, told, made_id) = (Arc::clone(raw), event.cloned(), made_id.clone());
        Some(Received { position, sequence, recorded_at, identity: *identity, format: *format, raw, told, made_id })
    }
}

/// The change of a fact that receives nothing, if it makes one.
fn other(fact: &Fact, about: u64, each: &mut dyn FnMut(Change) -> Result<(), StoreError>) -> Result<(), StoreError> {
    match fact {
        Fact::Opened { correlation } => each(Change::Opened(correlation.clone())),
        Fact::Moved { event, to, .. } => each(Change::Moved { event: *event, to: *to }),
        Fact::Judged { event, judgement } => grants(*event, judgement, each),
        Fact::Released { booking } => each(Change::Released { booking: booking.clone(), event: about }),
        Fact::Freed { policy, key, event } => {
            each(Change::Freed { policy: policy.clone(), key: key.clone(), event: *event })
        }
        _ => Ok(()),
    }
}

fn grants(
    event: u64,
    judgement: &Judgement,
    each: &mut dyn FnMut(Change) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let waits = matches!(judgement.verdict, Verdict::Waiting { .. });
    for decision in &judgement.decisions {
        if let Some(grant) = &decision.grant {
            each(Change::Granted { policy: decision.policy.clone(), grant: grant.clone(), event, waits })?;
        }
    }
    Ok(())
}
