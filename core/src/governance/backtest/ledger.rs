//! What is known of a correlation while a set is tried: as much as conditions see of it, and its bounds.

use crate::limits;

/// A correlation without a handler.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Records: one for each event that came in, for each return and for each end of a time to decide.
    pub(super) records: u64,
    /// Events whose life is not over.
    pub(super) open: usize,
    bytes: usize,
}

impl Ledger {
    /// Why no more come in, if they do not.
    pub(super) fn is_full(&self) -> Option<String> {
        if self.open >= limits::OPEN_EVENTS {
            return Some(format!("{} of its correlation's events are open", self.open));
        }
        (self.bytes > limits::OPEN_BYTES).then(|| format!("its correlation's open events have {} bytes", self.bytes))
    }

    /// An event's life begins.
    pub(super) fn opened(&mut self, bytes: usize) {
        self.open += 1;
        self.bytes += bytes;
    }

    /// An event's life is over.
    pub(super) fn closed(&mut self, bytes: usize) {
        self.open -= 1;
        self.bytes -= bytes;
    }
}
