//! What readers hand out.

use regie_core::event::{CorrelationId, Incoming, LifeState};
use regie_core::query::RunCursor;
use regie_core::workflow::{Record, RunBrief};
use regie_core::{Digest, Timestamp};

/// A record with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRecord {
    /// Its position in the journal.
    pub position: u64,
    /// Whose it is.
    pub correlation: CorrelationId,
    /// The record.
    pub record: Record,
    /// Its link in the correlation's chain.
    pub digest: Digest,
}

/// An event with its place and what has become of it.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// The event, and its bytes as they came.
    pub incoming: Incoming,
    /// The position of the record that received it.
    pub position: u64,
    /// The sequence of that record within the correlation.
    pub sequence: u64,
    /// The state that it is in now.
    pub state: LifeState,
    /// When that record was decided.
    pub recorded_at: Timestamp,
}

/// A workflow's run in brief, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// Its correlation.
    pub correlation: CorrelationId,
    /// The number of that.
    pub number: u64,
    /// The position of the record that changed it last.
    pub position: u64,
    /// The run.
    pub run: RunBrief,
}

impl StoredRun {
    /// Its place in the list of runs, by which the next page is asked for.
    pub fn cursor(&self) -> RunCursor {
        RunCursor { started_at: self.run.started_at, number: self.number }
    }
}
