//! The event identities that a workflow remembers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{Identity, LifeState};
use crate::limits;

/// One remembered event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownEvent {
    /// The sequence of the record that received it.
    pub sequence: u64,
    /// The position of that record; 0 until it is known.
    pub position: u64,
    /// The state that it is in now.
    pub state: LifeState,
}

/// The recent event identities of one correlation; a plain list while there are few, for most correlations have few. In
/// order, so that one state has one form in its snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    few: Vec<(Identity, KnownEvent)>,
    many: BTreeMap<Identity, KnownEvent>,
    /// All records up to this sequence may hold events that are not remembered here.
    forgotten: u64,
}

const FEW: usize = 16;

impl Known {
    /// The remembered event of that identity.
    pub fn get(&self, identity: Identity) -> Option<KnownEvent> {
        let few = self.few.iter().find(|(known, _)| *known == identity).map(|(_, event)| *event);
        few.or_else(|| self.many.get(&identity).copied())
    }

    /// The remembered event that the record of that sequence received.
    pub fn by_sequence(&self, sequence: u64) -> Option<KnownEvent> {
        let all = self.few.iter().map(|(_, event)| event).chain(self.many.values());
        all.copied().find(|event| event.sequence == sequence)
    }

    /// Whether events were forgotten, so that one that is not found here may still be known to the index.
    pub fn has_forgotten(&self) -> bool {
        self.forgotten > 0
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn insert(&mut self, identity: Identity, event: KnownEvent) {
        if self.many.is_empty() && self.few.len() < FEW {
            self.few.reserve_exact(1);
            return self.few.push((identity, event));
        }
        self.many.extend(std::mem::take(&mut self.few));
        self.many.insert(identity, event);
    }

    pub(super) fn moved(&mut self, identity: Identity, to: LifeState) {
        if let Some(event) = self.get_mut(identity) {
            event.state = to;
        }
    }

    pub(super) fn placed(&mut self, identity: Identity, position: u64) {
        if let Some(event) = self.get_mut(identity) {
            event.position = position;
        }
    }

    fn get_mut(&mut self, identity: Identity) -> Option<&mut KnownEvent> {
        let few = self.few.iter_mut().find(|(known, _)| *known == identity).map(|(_, event)| event);
        few.or_else(|| self.many.get_mut(&identity))
    }

    /// Forgets the oldest of the ended ones, once there are too many and the index covers them.
    pub fn forget_up_to(&mut self, covered: u64) {
        if self.many.len() <= limits::KNOWN_EVENTS {
            return;
        }
        let may_go = |event: &KnownEvent| event.position > 0 && event.position <= covered && event.state.is_end();
        let mut sequences: Vec<u64> =
            self.many.values().filter(|event| may_go(event)).map(|event| event.sequence).collect();
        if sequences.is_empty() {
            return;
        }
        let many = sequences.len().min(limits::KNOWN_EVENTS / 2);
        let (_, middle, _) = sequences.select_nth_unstable(many - 1);
        let middle = *middle;
        let goes = |event: &KnownEvent| event.sequence <= middle && may_go(event);
        let last = self.many.values().filter(|event| goes(event)).map(|event| event.sequence).max();
        self.many.retain(|_, event| !goes(event));
        self.forgotten = self.forgotten.max(last.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(count: u64) -> Known {
        let mut known = Known::default();
        for sequence in 1..=count {
            let event = KnownEvent { sequence, position: sequence, state: LifeState::Processed };
            known.insert(Identity::of("s", &sequence.to_string()), event);
        }
        known
    }

    #[test]
    fn few_and_many_are_found_alike() {
        for count in [1, 16, 17, 100] {
            let known = known(count);
            let found = (1..=count).all(|nth| known.get(Identity::of("s", &nth.to_string())).is_some());
            assert!(found && known.len() == count as usize, "{count}");
        }
    }

    #[test]
    fn what_the_index_does_not_cover_is_never_forgotten() {
        let mut all = known(limits::KNOWN_EVENTS as u64 + 1);
        all.forget_up_to(0);
        assert!(!all.has_forgotten());
        all.forget_up_to(10);
        assert!(
            all.has_forgotten()
                && all.get(Identity::of("s", "11")).is_some()
                && all.get(Identity::of("s", "10")).is_none()
        );
    }
}
