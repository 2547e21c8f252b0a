//! The model: plain maps that follow the journal, with rules of their own. No `decide`, no `evolve`: what those did is held
//! against what the events' scripts and the words of the rules say.

mod cooldowns;
mod event;
mod expect;
mod thread;

use std::collections::{BTreeMap, BTreeSet};

use regie_core::Timestamp;
use regie_core::event::{CorrelationId, EventResult, Incoming, LifeState, Status};
use regie_core::workflow::{AgentOutcome, Definitions, Effect, EffectEnd, EffectKey, Fact, Record, State};
use regie_journal::{POLICIES, Row};

use crate::simulation::memory::Key;
use crate::simulation::program::Kind;
use crate::simulation::tally::Tally;
use cooldowns::Cooldowns;
use thread::Thread;

/// What the model knows.
pub(crate) struct Model {
    /// The position up to which it has read.
    position: u64,
    kind: Kind,
    threads: BTreeMap<CorrelationId, Thread>,
    numbers: BTreeMap<u64, CorrelationId>,
    /// The event that was received at a position: its correlation and sequence.
    received: BTreeMap<u64, (CorrelationId, u64)>,
    cooldowns: Cooldowns,
    /// Positions of events whose first answer was told.
    told_new: BTreeSet<u64>,
    /// What agents will have given, by effect.
    given: BTreeMap<Key, Vec<AgentOutcome>>,
    /// Effects that were begun.
    begun: BTreeSet<Key>,
    deaths: BTreeMap<CorrelationId, u32>,
    policy_records: u64,
    /// What it saw happen.
    pub(crate) tally: Tally,
}

impl Model {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            position: 0,
            kind,
            threads: BTreeMap::new(),
            numbers: BTreeMap::new(),
            received: BTreeMap::new(),
            cooldowns: Cooldowns::default(),
            told_new: BTreeSet::new(),
            given: BTreeMap::new(),
            begun: BTreeSet::new(),
            deaths: BTreeMap::new(),
            policy_records: 0,
            tally: Tally::default(),
        }
    }

    /// The position of the last record.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// A process begins with such a program.
    pub(crate) fn starts(&mut self, kind: Kind) {
        self.kind = kind;
    }

    pub(crate) fn died(&mut self, correlation: &CorrelationId) {
        *self.deaths.entry(correlation.clone()).or_default() += 1;
    }

    /// Follows what was appended.
    pub(crate) fn read(&mut self, rows: Vec<Row>) {
        for row in rows {
            assert_eq!(row.first, self.position + 1, "a position is missing");
            for (nth, encoded) in (0..).zip(&row.records) {
                self.position += 1;
                let record = Record::decode(&encoded.bytes).expect("a record");
                if let Some(Fact::Opened { correlation }) = record.facts.first() {
                    assert_eq!(row.number, self.position, "a correlation is known by its first position");
                    self.numbers.insert(row.number, correlation.clone());
                }
                let correlation = self.numbers.get(&row.number).expect("a correlation that was opened").clone();
                assert_eq!(record.sequence, row.sequence + nth);
                self.record(correlation, &record);
            }
        }
    }

    fn record(&mut self, correlation: CorrelationId, record: &Record) {
        if &*correlation == POLICIES {
            self.policy_records += 1;
            assert_eq!(record.sequence, self.policy_records);
            return;
        }
        let mut thread = self.threads.remove(&correlation).unwrap_or_default();
        let deaths = self.deaths.get(&correlation).copied().unwrap_or(0);
        let place = (self.position, deaths, &self.kind);
        thread.follow(&correlation, record, place);
        self.cooldowns.follow(&thread, record, &self.kind);
        if thread.events.contains_key(&record.sequence) {
            self.received.insert(self.position, (correlation.clone(), record.sequence));
        }
        thread.count(record, &mut self.tally);
        self.threads.insert(correlation.clone(), thread);
        for fact in &record.facts {
            if let Fact::Ended { key, end } = fact {
                self.ended(&(correlation.clone(), key.clone()), end);
            }
        }
    }

    /// An effect's end is one that it can have had.
    fn ended(&self, key: &Key, end: &EffectEnd) {
        match end {
            EffectEnd::Agent(outcome) => {
                let given = self.given.get(key).is_some_and(|given| given.contains(outcome));
                assert!(given, "{key:?} ended by what its agent never gave: {outcome:?}");
            }
            EffectEnd::Sent { position, state } => {
                let (_, event) = self.event_at(*position);
                assert_eq!(event.seen.id, regie_core::event::emitted_id(&key.0, &key.1.step, key.1.attempt));
                assert_eq!(event.first.state, *state, "the state that was told to {key:?}");
            }
            EffectEnd::NotSent { reason } => {
                let has_all = self.kind.has("guest", 1) && self.kind.has("puppet", 2);
                assert!(!has_all, "{key:?} is refused: {reason}");
            }
            _ => {}
        }
    }

    fn event_at(&self, position: u64) -> (&CorrelationId, &thread::Event) {
        let (correlation, sequence) = self.received.get(&position).expect("an event at a position that was told");
        (correlation, &self.threads[correlation].events[sequence])
    }

    /// The bytes of the event that was received at a position.
    pub(crate) fn raw_at(&self, position: u64) -> &str {
        &self.event_at(position).1.raw
    }

    /// An effect goes out: it is owed, by the journal.
    pub(crate) fn begins(&mut self, key: &Key, effect: &Effect) {
        let owed = self.threads.get(&key.0).and_then(|thread| thread.owed.get(&key.1));
        assert_eq!(owed, Some(effect), "{key:?} goes out and is not owed by the journal");
        self.begun.insert(key.clone());
    }

    pub(crate) fn will_give(&mut self, key: &Key, outcome: &AgentOutcome) {
        self.given.entry(key.clone()).or_default().push(outcome.clone());
    }

    /// A client is answered: what the journal says, and nothing that it does not say yet.
    pub(crate) fn answered(&mut self, incoming: &Incoming, answer: &EventResult) {
        let position = answer.position.expect("a position");
        assert!(position <= self.position, "answered before the append: position {position}");
        let (correlation, event) = self.event_at(position);
        assert_eq!(event.raw, **incoming.raw(), "answered for another event");
        assert_eq!(*correlation, incoming.event().correlation_id);
        assert_eq!(answer.event_state, Some(event.first.state), "the first answer's state");
        assert_eq!(answer.deferred_until, event.first.until, "the first answer's instant");
        let moves: Vec<LifeState> = answer.state_transitions.iter().map(|it| it.to).collect();
        assert_eq!(moves, event.first.moves, "the first answer's moves");
        if answer.status == Status::New {
            assert!(self.told_new.insert(position), "an event is new twice");
        }
    }

    /// A client is refused because other bytes were recorded.
    pub(crate) fn refused_for_content(&self, incoming: &Incoming) {
        let event = incoming.event();
        let identity = (event.source.clone(), event.id.clone());
        let thread = self.threads.get(&event.correlation_id);
        let known = thread.and_then(|thread| thread.events.get(thread.identities.get(&identity)?));
        assert!(known.is_some_and(|known| known.raw != **incoming.raw()), "refused for content that is not there");
    }

    /// A client is refused because its workflow's definition is not there.
    pub(crate) fn refused_for_definition(&self, incoming: &Incoming) {
        let run = self.threads.get(&incoming.event().correlation_id).and_then(|thread| thread.run.as_ref());
        let lacks = run.is_some_and(|run| run.is_running() && !self.kind.has(&run.name, run.version));
        assert!(lacks, "refused for want of a definition that is there");
    }

    /// The wake table is what is owed.
    pub(crate) fn assert_wakes(&self, found: &[(Timestamp, CorrelationId)]) {
        let due = self.threads.iter().filter_map(|(correlation, thread)| Some((thread.due()?, correlation.clone())));
        let (mut due, mut found): (Vec<_>, Vec<_>) = (due.collect(), found.to_vec());
        due.sort();
        found.sort();
        assert_eq!(found, due, "the wake table");
    }

    /// At the end nothing is owed or forgotten.
    pub(crate) fn at_rest(&self) {
        for (correlation, thread) in &self.threads {
            assert!(thread.owed.is_empty(), "{correlation} owes {:?}", thread.owed);
            for (sequence, event) in &thread.events {
                let open = matches!(event.state, LifeState::Pending | LifeState::Deferred);
                assert!(!open, "event {sequence} of {correlation} is {} for ever", event.state);
            }
            for key in &thread.ended {
                let key = (correlation.clone(), key.clone());
                assert!(self.begun.contains(&key), "{key:?} ended and never went out");
            }
        }
        self.cooldowns.at_rest();
        event::assert_entities(self.threads.values().flat_map(|thread| thread.events.values()));
    }

    /// What the journal is read to is what the model has followed.
    pub(crate) fn assert_state(&self, correlation: &CorrelationId, state: &State, definitions: &Definitions) {
        let Some(thread) = self.threads.get(correlation) else { return assert_eq!(state.sequence, 0) };
        assert_eq!((state.sequence, state.last_at), (thread.sequence, thread.last_at));
        let open: Vec<u64> = state.open().keys().copied().collect();
        let events = thread.events.iter().filter(|(_, event)| !event.state.is_end());
        assert_eq!(open, events.map(|(sequence, _)| *sequence).collect::<Vec<_>>(), "open events of {correlation}");
        assert_eq!(state.known().len(), thread.identities.len(), "identities of {correlation}");
        let keys: Vec<&EffectKey> = state.owed().keys().collect();
        assert_eq!(keys, thread.owed.keys().collect::<Vec<_>>(), "effects of {correlation}");
        thread.assert_notes(state, definitions);
    }
}

impl Kind {
    /// Whether there is that definition.
    fn has(&self, name: &str, version: u32) -> bool {
        match name {
            "puppet" => version <= self.puppet,
            _ => self.guest,
        }
    }
}
