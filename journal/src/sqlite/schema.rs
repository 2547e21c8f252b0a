//! The tables of the truth, how a new file gets them, and how a file that is there is known.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use uuid::Uuid;

use super::errors;
use crate::error::StoreError;

/// `Regi`, in SQLite's header.
pub(crate) const APPLICATION: u32 = u32::from_be_bytes(*b"Regi");
/// The version of these tables.
pub(crate) const VERSION: u32 = 1;

const TABLES: &str = "
CREATE TABLE turns (
    position INTEGER PRIMARY KEY,
    correlation INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    head BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
";

const WAKE: &str = "
DROP TABLE IF EXISTS wake;
CREATE TABLE wake (correlation INTEGER PRIMARY KEY, due INTEGER NOT NULL) STRICT;
CREATE INDEX wake_due ON wake (due, correlation);
";

/// What a file says that it is.
struct Header {
    application: u32,
    version: u32,
    tables: i64,
}

/// Puts the tables into a file that holds nothing yet, and checks one that does.
pub(crate) fn prepare(connection: &mut Connection, path: &Path) -> Result<Uuid, StoreError> {
    let opening = |error| errors::opening(error, path);
    let header = header(connection).map_err(opening)?;
    if header.application == 0 && header.version == 0 && header.tables == 0 {
        return create(connection).map_err(opening);
    }
    check(connection, &header, path)
}

/// Checks a file that is only read.
pub(crate) fn recognise(connection: &Connection, path: &Path) -> Result<Uuid, StoreError> {
    let header = header(connection).map_err(|error| errors::opening(error, path))?;
    check(connection, &header, path)
}

/// Refuses a file that is something else, without changing anything in it.
pub(crate) fn refuse_others(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let header = header(connection).map_err(|error| errors::opening(error, path))?;
    if header.application == 0 && header.version == 0 && header.tables == 0 {
        return Ok(());
    }
    check(connection, &header, path).map(drop)
}

/// Whether a database holds nothing yet.
pub(crate) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    header(connection).map(|header| header.application == 0 && header.version == 0 && header.tables == 0)
}

/// Whether the table of what is to be woken is there.
pub(crate) fn has_wake(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'wake')";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Makes the table of what is to be woken, in place of any that is there.
pub(crate) fn create_wake(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(WAKE)
}

fn header(connection: &Connection) -> rusqlite::Result<Header> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(Header { application: application.cast_unsigned(), version: version.cast_unsigned(), tables })
}

fn create(connection: &mut Connection) -> rusqlite::Result<Uuid> {
    let journal = Uuid::new_v4();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    create_wake(&transaction)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.execute("INSERT INTO meta (key, value) VALUES ('journal', ?1)", [journal.as_bytes()])?;
    transaction.commit()?;
    Ok(journal)
}

fn check(connection: &Connection, header: &Header, path: &Path) -> Result<Uuid, StoreError> {
    let name = || path.display().to_string();
    if header.application != APPLICATION {
        let why = match (header.application, header.tables) {
            (0, 0) => "it is an empty database".to_string(),
            (0, _) => "it is a database of something else".to_string(),
            (other, _) => format!("its application id is {other:#010x}"),
        };
        return Err(StoreError::NotOurs { path: name(), why });
    }
    if header.version > VERSION {
        return Err(StoreError::Newer { path: name(), found: header.version, known: VERSION });
    }
    let found = connection
        .query_row("SELECT value FROM meta WHERE key = 'journal'", [], |row| row.get::<_, [u8; 16]>(0))
        .optional()
        .map_err(|error| errors::opening(error, path))?;
    found.map(Uuid::from_bytes).ok_or_else(|| StoreError::Damaged { why: format!("{} has lost its id", name()) })
}
