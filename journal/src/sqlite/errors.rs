//! What SQLite's errors mean here. None of them leaves this package.

use std::path::Path;

use rusqlite::ffi::{
    SQLITE_IOERR_SHMMAP as SHARED_MEMORY_MAP, SQLITE_IOERR_SHMOPEN as SHARED_MEMORY_OPEN,
    SQLITE_IOERR_SHMSIZE as SHARED_MEMORY_SIZE,
};
use rusqlite::{Error, ErrorCode};

use crate::error::StoreError;

/// An error while reading.
pub(crate) fn reading(error: Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged { why: error.to_string() },
        _ if error.to_string().starts_with("no such table") => StoreError::Damaged { why: error.to_string() },
        _ if is_wrong_value(&error) => StoreError::Damaged { why: error.to_string() },
        _ => StoreError::Failed { why: error.to_string() },
    }
}

/// An error while writing the truth. What may have reached the disk in part latches the store.
pub(crate) fn writing(error: Error, path: &str) -> StoreError {
    let why = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { why },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Owned { path: path.to_string(), owner: None }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { path: path.to_string(), why },
        Some(ErrorCode::OutOfMemory | ErrorCode::TooBig) => StoreError::Failed { why },
        _ => StoreError::Latched { why },
    }
}

/// An error while writing the index, which can always be built anew.
pub(crate) fn indexing(error: Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { why: format!("the index: {error}") },
        _ => match reading(error) {
            StoreError::Damaged { why } => StoreError::Damaged { why: format!("the index: {why}") },
            StoreError::Failed { why } => StoreError::Failed { why: format!("the index: {why}") },
            other => other,
        },
    }
}

/// An error while opening.
pub(crate) fn opening(error: Error, path: &Path) -> StoreError {
    let (path, why) = (path.display().to_string(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotOurs { path, why: "it is no SQLite database".into() },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { why: format!("{path}: {why}") },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Owned { path, owner: None },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly { path, why }
        }
        Some(ErrorCode::DiskFull) => StoreError::Full { why: format!("{path}: {why}") },
        Some(ErrorCode::SystemIoFailure) => StoreError::Failed { why: io_failure(&error, &path) },
        _ => StoreError::Failed { why: format!("{path}: {why}") },
    }
}

/// What SQLite calls an I/O error may be a disk that is full: that is how it ends where its shared memory finds no room.
fn io_failure(error: &Error, path: &str) -> String {
    let code = error.sqlite_error().map_or(0, |error| error.extended_code);
    let what = match code {
        SHARED_MEMORY_SIZE | SHARED_MEMORY_OPEN | SHARED_MEMORY_MAP => format!("{path}-shm cannot be made"),
        code => format!("code {code}"),
    };
    format!("{path} cannot be opened ({error}, {what}): its disk is full or fails; make room, or look after the disk")
}

/// An error of the file system.
pub(crate) fn file(error: &std::io::Error, path: &Path) -> StoreError {
    use std::io::ErrorKind;
    let (path, why) = (path.display().to_string(), error.to_string());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { path, why },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { why: format!("{path}: {why}") },
        ErrorKind::NotFound => StoreError::Missing { path },
        _ => StoreError::Failed { why: format!("{path}: {why}") },
    }
}

/// A column that holds what was never written there.
fn is_wrong_value(error: &Error) -> bool {
    use Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(code: i32) -> String {
        let error = Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        opening(error, Path::new("/place/j.db")).to_string()
    }

    #[test]
    fn shared_memory_without_room_is_told_with_its_file_and_what_helps() {
        let told = opened(SHARED_MEMORY_SIZE);
        assert!(["/place/j.db-shm cannot be made", "make room"].iter().all(|words| told.contains(words)), "{told}");
        assert!(opened(rusqlite::ffi::SQLITE_FULL).contains("/place/j.db: "));
    }
}
