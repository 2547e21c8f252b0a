//! What some rows of the journal mean for the index, gathered in memory before any of it is written.

use std::collections::{BTreeMap, HashMap};

use regie_core::event::{CorrelationId, Identity, LifeState};
use regie_core::governance::{Booking, Grant};
use regie_core::workflow::RunChange;
use regie_core::{Digest, Timestamp};

use crate::brief::Reading;
use crate::error::StoreError;
use crate::fold::{self, Change, Received};
use crate::handed::HandedRow;
use crate::plan::Known;
use crate::store::{Head, Tip};

/// An event, as the index has it.
pub(super) struct EventEntry {
    pub(super) position: u64,
    pub(super) number: u64,
    pub(super) sequence: u64,
    pub(super) recorded_at: Timestamp,
    pub(super) state: LifeState,
    pub(super) identity: Identity,
    pub(super) reading: Reading,
}

/// A row, as the index has it.
pub(super) struct TurnEntry {
    pub(super) number: u64,
    pub(super) sequence: u64,
    pub(super) position: u64,
    pub(super) records: u64,
    pub(super) digest: Digest,
}

impl TurnEntry {
    /// The last record.
    fn known(&self) -> Known {
        let tip = Tip { sequence: self.sequence + self.records - 1, digest: self.digest };
        Known { number: self.number, tip, last: self.position + self.records - 1 }
    }
}

/// A change of what policies have granted; their order matters.
pub(super) enum GrantEntry {
    Granted { policy: String, grant: Grant, number: u64, event: u64, waits: bool },
    Released { booking: Booking, number: u64, event: u64 },
    Freed { policy: String, key: String, number: u64, event: u64 },
}

/// A change of a run, and where and when it was decided.
pub(super) struct RunEntry {
    pub(super) position: u64,
    pub(super) at: Timestamp,
    pub(super) change: RunChange,
}

/// Rows of the journal, understood.
#[derive(Default)]
pub(super) struct Batch {
    /// Correlations that began here, in the order of their numbers.
    pub(super) opened: Vec<(u64, CorrelationId)>,
    /// The last record of each correlation that has one here, by their numbers.
    pub(super) known: Vec<Known>,
    /// By correlation and sequence.
    pub(super) turns: Vec<TurnEntry>,
    pub(super) events: Vec<EventEntry>,
    /// Moves of events that came in before, by correlation and event: where they are in the end.
    pub(super) moved: BTreeMap<(u64, u64), LifeState>,
    pub(super) grants: Vec<GrantEntry>,
    /// Changes of runs, in order, by correlation.
    pub(super) runs: BTreeMap<u64, Vec<RunEntry>>,
    pub(super) head: Head,
    /// Where each event of this batch stands in `events` whose life was not over with its row.
    places: HashMap<(u64, u64), usize>,
}

impl Batch {
    /// Understands rows, which follow each other in position order.
    pub(super) fn of(rows: &[HandedRow]) -> Result<Self, StoreError> {
        let mut batch = Self::default();
        batch.turns.reserve(rows.len());
        batch.events.reserve(rows.len());
        for row in rows {
            batch.add(row)?;
        }
        batch.turns.sort_unstable_by_key(|turn| (turn.number, turn.sequence));
        let of_one = batch.turns.chunk_by(|one, other| one.number == other.number);
        batch.known = of_one.filter_map(<[_]>::last).map(TurnEntry::known).collect();
        Ok(batch)
    }

    /// The last record here of a correlation.
    pub(super) fn known(&self, number: u64) -> Option<&Known> {
        self.known.binary_search_by_key(&number, |known| known.number).ok().map(|at| &self.known[at])
    }

    fn add(&mut self, row: &HandedRow) -> Result<(), StoreError> {
        let before = self.events.len();
        let (turn, head) = match row {
            HandedRow::Row(row) => {
                fold::changes(row, &mut |change| self.change((row.number, before), change))?;
                let digest = row.records.last().map(|record| record.digest).unwrap_or_default();
                let (number, sequence, records) = (row.number, row.sequence, row.records.len() as u64);
                (TurnEntry { number, sequence, position: row.first, records, digest }, row.head)
            }
            HandedRow::Told { first, number, tip, head, told } => {
                fold::changes_told(*first, told, &mut |change| self.change((*number, before), change))?;
                let records = told.each().count() as u64;
                let (number, sequence) = (*number, tip.sequence + 1 - records);
                (TurnEntry { number, sequence, position: *first, records, digest: tip.digest }, *head)
            }
        };
        for at in before..self.events.len() {
            let EventEntry { number, sequence, state, .. } = &self.events[at];
            if !state.is_end() {
                self.places.insert((*number, *sequence), at);
            }
        }
        self.head = Head { position: turn.position + turn.records - 1, digest: head };
        self.turns.push(turn);
        Ok(())
    }

    /// Takes a change of a row of that correlation, whose events stand in `events` from there on.
    fn change(&mut self, (number, row): (u64, usize), change: Change) -> Result<(), StoreError> {
        match change {
            Change::Opened(correlation) => self.opened.push((number, correlation)),
            Change::Received(received) => {
                let Received { position, sequence, recorded_at, identity, .. } = received;
                let (reading, state) = (Reading::of(received)?, LifeState::Pending);
                self.events.push(EventEntry { position, number, sequence, recorded_at, state, identity, reading });
            }
            Change::Moved { event, to } => {
                let here = self.events[row..].iter().rposition(|entry| entry.sequence == event).map(|at| row + at);
                match here.or_else(|| self.places.get(&(number, event)).copied()) {
                    Some(place) => self.events[place].state = to,
                    None => drop(self.moved.insert((number, event), to)),
                }
            }
            Change::Granted { policy, grant, event, waits } => {
                self.grants.push(GrantEntry::Granted { policy, grant, number, event, waits });
            }
            Change::Released { booking, event } => self.grants.push(GrantEntry::Released { booking, number, event }),
            Change::Run { position, at, change } => {
                self.runs.entry(number).or_default().push(RunEntry { position, at, change });
            }
            Change::Freed { policy, key, event } => self.grants.push(GrantEntry::Freed { policy, key, number, event }),
        }
        Ok(())
    }
}
