//! What was committed, followed once as those do who follow the journal, and kept: many ask for it again, from anywhere.

use std::collections::BTreeMap;

use regie_core::Timestamp;
use regie_core::automation::Committed;
use regie_core::event::{EntityRef, Incoming, LifeState};
use regie_core::workflow::{Fact, Record};
use regie_journal::{Came, Followed, Reader, Readers};

/// The journal as it was followed.
pub(crate) struct Log {
    follow: regie_journal::Follow,
    /// What came in earlier is looked up.
    reader: Reader,
    /// What each turn held, and where it ended.
    turns: Vec<(u64, Vec<Followed>)>,
    /// Events that came in before they were processed, by the record by which they are, with their own positions.
    gone_on: BTreeMap<u64, (u64, Incoming)>,
    /// The processed events about each entity, with their positions, by these.
    about: BTreeMap<EntityRef, Vec<(u64, Incoming)>>,
}

/// An event that is processed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processed<'l> {
    incoming: &'l Incoming,
    position: u64,
    recorded_at: Timestamp,
    /// The record by which it is.
    pub(crate) by: u64,
}

impl Log {
    pub(crate) fn new(readers: &Readers) -> Self {
        let follow = readers.follow(0).expect("a reader");
        let reader = readers.open().expect("a reader");
        Self { follow, reader, turns: Vec::new(), gone_on: BTreeMap::new(), about: BTreeMap::new() }
    }

    /// Follows what was committed since.
    pub(crate) fn go_on(&mut self) {
        while let Some(found) = self.follow.next(1).expect("a readable journal") {
            found.iter().for_each(|followed| self.goes_on(followed));
            self.turns.push((self.follow.position(), found));
        }
    }

    /// What is processed changes its entity.
    fn goes_on(&mut self, followed: &Followed) {
        if let Followed::Processed { position, number, sequence, .. } = followed {
            let stored = self.reader.record_of(*number, *sequence).expect("a readable journal").expect("a record");
            self.gone_on.insert(*position, (stored.position, received(&stored.record)));
        }
        let Some(Processed { incoming, position, .. }) = self.processed(followed) else { return };
        if let Some(entity) = incoming.event().entity.clone() {
            let incoming = incoming.clone();
            let about = self.about.entry(entity).or_default();
            let at = about.partition_point(|(other, _)| *other < position);
            about.insert(at, (position, incoming));
        }
    }

    /// The event that is processed by what was followed, if one is.
    pub(crate) fn processed<'l>(&'l self, followed: &'l Followed) -> Option<Processed<'l>> {
        match followed {
            Followed::Event(came) if came.state == LifeState::Processed => self.came(followed),
            Followed::Processed { position: by, recorded_at, .. } => {
                let (position, incoming) = &self.gone_on[by];
                Some(Processed { incoming, position: *position, recorded_at: *recorded_at, by: *by })
            }
            _ => None,
        }
    }

    /// An event as it came, whatever becomes of it.
    pub(crate) fn came<'l>(&'l self, followed: &'l Followed) -> Option<Processed<'l>> {
        let Followed::Event(Came { incoming, position, recorded_at, .. }) = followed else { return None };
        Some(Processed { incoming, position: *position, recorded_at: *recorded_at, by: *position })
    }

    /// What was committed after a position, of so many turns at most, and up to where.
    pub(crate) fn after(&self, position: u64, turns: usize) -> (Vec<&Followed>, u64) {
        let from = self.turns.partition_point(|(end, _)| *end <= position);
        let some = &self.turns[from..self.turns.len().min(from.saturating_add(turns))];
        let found = some.iter().flat_map(|(_, found)| found).filter(|followed| place(followed) > position);
        (found.collect(), some.last().map_or(position, |(end, _)| *end))
    }

    /// The processed events about an entity, by position.
    pub(crate) fn about(&self, entity: &EntityRef) -> &[(u64, Incoming)] {
        self.about.get(entity).map_or(&[], Vec::as_slice)
    }
}

impl<'l> Processed<'l> {
    /// As the evaluator takes it.
    pub(crate) fn committed(&self) -> Committed<'l> {
        let Self { incoming, position, recorded_at, by } = *self;
        Committed { event: incoming.event(), position, recorded_at, by }
    }
}

fn place(followed: &Followed) -> u64 {
    match followed {
        Followed::Event(came) => came.position,
        Followed::Rules { position, .. } | Followed::Processed { position, .. } => *position,
        _ => 0,
    }
}

/// The event that a record received.
pub(crate) fn received(record: &Record) -> Incoming {
    let received = record.facts.iter().find_map(|fact| match fact {
        Fact::Received { format, raw, made_id, .. } => {
            Some(Incoming::recover(*format, raw.clone(), made_id.as_deref(), record.at).expect("an event"))
        }
        _ => None,
    });
    received.expect("a record that received an event")
}
