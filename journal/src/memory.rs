//! The store in memory: for tests, and for runs whose journal nobody needs afterwards.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use regie_core::Timestamp;
use regie_core::event::{CorrelationId, Identity, LifeState};

use crate::error::StoreError;
use crate::fold::{self, Change, Received};
use crate::granted::Granted;
use crate::grants::Grants;
use crate::plan::{Known, Plan};
use crate::snapshot::Snapshot;
use crate::store::{Conflict, EventReader, EventStore, Head, Placed, Row, Tip, Turn, Wake};

/// The store in memory.
#[derive(Clone, Default)]
pub struct MemoryStore {
    /// lock: it stands in for the file that a writer and many readers have open at once.
    contents: Arc<RwLock<Contents>>,
}

#[derive(Default)]
struct Contents {
    rows: Vec<Row>,
    head: Head,
    correlations: HashMap<CorrelationId, Correlation>,
    /// In the order in which they began.
    names: Vec<(u64, CorrelationId)>,
    wakes: BTreeSet<(Timestamp, u64)>,
    due: HashMap<u64, Timestamp>,
    snapshots: HashMap<CorrelationId, Snapshot>,
    view: View,
}

/// One correlation.
struct Correlation {
    known: Known,
    /// Its turns, as places in the rows.
    rows: Vec<usize>,
}

/// What the facts say, folded when somebody asks.
#[derive(Default)]
struct View {
    /// Rows that have been folded.
    rows: usize,
    position: u64,
    identities: HashMap<(u64, Identity), u64>,
    /// Position and state of each event, by correlation and sequence.
    events: HashMap<(u64, u64), (u64, LifeState)>,
    /// Correlation and sequence of the event that was received at a position.
    at: HashMap<u64, (u64, u64)>,
    granted: Granted,
}

impl MemoryStore {
    /// An empty one. Clones share what it holds.
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Contents> {
        self.contents.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn known(&self, correlation: &str) -> Option<Known> {
        self.read().correlations.get(correlation).map(|found| found.known)
    }

    pub(crate) fn name(&self, number: u64) -> Option<CorrelationId> {
        self.read().name(number)
    }

    pub(crate) fn names(&self) -> Vec<CorrelationId> {
        self.read().names.iter().map(|(_, name)| name.clone()).collect()
    }

    /// The turns of a correlation, from the one that holds a sequence on, and its tip: one look, for the writer goes on.
    pub(crate) fn turns_from(&self, correlation: &str, sequence: u64) -> Option<(Tip, Vec<Row>)> {
        let contents = self.read();
        let found = contents.correlations.get(correlation)?;
        let after = found.rows.partition_point(|at| contents.rows[*at].sequence <= sequence);
        let rows = found.rows[after.saturating_sub(1)..].iter().map(|at| contents.rows[*at].clone()).collect();
        Some((found.known.tip, rows))
    }

    pub(crate) fn find(&self, correlation: &str, identity: Identity) -> Result<Option<u64>, StoreError> {
        let mut contents = self.write();
        contents.fold()?;
        let Some(found) = contents.correlations.get(correlation) else { return Ok(None) };
        Ok(contents.view.identities.get(&(found.known.number, identity)).copied())
    }

    pub(crate) fn state(&self, position: u64) -> Result<Option<LifeState>, StoreError> {
        let mut contents = self.write();
        contents.fold()?;
        let event = contents.view.at.get(&position);
        Ok(event.and_then(|event| contents.view.events.get(event)).map(|(_, state)| *state))
    }

    pub(crate) fn grants(&self) -> Result<Grants, StoreError> {
        let mut contents = self.write();
        contents.fold()?;
        Ok(contents.view.granted.all(contents.view.position))
    }

    pub(crate) fn snapshot(&self, correlation: &str) -> Option<Snapshot> {
        self.read().snapshots.get(correlation).cloned()
    }

    pub(crate) fn put_snapshots(&self, snapshots: Vec<Snapshot>) {
        let mut contents = self.write();
        for snapshot in snapshots {
            contents.snapshots.insert(snapshot.correlation.clone(), snapshot);
        }
    }
}

impl Contents {
    fn name(&self, number: u64) -> Option<CorrelationId> {
        let at = self.names.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(self.names[at].1.clone())
    }

    fn take(&mut self, plan: Plan<'_>) {
        for planned in plan.rows {
            let (turn, number, first) = (planned.turn, planned.number, planned.first);
            if number == first {
                self.names.push((number, turn.correlation.clone()));
                let known = Known { number, tip: Default::default(), last: 0 };
                self.correlations.insert(turn.correlation.clone(), Correlation { known, rows: Vec::new() });
            }
            if let Some(correlation) = self.correlations.get_mut(&turn.correlation) {
                correlation.rows.push(self.rows.len());
            }
            let sequence = turn.expected.sequence + 1;
            self.rows.push(Row { first, number, sequence, records: turn.records.clone(), head: planned.head });
        }
        for (name, (_, known)) in plan.known {
            if let Some(correlation) = self.correlations.get_mut(name) {
                correlation.known = known;
            }
        }
        for (number, wake) in plan.wakes {
            if let Some(due) = self.due.remove(&number) {
                self.wakes.remove(&(due, number));
            }
            if let Wake::At(due) = wake {
                self.due.insert(number, due);
                self.wakes.insert((due, number));
            }
        }
        self.head = plan.head;
    }

    fn fold(&mut self) -> Result<(), StoreError> {
        for at in self.view.rows..self.rows.len() {
            let row = &self.rows[at];
            let name = self.name(row.number).unwrap_or_else(|| format!("#{}", row.number).into());
            let view = &mut self.view;
            fold::changes(row, &mut |change| {
                view.change(row.number, &name, change);
                Ok(())
            })?;
            (view.rows, view.position) = (at + 1, row.last());
        }
        Ok(())
    }

    /// The place of the row that holds a position.
    fn row_at(&self, position: u64) -> Option<&Row> {
        let after = self.rows.partition_point(|row| row.first <= position);
        self.rows.get(after.checked_sub(1)?).filter(|row| row.last() >= position)
    }
}

impl View {
    fn change(&mut self, number: u64, name: &CorrelationId, change: Change) {
        match change {
            // An index of its own tells of runs.
            Change::Opened(_) | Change::Run { .. } => {}
            Change::Received(Received { position, sequence, identity, .. }) => {
                self.identities.entry((number, identity)).or_insert(position);
                self.events.insert((number, sequence), (position, LifeState::Pending));
                self.at.insert(position, (number, sequence));
            }
            Change::Moved { event, to } => {
                if let Some((_, state)) = self.events.get_mut(&(number, event)) {
                    *state = to;
                }
            }
            Change::Granted { policy, grant, event, waits } => {
                self.granted.grant((policy, grant), (name, event), waits);
            }
            Change::Released { booking, event } => self.granted.release(&booking, (name, event)),
            Change::Freed { policy, key, event } => self.granted.free(policy, key, (name, event)),
        }
    }
}

impl EventStore for MemoryStore {
    fn append(&mut self, turns: &[Turn]) -> Result<Vec<Result<Placed, Conflict>>, StoreError> {
        let mut contents = self.write();
        let mut plan = Plan::of(contents.head, turns, |correlation| {
            Ok(contents.correlations.get(correlation).map(|found| found.known))
        })?;
        let placed = std::mem::take(&mut plan.placed);
        contents.take(plan);
        Ok(placed)
    }

    fn head(&self) -> Head {
        self.read().head
    }

    fn reader(&self) -> Result<Box<dyn EventReader>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

impl EventReader for MemoryStore {
    fn head(&mut self) -> Result<Head, StoreError> {
        Ok(self.read().head)
    }

    fn rows_after(&mut self, position: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        let contents = self.read();
        let from = contents.rows.partition_point(|row| row.first <= position);
        Ok(contents.rows[from..].iter().take(limit).cloned().collect())
    }

    fn row_of(&mut self, position: u64) -> Result<Option<Row>, StoreError> {
        Ok(self.read().row_at(position).cloned())
    }

    fn wakes_after(
        &mut self,
        after: Option<(Timestamp, u64)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, u64)>, StoreError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let contents = self.read();
        let from = after.map_or(Unbounded, Excluded);
        Ok(contents.wakes.range((from, Unbounded)).take(limit).copied().collect())
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").field("head", &self.read().head).finish_non_exhaustive()
    }
}
