//! What every store must do. Each store's tests run it, and so may the tests of a store that lives elsewhere.
//!
//! ```
//! use regie_journal::conformance::{self, Place};
//! use regie_journal::{EventStore, MemoryStore, StoreError};
//!
//! struct Memory(MemoryStore);
//!
//! impl Place for Memory {
//!     fn open(&mut self) -> Result<Box<dyn EventStore>, StoreError> {
//!         Ok(Box::new(self.0.clone()))
//!     }
//! }
//!
//! conformance::run(&mut || Box::new(Memory(MemoryStore::new()))).unwrap();
//! ```

use std::collections::HashMap;

use regie_core::event::CorrelationId;
use regie_core::workflow::{EncodedRecord, Fact, Record};
use regie_core::{Digest, Json, Timestamp};

use crate::error::StoreError;
use crate::store::{Conflict, EventReader, EventStore, Head, Placed, Row, Tip, Turn, Wake};

/// Somewhere that a journal is kept.
pub trait Place {
    /// Opens the journal there; again after the store was closed, with all that it held.
    ///
    /// # Errors
    /// What the store says; the run fails by it.
    fn open(&mut self) -> Result<Box<dyn EventStore>, StoreError>;
}

/// Why a store does not conform: the name of the case, and what was not so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{case}: {why}")]
pub struct Failure {
    /// The case.
    pub case: &'static str,
    /// What was not so.
    pub why: String,
}

type Outcome = Result<(), String>;
type Case = (&'static str, fn(&mut dyn Place) -> Outcome);

const CASES: &[Case] = &[
    ("a new journal holds nothing", a_new_journal_holds_nothing),
    ("positions count records without gaps", positions_count_records),
    ("a row is read as it was written", rows_are_read_as_written),
    ("the head does not depend on batches", head_without_batches),
    ("a turn in conflict is left out and the others stand", conflicts_are_left_out),
    ("a turn without records is refused with its batch", empty_turns_are_refused),
    ("rows are paged by position", rows_are_paged),
    ("the row of each position is found", row_of_each_position),
    ("wakes are ordered, replaced and cleared", wakes_change),
    ("a reader sees what is appended after it was opened", readers_see_later_turns),
    ("what was appended is there after reopening", reopening_keeps_everything),
];

/// Runs every case, each in a new place. Ends at the first failure.
///
/// # Errors
/// The case that failed.
pub fn run(place: &mut dyn FnMut() -> Box<dyn Place>) -> Result<(), Failure> {
    for (case, check) in CASES {
        check(&mut *place()).map_err(|why| Failure { case, why })?;
    }
    Ok(())
}

/// Makes turns that follow each other.
#[derive(Default)]
struct Story {
    tips: HashMap<String, Tip>,
}

impl Story {
    /// The next turn of a correlation, with as many records as are asked for.
    fn turn(&mut self, correlation: &str, records: u64) -> Turn {
        let tip = self.tips.entry(correlation.to_string()).or_default();
        let turn = turn_after(*tip, correlation, records);
        let digest = turn.records.last().map(|record| record.digest).unwrap_or_default();
        *tip = Tip { sequence: tip.sequence + records, digest };
        turn
    }
}

fn turn_after(expected: Tip, correlation: &str, records: u64) -> Turn {
    let mut digest = expected.digest;
    let at = Timestamp::from_millis(1_000);
    let records: Vec<EncodedRecord> = (1..=records)
        .map(|nth| {
            let sequence = expected.sequence + nth;
            let opened = Fact::Opened { correlation: correlation.into() };
            let noted = Fact::Noted { data: Json::of(&sequence) };
            let facts = if sequence == 1 { vec![opened, noted] } else { vec![noted] };
            let record = Record { sequence, at, facts }.encode(digest);
            digest = record.digest;
            record
        })
        .collect();
    Turn { correlation: CorrelationId::from(correlation), expected, records, at, wake: Wake::Never, sets: Vec::new() }
}

fn ensure(holds: bool, why: impl Fn() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(why()) }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Outcome {
    ensure(found == wanted, || format!("{what} is {found:?}, not {wanted:?}"))
}

fn words(error: StoreError) -> String {
    format!("the store said: {error}")
}

fn open(place: &mut dyn Place) -> Result<Box<dyn EventStore>, String> {
    place.open().map_err(words)
}

fn append(store: &mut dyn EventStore, turns: &[Turn]) -> Result<Vec<Result<Placed, Conflict>>, String> {
    store.append(turns).map_err(words)
}

fn all_rows(reader: &mut dyn EventReader, limit: usize) -> Result<Vec<Row>, String> {
    let (mut rows, mut after) = (Vec::new(), 0);
    loop {
        let page = reader.rows_after(after, limit).map_err(words)?;
        ensure(page.len() <= limit, || format!("{} rows where at most {limit} were asked for", page.len()))?;
        let Some(last) = page.last() else { return Ok(rows) };
        after = last.first;
        rows.extend(page);
    }
}

fn a_new_journal_holds_nothing(place: &mut dyn Place) -> Outcome {
    let store = open(place)?;
    same("the head", store.head(), Head::default())?;
    let mut reader = store.reader().map_err(words)?;
    same("a reader's head", reader.head().map_err(words)?, Head::default())?;
    same("the rows", reader.rows_after(0, 10).map_err(words)?, Vec::new())?;
    same("the row of position 1", reader.row_of(1).map_err(words)?, None)?;
    same("the wakes", reader.wakes_after(None, 10).map_err(words)?, Vec::new())
}

fn positions_count_records(place: &mut dyn Place) -> Outcome {
    let (mut store, mut story) = (open(place)?, Story::default());
    let placed = append(&mut *store, &[story.turn("a", 2), story.turn("b", 1), story.turn("a", 3)])?;
    let wanted = [1, 3, 4].map(|first| Ok(Placed { first }));
    same("the places", placed, wanted.to_vec())?;
    let placed = append(&mut *store, &[story.turn("b", 1)])?;
    same("the place of the next", placed, vec![Ok(Placed { first: 7 })])?;
    same("the end", store.head().position, 7)
}

fn rows_are_read_as_written(place: &mut dyn Place) -> Outcome {
    let (mut store, mut story) = (open(place)?, Story::default());
    let turns = [story.turn("a", 2), story.turn("b", 1), story.turn("a", 1)];
    append(&mut *store, &turns)?;
    let rows = all_rows(&mut *store.reader().map_err(words)?, 100)?;
    let told: Vec<_> = rows.iter().map(|row| (row.first, row.number, row.sequence)).collect();
    same("position, number and sequence of the rows", told, vec![(1, 1, 1), (3, 3, 1), (4, 1, 3)])?;
    for (row, turn) in rows.iter().zip(&turns) {
        same("the records of a row", &row.records, &turn.records)?;
    }
    same("the head of the last row", rows.last().map(|row| row.head), Some(store.head().digest))
}

fn head_without_batches(place: &mut dyn Place) -> Outcome {
    let (mut store, mut story) = (open(place)?, Story::default());
    let turns: Vec<_> = ["a", "b", "a", "c", "b", "a"].map(|name| story.turn(name, 2)).to_vec();
    let (one, rest) = turns.split_at(1);
    append(&mut *store, one)?;
    append(&mut *store, rest)?;
    let digests = turns.iter().flat_map(|turn| &turn.records).map(|record| record.digest);
    let wanted = digests.fold(Digest::ZERO, |head, digest| head.chain(&digest.0));
    same("the head", store.head().digest, wanted)
}

fn conflicts_are_left_out(place: &mut dyn Place) -> Outcome {
    let (mut store, mut story) = (open(place)?, Story::default());
    append(&mut *store, &[story.turn("a", 2)])?;
    let found = story.tips["a"];
    let stale = turn_after(Tip::default(), "a", 1);
    let forked = turn_after(Tip { digest: Digest::of(b"other"), ..found }, "a", 1);
    let early = turn_after(Tip { sequence: 5, digest: found.digest }, "new", 1);
    let good = story.turn("a", 1);
    let placed = append(&mut *store, &[stale, forked, early, good, story.turn("b", 1)])?;
    let conflict = Err(Conflict { found });
    let none = Err(Conflict { found: Tip::default() });
    let wanted = vec![conflict, conflict, none, Ok(Placed { first: 3 }), Ok(Placed { first: 4 })];
    same("the answers", placed, wanted)?;
    same("the end", store.head().position, 4)?;
    same("the number of rows", all_rows(&mut *store.reader().map_err(words)?, 100)?.len(), 3)
}

fn empty_turns_are_refused(place: &mut dyn Place) -> Outcome {
    let (mut store, mut story) = (open(place)?, Story::default());
    let batch = [story.turn("a", 1), turn_after(Tip::default(), "b", 0)];
    ensure(store.append(&batch).is_err(), || "a turn without records was taken".into())?;
    same("the head", store.head(), Head::default())?;
    same("the answer to the good one alone", append(&mut *store, &batch[..1])?, vec![Ok(Placed { first: 1 })])
}

fn rows_are_paged(place: &mut dyn Place) -> Outcome {
    let (mut store, mut story) = (open(place)?, Story::default());
    let turns: Vec<_> = (0..10).map(|nth| story.turn(&format!("c{}", nth % 3), 1 + nth % 4)).collect();
    append(&mut *store, &turns)?;
    let mut reader = store.reader().map_err(words)?;
    let whole = all_rows(&mut *reader, 100)?;
    same("the number of rows", whole.len(), turns.len())?;
    for limit in 1..5 {
        same("the rows in pages", all_rows(&mut *reader, limit)?, whole.clone())?;
    }
    ensure(whole.windows(2).all(|pair| pair[1].first == pair[0].last() + 1), || "the rows do not join".into())
}

fn row_of_each_position(place: &mut dyn Place) -> Outcome {
    let (mut store, mut story) = (open(place)?, Story::default());
    append(&mut *store, &[story.turn("a", 3), story.turn("b", 1), story.turn("a", 2)])?;
    let mut reader = store.reader().map_err(words)?;
    let mut firsts = Vec::new();
    for position in 0..=7 {
        firsts.push(reader.row_of(position).map_err(words)?.map(|row| row.first));
    }
    let wanted = [None, Some(1), Some(1), Some(1), Some(4), Some(5), Some(5), None];
    same("the first positions of the rows", firsts, wanted.to_vec())
}

fn wakes_change(place: &mut dyn Place) -> Outcome {
    let (mut store, mut story) = (open(place)?, Story::default());
    let due = Timestamp::from_millis;
    let mut waking = |name: &str, wake| Turn { wake, ..story.turn(name, 1) };
    let first =
        [("a", Wake::At(due(50))), ("b", Wake::At(Timestamp::MIN)), ("c", Wake::At(due(50))), ("d", Wake::At(due(-7)))];
    append(&mut *store, &first.map(|(name, wake)| waking(name, wake)))?;
    let mut reader = store.reader().map_err(words)?;
    let all = vec![(Timestamp::MIN, 2), (due(-7), 4), (due(50), 1), (due(50), 3)];
    same("the wakes", reader.wakes_after(None, 10).map_err(words)?, all.clone())?;
    same("the first wakes", reader.wakes_after(None, 2).map_err(words)?, all[..2].to_vec())?;
    same("the wakes after one", reader.wakes_after(Some((due(50), 1)), 10).map_err(words)?, all[3..].to_vec())?;
    let next = [
        ("a", Wake::Never),
        ("b", Wake::At(due(9))),
        ("b", Wake::At(due(3))),
        ("c", Wake::Never),
        ("c", Wake::At(due(1))),
    ];
    append(&mut *store, &next.map(|(name, wake)| waking(name, wake)))?;
    let wanted = vec![(due(-7), 4), (due(1), 3), (due(3), 2)];
    same("the wakes after the change", reader.wakes_after(None, 10).map_err(words)?, wanted)
}

fn readers_see_later_turns(place: &mut dyn Place) -> Outcome {
    let (mut store, mut story) = (open(place)?, Story::default());
    let mut reader = store.reader().map_err(words)?;
    for round in 1..=3 {
        append(&mut *store, &[story.turn("a", 1)])?;
        same("the reader's head", reader.head().map_err(words)?, store.head())?;
        same("the number of rows", all_rows(&mut *reader, 10)?.len(), round)?;
    }
    Ok(())
}

fn reopening_keeps_everything(place: &mut dyn Place) -> Outcome {
    let (mut store, mut story) = (open(place)?, Story::default());
    append(&mut *store, &[Turn { wake: Wake::At(Timestamp::MIN), ..story.turn("a", 2) }, story.turn("b", 1)])?;
    let (head, rows) = (store.head(), all_rows(&mut *store.reader().map_err(words)?, 10)?);
    store.close().map_err(words)?;
    let mut store = open(place)?;
    same("the head", store.head(), head)?;
    let mut reader = store.reader().map_err(words)?;
    same("the rows", all_rows(&mut *reader, 10)?, rows)?;
    same("the wakes", reader.wakes_after(None, 10).map_err(words)?, vec![(Timestamp::MIN, 1)])?;
    let stale = turn_after(Tip::default(), "b", 1);
    let conflict = Err(Conflict { found: story.tips["b"] });
    let placed = append(&mut *store, &[stale, story.turn("b", 1)])?;
    same("the answers", placed, vec![conflict, Ok(Placed { first: 4 })])
}
