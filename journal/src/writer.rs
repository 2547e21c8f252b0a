//! The write side that the runtime holds.

use std::sync::Arc;
use std::time::Duration;

use regie_core::limits;

use crate::error::StoreError;
use crate::policies::PolicyTrail;
use crate::progress::Progress;
use crate::store::{Conflict, EventStore, Head, Placed, Turn};

/// What an append came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// An answer to each turn, in their order.
    pub placed: Vec<Result<Placed, Conflict>>,
    /// The end of the journal after it.
    pub head: Head,
}

/// Appends to a journal, and records the policy set with the first turn that was judged under it. Owned by one thread.
pub struct Writer {
    store: Box<dyn EventStore>,
    trail: PolicyTrail,
    progress: Arc<Progress>,
}

impl Writer {
    /// Over a store of one's own, which needs no index; for tests that put a faulty one in.
    pub fn over(store: Box<dyn EventStore>, trail: PolicyTrail) -> Self {
        Self::new(store, trail, Arc::new(Progress::new(0, u64::MAX)))
    }

    pub(crate) fn new(store: Box<dyn EventStore>, trail: PolicyTrail, progress: Arc<Progress>) -> Self {
        Self { store, trail, progress }
    }

    /// Appends turns in their order, all in one durable step. A turn in conflict is left out and reported; the others
    /// stand.
    ///
    /// # Errors
    /// None of them stands then. [`StoreError::Full`]: the same may be appended again once there is room.
    /// [`StoreError::Latched`]: it is not known whether they stand, and nothing more is taken.
    pub fn append(&mut self, turns: &[Turn]) -> Result<Committed, StoreError> {
        if !turns.iter().any(|turn| turn.set.as_ref().is_some_and(|set| self.trail.differs(set))) {
            let placed = self.store.append(turns)?;
            return Ok(Committed { placed, head: self.store.head() });
        }
        let mut trail = self.trail;
        let mut all = Vec::with_capacity(turns.len() + 1);
        let mut ours = Vec::with_capacity(turns.len() + 1);
        for turn in turns {
            if let Some(set) = turn.set.as_ref().filter(|set| trail.differs(set)) {
                let (recorded, after) = trail.record(set, turn.at);
                trail = after;
                all.push(recorded);
                ours.push(true);
            }
            all.push(turn.clone());
            ours.push(false);
        }
        let placed = self.store.append(&all)?;
        self.trail = trail;
        let mut answers = Vec::with_capacity(turns.len());
        for (answer, ours) in placed.into_iter().zip(ours) {
            match answer {
                Err(Conflict { found }) if ours => {
                    tracing::warn!(
                        "somebody else has recorded a policy set; the present one is recorded with the next turn"
                    );
                    self.trail = PolicyTrail::at(found);
                }
                _ if ours => {}
                answer => answers.push(answer),
            }
        }
        Ok(Committed { placed: answers, head: self.store.head() })
    }

    /// The end of the journal.
    pub fn head(&self) -> Head {
        self.store.head()
    }

    /// By how many records the index is behind; 0 in memory.
    pub fn lag(&self) -> u64 {
        self.progress.lag()
    }

    /// Waits while the index is further behind than [`limits::INDEX_LAG`], at most for `patience`; tells whether it is not.
    pub fn wait_for_room(&self, patience: Duration) -> bool {
        self.progress.wait_lag(limits::INDEX_LAG, patience)
    }

    /// The store alone; policy sets are not recorded any more.
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
        f.debug_struct("Writer").field("head", &self.head()).field("trail", &self.trail).finish_non_exhaustive()
    }
}
