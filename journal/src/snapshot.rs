//! Snapshots: the state of a workflow at one of its records, so that a long one wakes fast.

use regie_core::event::CorrelationId;

use crate::store::Tip;

/// The state of a workflow after one of its records. It never replaces the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose.
    pub correlation: CorrelationId,
    /// The record after which it was taken.
    pub tip: Tip,
    /// The state, in a form of the caller's.
    pub body: Vec<u8>,
}
