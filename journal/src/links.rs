//! Whether rows that are read one by one, in any order, are what their correlations' chains say.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::error::StoreError;
use crate::index::lookup;
use crate::listing::{check_link, damaged};
use crate::reader::Truth;
use crate::store::{Row, Tip};

/// Correlations whose last row is remembered, so that the next one needs no look at it again.
const REMEMBERED: usize = 4_096;

/// Checks rows as they come.
#[derive(Default)]
pub(crate) struct Links {
    /// The last row that was checked.
    checked: Option<u64>,
    /// The last record of each correlation's row that was checked last.
    tips: HashMap<u64, Tip>,
}

impl Links {
    /// Checks the row that holds a position against the one before it in its correlation.
    pub(crate) fn check(&mut self, index: &Connection, truth: &mut Truth, position: u64) -> Result<(), StoreError> {
        // What is missing is told by whoever reads it.
        let Some(row) = truth.row(position)? else { return Ok(()) };
        let (first, number, sequence) = (row.first, row.number, row.sequence);
        if self.checked == Some(first) {
            return Ok(());
        }
        let before = match self.tips.get(&number) {
            _ if sequence == 1 => Some(Tip::default()),
            Some(tip) if tip.sequence + 1 == sequence => Some(*tip),
            _ => match lookup::turn_before(index, number, sequence)? {
                Some(position) => truth.row(position)?.and_then(last_of),
                None => None,
            },
        };
        let name = || lookup::name(index, number).ok().flatten().map_or(format!("#{number}"), |name| name.to_string());
        let before = before.ok_or_else(|| damaged(&name(), sequence.saturating_sub(1), "it is missing"))?;
        let Some(row) = truth.row(position)? else { return Ok(()) };
        let tip = follow(row, before, &name)?;
        if self.tips.len() >= REMEMBERED {
            self.tips.clear();
        }
        self.tips.insert(number, tip);
        self.checked = Some(first);
        Ok(())
    }
}

/// The last record of a row, once all of its records follow each other.
fn follow(row: &Row, before: Tip, name: &impl Fn() -> String) -> Result<Tip, StoreError> {
    let mut tip = before;
    for (nth, encoded) in (0..).zip(&row.records) {
        let sequence = row.sequence + nth;
        check_link(name, Some(tip), sequence, encoded)?;
        tip = Tip { sequence, digest: encoded.digest };
    }
    Ok(tip)
}

fn last_of(row: &Row) -> Option<Tip> {
    let last = row.records.last()?;
    Some(Tip { sequence: row.sequence + row.records.len() as u64 - 1, digest: last.digest })
}
