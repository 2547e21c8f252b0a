//! What readers hand out.

use regie_core::event::{CorrelationId, Incoming, LifeState};
use regie_core::workflow::Record;
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
