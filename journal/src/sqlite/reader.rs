//! Reading the truth.

use std::path::Path;

use regie_core::event::CorrelationId;
use regie_core::{Digest, Timestamp, limits};
use rusqlite::{Connection, OptionalExtension};

use super::files::Files;
use super::{connection, errors, schema};
use crate::error::StoreError;
use crate::index::witness;
use crate::row;
use crate::store::{BadRow, EventReader, Head, Row};

/// A connection that reads the file of truth.
pub(crate) struct SqliteReader {
    connection: Connection,
    files: Files,
    /// The index, once it was asked what it has seen.
    witness: Option<Connection>,
}

/// A row as it lies in the table.
struct Raw {
    first: u64,
    number: u64,
    sequence: u64,
    head: [u8; 32],
    body: Vec<u8>,
}

const AFTER: &str = "SELECT position, correlation, sequence, head, body FROM turns
    WHERE position > ?1 ORDER BY position LIMIT ?2";
const UP_TO: &str = "SELECT position, correlation, sequence, head, body FROM turns
    WHERE position <= ?1 ORDER BY position DESC LIMIT 1";
const WAKES: &str = "SELECT due, correlation FROM wake
    WHERE (due, correlation) > (?1, ?2) ORDER BY due, correlation LIMIT ?3";

impl SqliteReader {
    /// Opens the file of a journal, which must be one.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = connection::for_reading(path)?;
        schema::recognise(&connection, path)?;
        Ok(Self { connection, files: Files::of(path), witness: None })
    }

    /// The journal's id.
    pub(crate) fn journal(&self, path: &Path) -> Result<uuid::Uuid, StoreError> {
        schema::recognise(&self.connection, path)
    }
}

impl EventReader for SqliteReader {
    fn head(&mut self) -> Result<Head, StoreError> {
        head(&self.connection)
    }

    fn rows_after(&mut self, position: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.connection.prepare_cached(AFTER).map_err(errors::reading)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut found = statement.query((position.cast_signed(), limit)).map_err(errors::reading)?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        loop {
            let raw = match found.next().and_then(|row| row.map(raw).transpose()) {
                Ok(Some(raw)) => raw,
                Ok(None) => break,
                // Those before it are good: the next call begins with it.
                Err(_) if !rows.is_empty() => break,
                Err(error) => return Err(errors::reading(error)),
            };
            bytes += raw.body.len();
            match unpack(raw) {
                Ok(row) => rows.push(row),
                // Those before it are good: the next call begins with it.
                Err(_) if !rows.is_empty() => break,
                Err(bad) => return Err(bad.into_error()),
            }
            if bytes > limits::COMMIT_BYTES {
                break;
            }
        }
        Ok(rows)
    }

    fn row_of(&mut self, position: u64) -> Result<Option<Row>, StoreError> {
        let mut statement = self.connection.prepare_cached(UP_TO).map_err(errors::reading)?;
        let found = statement.query_row([position.cast_signed()], raw).optional().map_err(errors::reading)?;
        let row = found.map(unpack).transpose().map_err(BadRow::into_error)?;
        Ok(row.filter(|row| row.last() >= position))
    }

    fn wakes_after(
        &mut self,
        after: Option<(Timestamp, u64)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, u64)>, StoreError> {
        // Numbers begin with 1, so that the default comes before every pair.
        let (due, number) = after.unwrap_or((Timestamp::MIN, 0));
        let mut statement = self.connection.prepare_cached(WAKES).map_err(errors::reading)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = statement
            .query_map((due.micros(), number.cast_signed(), limit), |row| {
                Ok((Timestamp::from_micros(row.get(0)?), row.get::<_, i64>(1)?.cast_unsigned()))
            })
            .map_err(errors::reading)?;
        found.collect::<Result<_, _>>().map_err(errors::reading)
    }

    fn witness(&mut self) -> Result<Option<Head>, StoreError> {
        let journal = schema::recognise(&self.connection, &self.files.truth)?;
        let beside = witness::beside(&self.files, journal);
        let (index, head) = beside.filter(|(index, head)| witness::is_believable(index, *head)).unzip();
        self.witness = index;
        Ok(head)
    }

    fn witnessed(&mut self, position: u64) -> Option<(CorrelationId, u64)> {
        witness::record_at(self.witness.as_ref()?, position)
    }

    fn bad_row_after(&mut self, position: u64) -> Result<Option<BadRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(AFTER).map_err(errors::reading)?;
        let found = statement.query_row((position.cast_signed(), 1), raw).optional().map_err(errors::reading)?;
        Ok(found.and_then(|raw| unpack(raw).err()))
    }
}

/// The end of the journal, as its last row tells it.
pub(crate) fn head(connection: &Connection) -> Result<Head, StoreError> {
    // Version and count are the first five bytes of a body.
    let sql = "SELECT position, head, substr(body, 1, 5) FROM turns ORDER BY position DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql).map_err(errors::reading)?;
    let found = statement
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?, row.get::<_, Vec<u8>>(2)?)))
        .optional()
        .map_err(errors::reading)?;
    let Some((first, digest, start)) = found else { return Ok(Head::default()) };
    let first = first.cast_unsigned();
    let count = row::count(&start).map_err(|why| StoreError::Damaged { why: format!("the last row: {why}") })?;
    Ok(Head { position: first.saturating_add(count as u64 - 1), digest: Digest(digest) })
}

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<Raw> {
    let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
    Ok(Raw { first: number(0)?, number: number(1)?, sequence: number(2)?, head: row.get(3)?, body: row.get(4)? })
}

fn unpack(raw: Raw) -> Result<Row, BadRow> {
    let Raw { first, number, sequence, head, body } = raw;
    match row::decode(&body) {
        Ok(records) => Ok(Row { first, number, sequence, records, head: Digest(head) }),
        Err(why) => Err(BadRow { first, number, sequence, why }),
    }
}
