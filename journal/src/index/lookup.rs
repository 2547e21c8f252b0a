//! Single things that the index knows.

use regie_core::Digest;
use regie_core::event::{CorrelationId, Identity, LifeState};
use rusqlite::{Connection, OptionalExtension, Params, Row};

pub(crate) use super::apply::state_of as state_named;
use super::{granted, identities};
use crate::error::StoreError;
use crate::grants::Grants;
use crate::plan::Known;
use crate::snapshot::Snapshot;
use crate::sqlite::errors;
use crate::store::Tip;

const KNOWN: &str = "SELECT c.number, t.sequence, t.digest, t.last FROM correlations c
    JOIN tips t ON t.correlation = c.number WHERE c.name = ?1";

/// One answer of a cached statement, if there is one.
fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(errors::indexing)?;
    statement.query_row(params, read).optional().map_err(errors::indexing)
}

fn unsigned(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(i64::cast_unsigned)
}

/// What there is of a correlation.
pub(crate) fn known(connection: &Connection, correlation: &str) -> Result<Option<Known>, StoreError> {
    one(connection, KNOWN, [correlation], |row| {
        let tip = Tip { sequence: unsigned(row, 1)?, digest: Digest(row.get(2)?) };
        Ok(Known { number: unsigned(row, 0)?, tip, last: unsigned(row, 3)? })
    })
}

/// The name of a correlation.
pub(crate) fn name(connection: &Connection, number: u64) -> Result<Option<CorrelationId>, StoreError> {
    let sql = "SELECT name FROM correlations WHERE number = ?1";
    one(connection, sql, [number.cast_signed()], |row| row.get::<_, String>(0).map(CorrelationId::from))
}

/// Every correlation's name, in the order in which they began.
pub(crate) fn names(connection: &Connection, each: &mut dyn FnMut(&str)) -> Result<(), StoreError> {
    let mut walk = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached("SELECT name FROM correlations ORDER BY number")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_str()?);
        }
        Ok(())
    };
    walk().map_err(errors::indexing)
}

/// The position of the record that received an event.
pub(crate) fn find(connection: &Connection, correlation: &str, identity: Identity) -> Result<Option<u64>, StoreError> {
    identities::find(connection, correlation, identity).map_err(errors::indexing)
}

/// The present state of the event that was received at a position.
pub(crate) fn state(connection: &Connection, position: u64) -> Result<Option<LifeState>, StoreError> {
    let sql = "SELECT state FROM events WHERE position = ?1";
    Ok(one(connection, sql, [position.cast_signed()], |row| row.get(0))?.and_then(state_named))
}

/// The present states of a correlation's events, by the sequence that received them.
pub(crate) fn event_states(connection: &Connection, number: u64) -> Result<Vec<(u64, LifeState)>, StoreError> {
    let sql = "SELECT e.sequence, e.state FROM turns t CROSS JOIN events e
        ON e.position BETWEEN t.position AND t.position + t.records - 1 WHERE t.correlation = ?1 ORDER BY e.sequence";
    let walk = || -> rusqlite::Result<Vec<(u64, i64)>> {
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_map([number.cast_signed()], |row| Ok((unsigned(row, 0)?, row.get(1)?)))?.collect()
    };
    let found = walk().map_err(errors::indexing)?;
    Ok(found.into_iter().filter_map(|(sequence, state)| Some((sequence, state_named(state)?))).collect())
}

/// First sequences and positions of a correlation's turns, from the one that holds a sequence on.
pub(crate) fn turns_from(connection: &Connection, number: u64, sequence: u64) -> Result<Vec<(u64, u64)>, StoreError> {
    let sql =
        "SELECT sequence, position FROM turns WHERE correlation = ?1 AND sequence >= coalesce((SELECT max(sequence)
        FROM turns WHERE correlation = ?1 AND sequence <= ?2), 0) ORDER BY sequence";
    let walk = || -> rusqlite::Result<Vec<(u64, u64)>> {
        let mut statement = connection.prepare_cached(sql)?;
        let params = (number.cast_signed(), sequence.cast_signed());
        statement.query_map(params, |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))?.collect()
    };
    walk().map_err(errors::indexing)
}

/// The position of the turn that comes before the one that begins with a sequence.
pub(crate) fn turn_before(connection: &Connection, number: u64, sequence: u64) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT position FROM turns WHERE correlation = ?1 AND sequence < ?2 ORDER BY sequence DESC LIMIT 1";
    one(connection, sql, (number.cast_signed(), sequence.cast_signed()), |row| unsigned(row, 0))
}

/// The snapshot of a correlation.
pub(crate) fn snapshot(connection: &Connection, correlation: &str) -> Result<Option<Snapshot>, StoreError> {
    let sql = "SELECT s.sequence, s.digest, s.body FROM correlations c JOIN snapshots s ON s.correlation = c.number
        WHERE c.name = ?1";
    one(connection, sql, [correlation], |row| {
        let tip = Tip { sequence: unsigned(row, 0)?, digest: Digest(row.get(1)?) };
        Ok(Snapshot { correlation: correlation.into(), tip, body: row.get(2)? })
    })
}

/// What policies have granted, as far as the index reaches.
pub(crate) fn grants(connection: &Connection) -> Result<Grants, StoreError> {
    granted::read(connection).map_err(errors::indexing)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;
    use uuid::Uuid;

    use super::*;
    use crate::index::schema;
    use crate::sqlite::connection;

    #[test]
    fn what_is_asked_again_and_again_is_prepared_once() {
        let mut index = connection::in_memory().unwrap();
        schema::create(&mut index, Uuid::nil()).unwrap();
        assert!(["a", "b", "c"].iter().all(|name| known(&index, name).unwrap().is_none()));
        let asked = index.prepare_cached(KNOWN).unwrap();
        assert_eq!((asked.get_status(StatementStatus::Run), asked.get_status(StatementStatus::RePrepare)), (3, 0));
    }
}
