//! A look at the file of truth before it is opened to be written: SQLite takes a file that has lost its beginning for a new
//! one, and one that has lost its last bytes for a whole one.

use std::fs::File;
use std::io::Read;

use super::connection;
use super::errors;
use super::files::{Files, beside};
use super::lock;
use super::schema;
use crate::error::StoreError;
use crate::index::witness;
use crate::note::OpenNote;

/// What every SQLite database begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Bytes of SQLite's header.
const HEADER: usize = 100;
/// How SQLite's rollback journals begin.
const ROLLBACK_JOURNAL: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// Under the lock: refuses a file that is not whole, or that was more once. Says so if there is none, and was one.
pub(crate) fn look(files: &Files) -> Result<Option<OpenNote>, StoreError> {
    let bytes = match std::fs::metadata(&files.truth) {
        Ok(file) if names(&file) > 1 => {
            // The lock, the log and the index go by name: two owners by two names would each write into the other's file.
            let why = "the file has another name too (a hard link); remove one, or copy the file".to_string();
            return Err(StoreError::ReadOnly { path: files.name(), why });
        }
        Ok(file) => file.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let seen = index_has_seen(files).unwrap_or_default();
            return Ok((seen > 0).then_some(OpenNote::BegunAnew { seen }));
        }
        Err(error) => return Err(errors::file(&error, &files.truth)),
    };
    if was_being_made(files) {
        return Ok(None);
    }
    held_one(files)?;
    let header = header_of(files)?;
    if bytes > 0 && !header.starts_with(MAGIC) {
        return Err(StoreError::NotOurs { path: files.name(), why: "it is no SQLite database".into() });
    }
    missing_bytes(files, &header, bytes).map_or(Ok(None), |missing| Err(cut_off(files, missing)))
}

/// The same look for somebody who only reads, while an owner may write: refuses a file that holds no journal any more, and
/// one that is cut off.
pub(crate) fn look_beside_an_owner(files: &Files) -> Result<(), StoreError> {
    held_one(files)?;
    let missing = || -> Result<Option<u64>, StoreError> {
        let header = header_of(files)?;
        let bytes = std::fs::metadata(&files.truth).map_err(|error| errors::file(&error, &files.truth))?.len();
        // Of what else it may be, its opening tells.
        Ok(missing_bytes(files, &header, bytes).filter(|_| header.starts_with(MAGIC)))
    };
    // An owner that has just written its log back has made the file longer between two looks; what is cut off stays so.
    if missing()?.is_none() {
        return Ok(());
    }
    missing()?.map_or(Ok(()), |missing| Err(cut_off(files, missing)))
}

fn cut_off(files: &Files, missing: u64) -> StoreError {
    StoreError::Damaged { why: format!("{} is cut off: {missing} of its bytes are missing", files.name()) }
}

/// How many names a file has.
#[cfg(unix)]
fn names(file: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(file)
}

#[cfg(not(unix))]
fn names(_: &std::fs::Metadata) -> u64 {
    1
}

/// Refuses a file that holds no journal any more, where something proves that it held one.
fn held_one(files: &Files) -> Result<(), StoreError> {
    let is_database = header_of(files)?.starts_with(MAGIC);
    if is_database && !is_empty_database(files) {
        return Ok(());
    }
    let what = if is_database { "holds nothing" } else { "is no database" };
    match proof(files) {
        Some(proof) => Err(StoreError::Damaged { why: format!("{} {what}, although {proof}", files.name()) }),
        None => Ok(()),
    }
}

fn header_of(files: &Files) -> Result<Vec<u8>, StoreError> {
    let mut header = Vec::with_capacity(HEADER);
    let read = File::open(&files.truth).and_then(|file| file.take(HEADER as u64).read_to_end(&mut header));
    read.map_err(|error| errors::file(&error, &files.truth))?;
    Ok(header)
}

/// What cannot be opened here is told by whoever opens it to be written.
fn is_empty_database(files: &Files) -> bool {
    connection::for_reading(&files.truth).is_ok_and(|it| schema::is_empty(&it).unwrap_or(false))
}

/// What proves that a file which holds nothing held a journal.
fn proof(files: &Files) -> Option<String> {
    match index_has_seen(files) {
        Some(0) => {}
        Some(seen) => return Some(format!("the index beside it has seen {seen} records of it")),
        None if files.index.exists() => return Some("an index lies beside it".to_string()),
        None => {}
    }
    let made = lock::journal_made(&files.lock)?;
    Some(format!("{} says that it was journal {made}", files.lock.display()))
}

/// How many records the index has seen, if it can be read.
fn index_has_seen(files: &Files) -> Option<u64> {
    let index = files.index.exists().then(|| connection::for_reading(&files.index).ok())??;
    witness::seen(&index)
}

/// How many bytes the file has too few, by its own header. While a log lies beside it, that may hold them.
fn missing_bytes(files: &Files, header: &[u8], bytes: u64) -> Option<u64> {
    if std::fs::metadata(beside(&files.truth, "-wal")).is_ok_and(|log| log.len() > 0) {
        return None;
    }
    let number = |at: usize| header.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let page = match u16::from_be_bytes(header.get(16..18)?.try_into().ok()?) {
        1 => 65_536, // 65,536 does not fit there
        page => u64::from(page),
    };
    // Whoever wrote last may not have kept the count of pages; then the last page alone tells.
    let counted = number(24)? == number(92)?;
    let whole = if counted { u64::from(number(28)?) * page } else { bytes.next_multiple_of(page.max(1)) };
    whole.checked_sub(bytes).filter(|missing| *missing > 0)
}

/// Whether power was lost while the file was made: SQLite's rollback journal beside it says that it had no page before. What
/// is in the file then is nobody's, and SQLite takes it back at the first opening that may write.
pub(crate) fn was_being_made(files: &Files) -> bool {
    let mut header = [0; 20];
    let read = File::open(beside(&files.truth, "-journal")).and_then(|mut journal| journal.read_exact(&mut header));
    let pages_before = &header[16..];
    read.is_ok() && header.starts_with(&ROLLBACK_JOURNAL) && pages_before.iter().all(|byte| *byte == 0)
}
