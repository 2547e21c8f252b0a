//! Opening the index: whether what is there can be used, and building it anew if not.

use std::path::Path;
use std::sync::Arc;

use regie_core::Digest;
use rusqlite::Connection;
use uuid::Uuid;

use super::indexer::Indexer;
use super::schema::{self, Covers};
use super::witness;
use crate::error::StoreError;
use crate::note::OpenNote;
use crate::progress::Progress;
use crate::sqlite::connection;
use crate::sqlite::errors;
use crate::sqlite::files::Files;
use crate::store::{EventReader, Head};

/// Bytes of an index up to which its structure is looked over whole when it is opened: some tens of milliseconds.
const LOOK_OVER_BYTES: u64 = 32 * 1024 * 1024;

/// Opens the index to be written, or builds it, and brings it up to the end of the journal.
pub(crate) fn for_owner(
    files: &Files,
    journal: Uuid,
    mut source: Box<dyn EventReader>,
    progress: &Arc<Progress>,
) -> Result<(Indexer, Vec<OpenNote>), StoreError> {
    let opened = usable(files, journal, &mut *source, connection::for_index);
    let (connection, unfit) = match opened {
        Ok(connection) => (connection, None),
        Err(Unusable::Now(error)) => return Err(error),
        Err(Unusable::Ever(unfit)) => (create(files, journal)?, Some(unfit)),
    };
    let bad = Some(files.index_bad.clone());
    let mut indexer = Indexer::over(connection, source, Arc::clone(progress), bad)?;
    let records = indexer.catch_up()?;
    let Some(Unfit { why, lost }) = unfit else { return Ok((indexer, Vec::new())) };
    // A new journal has no index to be missed.
    let rebuilt = (records > 0).then_some(OpenNote::IndexRebuilt { why, records });
    Ok((indexer, lost.into_iter().chain(rebuilt).collect()))
}

/// Opens the index to be read; says why it cannot be used, if it cannot.
pub(crate) fn for_reader(files: &Files, journal: Uuid, source: &mut dyn EventReader) -> Result<Connection, Unfit> {
    usable(files, journal, source, connection::for_reading).map_err(|unusable| match unusable {
        Unusable::Ever(unfit) => unfit,
        Unusable::Now(error) => error.to_string().into(),
    })
}

/// How far the index of a connection reaches.
pub(crate) fn reach(connection: &Connection) -> Result<u64, StoreError> {
    let covers = schema::covers(connection).map_err(errors::indexing)?;
    Ok(covers.map_or(0, |covers| covers.head.position))
}

/// Why an index is of no use.
pub(crate) struct Unfit {
    /// For people.
    pub(crate) why: String,
    /// What it proves to be gone from the journal, if it does.
    pub(crate) lost: Option<OpenNote>,
}

impl From<String> for Unfit {
    fn from(why: String) -> Self {
        Self { why, lost: None }
    }
}

enum Unusable {
    /// Until it is built anew.
    Ever(Unfit),
    /// It may be good, and cannot be reached.
    Now(StoreError),
}

fn usable(
    files: &Files,
    journal: Uuid,
    source: &mut dyn EventReader,
    open: impl FnOnce(&Path) -> Result<Connection, StoreError>,
) -> Result<Connection, Unusable> {
    let ever = |why: &str| Err(Unusable::Ever(why.to_string().into()));
    let size = match std::fs::metadata(&files.index) {
        Ok(file) => file.len(),
        Err(_) => return ever("it was missing"),
    };
    if files.index_bad.exists() {
        return ever("it had proved to be corrupt");
    }
    let corrupt = |error: StoreError| match error {
        StoreError::ReadOnly { .. } | StoreError::Full { .. } | StoreError::Owned { .. } => Unusable::Now(error),
        StoreError::NotOurs { why, .. } | StoreError::Damaged { why } => {
            Unusable::Ever(format!("it was corrupt: {why}").into())
        }
        other => Unusable::Ever(format!("it could not be opened: {other}").into()),
    };
    let connection = open(&files.index).map_err(corrupt)?;
    let covers = schema::covers(&connection).map_err(|error| corrupt(errors::reading(error)))?;
    let Some(covers) = covers else { return ever("it was made by another version, or is no index") };
    if let Some(unfit) = misfit(&connection, &covers, journal, source).map_err(Unusable::Now)? {
        return Err(Unusable::Ever(unfit));
    }
    if size <= LOOK_OVER_BYTES {
        let found: Result<String, _> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        match found {
            Ok(found) if found == "ok" => {}
            Ok(found) => return Err(Unusable::Ever(format!("it was corrupt: {}", found.replace('\n', " ")).into())),
            Err(error) => return Err(corrupt(errors::reading(error))),
        }
    }
    Ok(connection)
}

/// Why an index is not of this journal as it is now, if it is not.
fn misfit(
    connection: &Connection,
    covers: &Covers,
    journal: Uuid,
    source: &mut dyn EventReader,
) -> Result<Option<Unfit>, StoreError> {
    if covers.journal != journal {
        return Ok(Some("it belonged to another journal".to_string().into()));
    }
    let (position, end) = (covers.head.position, source.head()?.position);
    if holds(covers.head, source)? {
        return Ok(None);
    }
    let (why, lost) = if position > end {
        let events = witness::events_after(connection, end).unwrap_or_default();
        let lost = OpenNote::EndLost { seen: position, left: end, events };
        (format!("it covered {position} records, and the journal has {end}"), lost)
    } else {
        (format!("the journal is another one at position {position}"), OpenNote::OtherRecords { position })
    };
    let believed = witness::is_believable(connection, covers.head);
    Ok(Some(Unfit { why, lost: believed.then_some(lost) }))
}

/// Whether a journal still holds what ended at a head.
fn holds(head: Head, source: &mut dyn EventReader) -> Result<bool, StoreError> {
    let there = match head.position {
        0 => Some(Digest::ZERO),
        position => source.row_of(position)?.filter(|row| row.last() == position).map(|row| row.head),
    };
    Ok(there == Some(head.digest))
}

/// Whether the index beside a journal proves that something of it is gone.
pub(crate) fn is_lost(files: &Files, journal: Uuid, source: &mut dyn EventReader) -> Result<bool, StoreError> {
    let Some((index, seen)) = witness::beside(files, journal) else { return Ok(false) };
    Ok(!holds(seen, source)? && witness::is_believable(&index, seen))
}

fn create(files: &Files, journal: Uuid) -> Result<Connection, StoreError> {
    files.remove_index().map_err(|error| errors::file(&error, &files.index))?;
    let mut connection = connection::for_index(&files.index)?;
    schema::create(&mut connection, journal).map_err(errors::indexing)?;
    Ok(connection)
}
