//! What policies have granted: the fold of the facts that say so, from which a governor starts.

use regie_core::Timestamp;
use regie_core::event::CorrelationId;
use regie_core::governance::Booking;

/// A key of a policy that counts from an instant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// The policy.
    pub policy: String,
    /// Its key.
    pub key: String,
    /// The latest instant that was granted there.
    pub at: Timestamp,
}

/// A place that an event was promised and has not used yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Booked {
    /// Which place.
    pub booking: Booking,
    /// The correlation of the event.
    pub correlation: CorrelationId,
    /// The event, by the sequence of the record that received it.
    pub event: u64,
}

/// Everything granted up to a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The position up to which this is the fold; what follows there is in the rows after it.
    pub position: u64,
    /// Keys that count.
    pub taken: Vec<Taken>,
    /// Places that are booked.
    pub booked: Vec<Booked>,
}
