//! The folds that are kept in the index: they are its own to lose, like all that it holds.

use rusqlite::{Connection, OptionalExtension};

use crate::kept::Kept;

/// Keeps a fold, in place of the one before it; not one that is ahead of what the index covers, which might come to hold
/// records that are gone after a power loss.
pub(super) fn put(connection: &Connection, kept: &Kept, covered: u64) -> rusqlite::Result<()> {
    if kept.position > covered {
        return Ok(());
    }
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO kept VALUES (?1, ?2, ?3, ?4)")?;
    statement.execute((&kept.name, kept.version, kept.position.cast_signed(), &kept.body)).map(drop)
}

/// The fold of that name and version, if it is kept.
pub(crate) fn get(connection: &Connection, name: &str, version: u32) -> rusqlite::Result<Option<Kept>> {
    let mut statement =
        connection.prepare_cached("SELECT position, body FROM kept WHERE name = ?1 AND version = ?2")?;
    let kept = statement.query_row((name, version), |row| {
        let position = row.get::<_, i64>(0)?.cast_unsigned();
        Ok(Kept { name: name.to_string(), version, position, body: row.get(1)? })
    });
    kept.optional()
}
