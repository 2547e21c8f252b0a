//! How far the index is behind the journal, and a way to wait for it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::error::StoreError;
use crate::handed::{Handed, HandedRow, Told};
use crate::plan::Plan;

/// As long as one wait takes where patience has no end.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// Records that are worth a transaction of the index of their own: its cost is spread thin over so many.
const GATHERED: u64 = 8_192;

/// Shared by the writer, the indexer and every reader of one journal.
#[derive(Debug)]
pub(crate) struct Progress {
    written: AtomicU64,
    indexed: AtomicU64,
    /// Why the index does not follow, if it does not.
    /// lock: a `Condvar` needs a mutex, so that no announcement falls between a look and the sleep after it; it is held for
    /// no longer than the look.
    trouble: Mutex<Option<StoreError>>,
    moved: Condvar,
    /// How many wait for the index.
    waiting: AtomicUsize,
    /// The thread that lets work for the index gather, once there is one.
    indexing: OnceLock<Thread>,
    /// What was written, for that thread.
    handed: Handed,
}

impl Progress {
    /// Both at these positions.
    pub(crate) fn new(written: u64, indexed: u64) -> Self {
        let (trouble, moved) = (Mutex::new(None), Condvar::new());
        let (written, indexed) = (AtomicU64::new(written), AtomicU64::new(indexed));
        let (waiting, indexing, handed) = (AtomicUsize::new(0), OnceLock::new(), Handed::default());
        Self { written, indexed, trouble, moved, waiting, indexing, handed }
    }

    /// The journal reaches to there.
    pub(crate) fn wrote(&self, position: u64) {
        self.written.store(position, Ordering::Release);
        if self.lag() >= GATHERED {
            self.hurry();
        }
    }

    /// Passes rows that were written on to the thread that indexes, once there is one.
    pub(crate) fn hand_over(&self, plan: &Plan<'_>, told: Vec<Option<Told>>) {
        if self.indexing.get().is_none() {
            return;
        }
        let mut told = told;
        self.handed.put(plan.rows.iter().map(|row| {
            let bytes = row.turn.records.iter().map(|record| record.bytes.len()).sum();
            (HandedRow::of(row, told.get_mut(row.at).and_then(Option::take)), bytes)
        }));
    }

    /// What was passed on and follows a position, at most so many rows; none if the journal is to be read.
    pub(crate) fn handed(&self, after: u64, at_most: usize) -> Vec<HandedRow> {
        self.handed.take(after, at_most)
    }

    /// Lets work for the index gather: comes back once somebody waits for the index, there is much to do, or the time is
    /// up. For the one thread that indexes.
    pub(crate) fn gather(&self, at_most: Duration) {
        self.indexing.get_or_init(std::thread::current);
        let until = Instant::now() + at_most;
        while self.waiting.load(Ordering::SeqCst) == 0 && self.lag() < GATHERED {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::park_timeout(left);
        }
    }

    fn hurry(&self) {
        if let Some(thread) = self.indexing.get() {
            thread.unpark();
        }
    }

    /// The index covers everything up to there, and follows.
    pub(crate) fn index_reached(&self, position: u64) {
        self.indexed.store(position, Ordering::Release);
        *self.trouble() = None;
        self.moved.notify_all();
    }

    /// The index does not follow, until it is said to have reached something again: nobody need wait for it so long.
    pub(crate) fn index_failed(&self, error: StoreError) {
        *self.trouble() = Some(error);
        self.moved.notify_all();
    }

    /// Why the index does not follow, if it does not.
    pub(crate) fn index_trouble(&self) -> Option<StoreError> {
        self.trouble().clone()
    }

    /// The position that the index covers.
    pub(crate) fn indexed(&self) -> u64 {
        self.indexed.load(Ordering::Acquire)
    }

    /// By how many records the index is behind.
    pub(crate) fn lag(&self) -> u64 {
        self.written.load(Ordering::Acquire).saturating_sub(self.indexed())
    }

    /// Waits until the index covers a position, at most for `patience`, and no longer than it follows.
    pub(crate) fn wait_indexed(&self, position: u64, patience: Duration) -> Result<(), StoreError> {
        self.wait(patience, || self.indexed() >= position)
            .unwrap_or_else(|| Err(StoreError::Behind { wanted: position, reached: self.indexed() }))
    }

    /// Waits until the index is at most `lag` records behind, as patiently; tells whether it is.
    pub(crate) fn wait_lag(&self, lag: u64, patience: Duration) -> bool {
        matches!(self.wait(patience, || self.lag() <= lag), Some(Ok(())))
    }

    /// Nothing if patience has ended.
    fn wait(&self, patience: Duration, reached: impl Fn() -> bool) -> Option<Result<(), StoreError>> {
        if reached() {
            return Some(Ok(()));
        }
        let _counted = Waiting::of(self);
        let until = Instant::now().checked_add(patience);
        let mut trouble = self.trouble();
        while !reached() {
            if let Some(error) = &*trouble {
                return Some(Err(error.clone()));
            }
            let left = until.map_or(FOR_EVER, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return None;
            }
            trouble = self.moved.wait_timeout(trouble, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(Ok(()))
    }

    fn trouble(&self) -> MutexGuard<'_, Option<StoreError>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits for the index.
struct Waiting<'a>(&'a Progress);

impl<'a> Waiting<'a> {
    fn of(progress: &'a Progress) -> Self {
        progress.waiting.fetch_add(1, Ordering::SeqCst);
        progress.hurry();
        Self(progress)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
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
        assert_eq!(waiter.join().unwrap(), Ok(()));
        assert_eq!(progress.lag(), 0);
    }

    #[test]
    fn who_lets_work_gather_comes_back_for_one_who_waits_and_for_much_work() {
        let progress = Arc::new(Progress::new(5, 0));
        let indexer = std::thread::spawn({
            let progress = Arc::clone(&progress);
            move || {
                progress.gather(Duration::from_secs(3_600));
                progress.index_reached(5);
                progress.gather(Duration::from_secs(3_600));
            }
        });
        assert_eq!(progress.wait_indexed(5, Duration::from_secs(60)), Ok(()));
        progress.wrote(5 + GATHERED);
        assert!(indexer.join().is_ok());
    }

    #[test]
    fn patience_ends() {
        assert!(!Progress::new(5, 0).wait_lag(4, Duration::ZERO));
        let behind = StoreError::Behind { wanted: 5, reached: 0 };
        assert_eq!(Progress::new(5, 0).wait_indexed(5, Duration::ZERO), Err(behind));
    }

    #[test]
    fn nobody_waits_for_an_index_that_does_not_follow_until_it_does() {
        let progress = Progress::new(5, 3);
        let full = StoreError::Full { why: "no room".into() };
        progress.index_failed(full.clone());
        assert_eq!(progress.wait_indexed(5, Duration::MAX), Err(full.clone()));
        assert_eq!((progress.wait_indexed(3, Duration::MAX), progress.index_trouble()), (Ok(()), Some(full)));
        progress.index_reached(5);
        assert_eq!((progress.wait_indexed(5, Duration::MAX), progress.index_trouble()), (Ok(()), None));
    }
}
