//! The tables of the index, and what it says that it covers.

use regie_core::Digest;
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::store::Head;

/// `RegX`, in SQLite's header.
const APPLICATION: i32 = i32::from_be_bytes(*b"RegX");
/// The version of these tables. Another one is rebuilt, so that there is nothing to migrate.
const VERSION: i32 = 6;

// Positions, numbers and sequences are the journal's. Names of types, actors, sessions and entities are numbers of the
// dictionary. What is keyed by correlation or identity comes in no order and is kept narrow; a batch writes it sorted. Each of
// its rows costs a page, in a long journal; so `identities` has those of long correlations alone: see `identities.rs`.
const TABLES: &str = "
CREATE TABLE covers (one INTEGER PRIMARY KEY CHECK (one = 1), journal BLOB NOT NULL, position INTEGER NOT NULL,
    head BLOB NOT NULL) STRICT;
CREATE TABLE dictionary (number INTEGER PRIMARY KEY, room INTEGER NOT NULL, text TEXT NOT NULL,
    UNIQUE (room, text)) STRICT;
CREATE TABLE correlations (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE tips (correlation INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, digest BLOB NOT NULL,
    last INTEGER NOT NULL) STRICT;
CREATE TABLE turns (correlation INTEGER NOT NULL, sequence INTEGER NOT NULL, position INTEGER NOT NULL,
    records INTEGER NOT NULL, PRIMARY KEY (correlation, sequence)) STRICT, WITHOUT ROWID;
CREATE TABLE events (position INTEGER PRIMARY KEY, correlation INTEGER NOT NULL, sequence INTEGER NOT NULL,
    stamped INTEGER NOT NULL, recorded INTEGER NOT NULL, kind INTEGER NOT NULL, actor INTEGER, session INTEGER,
    priority INTEGER NOT NULL, state INTEGER NOT NULL, caused INTEGER NOT NULL, own INTEGER NOT NULL,
    identity BLOB NOT NULL) STRICT;
CREATE INDEX events_stamped ON events (stamped);
CREATE INDEX events_kind ON events (kind, stamped);
CREATE INDEX events_actor ON events (actor, stamped) WHERE actor IS NOT NULL;
CREATE INDEX events_session ON events (session, stamped) WHERE session IS NOT NULL;
CREATE INDEX events_escalated ON events (stamped) WHERE state = 3;
CREATE INDEX events_own ON events (own) WHERE own = 1;
CREATE TABLE identities (correlation INTEGER NOT NULL, identity BLOB NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (correlation, identity)) STRICT, WITHOUT ROWID;
CREATE TABLE touches (entity INTEGER NOT NULL, stamped INTEGER NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (entity, stamped, position)) STRICT, WITHOUT ROWID;
CREATE TABLE snapshots (correlation INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, digest BLOB NOT NULL,
    body BLOB NOT NULL) STRICT;
CREATE TABLE cooldowns (policy TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (policy, key)) STRICT, WITHOUT ROWID;
CREATE TABLE places (policy TEXT NOT NULL, key TEXT NOT NULL, opening INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (policy, key)) STRICT, WITHOUT ROWID;
CREATE TABLE rates (policy TEXT NOT NULL, key TEXT NOT NULL, micros INTEGER NOT NULL, rest INTEGER NOT NULL,
    parts INTEGER NOT NULL, PRIMARY KEY (policy, key)) STRICT, WITHOUT ROWID;
CREATE TABLE bookings (policy TEXT NOT NULL, key TEXT NOT NULL, slot INTEGER NOT NULL, correlation INTEGER NOT NULL,
    event INTEGER NOT NULL, first INTEGER, nth INTEGER, waits INTEGER NOT NULL,
    PRIMARY KEY (policy, key, slot, correlation, event)) STRICT, WITHOUT ROWID;
CREATE TABLE bursts (policy TEXT NOT NULL, key TEXT NOT NULL, first INTEGER NOT NULL, top INTEGER NOT NULL,
    standing INTEGER NOT NULL, PRIMARY KEY (policy, key, first)) STRICT, WITHOUT ROWID;
CREATE TABLE held (policy TEXT NOT NULL, key TEXT NOT NULL, correlation INTEGER NOT NULL, event INTEGER NOT NULL,
    PRIMARY KEY (policy, key, correlation, event)) STRICT, WITHOUT ROWID;
CREATE TABLE runs (correlation INTEGER PRIMARY KEY, definition INTEGER NOT NULL, version INTEGER NOT NULL,
    status INTEGER NOT NULL, paused INTEGER NOT NULL, parked INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER,
    error TEXT, position INTEGER NOT NULL, own INTEGER NOT NULL) STRICT;
CREATE INDEX runs_open ON runs (started) WHERE status < 2;
CREATE TABLE kept (name TEXT PRIMARY KEY, version INTEGER NOT NULL, position INTEGER NOT NULL, body BLOB NOT NULL)
    STRICT;
";

/// What an index says that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Covers {
    /// The id of the journal.
    pub(crate) journal: Uuid,
    /// How far, and the journal's chain there.
    pub(crate) head: Head,
}

/// Makes the tables in an empty database; they cover nothing yet.
pub(crate) fn create(connection: &mut Connection, journal: Uuid) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    let zero = Digest::ZERO.0;
    transaction.execute("INSERT INTO covers VALUES (1, ?1, 0, ?2)", (journal.as_bytes(), zero))?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// What the index in a database covers; nothing if there is none of this version.
pub(crate) fn covers(connection: &Connection) -> rusqlite::Result<Option<Covers>> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if (application, version) != (APPLICATION, VERSION) {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached("SELECT journal, position, head FROM covers")?;
    statement
        .query_row([], |row| {
            let position = row.get::<_, i64>(1)?.cast_unsigned();
            let head = Head { position, digest: Digest(row.get(2)?) };
            Ok(Covers { journal: Uuid::from_bytes(row.get(0)?), head })
        })
        .optional()
}

/// Notes how far the index reaches; in the transaction that brings it there.
pub(crate) fn cover(connection: &Connection, head: Head) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("UPDATE covers SET position = ?1, head = ?2")?;
    statement.execute((head.position.cast_signed(), head.digest.0)).map(drop)
}
