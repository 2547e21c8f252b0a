//! The contract of a store: what is appended, what is read, and how it fails.
//!
//! Small and blocking, so that a test can fake, crash and corrupt it. Every store passes the same conformance suite.

use std::sync::Arc;

use regie_core::event::{CorrelationId, Principal};
use regie_core::workflow::EncodedRecord;
use regie_core::{Digest, Timestamp};

use crate::error::StoreError;
use crate::handed::Told;

/// The last record of a correlation that somebody knows of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// Its sequence; 0 before the first.
    pub sequence: u64,
    /// Its digest; zeros before the first.
    pub digest: Digest,
}

/// The end of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The position of the last record; 0 in an empty journal.
    pub position: u64,
    /// The last digest of the journal's chain, which links the records' digests in position order.
    pub digest: Digest,
}

/// When a correlation must be woken, beside its records and changed with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// It owes nothing.
    Never,
    /// At that instant; [`Timestamp::MIN`] stands for at once, for effects that are owed now.
    At(Timestamp),
}

/// What a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetKind {
    /// Policies, under which new events are judged.
    Policies,
    /// Rules, which watch for events that were committed.
    Rules,
}

/// A set that new events of a turn come under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetInForce {
    /// What it holds.
    pub kind: SetKind,
    /// The digest of its text.
    pub digest: Digest,
    /// Its text.
    pub text: String,
    /// Who put it in force, if that is known.
    pub by: Option<Principal>,
}

/// What one turn of a workflow appends: consecutive records of one correlation, as a whole or not at all.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Whose records.
    pub correlation: CorrelationId,
    /// What must be the correlation's last record for these to follow.
    pub expected: Tip,
    /// At least one record; the first has sequence `expected.sequence + 1`.
    pub records: Vec<EncodedRecord>,
    /// When the first of them was decided.
    pub at: Timestamp,
    /// When the correlation must be woken from now on.
    pub wake: Wake,
    /// The policies that new events among them were judged under, and the rules that watch for such: none of a kind if
    /// none had a say.
    pub sets: Vec<Arc<SetInForce>>,
}

/// Where the records of a turn stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The position of the first; the others follow it.
    pub first: u64,
}

/// A turn was not what comes next in its correlation: somebody else has written, or its writer has stale state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What the last record is.
    pub found: Tip,
}

/// One turn as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The position of its first record.
    pub first: u64,
    /// The correlation's number: the position of its first record ever.
    pub number: u64,
    /// The sequence of its first record.
    pub sequence: u64,
    /// Its records.
    pub records: Vec<EncodedRecord>,
    /// The journal's chain after its last record.
    pub head: Digest,
}

impl Row {
    /// The position of its last record.
    pub fn last(&self) -> u64 {
        self.first + self.records.len().saturating_sub(1) as u64
    }
}

/// A row whose body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The position of its first record.
    pub first: u64,
    /// The correlation's number.
    pub number: u64,
    /// The sequence of its first record.
    pub sequence: u64,
    /// What is wrong with it.
    pub why: String,
}

impl BadRow {
    /// As the error that reading it gives.
    pub fn into_error(self) -> StoreError {
        let BadRow { first, number, sequence, why } = self;
        let place = format!("the row at position {first} (correlation #{number}, sequence {sequence})");
        StoreError::Damaged { why: format!("{place}: {why}") }
    }
}

/// The write side of a store. One owner, one thread.
pub trait EventStore: Send {
    /// Appends turns in their order, all in one durable step: when this returns `Ok`, they are as durable as the store
    /// was opened to make them. A turn in conflict is left out and reported; the others stand. On `Err` none stands, and
    /// if [`StoreError::is_unknown`] even that is not certain: the store is latched, and must be opened anew.
    fn append(&mut self, turns: &[Turn]) -> Result<Vec<Result<Placed, Conflict>>, StoreError>;

    /// The same of turns of which it is told what they hold, where whoever made them has it at hand: a store that keeps a view
    /// of its records beside them need not read them again. It saves time alone.
    fn append_told(
        &mut self,
        turns: &[Turn],
        told: Vec<Option<Told>>,
    ) -> Result<Vec<Result<Placed, Conflict>>, StoreError> {
        drop(told);
        self.append(turns)
    }

    /// The end of the journal.
    fn head(&self) -> Head;

    /// A reader of its own, to be used beside the writer on any thread.
    fn reader(&self) -> Result<Box<dyn EventReader>, StoreError>;

    /// Closes in good order; what was answered is on disk.
    fn close(self: Box<Self>) -> Result<(), StoreError>;
}

/// A read side of a store. It sees committed turns alone, and never waits for the writer.
pub trait EventReader: Send {
    /// The end of the journal as this reader sees it now.
    fn head(&mut self) -> Result<Head, StoreError>;

    /// Turns in position order, from the first whose first record is after `position`; at most `limit`, and fewer where
    /// they are large. None at all only at the end. A row that cannot be read is an error once it is the first.
    fn rows_after(&mut self, position: u64, limit: usize) -> Result<Vec<Row>, StoreError>;

    /// The turn that holds a position.
    fn row_of(&mut self, position: u64) -> Result<Option<Row>, StoreError>;

    /// Numbers of the correlations to be woken, with their instants, by instant and number, from the first after the
    /// pair given; at most `limit`.
    fn wakes_after(
        &mut self,
        after: Option<(Timestamp, u64)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, u64)>, StoreError>;

    /// The end of this journal as something beside it has seen it, which knows of records that may be gone; for
    /// verification. Nothing if there is no such witness.
    fn witness(&mut self) -> Result<Option<Head>, StoreError> {
        Ok(None)
    }

    /// Whose record the witness has seen at a position, and the record's sequence.
    fn witnessed(&mut self, position: u64) -> Option<(CorrelationId, u64)> {
        let _ = position;
        None
    }

    /// What can be told of the first row after `position`, if its body cannot be read; for verification.
    fn bad_row_after(&mut self, position: u64) -> Result<Option<BadRow>, StoreError> {
        let _ = position;
        Ok(None)
    }
}
