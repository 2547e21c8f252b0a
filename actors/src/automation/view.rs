//! What others may see of the rules. Nothing is decided by it.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// What others may see of the rules.
#[derive(Debug)]
pub struct AutomationView {
    position: AtomicU64,
    entities: AtomicU64,
    runs: AtomicU64,
    failed: AtomicU64,
    trouble: watch::Sender<Option<(u64, String)>>,
}

impl Default for AutomationView {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self { position: zero(), entities: zero(), runs: zero(), failed: zero(), trouble: watch::channel(None).0 }
    }
}

impl AutomationView {
    /// The position up to which all was looked at.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// How many entities the rules know of.
    pub fn entities(&self) -> u64 {
        self.entities.load(Ordering::Relaxed)
    }

    /// Runs recorded since the start.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Of those, runs that could not be made out.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// The last thing that could not be taken in, and where.
    pub fn last_trouble(&self) -> Option<(u64, String)> {
        self.trouble.borrow().clone()
    }

    pub(super) fn is_through(&self, position: u64, entities: usize) {
        self.position.store(position, Ordering::Relaxed);
        self.entities.store(entities as u64, Ordering::Relaxed);
    }

    pub(super) fn recorded(&self, failed: bool) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn trouble(&self, position: u64, why: &str) {
        self.trouble.send_replace(Some((position, why.to_string())));
    }
}
