//! A delivery: one committed event as subscribers see it, made once and shared by all of them.

use std::sync::Arc;

use regie_core::Timestamp;
use regie_core::event::{CorrelationId, Event, Incoming};

/// One committed event as subscribers see it. Shared by all of them: nothing of it is copied.
#[derive(Clone, Debug)]
pub struct Delivery {
    event: Arc<Event>,
    raw: Arc<str>,
    position: u64,
    sequence: u64,
    recorded_at: Timestamp,
}

impl Delivery {
    /// Of an event that was received by the record of that sequence, and is delivered by the record at that position.
    pub fn new(incoming: &Incoming, (position, sequence): (u64, u64), recorded_at: Timestamp) -> Self {
        Self { event: incoming.shared(), raw: Arc::clone(incoming.raw()), position, sequence, recorded_at }
    }

    /// A direct message, which stands nowhere in the journal.
    pub fn direct(incoming: &Incoming, sent_at: Timestamp) -> Self {
        Self::new(incoming, (0, 0), sent_at)
    }

    /// The same with another event in its place: what a transform made of it. Its bytes are still those that came.
    pub fn with(&self, event: Event) -> Self {
        Self { event: Arc::new(event), ..self.clone() }
    }

    /// How the event is understood.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The event's bytes as they came.
    pub fn raw(&self) -> &Arc<str> {
        &self.raw
    }

    /// The position of the record by which it is delivered: the one that received the event, or, where only processed ones
    /// are delivered, the one by which it became so. 0 for a direct message.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The sequence, within its correlation, of the record that received the event. 0 for a direct message.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The event's correlation.
    pub fn correlation(&self) -> &CorrelationId {
        &self.event.correlation_id
    }

    /// When the event was recorded.
    pub fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// Whether it was sent to this subscriber alone, and is not in the journal.
    pub fn is_direct(&self) -> bool {
        self.position == 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.raw.len()
    }
}
