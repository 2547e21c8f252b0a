//! Rows on their way from the writer to the index, which need not be read again there.
//!
//! They only save time: where there are too many, or a row is missing between two, the index reads the journal itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use regie_core::Digest;
use regie_core::event::Event;
use regie_core::workflow::Record;

use crate::plan::PlannedRow;
use crate::store::{Row, Tip};

/// Rows that may be on their way: those of the transaction that the index is about to make, and of the one that it makes.
const ROWS: usize = 16_384;
/// Bytes that their records may have together, as they are written; in memory it is some times as many.
const BYTES: usize = 16 * 1024 * 1024;

/// What the records of a turn hold, from whoever made them.
#[derive(Clone, Debug)]
pub struct Told {
    records: Arc<[Record]>,
    events: Vec<Option<Arc<Event>>>,
}

impl Told {
    /// The very records that a turn appends, and, of each, the event that it received; none where it is not at hand.
    pub fn new(records: Arc<[Record]>, events: Vec<Option<Arc<Event>>>) -> Self {
        Self { records, events }
    }

    /// The records with their events.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&Record, Option<&Arc<Event>>)> {
        let events = self.events.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        self.records.iter().zip(events)
    }
}

/// A row that stands in the journal, for the index.
pub(crate) enum HandedRow {
    /// As it was read, or encoded.
    Row(Row),
    /// As it was told.
    Told { first: u64, number: u64, tip: Tip, head: Digest, told: Told },
}

impl HandedRow {
    pub(crate) fn of(row: &PlannedRow<'_>, told: Option<Told>) -> Self {
        let (turn, first, number, head) = (row.turn, row.first, row.number, row.head);
        let sequence = turn.expected.sequence + 1;
        match told.filter(|told| told.records.len() == turn.records.len()) {
            Some(told) => {
                let digest = turn.records.last().map(|record| record.digest).unwrap_or_default();
                let tip = Tip { sequence: turn.expected.sequence + turn.records.len() as u64, digest };
                Self::Told { first, number, tip, head, told }
            }
            None => Self::Row(Row { first, number, sequence, records: turn.records.clone(), head }),
        }
    }

    fn first(&self) -> u64 {
        match self {
            Self::Row(row) => row.first,
            Self::Told { first, .. } => *first,
        }
    }

    fn last(&self) -> u64 {
        match self {
            Self::Row(row) => row.last(),
            Self::Told { first, told, .. } => first + told.records.len().saturating_sub(1) as u64,
        }
    }
}

/// The way of rows to the index. They follow each other there without a gap.
#[derive(Default)]
pub(crate) struct Handed {
    /// lock: two threads that pass rows on, the one to the other; held to put some there or to take them all.
    rows: Mutex<Underway>,
}

#[derive(Default)]
struct Underway {
    rows: VecDeque<(HandedRow, usize)>,
    bytes: usize,
}

impl Handed {
    /// Passes a commit on, in the order of its rows with the bytes of their records; nothing of it where it does not follow
    /// what is there, or there is no room.
    pub(crate) fn put(&self, rows: impl ExactSizeIterator<Item = (HandedRow, usize)>) {
        let mut underway = self.underway();
        if underway.rows.len() + rows.len() > ROWS || underway.bytes > BYTES {
            return;
        }
        for (row, bytes) in rows {
            if underway.rows.back().is_some_and(|(before, _)| before.last() + 1 != row.first()) {
                return;
            }
            underway.bytes += bytes;
            underway.rows.push_back((row, bytes));
        }
    }

    /// Takes those that follow a position, at most so many; none if they are not there.
    pub(crate) fn take(&self, after: u64, at_most: usize) -> Vec<HandedRow> {
        let mut underway = self.underway();
        let known = underway.rows.partition_point(|(row, _)| row.first() <= after);
        underway.drain(known);
        if underway.rows.front().is_none_or(|(row, _)| row.first() != after + 1) {
            return Vec::new();
        }
        let count = underway.rows.len().min(at_most);
        underway.drain(count)
    }

    fn underway(&self) -> MutexGuard<'_, Underway> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Underway {
    fn drain(&mut self, count: usize) -> Vec<HandedRow> {
        let (rows, bytes): (Vec<_>, Vec<_>) = self.rows.drain(..count).unzip();
        self.bytes -= bytes.iter().sum::<usize>();
        rows
    }
}

impl std::fmt::Debug for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handed").field("rows", &self.underway().rows.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(from: u64, to: u64) -> impl ExactSizeIterator<Item = (HandedRow, usize)> {
        let row = |first| Row { first, number: 1, sequence: first, records: Vec::new(), head: Digest::ZERO };
        let rows: Vec<_> = (from..=to).map(|first| (HandedRow::Row(row(first)), 1)).collect();
        rows.into_iter()
    }

    /// What is taken after a position, by the rows' positions.
    fn taken(handed: &Handed, after: u64, at_most: usize) -> Vec<u64> {
        handed.take(after, at_most).iter().map(HandedRow::first).collect()
    }

    #[test]
    fn what_follows_is_taken_and_what_is_known_is_passed_over() {
        let handed = Handed::default();
        handed.put(rows(1, 5));
        handed.put(rows(6, 7));
        assert_eq!(taken(&handed, 2, 3), [3, 4, 5]);
        assert_eq!(taken(&handed, 5, 9), [6, 7]);
        assert_eq!(taken(&handed, 7, 9), [0; 0]);
    }

    #[test]
    fn where_a_row_is_missing_nothing_is_taken_until_that_was_read() {
        let handed = Handed::default();
        handed.put(rows(3, 4));
        handed.put(rows(6, 8));
        assert_eq!(taken(&handed, 1, 9), [0; 0]);
        assert_eq!(taken(&handed, 2, 9), [3, 4]);
        handed.put(rows(6, 8));
        assert_eq!(taken(&handed, 4, 9), [0; 0]);
        assert_eq!(taken(&handed, 6, 9), [7, 8]);
    }

    #[test]
    fn what_has_no_room_is_not_kept_and_room_comes_back() {
        let handed = Handed::default();
        handed.put(rows(1, ROWS as u64));
        handed.put(rows(ROWS as u64 + 1, ROWS as u64 + 1));
        assert_eq!(taken(&handed, 0, 2 * ROWS).len(), ROWS);
        handed.put(rows(ROWS as u64 + 2, ROWS as u64 + 3));
        assert_eq!(taken(&handed, ROWS as u64 + 1, 2 * ROWS).len(), 2);
        assert_eq!(handed.underway().bytes, 0);
    }
}
