//! Reading on in the journal: what was committed becomes deliveries.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use regie_core::Timestamp;
use regie_core::event::{Catalogue, Incoming, LifeState};
use regie_core::workflow::{DecodeError, Fact, Record};
use regie_journal::{Reader, Row, StoreError};

use super::delivery::Delivery;
use crate::own::received;

/// How long a look for an event of an earlier record waits for the index.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be read.
#[derive(Clone)]
pub(super) struct Ask {
    /// After which position, be it within a turn.
    pub(super) after: u64,
    /// At most so many turns.
    pub(super) rows: usize,
    /// Whether anybody wants to know of events that are processed later than they came in.
    pub(super) processed: bool,
    /// What brings events up to the latest version of their types.
    pub(super) catalogue: Catalogue,
}

/// A delivery, and to whom it may go.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) delivery: Arc<Delivery>,
    /// It has just been committed.
    pub(super) committed: bool,
    /// It has just been processed.
    pub(super) processed: bool,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) made: Vec<Made>,
    /// The position of the last record that was looked at; nothing at the end of the journal.
    pub(super) last: Option<u64>,
    /// Events that were read.
    pub(super) events: u64,
    /// Whether it tells of events that were processed later than they came in.
    pub(super) processed: bool,
}

/// Reads on. Blocking.
pub(super) fn read(reader: &mut Reader, ask: &Ask) -> Result<Batch, StoreError> {
    let rows = reader.rows_past(ask.after, ask.rows)?;
    let mut batch = Batch { last: rows.last().map(Row::last), processed: ask.processed, ..Batch::default() };
    for row in &rows {
        for (nth, encoded) in (0..).zip(&row.records) {
            let position = row.first + nth;
            if position > ask.after {
                let damaged = |error: DecodeError| StoreError::Damaged { why: format!("position {position}: {error}") };
                let record = Record::decode(&encoded.bytes).map_err(damaged)?;
                add(&mut batch, reader, (row.number, position), record, ask)?;
            }
        }
    }
    Ok(batch)
}

/// A record receives one event at most, and by it one is processed at most.
fn add(
    batch: &mut Batch,
    reader: &mut Reader,
    (number, position): (u64, u64),
    record: Record,
    ask: &Ask,
) -> Result<(), StoreError> {
    let (sequence, at) = (record.sequence, record.at);
    let became = record.facts.iter().find_map(|fact| match fact {
        Fact::Moved { event, to: LifeState::Processed, .. } => Some(*event),
        _ => None,
    });
    if let Some(incoming) = received(&record, position)? {
        batch.events += 1;
        let delivery = Arc::new(brought_up(&incoming, (position, sequence), at, &ask.catalogue));
        batch.made.push(Made { delivery, committed: true, processed: became == Some(sequence) });
    }
    let Some(event) = became.filter(|event| ask.processed && *event != sequence) else { return Ok(()) };
    reader.caught_up(position, PATIENCE)?;
    let missing = || StoreError::Damaged { why: format!("position {position}: event {event} is not there") };
    let earlier = reader.record_of(number, event)?.ok_or_else(missing)?;
    let incoming = received(&earlier.record, earlier.position)?.ok_or_else(missing)?;
    let at = earlier.record.at;
    let delivery = Arc::new(brought_up(&incoming, (position, event), at, &ask.catalogue));
    batch.made.push(Made { delivery, committed: false, processed: true });
    Ok(())
}

/// Subscribers see the latest version alone; what there is no way up for they are told as it came.
fn brought_up(incoming: &Incoming, place: (u64, u64), at: Timestamp, catalogue: &Catalogue) -> Delivery {
    let delivery = Delivery::new(incoming, place, at);
    match catalogue.bring_up(incoming.event()) {
        Ok(Cow::Owned(event)) => delivery.with(event),
        Ok(Cow::Borrowed(_)) | Err(_) => delivery,
    }
}

/// The delivery of the event that the record at a position received or processed: for one that is tried again later.
pub(super) fn again(reader: &mut Reader, position: u64, catalogue: &Catalogue) -> Result<Option<Delivery>, StoreError> {
    let Some(stored) = reader.record(position)? else { return Ok(None) };
    let sequence = stored.record.sequence;
    if let Some(incoming) = received(&stored.record, position)? {
        return Ok(Some(brought_up(&incoming, (position, sequence), stored.record.at, catalogue)));
    }
    let moved = stored.record.facts.iter().find_map(|fact| match fact {
        Fact::Moved { event, to: LifeState::Processed, .. } => Some(*event),
        _ => None,
    });
    let (Some(event), Some(number)) = (moved, reader.number(&stored.correlation)?) else { return Ok(None) };
    let Some(earlier) = reader.record_of(number, event)? else { return Ok(None) };
    let at: Timestamp = earlier.record.at;
    Ok(received(&earlier.record, earlier.position)?.map(|it| brought_up(&it, (position, event), at, catalogue)))
}
