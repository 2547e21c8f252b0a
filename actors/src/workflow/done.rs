//! A task that was taken in a turn that does not stand yet.

use std::sync::Arc;

use regie_core::event::Event;

use super::messages::Outcome;

/// A task that was taken, and what there is to tell of it once the turn stands.
pub(super) struct Done {
    pub(super) ticket: u64,
    pub(super) told: Told,
}

impl Done {
    /// The event that it received, and the place of its record in the turn.
    pub(super) fn received(&self) -> Option<(usize, &Arc<Event>)> {
        match &self.told {
            Told::Recorded(event, at) | Told::Part(event, at) => Some((*at, event)),
            _ => None,
        }
    }
}

pub(super) enum Told {
    /// The event received by the record at this place of the turn.
    Recorded(Arc<Event>, usize),
    /// The same, of a task that consists of several, and is answered with the last of them.
    Part(Arc<Event>, usize),
    /// Received by the record of this sequence of this very turn: its position is not known yet.
    KnownHere(u64),
    Outcome(Outcome),
}
