//! What a batch of turns becomes: places, rows, links of the chain. The same for every store; nothing is written here.

use std::collections::{BTreeMap, HashMap};

use regie_core::Digest;
use regie_core::event::CorrelationId;

use crate::error::StoreError;
use crate::store::{Conflict, Head, Placed, Tip, Turn, Wake};

/// What a store knows of a correlation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Its number: the position of its first record.
    pub(crate) number: u64,
    /// Its last record.
    pub(crate) tip: Tip,
    /// The position of its last record.
    pub(crate) last: u64,
}

/// A turn with the place that it is given.
pub(crate) struct PlannedRow<'a> {
    pub(crate) turn: &'a Turn,
    /// Its place among the turns of the batch.
    pub(crate) at: usize,
    pub(crate) number: u64,
    pub(crate) first: u64,
    pub(crate) head: Digest,
}

/// What a batch comes to once it is durable.
pub(crate) struct Plan<'a> {
    /// An answer to each turn.
    pub(crate) placed: Vec<Result<Placed, Conflict>>,
    /// The rows to write, in position order.
    pub(crate) rows: Vec<PlannedRow<'a>>,
    /// What is known of the correlations that it touches.
    pub(crate) known: HashMap<&'a str, (&'a CorrelationId, Known)>,
    /// When each of them must be woken, by number: the last word of the batch.
    pub(crate) wakes: BTreeMap<u64, Wake>,
    /// The end of the journal after it.
    pub(crate) head: Head,
}

impl<'a> Plan<'a> {
    /// Places each turn whose expectation holds behind `head`; `lookup` tells what was there before the batch.
    pub(crate) fn of(
        head: Head,
        turns: &'a [Turn],
        mut lookup: impl FnMut(&str) -> Result<Option<Known>, StoreError>,
    ) -> Result<Self, StoreError> {
        let (placed, rows) = (Vec::with_capacity(turns.len()), Vec::with_capacity(turns.len()));
        let mut plan = Plan { placed, rows, known: HashMap::with_capacity(turns.len()), wakes: BTreeMap::new(), head };
        for turn in turns {
            let known = match plan.known.get(turn.correlation.as_str()) {
                Some((_, known)) => Some(*known),
                None => lookup(&turn.correlation)?,
            };
            let answer = plan.place(turn, known)?;
            plan.placed.push(answer);
        }
        Ok(plan)
    }

    fn place(&mut self, turn: &'a Turn, known: Option<Known>) -> Result<Result<Placed, Conflict>, StoreError> {
        let Some(end) = turn.records.last() else {
            return Err(StoreError::Failed { why: format!("a turn of '{}' holds no record", turn.correlation) });
        };
        let found = known.map(|known| known.tip).unwrap_or_default();
        if found != turn.expected {
            return Ok(Err(Conflict { found }));
        }
        let first = self.head.position + 1;
        let count = turn.records.len() as u64;
        let number = known.map_or(first, |known| known.number);
        let tip = Tip { sequence: found.sequence + count, digest: end.digest };
        self.head.position += count;
        self.head.digest = turn.records.iter().fold(self.head.digest, |head, record| head.chain(&record.digest.0));
        self.known.insert(&turn.correlation, (&turn.correlation, Known { number, tip, last: self.head.position }));
        self.wakes.insert(number, turn.wake);
        let at = self.placed.len();
        self.rows.push(PlannedRow { turn, at, number, first, head: self.head.digest });
        Ok(Ok(Placed { first }))
    }
}
