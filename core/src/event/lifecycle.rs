//! The life of an event: one table, in one place.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an event is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifeState {
    /// Recorded, its end not yet known.
    Pending,
    /// Its end: it did what it does.
    Processed,
    /// To be judged again later.
    Deferred,
    /// A person decides.
    Escalated,
    /// Its end: it may not go on, or was skipped.
    Discarded,
}

use LifeState::{Deferred, Discarded, Escalated, Pending, Processed};

/// Every legal move, and what it stands for.
const MOVES: &[(LifeState, LifeState, &str)] = &[
    (Pending, Processed, "handled"),
    (Pending, Deferred, "a policy put it off"),
    (Pending, Escalated, "a policy asks for a person, or it is poison"),
    (Pending, Discarded, "a policy stopped it, or its workflow is over"),
    (Deferred, Pending, "its time has come"),
    (Deferred, Escalated, "deferred too often"),
    (Deferred, Discarded, "a limit, a person, or a later one in its place"),
    (Escalated, Processed, "a person approved it"),
    (Escalated, Deferred, "a person approved it, and its workflow has no place for it yet"),
    (Escalated, Discarded, "a person rejected it, its time ran out, or its workflow is over"),
];

/// A move that the life of an event does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event cannot go from {from} to {to}")]
pub struct IllegalMove {
    /// Where it is.
    pub from: LifeState,
    /// Where it was to go.
    pub to: LifeState,
}

impl LifeState {
    /// Every state.
    pub const ALL: [LifeState; 5] = [Pending, Processed, Deferred, Escalated, Discarded];

    /// Goes to another state, or says that there is no such move.
    ///
    /// ```
    /// use regie_core::event::LifeState;
    /// assert!(LifeState::Pending.go(LifeState::Deferred).is_ok());
    /// assert!(LifeState::Processed.go(LifeState::Pending).is_err());
    /// ```
    pub fn go(self, to: LifeState) -> Result<LifeState, IllegalMove> {
        let legal = MOVES.iter().any(|(from, into, _)| (*from, *into) == (self, to));
        if legal { Ok(to) } else { Err(IllegalMove { from: self, to }) }
    }

    /// Whether its life is over.
    pub const fn is_end(self) -> bool {
        matches!(self, Processed | Discarded)
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Pending => "pending",
            Processed => "processed",
            Deferred => "deferred",
            Escalated => "escalated",
            Discarded => "discarded",
        }
    }

    /// The state of that name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for LifeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_event_goes_nowhere() {
        for end in [Processed, Discarded] {
            assert!(LifeState::ALL.into_iter().all(|to| end.go(to).is_err()), "{end}");
        }
    }

    #[test]
    fn every_state_but_the_first_is_reached_and_every_open_one_is_left() {
        for state in LifeState::ALL {
            assert!(MOVES.iter().any(|(_, to, _)| *to == state), "{state} is never reached");
            assert_eq!(MOVES.iter().any(|(from, ..)| *from == state), !state.is_end(), "{state}");
        }
    }

    #[test]
    fn no_move_stands_in_the_table_twice() {
        let mut pairs: Vec<_> = MOVES.iter().map(|(from, to, _)| (from, to)).collect();
        pairs.sort();
        pairs.dedup();
        assert_eq!(pairs.len(), MOVES.len());
    }
}
