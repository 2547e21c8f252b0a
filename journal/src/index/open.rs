//! Opening the index: whether what is there can be used, and building it anew if not.

use std::path::Path;
use std::sync::Arc;

use regie_core::Digest;
use rusqlite::Connection;
use uuid::Uuid;

use super::indexer::Indexer;
use super::schema::{self, Covers};
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
) -> Result<(Indexer, Option<OpenNote>), StoreError> {
    let opened = usable(files, journal, &mut *source, connection::for_index);
    let (connection, why) = match opened {
        Ok(connection) => (connection, None),
        Err(Unusable::Now(error)) => return Err(error),
        Err(Unusable::Ever(why)) => (create(files, journal)?, Some(why)),
    };
    let bad = Some(files.index_bad.clone());
    let mut indexer = Indexer::over(connection, source, Arc::clone(progress), bad)?;
    let records = indexer.catch_up()?;
    // A new journal has no index to be missed.
    let note = why.filter(|_| records > 0).map(|why| OpenNote::IndexRebuilt { why, records });
    Ok((indexer, note))
}

/// Opens the index to be read; says why it cannot be used, if it cannot.
pub(crate) fn for_reader(files: &Files, journal: Uuid, source: &mut dyn EventReader) -> Result<Connection, String> {
    usable(files, journal, source, connection::for_reading).map_err(|unusable| match unusable {
        Unusable::Ever(why) => why,
        Unusable::Now(error) => error.to_string(),
    })
}

/// How far the index of a connection reaches.
pub(crate) fn reach(connection: &Connection) -> Result<u64, StoreError> {
    let covers = schema::covers(connection).map_err(errors::indexing)?;
    Ok(covers.map_or(0, |covers| covers.head.position))
}

enum Unusable {
    /// Until it is built anew.
    Ever(String),
    /// It may be good, and cannot be reached.
    Now(StoreError),
}

fn usable(
    files: &Files,
    journal: Uuid,
    source: &mut dyn EventReader,
    open: impl FnOnce(&Path) -> Result<Connection, StoreError>,
) -> Result<Connection, Unusable> {
    let ever = |why: &str| Err(Unusable::Ever(why.to_string()));
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
            Unusable::Ever(format!("it was corrupt: {why}"))
        }
        other => Unusable::Ever(format!("it could not be opened: {other}")),
    };
    let connection = open(&files.index).map_err(corrupt)?;
    let covers = schema::covers(&connection).map_err(|error| corrupt(errors::reading(error)))?;
    let Some(covers) = covers else { return ever("it was made by another version, or is no index") };
    if let Some(why) = misfit(&covers, journal, source).map_err(Unusable::Now)? {
        return Err(Unusable::Ever(why));
    }
    if size <= LOOK_OVER_BYTES {
        let found: Result<String, _> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        match found {
            Ok(found) if found == "ok" => {}
            Ok(found) => return Err(Unusable::Ever(format!("it was corrupt: {}", found.replace('\n', " ")))),
            Err(error) => return Err(corrupt(errors::reading(error))),
        }
    }
    Ok(connection)
}

/// Why an index is not of this journal as it is now, if it is not.
fn misfit(covers: &Covers, journal: Uuid, source: &mut dyn EventReader) -> Result<Option<String>, StoreError> {
    if covers.journal != journal {
        return Ok(Some("it belonged to another journal".into()));
    }
    let Head { position, digest } = covers.head;
    let end = source.head()?.position;
    if position > end {
        return Ok(Some(format!("it covered {position} records, and the journal has {end}")));
    }
    let there = match position {
        0 => Some(Digest::ZERO),
        _ => source.row_of(position)?.filter(|row| row.last() == position).map(|row| row.head),
    };
    Ok((there != Some(digest)).then(|| format!("the journal is another one at position {position}")))
}

fn create(files: &Files, journal: Uuid) -> Result<Connection, StoreError> {
    files.remove_index().map_err(|error| errors::file(&error, &files.index))?;
    let mut connection = connection::for_index(&files.index)?;
    schema::create(&mut connection, journal).map_err(errors::indexing)?;
    Ok(connection)
}
