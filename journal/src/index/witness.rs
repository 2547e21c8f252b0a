//! The index as a witness: a chain cannot tell that its last links are gone, and who has seen them can.

use regie_core::event::CorrelationId;
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::schema;
use crate::sqlite::connection;
use crate::sqlite::files::Files;
use crate::store::Head;

/// The index in the files of a journal, where it can be read and says how far it has seen that journal.
pub(crate) fn beside(files: &Files, journal: Uuid) -> Option<(Connection, Head)> {
    if !files.index.exists() || files.index_bad.exists() {
        return None;
    }
    let connection = connection::for_reading(&files.index).ok()?;
    let covers = schema::covers(&connection).ok()??;
    (covers.journal == journal).then_some((connection, covers.head))
}

/// How many records an index has seen, whichever journal's; nothing if it is none.
pub(crate) fn seen(connection: &Connection) -> Option<u64> {
    Some(schema::covers(connection).ok()??.head.position)
}

/// Whether an index is of one piece as to its end: the last record that it has seen is some correlation's last one. A
/// number that was changed in one place alone proves nothing against the journal. Looks at every correlation.
pub(crate) fn is_believable(connection: &Connection, head: Head) -> bool {
    let sql = "SELECT EXISTS (SELECT 1 FROM tips WHERE last = ?1)";
    let found = connection.query_row(sql, [head.position.cast_signed()], |row| row.get(0));
    head.position == 0 || found.unwrap_or(false)
}

/// Whose record the index has seen at a position, and the record's sequence.
pub(crate) fn record_at(connection: &Connection, position: u64) -> Option<(CorrelationId, u64)> {
    let sql = "SELECT c.name, t.sequence + ?1 - t.position FROM turns t JOIN correlations c ON c.number = t.correlation
        WHERE t.position <= ?1 AND ?1 < t.position + t.records";
    let found = connection.query_row(sql, [position.cast_signed()], |row| {
        Ok((CorrelationId::from(row.get::<_, String>(0)?), row.get::<_, i64>(1)?.cast_unsigned()))
    });
    found.optional().ok()?
}

/// How many events the index has seen after a position.
pub(crate) fn events_after(connection: &Connection, position: u64) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM events WHERE position > ?1";
    connection.query_row(sql, [position.cast_signed()], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}
