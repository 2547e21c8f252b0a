//! The facade over everything that may be read.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use regie_core::Timestamp;
use regie_core::event::{CorrelationId, EntityRef, Identity, LifeState};
use regie_core::query::{Filter, RunFilter, RunStats, Stats};
use regie_core::workflow::{Fact, Record};
use rusqlite::Connection;

use crate::error::StoreError;
use crate::fold;
use crate::grants::{Booked, Grants, Taken};
use crate::index::{Indexer, kept, lookup, open, query, runs, stats};
use crate::kept::Kept;
use crate::listing;
use crate::memory::MemoryStore;
use crate::progress::Progress;
use crate::snapshot::Snapshot;
use crate::sqlite::errors;
use crate::store::{EventReader, Head, Row, Tip};
use crate::stored::{StoredEvent, StoredRecord, StoredRun};

/// How long a name may be on its way to the index.
const NAME_PATIENCE: Duration = Duration::from_secs(10);
/// How often a process that does not own the journal looks whether the index has moved.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Reads a journal beside its writer: blocking, on any thread, one at a time.
///
/// Whatever comes from the index is as of where the index is; [`Reader::caught_up`] waits for it.
pub struct Reader {
    truth: Truth,
    side: Side,
}

/// The truth, with the row that was read last: neighbours ask for the same.
pub(crate) struct Truth {
    reader: Box<dyn EventReader>,
    last: Option<Row>,
}

/// What is known beside the truth.
pub(crate) enum Side {
    /// A journal in memory knows all but queries itself; for those it builds an index when the first one comes.
    Memory { store: MemoryStore, queries: Option<Indexer> },
    /// An index file, and how far its owner has come, if that is this process.
    File { index: Connection, progress: Option<Arc<Progress>> },
    /// An index that this reader builds for itself, in memory.
    Own(Indexer),
}

impl Truth {
    /// The row that holds a position.
    pub(crate) fn row(&mut self, position: u64) -> Result<Option<&Row>, StoreError> {
        if !self.last.as_ref().is_some_and(|row| row.first <= position && position <= row.last()) {
            self.last = self.reader.row_of(position)?;
        }
        Ok(self.last.as_ref())
    }

    /// The record at a position, with its row.
    pub(crate) fn record(&mut self, position: u64) -> Result<Option<(&Row, Record)>, StoreError> {
        let Some(row) = self.row(position)? else { return Ok(None) };
        let nth = position - row.first;
        let Some(encoded) = row.records.get(nth as usize) else { return Ok(None) };
        let record = fold::decode(encoded, position, row.sequence + nth)?;
        Ok(Some((row, record)))
    }
}

impl Side {
    /// The index, brought up to date if it is this reader's own.
    fn index(&mut self) -> Result<&Connection, StoreError> {
        match self {
            Side::File { index, .. } => Ok(index),
            Side::Own(indexer) => {
                indexer.catch_up()?;
                Ok(indexer.connection())
            }
            Side::Memory { store, queries } => {
                let indexer = match queries {
                    Some(indexer) => indexer,
                    None => queries.insert(Indexer::in_memory(Box::new(store.clone()))?),
                };
                indexer.catch_up()?;
                Ok(indexer.connection())
            }
        }
    }
}

impl Reader {
    pub(crate) fn new(reader: Box<dyn EventReader>, side: Side) -> Self {
        Self { truth: Truth { reader, last: None }, side }
    }

    /// The end of the journal.
    ///
    /// # Errors
    /// As every method here: [`StoreError::Damaged`] if what is there is not what was written, [`StoreError::Failed`] if
    /// the system refuses to read.
    pub fn head(&mut self) -> Result<Head, StoreError> {
        self.truth.reader.head()
    }

    /// Waits until what comes from the index covers a position, at most for `patience`.
    ///
    /// # Errors
    /// [`StoreError::Behind`] if it does not by then; what keeps the index from following, at once, if something does:
    /// [`StoreError::Full`] where it has no room.
    pub fn caught_up(&mut self, position: u64, patience: Duration) -> Result<(), StoreError> {
        let reached = match &mut self.side {
            Side::Memory { store, .. } => EventReader::head(store)?.position,
            Side::Own(indexer) => indexer.catch_up()?,
            Side::File { progress: Some(progress), .. } => {
                return progress.wait_indexed(position, patience);
            }
            Side::File { index, progress: None } => wait_for_owner(index, position, patience)?,
        };
        if reached >= position { Ok(()) } else { Err(StoreError::Behind { wanted: position, reached }) }
    }

    /// The records of a correlation after a sequence, in order; those that the index covers. Their chain is checked, from
    /// the record at that sequence to the last one.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the sequence at which they do not fit.
    pub fn load(&mut self, correlation: &str, after_sequence: u64) -> Result<Vec<StoredRecord>, StoreError> {
        let (tip, rows) = match &mut self.side {
            Side::Memory { store, .. } => {
                let Some(found) = store.turns_from(correlation, after_sequence) else { return Ok(Vec::new()) };
                found
            }
            side => {
                let Some(found) = listing::turns(side.index()?, &mut self.truth, correlation, after_sequence)? else {
                    return Ok(Vec::new());
                };
                found
            }
        };
        listing::records(correlation, &rows, after_sequence, tip)
    }

    /// The last snapshot of a correlation.
    pub fn snapshot(&mut self, correlation: &str) -> Result<Option<Snapshot>, StoreError> {
        match &mut self.side {
            Side::Memory { store, .. } => Ok(store.snapshot(correlation)),
            side => lookup::snapshot(side.index()?, correlation),
        }
    }

    /// A fold that was kept under a name, if it is of that version. A journal in memory keeps none.
    pub fn kept(&mut self, name: &str, version: u32) -> Result<Option<Kept>, StoreError> {
        match &mut self.side {
            Side::Memory { .. } => Ok(None),
            side => kept::get(side.index()?, name, version).map_err(errors::indexing),
        }
    }

    /// The last record of a correlation; nothing if it has none.
    pub fn tip(&mut self, correlation: &str) -> Result<Option<Tip>, StoreError> {
        let known = match &mut self.side {
            Side::Memory { store, .. } => store.known(correlation),
            side => lookup::known(side.index()?, correlation)?,
        };
        Ok(known.map(|known| known.tip))
    }

    /// The number of a correlation: the position of its first record.
    pub fn number(&mut self, correlation: &str) -> Result<Option<u64>, StoreError> {
        let known = match &mut self.side {
            Side::Memory { store, .. } => store.known(correlation),
            side => lookup::known(side.index()?, correlation)?,
        };
        Ok(known.map(|known| known.number))
    }

    /// The name of the correlation with a number.
    pub fn name(&mut self, number: u64) -> Result<Option<CorrelationId>, StoreError> {
        let name = match &mut self.side {
            Side::Memory { store, .. } => store.name(number),
            side => lookup::name(side.index()?, number)?,
        };
        if name.is_some() {
            return Ok(name);
        }
        // The index may not have come to it yet; its first record says it.
        let Some((_, record)) = self.truth.record(number)? else { return Ok(None) };
        Ok(record.facts.into_iter().find_map(|fact| match fact {
            Fact::Opened { correlation } => Some(correlation),
            _ => None,
        }))
    }

    /// Every correlation's name, in the order in which they began, the runtime's own among them.
    pub fn names(&mut self, each: &mut dyn FnMut(&str)) -> Result<(), StoreError> {
        match &mut self.side {
            Side::Memory { store, .. } => {
                store.names().iter().for_each(|name| each(name));
                Ok(())
            }
            side => lookup::names(side.index()?, each),
        }
    }

    /// The position of the record that received an event.
    pub fn find(&mut self, correlation: &str, identity: Identity) -> Result<Option<u64>, StoreError> {
        match &mut self.side {
            Side::Memory { store, .. } => store.find(correlation, identity),
            side => lookup::find(side.index()?, correlation, identity),
        }
    }

    /// The present state of the event that was received at a position.
    pub fn state_of(&mut self, position: u64) -> Result<Option<LifeState>, StoreError> {
        match &mut self.side {
            Side::Memory { store, .. } => store.state(position),
            side => lookup::state(side.index()?, position),
        }
    }

    /// The present state of each event of a correlation, by the sequence of the record that received it.
    pub fn event_states(&mut self, correlation: &str) -> Result<Vec<(u64, LifeState)>, StoreError> {
        let index = self.side.index()?;
        let Some(known) = lookup::known(index, correlation)? else { return Ok(Vec::new()) };
        lookup::event_states(index, known.number)
    }

    /// The record at a position.
    pub fn record(&mut self, position: u64) -> Result<Option<StoredRecord>, StoreError> {
        let Some((row, record)) = self.truth.record(position)? else { return Ok(None) };
        let (number, digest) = (row.number, row.records[(position - row.first) as usize].digest);
        let correlation = self.name(number)?.unwrap_or_else(|| format!("#{number}").into());
        Ok(Some(StoredRecord { position, correlation, record, digest }))
    }

    /// Turns in position order, from the first whose first record is after `position`; at most `limit`, fewer where they
    /// are large, and none only at the end.
    pub fn rows_after(&mut self, position: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.truth.reader.rows_after(position, limit)
    }

    /// Turns in position order, from the one that holds what follows `position`, be it within that turn, on; at most `limit`,
    /// as [`Reader::rows_after`] gives them.
    pub fn rows_past(&mut self, position: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        let within = self.truth.row(position)?.filter(|row| row.last() > position).map(|row| row.first - 1);
        self.rows_after(within.unwrap_or(position), limit)
    }

    /// The record of a sequence in the correlation with a number, which the index must cover.
    pub fn record_of(&mut self, number: u64, sequence: u64) -> Result<Option<StoredRecord>, StoreError> {
        let first = match &mut self.side {
            Side::Memory { store, .. } => {
                let name = store.name(number);
                let turns = name.and_then(|name| store.turns_from(&name, sequence.saturating_sub(1)));
                let holds = |row: &Row| row.sequence <= sequence && sequence - row.sequence < row.records.len() as u64;
                turns.and_then(|(_, rows)| rows.into_iter().find(holds)).map(|row| (row.first, row.sequence))
            }
            side => {
                let position = lookup::turn_before(side.index()?, number, sequence.saturating_add(1))?;
                let row = position.map_or(Ok(None), |position| self.truth.row(position))?;
                row.filter(|row| row.number == number).map(|row| (row.first, row.sequence))
            }
        };
        let position = first.and_then(|(first, begins)| Some(first + sequence.checked_sub(begins)?));
        let record = position.map_or(Ok(None), |position| self.record(position))?;
        Ok(record.filter(|stored| stored.record.sequence == sequence))
    }

    /// Correlations to be woken, by instant and number, from the first after the pair given; at most `limit`.
    pub fn wakes(
        &mut self,
        after: Option<(Timestamp, u64)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, u64, CorrelationId)>, StoreError> {
        let found = self.truth.reader.wakes_after(after, limit)?;
        let mut wakes = Vec::with_capacity(found.len());
        for (due, number) in found {
            let missing =
                || StoreError::Damaged { why: format!("correlation #{number} is to be woken, and has no record") };
            if self.name(number)?.is_none() {
                self.caught_up(number, NAME_PATIENCE)?; // it began just now, and the index comes to it
            }
            wakes.push((due, number, self.name(number)?.ok_or_else(missing)?));
        }
        Ok(wakes)
    }

    /// What policies have granted, up to a position; what follows is in [`Reader::rows_after`].
    pub fn grants(&mut self) -> Result<Grants, StoreError> {
        match &mut self.side {
            Side::Memory { store, .. } => store.grants(),
            side => lookup::grants(side.index()?),
        }
    }

    /// The keys that count, and the position up to which this is so.
    pub fn cooldowns(&mut self) -> Result<(Vec<Taken>, u64), StoreError> {
        self.grants().map(|grants| (grants.taken, grants.position))
    }

    /// The places that are booked, and the position up to which this is so.
    pub fn bookings(&mut self) -> Result<(Vec<Booked>, u64), StoreError> {
        self.grants().map(|grants| (grants.booked, grants.position))
    }

    /// Hands out the events that a filter means, by timestamp and then position, until it is told to stop.
    pub fn events(
        &mut self,
        filter: &Filter,
        each: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        listing::events(self.side.index()?, &mut self.truth, filter, each)
    }

    /// How many events a filter means.
    pub fn count(&mut self, filter: &Filter) -> Result<u64, StoreError> {
        query::count(self.side.index()?, filter)
    }

    /// Counts over the events that a filter means; its limit and order have no say.
    pub fn stats(&mut self, filter: &Filter) -> Result<Stats, StoreError> {
        stats::stats(self.side.index()?, filter)
    }

    /// The runs of workflows that a filter means, the oldest first.
    pub fn runs(&mut self, filter: &RunFilter) -> Result<Vec<StoredRun>, StoreError> {
        runs::list(self.side.index()?, filter)
    }

    /// The run of a correlation, if it has one.
    pub fn run(&mut self, correlation: &str) -> Result<Option<StoredRun>, StoreError> {
        let index = self.side.index()?;
        let Some(known) = lookup::known(index, correlation)? else { return Ok(None) };
        runs::run_of(index, correlation, known.number)
    }

    /// Correlations with a run whose names begin so, in the order of their names, at most so many; the runtime's own have no
    /// part in it.
    pub fn runs_named(&mut self, beginning: &str, limit: usize) -> Result<Vec<CorrelationId>, StoreError> {
        runs::named(self.side.index()?, beginning, limit)
    }

    /// Counts over the runs that a filter means, as of an instant; its limit and cursor have no say.
    pub fn run_stats(&mut self, filter: &RunFilter, now: Timestamp) -> Result<RunStats, StoreError> {
        runs::stats(self.side.index()?, filter, now)
    }

    /// The events after a position that are about an entity or touch it, by timestamp and then position. Those before are
    /// passed over without being read.
    pub fn touches_after(&mut self, entity: &EntityRef, position: u64) -> Result<Vec<StoredEvent>, StoreError> {
        let filter = Filter { entity: Some(entity.clone()), own: true, ..Filter::default() };
        let index = self.side.index()?;
        let Some(selection) = query::Selection::of(index, &filter)? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        listing::selected(index, &mut self.truth, (&selection.after(position), &filter), &mut |event| {
            found.push(event);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// The events that are about an entity or touch it, stamped `until` or before, by timestamp and then position.
    pub fn touches(&mut self, entity: &EntityRef, until: Option<Timestamp>) -> Result<Vec<StoredEvent>, StoreError> {
        let to = until.and_then(|until| until.micros().checked_add(1)).map(Timestamp::from_micros);
        let filter = Filter { entity: Some(entity.clone()), to, own: true, ..Filter::default() };
        let mut found = Vec::new();
        self.events(&filter, &mut |event| {
            found.push(event);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// Looks again and again: another process's index has nobody here to announce it.
pub(crate) fn wait_for_owner(index: &Connection, position: u64, patience: Duration) -> Result<u64, StoreError> {
    let until = Instant::now() + patience;
    loop {
        let reached = open::reach(index)?;
        if reached >= position || Instant::now() >= until {
            return Ok(reached);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
