//! One owner: a lock that the system lets go of when its process ends, however it ends.
//!
//! The lock's file holds a line with the owner's process id, empty while there is none, and one with the journal's id once
//! that was made: proof that there was a journal, should its file be empty one day.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::errors;
use crate::error::StoreError;

/// More than both lines have.
const BYTES: u64 = 128;
/// How long a lock may be held after its owner has said goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// How often it is tried meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Held by the process that owns a journal.
#[derive(Debug)]
pub(crate) struct OwnerLock {
    file: File,
    journal: Option<Uuid>,
}

impl OwnerLock {
    /// Takes the lock of a journal, or says who has it.
    pub(crate) fn take(lock: &Path, journal: &str) -> Result<Self, StoreError> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(lock).map_err(|error| match errors::file(&error, lock) {
            StoreError::ReadOnly { why, .. } => StoreError::ReadOnly { path: journal.to_string(), why },
            StoreError::Missing { .. } => StoreError::Failed { why: format!("the folder of {journal} is not there") },
            other => other,
        })?;
        let mut text = text_of(&mut file);
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // Its owner has said goodbye, and some child that was just forked holds a copy until it runs its program.
                Err(TryLockError::WouldBlock) if pid_in(&text).is_none() && began.elapsed() < GOODBYE => {
                    std::thread::sleep(LOOK_AGAIN);
                    text = text_of(&mut file);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Owned { path: journal.to_string(), owner: pid_in(&text) });
                }
                Err(TryLockError::Error(error)) => return Err(errors::file(&error, lock)),
            }
        }
        let lock = Self { file, journal: journal_in(&text) };
        lock.write(Some(std::process::id()), lock.journal);
        Ok(lock)
    }

    /// Notes which journal this is.
    pub(crate) fn made(&self, journal: Uuid) {
        if self.journal != Some(journal) {
            self.write(Some(std::process::id()), Some(journal));
        }
    }

    /// What is written helps people and proves something: without room for it the lock is as good.
    fn write(&self, owner: Option<u32>, journal: Option<Uuid>) {
        let owner = owner.map(|pid| pid.to_string()).unwrap_or_default();
        let journal = journal.map(|id| id.to_string()).unwrap_or_default();
        let mut file = &self.file;
        let _ = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| write!(file, "{owner}\n{journal}\n"));
    }
}

impl Drop for OwnerLock {
    fn drop(&mut self) {
        let journal = journal_in(&text_of(&mut self.file));
        self.write(None, journal);
    }
}

/// Whether a process that owns the journal may be alive. Never takes the lock, which would be in an owner's way.
pub(crate) fn owner_may_live(lock: &Path) -> bool {
    let Some(pid) = File::open(lock).ok().and_then(|mut file| pid_in(&text_of(&mut file))) else { return false };
    let processes = Path::new("/proc");
    !processes.join("self").exists() || processes.join(pid.to_string()).exists()
}

/// The journal that was made where a lock lies, if one was.
pub(crate) fn journal_made(lock: &Path) -> Option<Uuid> {
    journal_in(&text_of(&mut File::open(lock).ok()?))
}

fn text_of(file: &mut File) -> String {
    let mut text = String::new();
    // What cannot be read says nothing.
    let _ = file.rewind().and_then(|()| file.take(BYTES).read_to_string(&mut text));
    text
}

fn pid_in(text: &str) -> Option<u32> {
    text.lines().next()?.trim().parse().ok()
}

fn journal_in(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text.lines().nth(1)?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_outlives_its_owner_for_a_moment_is_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let owner = OwnerLock::take(&path, "a").unwrap();
        let copy = owner.file.try_clone().unwrap();
        assert!(matches!(OwnerLock::take(&path, "a"), Err(StoreError::Owned { owner: Some(_), .. })));
        drop(owner);
        let next = std::thread::spawn(move || OwnerLock::take(&path, "a").map(drop));
        std::thread::yield_now();
        drop(copy);
        assert_eq!(next.join().unwrap(), Ok(()));
    }
}
