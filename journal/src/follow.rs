//! Following the journal: the events that were committed, and the sets that came into force, in the journal's order.

use regie_core::event::{Incoming, LifeState};
use regie_core::workflow::{Fact, Record};
use regie_core::{Digest, Timestamp};

use crate::error::StoreError;
use crate::fold;
use crate::readers::Readers;
use crate::store::EventReader;

/// Follows the journal by position, from where it was told to begin. Blocking, on any thread, one at a time.
pub struct Follow {
    truth: Box<dyn EventReader>,
    position: u64,
}

/// What a record holds for those who follow.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Followed {
    /// An event came in.
    Event(Came),
    /// An event that came in earlier is processed now: it had been deferred, escalated or asked about.
    Processed {
        /// The position of the record by which it is.
        position: u64,
        /// When that was decided.
        recorded_at: Timestamp,
        /// The number of its correlation.
        number: u64,
        /// The sequence of the record that received it.
        sequence: u64,
    },
    /// An event that came in earlier is discarded now.
    Discarded {
        /// The number of its correlation.
        number: u64,
        /// The sequence of the record that received it.
        sequence: u64,
    },
    /// A set of rules came into force.
    Rules {
        /// The position of the record.
        position: u64,
        /// The digest of its text.
        digest: Digest,
        /// Its text.
        text: String,
    },
}

/// An event that came in.
#[derive(Clone, Debug)]
pub struct Came {
    /// The event, and its bytes as they came.
    pub incoming: Incoming,
    /// The position of the record that received it.
    pub position: u64,
    /// The number of its correlation.
    pub number: u64,
    /// The sequence of that record within its correlation.
    pub sequence: u64,
    /// When that record was decided.
    pub recorded_at: Timestamp,
    /// Whether the runtime itself emitted it.
    pub emitted: bool,
    /// Its state after that record.
    pub state: LifeState,
}

impl Readers {
    /// Follows the journal from the record after a position.
    ///
    /// # Errors
    /// As [`Readers::open`].
    pub fn follow(&self, position: u64) -> Result<Follow, StoreError> {
        Ok(Follow { truth: self.truth()?, position })
    }
}

impl Follow {
    /// How far it has come: the position of the last record that it has seen.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Goes on after a position, past what whoever follows knows not to matter.
    pub fn pass(&mut self, position: u64) {
        self.position = self.position.max(position);
    }

    /// What came next, of so many turns at most; nothing may be left of them. None at all only at the end of the journal.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the record that cannot be read; it stands before that.
    pub fn next(&mut self, turns: usize) -> Result<Option<Vec<Followed>>, StoreError> {
        let rows = self.truth.rows_after(self.position, turns)?;
        let Some(end) = rows.last().map(crate::store::Row::last) else { return Ok(None) };
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            for (nth, encoded) in (0..).zip(&row.records) {
                let position = row.first + nth;
                let record = fold::decode(encoded, position, row.sequence + nth)?;
                found.extend(followed(record, position, row.number)?);
            }
        }
        self.position = end;
        Ok(Some(found))
    }
}

fn followed(record: Record, position: u64, number: u64) -> Result<Option<Followed>, StoreError> {
    let (sequence, recorded_at) = (record.sequence, record.at);
    let (mut emitted_here, mut state, mut earlier) = (false, LifeState::Pending, None);
    for fact in &record.facts {
        match fact {
            Fact::RuleSet { digest, text, .. } => {
                return Ok(Some(Followed::Rules { position, digest: *digest, text: text.clone() }));
            }
            Fact::Received { emitted, .. } => emitted_here = *emitted,
            Fact::Moved { event, to, .. } if *event == sequence => state = *to,
            Fact::Moved { event, to: to @ (LifeState::Processed | LifeState::Discarded), .. } => {
                earlier = Some((*event, *to));
            }
            _ => {}
        }
    }
    Ok(match (fold::received(record, position)?, earlier) {
        (Some(incoming), _) => {
            let emitted = emitted_here;
            Some(Followed::Event(Came { incoming, position, number, sequence, recorded_at, emitted, state }))
        }
        (None, Some((sequence, LifeState::Discarded))) => Some(Followed::Discarded { number, sequence }),
        (None, Some((sequence, _))) => Some(Followed::Processed { position, recorded_at, number, sequence }),
        (None, None) => None,
    })
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow").field("position", &self.position).finish_non_exhaustive()
    }
}
