//! Connections to SQLite, each set up in the same way and asked whether it is.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::errors;
use super::files::beside;
use crate::error::StoreError;

/// Before this version SQLite could corrupt a database when it reset the log.
const OLDEST_SQLITE: i32 = 3_051_003;
/// How long SQLite waits for another process that holds its lock: some tool, for the owner alone writes.
const BUSY: Duration = Duration::from_secs(2);
/// Pages of its log at which the index makes a checkpoint: 32 MiB, on its own thread and in nobody's way.
const INDEX_AUTOCHECKPOINT: i64 = 8_192;
/// Pages that a connection keeps, in KiB; taken as they are needed.
const CACHE_KIB: i64 = 16 * 1024;
/// Pages that the index's writer keeps: enough for the upper levels of every table, and the leaves of most.
const INDEX_CACHE_KIB: i64 = 64 * 1024;
/// Statements that a connection keeps prepared: more than any has.
const STATEMENTS: usize = 96;

/// How a commit is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Synchronous {
    /// The log is synced by every commit.
    Full,
    /// The log is synced by checkpoints alone.
    Normal,
}

impl Synchronous {
    fn number(self) -> i64 {
        match self {
            Synchronous::Normal => 1,
            Synchronous::Full => 2,
        }
    }
}

/// A connection that writes, in WAL mode. `autocheckpoint` counts pages; 0 leaves checkpoints to somebody else.
pub(crate) fn for_writing(path: &Path, sync: Synchronous, autocheckpoint: i64) -> Result<Connection, StoreError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(StoreError::Failed { why: format!("SQLite {} is too old", rusqlite::version()) });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<(Connection, String, i64)> {
        let connection = Connection::open_with_flags(path, flags)?;
        set_up(&connection)?;
        let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
        connection.pragma_update(None, "synchronous", sync.number())?;
        connection.pragma_update(None, "wal_autocheckpoint", autocheckpoint)?;
        let found = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        Ok((connection, mode, found))
    };
    // SQLite opens what may not be written to be read, and says so with the first write.
    let (connection, mode, found) = open().map_err(|error| errors::opening(error, path))?;
    if connection.is_readonly(rusqlite::MAIN_DB).unwrap_or(false) {
        let why = "its mode or its owner does not let this process write it".to_string();
        return Err(StoreError::ReadOnly { path: path.display().to_string(), why });
    }
    if mode != "wal" || found != sync.number() {
        let why = format!("{}: SQLite runs with journal_mode={mode}, synchronous={found}", path.display());
        return Err(StoreError::Failed { why });
    }
    Ok(connection)
}

/// A connection that writes an index, which can always be built anew.
pub(crate) fn for_index(path: &Path) -> Result<Connection, StoreError> {
    let connection = for_writing(path, Synchronous::Normal, INDEX_AUTOCHECKPOINT)?;
    let sized = connection.pragma_update(None, "cache_size", -INDEX_CACHE_KIB);
    sized.map_err(|error| errors::opening(error, path))?;
    Ok(connection)
}

/// A connection that reads and does not write.
///
/// Where the place is read-only, SQLite cannot make its shared memory; if no log has anything to add, the file alone is
/// the whole, and is read as something that does not change.
pub(crate) fn for_reading(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let error = match try_reading(|| Connection::open_with_flags(path, flags)) {
        Ok(connection) => return Ok(connection),
        Err(error) => error,
    };
    if !matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly)) {
        return Err(errors::opening(error, path));
    }
    if std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0) {
        let why = "its log holds more than its file, and the place cannot be written".to_string();
        return Err(StoreError::ReadOnly { path: path.display().to_string(), why });
    }
    let address = immutable_address(path);
    let flags = flags | OpenFlags::SQLITE_OPEN_URI;
    try_reading(|| Connection::open_with_flags(address, flags)).map_err(|error| errors::opening(error, path))
}

/// A connection to a database of its own, in memory.
pub(crate) fn in_memory() -> Result<Connection, StoreError> {
    let open = || {
        let connection = Connection::open_in_memory()?;
        set_up(&connection)?;
        Ok(connection)
    };
    open().map_err(errors::reading)
}

fn try_reading(open: impl FnOnce() -> rusqlite::Result<Connection>) -> rusqlite::Result<Connection> {
    let connection = open()?;
    set_up(&connection)?;
    // The first look at the file: SQLite opens nothing before.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    // Plans do not depend on what is asked, or SQLite would prepare anew what joins tables whenever it is asked something else.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?; // negative: KiB, not pages
    connection.pragma_update(None, "foreign_keys", false)
}

/// The path as an address that says that nobody changes the file.
fn immutable_address(path: &Path) -> String {
    let mut address = String::from("file:");
    for letter in path.to_string_lossy().chars() {
        match letter {
            '%' => address.push_str("%25"),
            '?' => address.push_str("%3f"),
            '#' => address.push_str("%23"),
            other => address.push(other),
        }
    }
    address.push_str("?immutable=1");
    address
}
