//! The write side that the runtime holds.

use std::sync::Arc;
use std::time::Duration;

use regie_core::limits;

use crate::error::StoreError;
use crate::handed::Told;
use crate::progress::Progress;
use crate::sets::Trails;
use crate::store::{Conflict, EventStore, Head, Placed, Turn};

/// What an append came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// An answer to each turn, in their order.
    pub placed: Vec<Result<Placed, Conflict>>,
    /// The end of the journal after it.
    pub head: Head,
}

/// Appends to a journal, and records the sets in force with the first turn under them. Owned by one thread.
pub struct Writer {
    store: Box<dyn EventStore>,
    trails: Trails,
    progress: Arc<Progress>,
}

impl Writer {
    /// Over a store of one's own, which needs no index; for tests that put a faulty one in.
    pub fn over(store: Box<dyn EventStore>, trails: Trails) -> Self {
        Self::new(store, trails, Arc::new(Progress::new(0, u64::MAX)))
    }

    pub(crate) fn new(store: Box<dyn EventStore>, trails: Trails, progress: Arc<Progress>) -> Self {
        Self { store, trails, progress }
    }

    /// Appends turns in their order, all in one durable step. A turn in conflict is left out and reported; the others
    /// stand.
    ///
    /// # Errors
    /// None of them stands then. [`StoreError::Full`]: the same may be appended again once there is room.
    /// [`StoreError::Latched`]: it is not known whether they stand, and nothing more is taken.
    pub fn append(&mut self, turns: &[Turn]) -> Result<Committed, StoreError> {
        self.append_told(turns, Vec::new())
    }

    /// The same of turns of which it is told, in their order, what they hold: what is told need not be read again. It saves time
    /// alone; what is missing is made up.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn append_told(&mut self, turns: &[Turn], told: Vec<Option<Told>>) -> Result<Committed, StoreError> {
        if !turns.iter().flat_map(|turn| &turn.sets).any(|set| self.trails.differs(set)) {
            let placed = self.store.append_told(turns, told)?;
            self.trails.stand(turns.iter().zip(placed.iter().map(|placed| placed.as_ref().ok())));
            return Ok(Committed { placed, head: self.store.head() });
        }
        let mut trails = self.trails;
        let mut told = told.into_iter();
        let mut all = Vec::with_capacity(turns.len() + 2);
        let mut all_told = Vec::with_capacity(turns.len() + 2);
        let mut ours = Vec::with_capacity(turns.len() + 2);
        for turn in turns {
            for set in &turn.sets {
                if trails.differs(set) {
                    all.push(trails.record(set, turn.at));
                    all_told.push(None);
                    ours.push(Some(set.kind));
                }
            }
            all.push(turn.clone());
            all_told.push(told.next().flatten());
            ours.push(None);
        }
        let placed = self.store.append_told(&all, all_told)?;
        self.trails = trails;
        self.trails.stand(all.iter().zip(placed.iter().map(|placed| placed.as_ref().ok())));
        let mut answers = Vec::with_capacity(turns.len());
        for (answer, ours) in placed.into_iter().zip(ours) {
            match (answer, ours) {
                (answer, None) => answers.push(answer),
                (Err(Conflict { found }), Some(kind)) => {
                    tracing::warn!("somebody else has recorded a set; the present one is recorded with the next turn");
                    self.trails.found(kind, found);
                }
                (Ok(_), Some(_)) => {}
            }
        }
        Ok(Committed { placed: answers, head: self.store.head() })
    }

    /// The end of the journal.
    pub fn head(&self) -> Head {
        self.store.head()
    }

    /// The position of the last record of rules, by which others came into force; 0 if there is none.
    pub fn rules_at(&self) -> u64 {
        self.trails.rules_at()
    }

    /// By how many records the index is behind; 0 in memory.
    pub fn lag(&self) -> u64 {
        self.progress.lag()
    }

    /// Waits while the index is further behind than [`limits::INDEX_LAG`], at most for `patience`; tells whether it is not.
    pub fn wait_for_room(&self, patience: Duration) -> bool {
        self.progress.wait_lag(limits::INDEX_LAG, patience)
    }

    /// The store alone; sets are not recorded any more.
    pub fn into_store(self) -> Box<dyn EventStore> {
        self.store
    }

    /// Closes in good order; what was answered is on disk.
    ///
    /// # Errors
    /// What the system says; everything answered is on disk even then.
    pub fn close(self) -> Result<(), StoreError> {
        self.store.close()
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("head", &self.head()).field("trails", &self.trails).finish_non_exhaustive()
    }
}
