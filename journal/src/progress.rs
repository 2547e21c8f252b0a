//! How far the index is behind the journal, and a way to wait for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shared by the writer, the indexer and every reader of one journal.
#[derive(Debug)]
pub(crate) struct Progress {
    written: AtomicU64,
    indexed: AtomicU64,
    /// lock: guards no data; a `Condvar` needs a mutex so that no announcement falls between a look and the sleep after it.
    gate: Mutex<()>,
    moved: Condvar,
}

impl Progress {
    /// Both at these positions.
    pub(crate) fn new(written: u64, indexed: u64) -> Self {
        let (gate, moved) = (Mutex::new(()), Condvar::new());
        Self { written: AtomicU64::new(written), indexed: AtomicU64::new(indexed), gate, moved }
    }

    /// The journal reaches to there.
    pub(crate) fn wrote(&self, position: u64) {
        self.written.store(position, Ordering::Release);
    }

    /// The index covers everything up to there.
    pub(crate) fn index_reached(&self, position: u64) {
        self.indexed.store(position, Ordering::Release);
        drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.notify_all();
    }

    /// The position that the index covers.
    pub(crate) fn indexed(&self) -> u64 {
        self.indexed.load(Ordering::Acquire)
    }

    /// By how many records the index is behind.
    pub(crate) fn lag(&self) -> u64 {
        self.written.load(Ordering::Acquire).saturating_sub(self.indexed())
    }

    /// Waits until the index covers a position; tells whether it does.
    pub(crate) fn wait_indexed(&self, position: u64, patience: Duration) -> bool {
        self.wait(patience, || self.indexed() >= position)
    }

    /// Waits until the index is at most `lag` records behind; tells whether it is.
    pub(crate) fn wait_lag(&self, lag: u64, patience: Duration) -> bool {
        self.wait(patience, || self.lag() <= lag)
    }

    fn wait(&self, patience: Duration, reached: impl Fn() -> bool) -> bool {
        if reached() {
            return true;
        }
        let until = Instant::now() + patience;
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        while !reached() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            gate = self.moved.wait_timeout(gate, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_waiter_is_told_when_the_index_arrives() {
        let progress = Arc::new(Progress::new(5, 0));
        let waiter = std::thread::spawn({
            let progress = Arc::clone(&progress);
            move || progress.wait_indexed(5, Duration::from_secs(60))
        });
        progress.index_reached(5);
        assert!(waiter.join().unwrap());
        assert_eq!(progress.lag(), 0);
    }

    #[test]
    fn patience_ends() {
        assert!(!Progress::new(5, 0).wait_lag(4, Duration::ZERO));
    }
}
