//! What was committed, followed once as those do who follow the journal, and kept: many ask for it again, from anywhere.

use std::collections::BTreeMap;

use regie_core::event::{EntityRef, Incoming};
use regie_journal::{Followed, Readers};

/// The journal as it was followed.
pub(crate) struct Log {
    follow: regie_journal::Follow,
    /// What each turn held, and where it ended.
    turns: Vec<(u64, Vec<Followed>)>,
    /// The events about each entity, with their positions.
    about: BTreeMap<EntityRef, Vec<(u64, Incoming)>>,
}

impl Log {
    pub(crate) fn new(readers: &Readers) -> Self {
        let follow = readers.follow(0).expect("a reader");
        Self { follow, turns: Vec::new(), about: BTreeMap::new() }
    }

    /// Follows what was committed since.
    pub(crate) fn go_on(&mut self) {
        while let Some(found) = self.follow.next(1).expect("a readable journal") {
            for followed in &found {
                if let Followed::Event(came) = followed
                    && let Some(entity) = &came.incoming.event().entity
                {
                    let event = (came.position, came.incoming.clone());
                    self.about.entry(entity.clone()).or_default().push(event);
                }
            }
            self.turns.push((self.follow.position(), found));
        }
    }

    /// What was committed after a position, of so many turns at most, and up to where.
    pub(crate) fn after(&self, position: u64, turns: usize) -> (Vec<&Followed>, u64) {
        let from = self.turns.partition_point(|(end, _)| *end <= position);
        let some = &self.turns[from..self.turns.len().min(from.saturating_add(turns))];
        let found = some.iter().flat_map(|(_, found)| found).filter(|followed| place(followed) > position);
        (found.collect(), some.last().map_or(position, |(end, _)| *end))
    }

    /// The events about an entity, by position.
    pub(crate) fn about(&self, entity: &EntityRef) -> &[(u64, Incoming)] {
        self.about.get(entity).map_or(&[], Vec::as_slice)
    }
}

fn place(followed: &Followed) -> u64 {
    match followed {
        Followed::Event(came) => came.position,
        Followed::Rules { position, .. } => *position,
        _ => 0,
    }
}
