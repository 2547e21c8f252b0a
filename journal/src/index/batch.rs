//! What some rows of the journal mean for the index, gathered in memory before any of it is written.

use std::collections::{BTreeMap, HashMap};

use regie_core::Timestamp;
use regie_core::event::{CorrelationId, Identity, LifeState};
use regie_core::governance::{Booking, Grant};
use regie_core::workflow::RunChange;

use crate::brief::Brief;
use crate::error::StoreError;
use crate::fold::{self, Change, Received};
use crate::plan::Known;
use crate::store::{Head, Row, Tip};

/// An event, as the index has it.
pub(super) struct EventEntry {
    pub(super) position: u64,
    pub(super) number: u64,
    pub(super) sequence: u64,
    pub(super) recorded_at: Timestamp,
    pub(super) state: LifeState,
    pub(super) identity: Identity,
    pub(super) brief: Brief,
}

/// A row, as the index has it.
pub(super) struct TurnEntry {
    pub(super) number: u64,
    pub(super) sequence: u64,
    pub(super) position: u64,
    pub(super) records: u64,
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
    /// The last record of each correlation that has one here.
    pub(super) known: BTreeMap<u64, Known>,
    pub(super) turns: Vec<TurnEntry>,
    pub(super) events: Vec<EventEntry>,
    /// Moves of events that came in before, by correlation and event: where they are in the end.
    pub(super) moved: BTreeMap<(u64, u64), LifeState>,
    pub(super) grants: Vec<GrantEntry>,
    /// Changes of runs, in order, by correlation.
    pub(super) runs: BTreeMap<u64, Vec<RunEntry>>,
    pub(super) head: Head,
    /// Where each event of this batch stands in `events`.
    places: HashMap<(u64, u64), usize>,
}

impl Batch {
    /// Reads rows, which follow each other in position order.
    pub(super) fn of(rows: &[Row]) -> Result<Self, StoreError> {
        let mut batch = Self::default();
        for row in rows {
            batch.add(row)?;
        }
        batch.turns.sort_unstable_by_key(|turn| (turn.number, turn.sequence));
        Ok(batch)
    }

    fn add(&mut self, row: &Row) -> Result<(), StoreError> {
        let number = row.number;
        fold::changes(row, &mut |change| self.change(number, change))?;
        let records = row.records.len() as u64;
        self.turns.push(TurnEntry { number, sequence: row.sequence, position: row.first, records });
        let digest = row.records.last().map(|record| record.digest).unwrap_or_default();
        let tip = Tip { sequence: row.sequence + records - 1, digest };
        self.known.insert(number, Known { number, tip, last: row.last() });
        self.head = Head { position: row.last(), digest: row.head };
        Ok(())
    }

    fn change(&mut self, number: u64, change: Change) -> Result<(), StoreError> {
        match change {
            Change::Opened(correlation) => self.opened.push((number, correlation)),
            Change::Received(received) => {
                let Received { position, sequence, recorded_at, identity, .. } = received;
                self.places.insert((number, sequence), self.events.len());
                let (brief, state) = (Brief::of(received)?, LifeState::Pending);
                self.events.push(EventEntry { position, number, sequence, recorded_at, state, identity, brief });
            }
            Change::Moved { event, to } => match self.places.get(&(number, event)) {
                Some(place) => self.events[*place].state = to,
                None => drop(self.moved.insert((number, event), to)),
            },
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
