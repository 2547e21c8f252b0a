//! What the policies with state are asked, and what they answer.

use std::sync::Arc;

use super::decision::{Booking, PolicyDecision, Verdict};
use super::set::PolicySet;
use crate::Timestamp;
use crate::event::CorrelationId;

/// An event: its correlation, and the sequence of the record that received it.
pub type Who = (CorrelationId, u64);

/// Which ask. Unique while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// One policy with state that has a say, and the key that the event has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The policy's place in its set.
    pub policy: usize,
    /// The key.
    pub key: String,
}

/// One event's ask of all policies with state that have a say over it. It reserves at all of them or at none.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Which ask.
    pub id: AskId,
    /// Which event asks.
    pub who: Who,
    /// The set that the places refer to.
    pub set: Arc<PolicySet>,
    /// Whom it asks, in the set's order.
    pub wants: Vec<Want>,
    /// The booking that a deferred event comes back to.
    pub returning: Option<Booking>,
}

/// What the policies with state answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// What each of them said.
    pub decisions: Vec<PolicyDecision>,
    /// The verdict, if one of them stops the event.
    pub stopped: Option<Verdict>,
    /// When they were asked.
    pub at: Timestamp,
}

/// A place that is free for an event that waits: it is to come back now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The event's correlation.
    pub correlation: CorrelationId,
    /// The event, by the sequence of the record that received it.
    pub event: u64,
}
