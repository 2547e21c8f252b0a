//! One correlation as the model follows it: each record is the one that its rules expect.

use std::collections::BTreeMap;

use regie_core::automation::RULE_FAILED;
use regie_core::event::{CorrelationId, LifeState};
use regie_core::governance::{Booking, Grant, Judgement, Lapse, Verdict};
use regie_core::reasoning::{Ask, Reasoning};
use regie_core::workflow::{Definitions, Effect, EffectEnd, EffectKey, Fact, Operation, Record, RunEnd, State};
use regie_core::{Digest, Timestamp};

use super::Place;
use super::event::Seen;
use super::expect::{Made, Plain, expected_after_decision, expected_after_end, expected_for_event, freed};
use super::foresee::Foreseen;
use super::keys::{booked, grants};
use super::told::{assert_attempts, first_of, name_of};
use crate::simulation::tally::Tally;
use crate::simulation::workflows::words::WORKFLOWS;

/// What the steps are named by that are owed even when a run is over.
pub(super) const AFTER_END: &str = "~end/";

/// One correlation.
#[derive(Debug, Default)]
pub(super) struct Thread {
    pub(super) sequence: u64,
    pub(super) last_at: Timestamp,
    /// The sequence that received each identity.
    pub(super) identities: BTreeMap<(String, String), u64>,
    pub(super) events: BTreeMap<u64, Event>,
    pub(super) run: Option<Run>,
    pub(super) owed: BTreeMap<EffectKey, Effect>,
    /// Places at concurrency limits that its events hold: event, policy and key.
    pub(super) places: Vec<(u64, String, String)>,
    /// What was foreseen of the last judgement.
    pub(super) foreseen: Option<Foreseen>,
    /// Calls and sends that ended by a fact.
    pub(super) ended: BTreeMap<EffectKey, EffectEnd>,
    /// Whether something was parked.
    pub(super) parked: bool,
    /// Whether nobody has taken that up again.
    pub(super) stuck: bool,
}

/// An event and its life.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) raw: String,
    pub(super) seen: Seen,
    pub(super) position: u64,
    pub(super) recorded: Timestamp,
    /// The record by which it was processed.
    pub(super) processed: Option<u64>,
    pub(super) timestamp: Timestamp,
    pub(super) state: LifeState,
    pub(super) until: Option<Timestamp>,
    pub(super) booking: Option<Booking>,
    /// Whether it goes on when its time is up and nobody has decided.
    pub(super) lapse: Option<bool>,
    /// Who is asked about it.
    pub(super) asks: Vec<Ask>,
    pub(super) said: Vec<Reasoning>,
    /// What they had said before they spoke last.
    pub(super) said_before: Vec<Reasoning>,
    /// The policies of its last judgement.
    pub(super) judged_by: Option<Digest>,
    /// Whether it waits for its run, and if so whether that has not seen it yet, and whether it takes it up now.
    pub(super) awaits: Option<(bool, bool)>,
    /// Each time it was put off until an instant: the policy that promised that, if one did.
    pub(super) put_off: Vec<Option<String>>,
    pub(super) first: First,
}

/// What is answered to an event, once and for ever.
#[derive(Debug)]
pub(super) struct First {
    pub(super) state: LifeState,
    pub(super) until: Option<Timestamp>,
    pub(super) moves: Vec<LifeState>,
}

/// A run of a definition.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) name: String,
    pub(super) version: u32,
    /// None while it runs; otherwise whether it failed.
    pub(super) failed: Option<bool>,
    /// Whether what it did is being put back.
    pub(super) unwinds: bool,
    pub(super) paused: bool,
    pub(super) notes: Vec<String>,
    pub(super) attempts: BTreeMap<String, u32>,
}

impl Run {
    pub(super) fn new(name: &str, version: u32) -> Self {
        let (name, failed, notes, attempts) = (name.into(), None, Vec::new(), BTreeMap::new());
        Self { name, version, failed, unwinds: false, paused: false, notes, attempts }
    }

    pub(super) fn is_running(&self) -> bool {
        self.failed.is_none()
    }

    /// Whether later events are skipped.
    pub(super) fn skips(&self) -> bool {
        self.failed == Some(true) || self.unwinds
    }
}

impl Thread {
    /// Follows a record that stands at a place.
    pub(super) fn follow(&mut self, correlation: &CorrelationId, record: &Record, place: &Place<'_>) {
        assert_eq!(record.sequence, self.sequence + 1, "a gap in {correlation}");
        assert!(record.at >= self.last_at, "time runs back in {correlation}");
        self.sequence = record.sequence;
        let opens = matches!(record.facts.first(), Some(Fact::Opened { .. }));
        assert_eq!(opens, record.sequence == 1, "a correlation is opened by its first record");
        self.last_at = record.at;
        let facts = &record.facts[usize::from(opens)..];
        assert_attempts(facts, place.deaths);
        let poisoned = facts.iter().any(|fact| matches!(fact, Fact::Parked { attempts, .. } if *attempts > 1));
        let made = Made { kind: place.kind, policies: place.policies, poisoned, at: record.at, facts };
        self.foreseen = None;
        let mut expected = match facts.first() {
            Some(Fact::Received { raw, .. }) => {
                self.receive(raw, record, place.position);
                expected_for_event(self, record.sequence, facts, &made)
            }
            Some(Fact::Moved { event, to: LifeState::Pending, .. }) => {
                self.assert_may_return(*event, facts, record.at);
                expected_for_event(self, *event, facts, &made)
            }
            // What becomes of it is the workflow's, and its model's.
            Some(Fact::Operated { .. }) => facts.iter().map(Plain::of).collect(),
            Some(Fact::Reasoned { event, .. }) => {
                assert!(!self.events[event].asks.is_empty(), "nobody is asked about event {event}");
                expected_for_event(self, *event, facts, &made)
            }
            Some(Fact::Ended { key, end }) => {
                self.assert_may_end(key, end, record.at);
                expected_after_end(self, (key, end), &made)
            }
            _ => expected_after_decision(self, facts, &made),
        };
        expected.extend(freed(self, facts, &expected));
        let found: Vec<Plain> = facts.iter().map(Plain::of).collect();
        assert_eq!(found, expected, "record {} of {correlation}: {facts:#?}", record.sequence);
        facts.iter().for_each(|fact| self.fact(fact));
        if let Some(event) = self.events.get_mut(&record.sequence) {
            event.first = first_of(record.sequence, facts);
        }
    }

    /// Follows a record of the runtime's own acts: what those come to is held against the rules' words in the end.
    pub(super) fn follow_own(&mut self, record: &Record, position: u64) {
        assert_eq!(record.sequence, self.sequence + 1, "a gap");
        assert!(record.at >= self.last_at, "time runs back");
        (self.sequence, self.last_at) = (record.sequence, record.at);
        for fact in &record.facts {
            match fact {
                Fact::Received { raw, .. } => self.receive(raw, record, position),
                Fact::Ended { key, end } => self.assert_may_end(key, end, record.at),
                Fact::Judged { .. } => panic!("policies have no say over the runtime's own acts"),
                Fact::Started { definition, .. } => assert!(definition.starts_with("regie."), "{definition}"),
                _ => {}
            }
            self.fact(fact);
        }
        if let Some(event) = self.events.get_mut(&record.sequence) {
            event.first = first_of(record.sequence, &record.facts);
        }
    }

    fn receive(&mut self, raw: &str, record: &Record, position: u64) {
        let seen = Seen::read(raw);
        let identity = (seen.source.clone(), seen.id.clone());
        let before = self.identities.insert(identity, record.sequence);
        assert_eq!(before, None, "event {} is recorded twice", seen.id);
        let timestamp = seen.timestamp(record.at);
        let (state, first) = (LifeState::Pending, First { state: LifeState::Pending, until: None, moves: vec![] });
        let (raw, recorded, until, booking) = (raw.to_string(), record.at, None, None);
        let (lapse, judged_by, put_off) = (None, None, Vec::new());
        let (asks, said, said_before) = (Vec::new(), Vec::new(), Vec::new());
        let event = Event {
            raw,
            seen,
            position,
            recorded,
            processed: None,
            timestamp,
            state,
            until,
            booking,
            lapse,
            asks,
            said,
            said_before,
            judged_by,
            awaits: None,
            put_off,
            first,
        };
        self.events.insert(record.sequence, event);
    }

    /// A deferred event returns when its time has come, and gives back the place that it had booked.
    fn assert_may_return(&self, sequence: u64, facts: &[Fact], at: Timestamp) {
        let event = &self.events[&sequence];
        assert_eq!(event.state, LifeState::Deferred);
        if let Some((_, recalled)) = event.awaits {
            let recalls = |(_, event): &(&u64, &Event)| event.awaits.is_some_and(|(_, recalled)| recalled);
            let first = self.events.iter().find(recalls).map(|(event, _)| *event);
            return assert!(
                recalled && first == Some(sequence),
                "event {sequence} returns before its workflow takes it up"
            );
        }
        assert!(event.until.is_none_or(|until| until <= at), "event {sequence} returns before its time");
        assert!(event.until.is_some() || event.booking.is_some(), "event {sequence} waits for nothing");
        let released = facts.iter().find_map(|fact| match fact {
            Fact::Released { booking } => Some(booking),
            _ => None,
        });
        assert_eq!(released, event.booking.as_ref(), "a return gives back its place");
    }

    fn assert_may_end(&self, key: &EffectKey, end: &EffectEnd, at: Timestamp) {
        let effect = self.owed.get(key).unwrap_or_else(|| panic!("{key} ends and is not owed"));
        let fits = match (effect, end) {
            (Effect::Timer { due }, EffectEnd::TimerFired) => *due <= at,
            (Effect::Call { .. }, EffectEnd::Agent(_)) => true,
            (Effect::Send { .. }, EffectEnd::Sent { .. } | EffectEnd::NotSent { .. }) => true,
            (Effect::Update(_), EffectEnd::Updated { .. } | EffectEnd::NotSent { .. }) => true,
            (Effect::Trace, EffectEnd::Traced { .. }) => true,
            (Effect::Run { .. }, EffectEnd::Ran { .. } | EffectEnd::NotSent { .. }) => true,
            (Effect::Report { .. } | Effect::Operate { .. }, EffectEnd::Told) => true,
            _ => false,
        };
        assert!(fits, "{key}, {effect:?}, ends by {end:?} at {at}");
    }

    /// A run begins; if what begins it was parked, somebody has taken that up again.
    fn start(&mut self, run: Run) {
        (self.run, self.stuck) = (Some(run), false);
    }

    fn fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Judged { event, judgement } => {
                let held = grants(judgement).filter_map(|(policy, grant)| match grant {
                    Grant::Held { key } => Some((*event, policy.to_string(), key.clone())),
                    _ => None,
                });
                self.places.extend(held);
                self.events.get_mut(event).expect("an event").judged(judgement);
            }
            // Places of one session are the same: it is that of the event which has just come back.
            Fact::Released { booking } => {
                let holders = self.events.values_mut().filter(|event| event.booking.as_ref() == Some(booking));
                let holder = holders.min_by_key(|event| event.state != LifeState::Pending);
                holder.expect("a holder").booking = None;
            }
            Fact::Freed { policy, key, event } => {
                let place = (*event, policy.clone(), key.clone());
                self.places.retain(|held| *held != place);
            }
            Fact::Reasoned { event, reasonings } => {
                let event = self.events.get_mut(event).expect("an event");
                event.asks.clear();
                event.hear(reasonings);
            }
            Fact::Kept { event } => {
                let event = self.events.get_mut(event).expect("an event");
                (event.lapse, event.until) = (None, None);
            }
            Fact::Moved { event, to, .. } => {
                let event = self.events.get_mut(event).expect("an event");
                event.awaits = None;
                event.go(*to);
            }
            Fact::Awaits { event, queued, .. } => {
                let event = self.events.get_mut(event).expect("an event");
                (event.until, event.awaits) = (None, Some((*queued, *queued)));
            }
            Fact::Recalled { kinds } => self.events.values_mut().for_each(|event| {
                let takes = kinds.iter().any(|kind| kind.matches(&event.seen.kind));
                event.awaits.iter_mut().for_each(|(queued, recalled)| *recalled = *queued || takes);
            }),
            of_run => self.run_fact(of_run),
        }
    }

    fn run_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::GivenUp { key } => assert!(self.owed.remove(key).is_some(), "{key} is given up and not owed"),
            Fact::Compensating { .. } => {
                self.run.as_mut().expect("a run").unwinds = true;
                self.lets_go();
            }
            Fact::Migrated { version, .. } => self.run.as_mut().expect("a run").version = *version,
            Fact::Operated { operation, .. } => {
                let run = self.run.as_mut().expect("a run");
                match operation {
                    Operation::Pause => run.paused = true,
                    Operation::Resume => run.paused = false,
                    Operation::Retry => run.failed = None,
                    _ => {}
                }
            }
            Fact::Started { definition, version } => self.start(Run::new(definition, *version)),
            Fact::Noted { data } => {
                let note = data.to().unwrap_or_else(|_| data.text().to_string());
                self.run.as_mut().expect("a run").notes.push(note);
            }
            Fact::Parked { .. } => (self.parked, self.stuck) = (true, true),
            Fact::Owes { key, effect } => {
                if !key.step.starts_with(AFTER_END) {
                    let run = self.run.as_mut().expect("a run");
                    assert!(run.is_running(), "{key} is owed by a run that is over");
                }
                let attempts = self.run.as_mut().map(|run| run.attempts.insert(key.step.clone(), key.attempt));
                assert_eq!(key.attempt, attempts.flatten().unwrap_or(0) + 1, "attempts follow one another");
                assert_eq!(self.owed.insert(key.clone(), effect.clone()), None, "{key} is owed twice");
            }
            Fact::Ended { key, end } => {
                let timer = matches!(self.owed.remove(key), Some(Effect::Timer { .. }));
                assert!(timer || self.ended.insert(key.clone(), end.clone()).is_none(), "{key} ends twice");
            }
            Fact::Finished { end } => {
                let failed = !matches!(end, RunEnd::Completed { .. });
                let run = self.run.as_mut().expect("a run");
                (run.failed, run.unwinds, run.paused) = (Some(failed), false, false);
                self.lets_go();
            }
            _ => {}
        }
    }

    /// Whether one of its events waits for a person, for it has killed its workflow or could not be taken.
    pub(super) fn has_poison(&self) -> bool {
        self.stuck
    }

    /// Nothing is owed any more, and what waits for the run waits no longer.
    fn lets_go(&mut self) {
        self.owed.retain(|key, _| key.step.starts_with(AFTER_END));
        self.events.values_mut().filter_map(|event| event.awaits.as_mut()).for_each(|(_, recalled)| *recalled = true);
    }

    /// Counts what a record tells that it has followed.
    pub(super) fn count(&self, record: &Record, tally: &mut Tally) {
        let returns = record.facts.iter().any(|fact| matches!(fact, Fact::Moved { to: LifeState::Pending, .. }));
        let run = self.run.as_ref();
        record
            .facts
            .iter()
            .filter_map(|fact| name_of_fact(fact, returns, run.is_some()))
            .for_each(|name| tally.count(name));
    }

    /// Counts what a record of the runtime's own acts tells that it has followed.
    pub(super) fn count_own(&self, record: &Record, tally: &mut Tally) {
        if self.events.get(&record.sequence).is_some_and(|event| event.seen.kind == RULE_FAILED) {
            tally.count("rules: a run cannot be made out");
        }
        let ended = record.facts.iter().any(|fact| matches!(fact, Fact::Finished { .. }));
        match self.run.as_ref().filter(|run| ended && run.name == "regie.run").and_then(|run| run.failed) {
            Some(false) => tally.count("rules: a run completes"),
            Some(true) => tally.count("rules: a run fails and is put back"),
            None => {}
        }
    }

    /// When it must be woken: at once for what is owed now.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let paused = self.run.as_ref().is_some_and(|run| run.paused);
        let effects = self.owed.values().filter(|_| !paused).map(|effect| match effect {
            Effect::Timer { due } => *due,
            _ => Timestamp::MIN,
        });
        let events = self.events.values().filter_map(|event| match event.state {
            LifeState::Pending if !event.asks.is_empty() => Some(Timestamp::MIN),
            LifeState::Deferred if event.awaits.is_some() => {
                event.awaits.filter(|(_, recalled)| *recalled).map(|_| Timestamp::MIN)
            }
            LifeState::Deferred => event.until,
            LifeState::Escalated if event.lapse.is_some() => event.until,
            _ => None,
        });
        effects.chain(events).min()
    }

    /// The handler's own state holds what was noted.
    pub(super) fn assert_notes(&self, state: &State, definitions: &Definitions) {
        let Some(run) = &self.run else { return assert!(state.run().is_none()) };
        let found = state.run().expect("a run");
        assert_eq!((found.definition.as_str(), found.version), (run.name.as_str(), run.version));
        if run.name.starts_with("regie.") || WORKFLOWS.contains(&run.name.as_str()) {
            return;
        }
        // A snapshot holds the handler's state as JSON text.
        let saved = state.save(definitions).expect("its definition is there");
        let notes = serde_json::to_string(&run.notes).expect("JSON");
        let holds = saved.windows(notes.len()).any(|window| window == notes.as_bytes());
        assert!(holds, "the notes of {} are not {notes}", run.name);
    }
}

impl Event {
    /// The record by which it was processed.
    pub(super) fn by(&self) -> u64 {
        self.processed.expect("a processed event")
    }

    fn judged(&mut self, judgement: &Judgement) {
        (self.until, self.lapse) = match judgement.verdict {
            Verdict::Deferred { until, .. } => (Some(until), None),
            Verdict::EscalatedUntil { until, then, .. } => (Some(until), Some(then == Lapse::Approve)),
            _ => (None, None),
        };
        self.booking = booked(judgement).cloned();
        self.judged_by = judgement.set;
        match &judgement.verdict {
            Verdict::Asking { asks } => self.asks.clone_from(asks),
            Verdict::Deferred { .. } | Verdict::Waiting { .. } => {
                self.put_off.push(self.booking.as_ref().map(|booking| booking.policy.clone()))
            }
            _ => {}
        }
    }

    /// What reasoners say; who said something before has thought better of it.
    pub(super) fn hear(&mut self, reasonings: &[Reasoning]) {
        self.said_before.clone_from(&self.said);
        self.said.retain(|old| reasonings.iter().all(|new| new.policy != old.policy));
        self.said.extend_from_slice(reasonings);
    }

    /// How often it was put off without a promise, or by one that another policy than before made.
    pub(super) fn unpromised(&self) -> u32 {
        let before = std::iter::once(&None).chain(&self.put_off);
        let is_other =
            |(now, before): &(&Option<String>, &Option<String>)| now.is_none() || before.is_some() && now != before;
        self.put_off.iter().zip(before).filter(is_other).count() as u32
    }

    /// The moves that there are.
    fn go(&mut self, to: LifeState) {
        use LifeState::{Deferred, Discarded, Escalated, Pending, Processed};
        let legal = match self.state {
            Pending => matches!(to, Processed | Deferred | Escalated | Discarded),
            Deferred => to == Pending,
            Escalated => matches!(to, Processed | Discarded | Deferred),
            Processed | Discarded => false,
        };
        assert!(legal, "an event goes from {} to {to}", self.state);
        self.state = to;
        if to != Escalated {
            self.lapse = None;
        }
    }
}

/// What a fact counts as; nothing if it does not.
fn name_of_fact(fact: &Fact, returns: bool, runs: bool) -> Option<&'static str> {
    Some(match fact {
        Fact::Parked { attempts: 1, .. } => "handler: error",
        Fact::Parked { .. } => "parked after its attempts",
        Fact::Judged { judgement, .. } => return name_of(judgement),
        Fact::Kept { .. } => "escalation: kept beyond its time",
        Fact::Freed { .. } => "policy: a place is freed",
        Fact::Reasoned { reasonings, .. } if reasonings.iter().any(|it| !it.filtered.is_empty()) => {
            "reasoner: a signal is filtered"
        }
        Fact::Moved { reason, to: LifeState::Processed, .. } if reason.starts_with("nobody") => {
            "escalation: goes on when its time is up"
        }
        Fact::Moved { reason, .. } if reason.starts_with("nobody") => "escalation: ends when its time is up",
        Fact::Moved { reason, .. } if reason.starts_with("eva") => return None,
        Fact::Moved { to: LifeState::Deferred, .. } if returns => "policy: deferred again",
        Fact::Moved { to: LifeState::Deferred, .. } => "policy: deferred",
        Fact::Moved { reason, .. } if reason == "bans" => "policy: vetoed",
        Fact::Moved { reason, .. } if reason == "no entry" => "policy: vetoed by CEL",
        Fact::Moved { reason, .. } if reason == "risky" => "policy: vetoed for a signal",
        Fact::Moved { reason, .. } if reason == "debounced" => "policy: overtaken in a burst",
        Fact::Moved { reason, .. } if reason.starts_with("skipped") => "skipped: the run has failed",
        Fact::Moved { reason, .. } if reason.starts_with("awaiting") => return None,
        Fact::Moved { to: LifeState::Discarded, .. } => "policy: discarded",
        Fact::Moved { reason, .. } if reason == "recorded" && runs => "recorded: the run is over",
        _ => return None,
    })
}
