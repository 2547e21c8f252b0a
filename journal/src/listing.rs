//! Reading what the index points at: the records of a correlation, the events of a query.

use std::ops::ControlFlow;

use regie_core::query::Filter;
use regie_core::workflow::EncodedRecord;
use rusqlite::Connection;

use crate::error::StoreError;
use crate::fold;
use crate::index::lookup;
use crate::index::query::Selection;
use crate::links::Links;
use crate::reader::Truth;
use crate::sqlite::errors;
use crate::store::{Row, Tip};
use crate::stored::{StoredEvent, StoredRecord};

/// The last record of a correlation and its turns, from the one that holds a sequence on.
pub(crate) fn turns(
    index: &Connection,
    truth: &mut Truth,
    correlation: &str,
    sequence: u64,
) -> Result<Option<(Tip, Vec<Row>)>, StoreError> {
    // One transaction, so that the tip and the turns are of the same moment.
    let moment = index.unchecked_transaction().map_err(errors::indexing)?;
    let Some(known) = lookup::known(&moment, correlation)? else { return Ok(None) };
    let positions = lookup::turns_from(&moment, known.number, sequence)?;
    drop(moment);
    let mut rows = Vec::with_capacity(positions.len());
    for (sequence, position) in positions {
        let row = truth.row(position)?.filter(|row| row.number == known.number && row.first == position);
        rows.push(row.ok_or_else(|| damaged(correlation, sequence, "its row is missing"))?.clone());
    }
    Ok(Some((known.tip, rows)))
}

/// The records after a sequence, once their chain up to the tip has been checked.
pub(crate) fn records(
    correlation: &str,
    rows: &[Row],
    after_sequence: u64,
    tip: Tip,
) -> Result<Vec<StoredRecord>, StoreError> {
    let mut found = Vec::new();
    let mut last: Option<Tip> = None;
    for row in rows {
        for (nth, encoded) in (0..).zip(&row.records) {
            let (sequence, position) = (row.sequence + nth, row.first + nth);
            let before = last.or((sequence == 1).then(Tip::default));
            check_link(&|| correlation.to_string(), before, sequence, encoded)?;
            last = Some(Tip { sequence, digest: encoded.digest });
            if sequence > after_sequence {
                let record = fold::decode(encoded, position, sequence)?;
                found.push(StoredRecord { position, correlation: correlation.into(), record, digest: encoded.digest });
            }
        }
    }
    if last.unwrap_or_default() != tip {
        return Err(damaged(correlation, tip.sequence, "the last record is not the one that the index knows"));
    }
    Ok(found)
}

/// Checks a record against the one before it, if that is known.
pub(crate) fn check_link(
    correlation: &impl Fn() -> String,
    before: Option<Tip>,
    sequence: u64,
    encoded: &EncodedRecord,
) -> Result<(), StoreError> {
    let Some(before) = before else { return Ok(()) };
    if sequence != before.sequence + 1 {
        return Err(damaged(&correlation(), before.sequence + 1, "it is missing"));
    }
    if before.digest.chain(&encoded.bytes) != encoded.digest {
        return Err(damaged(&correlation(), sequence, "its digest does not fit"));
    }
    Ok(())
}

/// A record that does not fit.
pub(crate) fn damaged(correlation: &str, sequence: u64, what: &str) -> StoreError {
    StoreError::Damaged { why: format!("record {sequence} of '{correlation}': {what}") }
}

/// Hands out the events that a filter means, in its order, each only if its record is what its chain says.
pub(crate) fn events(
    index: &Connection,
    truth: &mut Truth,
    filter: &Filter,
    each: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let Some(selection) = Selection::of(index, filter)? else { return Ok(()) };
    selected(index, truth, (&selection, filter), each)
}

/// The same of a selection that was made of it.
pub(crate) fn selected(
    index: &Connection,
    truth: &mut Truth,
    (selection, filter): (&Selection, &Filter),
    each: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let sql = format!("SELECT e.position, e.state {} {}", selection.source(), selection.end(filter));
    let mut statement = index.prepare(&sql).map_err(errors::indexing)?;
    let mut links = Links::default();
    let mut found = statement.query(rusqlite::params_from_iter(selection.values())).map_err(errors::indexing)?;
    while let Some(row) = found.next().map_err(errors::indexing)? {
        let (position, state) = read(row).map_err(errors::indexing)?;
        links.check(index, truth, position)?;
        let event = event(truth, position, state)?;
        if each(event).is_break() {
            break;
        }
    }
    Ok(())
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<(u64, i64)> {
    Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
}

fn event(truth: &mut Truth, position: u64, state: i64) -> Result<StoredEvent, StoreError> {
    let missing =
        || StoreError::Damaged { why: format!("the index names an event at position {position}, where none is") };
    let (_, record) = truth.record(position)?.ok_or_else(missing)?;
    let (sequence, recorded_at) = (record.sequence, record.at);
    let incoming = fold::received(record, position)?.ok_or_else(missing)?;
    let state = lookup::state_named(state).ok_or_else(missing)?;
    Ok(StoredEvent { incoming, position, sequence, state, recorded_at })
}
