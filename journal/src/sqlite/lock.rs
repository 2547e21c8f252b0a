//! One owner: a lock that the system lets go of when its process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::errors;
use crate::error::StoreError;

/// Held by the process that owns a journal.
#[derive(Debug)]
pub(crate) struct OwnerLock(File);

impl OwnerLock {
    /// Takes the lock of a journal, or says who has it.
    pub(crate) fn take(lock: &Path, journal: &str) -> Result<Self, StoreError> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(lock).map_err(|error| match errors::file(&error, lock) {
            StoreError::ReadOnly { why, .. } => StoreError::ReadOnly { path: journal.to_string(), why },
            StoreError::Missing { .. } => StoreError::Failed { why: format!("the folder of {journal} is not there") },
            other => other,
        })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Owned { path: journal.to_string(), owner: pid_in(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(errors::file(&error, lock)),
        }
        // Who the owner is helps people alone: without room for it the lock is as good.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self(file))
    }
}

impl Drop for OwnerLock {
    fn drop(&mut self) {
        let _ = self.0.set_len(0);
    }
}

/// Whether a process that owns the journal may be alive. Never takes the lock, which would be in an owner's way.
pub(crate) fn owner_may_live(lock: &Path) -> bool {
    let Some(pid) = File::open(lock).ok().and_then(|mut file| pid_in(&mut file)) else { return false };
    let processes = Path::new("/proc");
    !processes.join("self").exists() || processes.join(pid.to_string()).exists()
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
