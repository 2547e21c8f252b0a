//! Runs of workflows: one row each, which follows the facts that change it.

use regie_core::Timestamp;
use regie_core::event::CorrelationId;
use regie_core::query::{RunCondition, RunFilter, RunStats, RunTally};
use regie_core::workflow::{RunBrief, Standing, is_own_name};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::batch::Batch;
use super::dictionary::{self, Dictionary, Room};
use crate::error::StoreError;
use crate::sqlite::errors;
use crate::stored::StoredRun;

/// The columns that a run is read from.
const COLUMNS: &str = "r.correlation, d.text, r.version, r.status, r.paused, r.parked, r.started, r.ended, r.error,
    r.position";

/// Takes the changes of a batch into the table; in a transaction of the caller's.
pub(super) fn write(connection: &Connection, dictionary: &mut Dictionary, batch: &Batch) -> rusqlite::Result<()> {
    for (number, changes) in &batch.runs {
        let (mut run, mut position) = (None, 0);
        // One that began here needs no look at the table.
        if !changes.first().is_some_and(|entry| entry.change.is_start()) {
            run = read(connection, *number)?.map(|(run, _)| run);
        }
        for entry in changes {
            run = RunBrief::follow(run, entry.change.clone(), entry.at);
            position = entry.position;
        }
        if let Some(run) = run {
            put(connection, dictionary, (*number, position), &run)?;
        }
    }
    Ok(())
}

fn put(
    connection: &Connection,
    dictionary: &mut Dictionary,
    (number, position): (u64, u64),
    run: &RunBrief,
) -> rusqlite::Result<()> {
    let definition = dictionary.number(connection, Room::Definition, &run.definition)?;
    let sql = "INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let mut statement = connection.prepare_cached(sql)?;
    let done = statement.execute(rusqlite::params![
        number.cast_signed(),
        definition,
        run.version,
        status_number(run.status),
        run.paused,
        run.parked,
        run.started_at.micros(),
        run.ended_at.map(Timestamp::micros),
        run.error,
        position.cast_signed(),
        is_own_name(&run.definition),
    ]);
    done.map(drop)
}

/// The run of the correlation with a number, and the position of the record that changed it last.
fn read(connection: &Connection, number: u64) -> rusqlite::Result<Option<(RunBrief, u64)>> {
    let sql =
        format!("SELECT {COLUMNS} FROM runs r JOIN dictionary d ON d.number = r.definition WHERE r.correlation = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row([number.cast_signed()], |row| Ok((brief(row)?, unsigned(row, 9)?))).optional()
}

/// The run of a correlation.
pub(crate) fn run_of(connection: &Connection, correlation: &str, number: u64) -> Result<Option<StoredRun>, StoreError> {
    let found = read(connection, number).map_err(errors::indexing)?;
    Ok(found.map(|(run, position)| StoredRun { correlation: correlation.into(), number, position, run }))
}

/// Correlations with a run whose names begin so, in the order of their names, at most so many.
pub(crate) fn named(connection: &Connection, beginning: &str, limit: usize) -> Result<Vec<CorrelationId>, StoreError> {
    let sql = "SELECT c.name FROM correlations c JOIN runs r ON r.correlation = c.number
        WHERE c.name >= ?1 AND substr(c.name, 1, length(?1)) = ?1 AND r.own = 0 ORDER BY c.name LIMIT ?2";
    let found = || -> rusqlite::Result<Vec<CorrelationId>> {
        let mut statement = connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        statement.query_map((beginning, limit), |row| row.get::<_, String>(0).map(CorrelationId::from))?.collect()
    };
    found().map_err(errors::indexing)
}

/// The runs that a filter means, the oldest first.
pub(crate) fn list(connection: &Connection, filter: &RunFilter) -> Result<Vec<StoredRun>, StoreError> {
    let Some((conditions, values)) = meant(connection, filter)? else { return Ok(Vec::new()) };
    let bounded = filter.limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let limit = bounded.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
    let sql = format!(
        "SELECT {COLUMNS}, c.name FROM runs r JOIN dictionary d ON d.number = r.definition
        JOIN correlations c ON c.number = r.correlation WHERE {conditions} ORDER BY r.started, r.correlation{limit}"
    );
    let found = || -> rusqlite::Result<Vec<StoredRun>> {
        let mut statement = connection.prepare(&sql)?;
        let stored = |row: &Row<'_>| {
            let (number, position) = (unsigned(row, 0)?, unsigned(row, 9)?);
            Ok(StoredRun { correlation: row.get::<_, String>(10)?.into(), number, position, run: brief(row)? })
        };
        statement.query_map(params_from_iter(&values), stored)?.collect()
    };
    found().map_err(errors::indexing)
}

/// Counts over the runs that a filter means, as of an instant; its limit and cursor have no say.
pub(crate) fn stats(connection: &Connection, filter: &RunFilter, now: Timestamp) -> Result<RunStats, StoreError> {
    let mut tally = RunTally::as_of(now);
    let whole = RunFilter { limit: None, after: None, ..filter.clone() };
    let Some((conditions, values)) = meant(connection, &whole)? else { return Ok(tally.stats()) };
    let sql = format!("SELECT {COLUMNS} FROM runs r JOIN dictionary d ON d.number = r.definition WHERE {conditions}");
    let mut count = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(&values))?;
        while let Some(row) = rows.next()? {
            tally.add(&brief(row)?);
        }
        Ok(())
    };
    count().map_err(errors::indexing)?;
    Ok(tally.stats())
}

/// A filter as conditions, and what stands for their question marks; nothing if no run can be meant.
fn meant(connection: &Connection, filter: &RunFilter) -> Result<Option<(String, Vec<Value>)>, StoreError> {
    let (mut conditions, mut values) = (vec!["1".to_string()], Vec::new());
    let mut and = |condition: &str, value: Option<i64>| {
        conditions.push(condition.to_string());
        values.extend(value.map(Value::from));
    };
    if let Some(definition) = &filter.definition {
        let number = dictionary::find(connection, Room::Definition, definition).map_err(errors::indexing)?;
        let Some(number) = number else { return Ok(None) };
        and("r.definition = ?", Some(number));
    }
    if let Some(version) = filter.version {
        and("r.version = ?", Some(version.into()));
    }
    match filter.condition {
        // The first as a number in the text: those that are not over have an index of their own, which only that finds.
        Some(RunCondition::Status(status)) => {
            let open = if status.is_over() { "" } else { "r.status < 2 AND " };
            and(&format!("{open}r.status = {}", status_number(status)), None);
        }
        Some(RunCondition::Paused) => and("r.status < 2 AND r.paused = 1", None),
        Some(RunCondition::Parked) => and("r.status < 2 AND r.parked > 0", None),
        None => {}
    }
    for (condition, bound) in [("r.started >= ?", filter.started_from), ("r.started < ?", filter.started_to)] {
        if let Some(bound) = bound {
            and(condition, Some(bound.micros()));
        }
    }
    if !filter.own {
        and("r.own = 0", None);
    }
    if let Some(after) = filter.after {
        and("r.started >= ?", Some(after.started_at.micros()));
        conditions.push("(r.started > ? OR r.correlation > ?)".to_string());
        values.extend([after.started_at.micros(), after.number.cast_signed()].map(Value::from));
    }
    Ok(Some((conditions.join(" AND "), values)))
}

fn brief(row: &Row<'_>) -> rusqlite::Result<RunBrief> {
    let status: u32 = row.get(3)?;
    Ok(RunBrief {
        definition: row.get(1)?,
        version: row.get(2)?,
        status: Standing::ALL.get(status as usize).copied().unwrap_or(Standing::Running),
        paused: row.get(4)?,
        parked: row.get(5)?,
        started_at: Timestamp::from_micros(row.get(6)?),
        ended_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_micros),
        error: row.get(8)?,
    })
}

/// The number under which the table has a status: its place among all, so that those that are not over come first.
fn status_number(status: Standing) -> i64 {
    status as i64
}

fn unsigned(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(i64::cast_unsigned)
}
