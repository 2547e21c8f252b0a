//! The model: plain maps that follow the journal, with rules of their own. No `decide`, no `evolve`: what those did is held
//! against what the events' scripts and the words of the rules say.

mod deliveries;
mod event;
mod expect;
mod foresee;
mod history;
mod keys;
mod runs;
mod thread;
mod told;
mod undo;
mod workflows;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use regie_core::Timestamp;
use regie_core::event::{CorrelationId, EventResult, Incoming, LifeState, Status};
use regie_core::governance::{Judgement, Who};
use regie_core::reasoning::{Ask, Reasoning};
use regie_core::workflow::{AgentOutcome, Definitions, Effect, EffectEnd, EffectKey, Fact, Record, State};
use regie_journal::{POLICIES, RULES, Row};

use crate::simulation::memory::Key;
use crate::simulation::program::Kind;
use crate::simulation::rules::{Does, Policies};
use crate::simulation::tally::Tally;
use crate::simulation::workflows::words::WORKFLOWS;
use deliveries::Deliveries;
use event::Entity;
use keys::Keys;
use runs::Rules;
use thread::Thread;
use undo::Backs;
pub(crate) use undo::Verdict;
use workflows::Stories;

/// Where a record stands, and by what it was made.
pub(super) struct Place<'a> {
    position: u64,
    /// How often its workflow has died so far.
    deaths: u32,
    kind: &'a Kind,
    /// The policies of its turn.
    policies: &'static Policies,
}

/// What the model knows.
pub(crate) struct Model {
    /// The position up to which it has read.
    position: u64,
    kind: Kind,
    threads: BTreeMap<CorrelationId, Thread>,
    numbers: BTreeMap<u64, CorrelationId>,
    /// The event that was received at a position: its correlation and sequence.
    received: BTreeMap<u64, (CorrelationId, u64)>,
    /// The same of the event that was processed at a position.
    processed: BTreeMap<u64, (CorrelationId, u64)>,
    /// Of each entity the processed events about it, as they came.
    about: BTreeMap<Entity, Vec<(CorrelationId, u64)>>,
    keys: Keys,
    /// The policies of each correlation's last turn.
    turns: BTreeMap<CorrelationId, &'static Policies>,
    /// What reasoners will have said, by event.
    words: BTreeMap<Who, Vec<Vec<Reasoning>>>,
    /// Positions of events whose first answer was told.
    told_new: BTreeSet<u64>,
    /// What agents will have given, by effect.
    given: BTreeMap<Key, Vec<AgentOutcome>>,
    /// Effects that were begun.
    begun: BTreeMap<Key, Effect>,
    deaths: BTreeMap<CorrelationId, u32>,
    policy_records: u64,
    rules: Rules,
    backs: Backs,
    deliveries: Deliveries,
    stories: Stories,
    /// Whether there is anybody to follow the journal.
    is_followed: bool,
    /// What it saw happen.
    pub(crate) tally: Tally,
}

impl Model {
    pub(crate) fn new(kind: Kind, is_followed: bool) -> Self {
        Self {
            position: 0,
            kind,
            threads: BTreeMap::new(),
            numbers: BTreeMap::new(),
            received: BTreeMap::new(),
            processed: BTreeMap::new(),
            about: BTreeMap::new(),
            keys: Keys::default(),
            turns: BTreeMap::new(),
            words: BTreeMap::new(),
            told_new: BTreeSet::new(),
            given: BTreeMap::new(),
            begun: BTreeMap::new(),
            deaths: BTreeMap::new(),
            policy_records: 0,
            rules: Rules::default(),
            backs: Backs::default(),
            deliveries: Deliveries::default(),
            stories: Stories::default(),
            is_followed,
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
        self.keys.others = false;
    }

    pub(crate) fn clock_was_set(&mut self) {
        self.keys.clock += 1;
    }

    /// Other policies come into force.
    pub(crate) fn enacts(&mut self, policies: &'static Policies) {
        self.kind.policies = policies;
        self.keys.others = true;
    }

    /// A turn begins, and is judged by these to its end.
    pub(crate) fn begins_turn(&mut self, correlation: &CorrelationId, policies: &'static Policies) {
        self.turns.insert(correlation.clone(), policies);
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
        if &*correlation == RULES {
            return self.rule_set(record);
        }
        self.assert_ruled(&correlation, record);
        let mut thread = self.threads.remove(&correlation).unwrap_or_default();
        let deaths = self.deaths.get(&correlation).copied().unwrap_or(0);
        let policies = self.turns[&correlation];
        let place = Place { position: self.position, deaths, kind: &self.kind, policies };
        if correlation.is_own() {
            thread.follow_own(record, self.position);
            thread.count_own(record, &mut self.tally);
        } else {
            thread.follow(&correlation, record, &place);
            self.keys.follow(&correlation, &thread, record);
            self.stories.follow(&correlation, (&thread, record), &mut self.tally);
        }
        if thread.events.contains_key(&record.sequence) {
            self.received.insert(self.position, (correlation.clone(), record.sequence));
        }
        thread.count(record, &mut self.tally);
        if let Some(event) = thread.events.get(&record.sequence) {
            self.assert_planned(event);
        }
        self.threads.insert(correlation.clone(), thread);
        for fact in &record.facts {
            match fact {
                Fact::Moved { event, to: LifeState::Processed, .. } => self.processes(&correlation, *event),
                Fact::Ended { key, end } => self.ended(&(correlation.clone(), key.clone()), end),
                Fact::Reasoned { event, reasonings } => {
                    self.reasoned((correlation.clone(), *event), record, reasonings)
                }
                Fact::Judged { judgement, .. } => self.assert_set(judgement, policies),
                _ => {}
            }
        }
    }

    /// An event is processed by the record at this position, and no other is.
    fn processes(&mut self, correlation: &CorrelationId, sequence: u64) {
        let event = self.threads.get_mut(correlation).and_then(|thread| thread.events.get_mut(&sequence));
        let event = event.expect("an event that came in");
        event.processed = Some(self.position);
        let at = (correlation.clone(), sequence);
        if let Some(entity) = event.seen.entity.clone() {
            self.about.entry(entity).or_default().push(at.clone());
        }
        assert_eq!(self.processed.insert(self.position, at), None, "two events are processed by one record");
    }

    /// The processed events about an entity, as they came.
    fn processed_about(&self, entity: &Entity) -> Vec<&thread::Event> {
        let about = self.about.get(entity).into_iter().flatten();
        about.map(|(correlation, sequence)| &self.threads[correlation].events[sequence]).collect()
    }

    /// Whether the event that was received at a position is discarded.
    pub(crate) fn is_discarded(&self, position: u64) -> bool {
        self.event_at(position).1.state == LifeState::Discarded
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
                let Some(Effect::Send { event: sent }) = self.begun.get(key) else { panic!("{key:?} was never sent") };
                assert_eq!(event.raw, **sent, "what {key:?} has sent is something else");
                if !key.0.is_own() {
                    assert_eq!(event.seen.id, regie_core::event::emitted_id(&key.0, &key.1.step, key.1.attempt));
                }
                assert_eq!(event.first.state, *state, "the state that was told to {key:?}");
            }
            EffectEnd::Updated { .. } | EffectEnd::NotSent { .. }
                if let Some(Effect::Update(update)) = self.begun.get(key) =>
            {
                self.assert_updated(&key.1, update, end);
            }
            EffectEnd::Traced { changed } => self.assert_traced(&key.0, changed),
            // Whether it never ran is told with the story of the other one.
            EffectEnd::NotSent { .. } if matches!(self.begun.get(key), Some(Effect::Run { .. })) => {}
            EffectEnd::NotSent { reason } => {
                let has_all = self.kind.has("guest", 1) && self.kind.has("puppet", 2);
                assert!(!has_all, "{key:?} is refused: {reason}");
            }
            _ => {}
        }
    }

    /// What was said is what a reasoner gave, after what was said before; of all that counts what the filters let pass.
    fn reasoned(&self, who: Who, record: &Record, reasonings: &[Reasoning]) {
        let said = self.words.get(&who).expect("nobody was asked");
        let event = &self.threads[&who.0].events[&who.1];
        let about = event.seen.parts().1;
        let skipped =
            record.facts.iter().any(|fact| matches!(fact, Fact::Moved { reason, .. } if reason.starts_with("skipped")));
        let found = foresee::as_recorded(reasonings);
        let sifted = |said: &Vec<Reasoning>| {
            let mut all = event.said_before.clone();
            all.retain(|old| said.iter().all(|new| new.policy != old.policy));
            all.extend_from_slice(said);
            foresee::sift(self.turns[&who.0], about, &all) == found
        };
        let is_said = said.iter().any(|said| if skipped { said == reasonings } else { sifted(said) });
        assert!(is_said, "nobody said so of {who:?}, or it counts what does not: {reasonings:?}");
    }

    /// The whole turn is judged by the policies that were in force when it began.
    fn assert_set(&self, judgement: &Judgement, policies: &'static Policies) {
        assert_eq!(judgement.set, policies.in_force().set.digest(), "judged by half a set");
    }

    /// Reasoners are asked: the journal says so.
    pub(crate) fn is_asked(&self, who: &Who, asks: &[Ask]) {
        assert_eq!(self.asks(who).as_deref(), Some(asks), "reasoners are asked about {who:?}");
    }

    /// Who is to be asked about an event, by the journal.
    pub(crate) fn asks(&self, (correlation, event): &Who) -> Option<Vec<Ask>> {
        let event = self.threads.get(correlation)?.events.get(event)?;
        Some(event.asks.clone()).filter(|asks| !asks.is_empty())
    }

    pub(crate) fn will_say(&mut self, who: &Who, said: &[Reasoning]) {
        self.words.entry(who.clone()).or_default().push(said.to_vec());
    }

    /// Events that wait for a person.
    pub(crate) fn escalated(&self) -> Vec<Who> {
        let all = self.threads.iter().flat_map(|(correlation, thread)| {
            let waiting = thread.events.iter().filter(|(_, event)| event.state == LifeState::Escalated);
            waiting.map(|(sequence, _)| (correlation.clone(), *sequence))
        });
        all.collect()
    }

    /// A person is told that an event does not wait for one, and no record of that turn has it do so since.
    pub(crate) fn does_not_wait(&self, correlation: &CorrelationId, event: u64) {
        let event = self.threads.get(correlation).and_then(|thread| thread.events.get(&event));
        assert!(event.is_none_or(|event| event.state != LifeState::Escalated), "it waits for a person");
    }

    fn event_at(&self, position: u64) -> (&CorrelationId, &thread::Event) {
        let (correlation, sequence) = self.received.get(&position).expect("an event at a position that was told");
        (correlation, &self.threads[correlation].events[sequence])
    }

    /// The bytes of the event that was received at a position.
    pub(crate) fn raw_at(&self, position: u64) -> &str {
        &self.event_at(position).1.raw
    }

    /// The event that was received at a position.
    pub(crate) fn incoming_at(&self, position: u64) -> Incoming {
        self.event_at(position).1.incoming()
    }

    /// The type of the event that was received at a position.
    pub(crate) fn kind_at(&self, position: u64) -> &str {
        &self.event_at(position).1.seen.kind
    }

    /// An effect goes out: it is owed, by the journal.
    pub(crate) fn begins(&mut self, key: &Key, effect: &Effect) {
        let owed = self.threads.get(&key.0).and_then(|thread| thread.owed.get(&key.1));
        assert_eq!(owed, Some(effect), "{key:?} goes out and is not owed by the journal");
        self.stories.goes_out(key);
        self.asks_for(effect);
        self.begun.insert(key.clone(), effect.clone());
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
        // A workflow may have been terminated since, in the same turn: that needs no definition.
        let is_meant = |run: &thread::Run| run.is_running() || WORKFLOWS.contains(&run.name.as_str());
        let lacks = run.is_some_and(|run| is_meant(run) && !self.kind.has(&run.name, run.version));
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
    pub(crate) fn at_rest(&mut self) {
        for (correlation, thread) in &self.threads {
            let may_owe = self.stories.may_owe(correlation) || self.is_held_back_from(correlation);
            let whom = || self.stories.runs_for(correlation);
            assert!(thread.owed.is_empty() || may_owe, "{correlation} owes {:?}; {:?}", thread.owed, whom());
            for (sequence, event) in &thread.events {
                // Who waits for a place may do so as long as all are held.
                let waits = event.state == LifeState::Deferred && event.until.is_none();
                let open = matches!(event.state, LifeState::Pending | LifeState::Deferred) && !waits;
                assert!(!open, "event {sequence} of {correlation} is {} for ever", event.state);
                assert_eq!(event.lapse, None, "event {sequence} of {correlation} waits for a person beyond its time");
            }
            for key in thread.ended.keys() {
                let key = (correlation.clone(), key.clone());
                assert!(self.begun.contains_key(&key), "{key:?} ended and never went out");
            }
        }
        let rules = self.kind.policies.rules.iter();
        let limits = rules.filter_map(|rule| match rule.does {
            Does::Seats(limit, _) => Some((rule.name, limit as usize)),
            _ => None,
        });
        self.keys.at_rest(&limits.collect::<Vec<_>>());
        let failing = self.assert_runs();
        self.tally.add_many("rules: a condition cannot be told", failing);
        if self.is_followed {
            self.assert_delivered();
        }
        self.assert_undone();
        self.assert_stories();
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
            "guest" => self.guest,
            _ => version <= self.flows,
        }
    }
}
