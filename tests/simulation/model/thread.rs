//! One correlation as the model follows it: each record is the one that its rules expect.

use std::collections::{BTreeMap, BTreeSet};

use regie_core::Timestamp;
use regie_core::event::{CorrelationId, LifeState};
use regie_core::governance::{Booking, Verdict};
use regie_core::limits;
use regie_core::workflow::{Definitions, Effect, EffectEnd, EffectKey, Fact, Record, State};

use super::event::Seen;
use super::expect::{Plain, expected_after_end, expected_for_event};
use crate::simulation::program::Kind;
use crate::simulation::tally::Tally;

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
    /// Calls and sends that ended by a fact.
    pub(super) ended: BTreeSet<EffectKey>,
}

/// An event and its life.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) raw: String,
    pub(super) seen: Seen,
    pub(super) position: u64,
    pub(super) recorded: Timestamp,
    pub(super) timestamp: Timestamp,
    pub(super) state: LifeState,
    pub(super) until: Option<Timestamp>,
    pub(super) booking: Option<Booking>,
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
    pub(super) notes: Vec<String>,
    pub(super) attempts: BTreeMap<String, u32>,
}

impl Run {
    pub(super) fn new(name: &str, version: u32) -> Self {
        Self { name: name.into(), version, failed: None, notes: Vec::new(), attempts: BTreeMap::new() }
    }

    pub(super) fn is_running(&self) -> bool {
        self.failed.is_none()
    }
}

impl Thread {
    /// Follows a record that stands at a position; `deaths` is how often its workflow has died so far.
    pub(super) fn follow(
        &mut self,
        correlation: &CorrelationId,
        record: &Record,
        (position, deaths, kind): (u64, u32, &Kind),
    ) {
        assert_eq!(record.sequence, self.sequence + 1, "a gap in {correlation}");
        assert!(record.at >= self.last_at, "time runs back in {correlation}");
        self.sequence = record.sequence;
        let opens = matches!(record.facts.first(), Some(Fact::Opened { .. }));
        assert_eq!(opens, record.sequence == 1, "a correlation is opened by its first record");
        self.last_at = record.at;
        let facts = &record.facts[usize::from(opens)..];
        assert_attempts(facts, deaths);
        let poisoned = facts.iter().any(|fact| matches!(fact, Fact::Parked { attempts, .. } if *attempts > 1));
        let expected = match facts.first() {
            Some(Fact::Received { raw, .. }) => {
                self.receive(raw, record, position);
                expected_for_event(self, record.sequence, facts, (kind, poisoned, record.at))
            }
            Some(Fact::Moved { event, to: LifeState::Pending, .. }) => {
                self.assert_may_return(*event, facts, record.at);
                expected_for_event(self, *event, facts, (kind, poisoned, record.at))
            }
            Some(Fact::Ended { key, end }) => {
                self.assert_may_end(key, end, record.at);
                expected_after_end(self, (key, end), (kind, poisoned))
            }
            other => panic!("{correlation}: a record begins with {other:?}"),
        };
        let found: Vec<Plain> = facts.iter().map(Plain::of).collect();
        assert_eq!(found, expected, "record {} of {correlation}: {facts:#?}", record.sequence);
        facts.iter().for_each(|fact| self.fact(fact));
        if let Some(event) = self.events.get_mut(&record.sequence) {
            event.first = first_of(record.sequence, facts);
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
        let event = Event { raw, seen, position, recorded, timestamp, state, until, booking, first };
        self.events.insert(record.sequence, event);
    }

    /// A deferred event returns when its time has come, and gives back the place that it had booked.
    fn assert_may_return(&self, sequence: u64, facts: &[Fact], at: Timestamp) {
        let event = &self.events[&sequence];
        assert_eq!(event.state, LifeState::Deferred);
        assert!(event.until.is_some_and(|until| until <= at), "event {sequence} returns before its time");
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
            _ => false,
        };
        assert!(fits, "{key}, {effect:?}, ends by {end:?} at {at}");
    }

    fn fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Judged { event, judgement } => {
                let event = self.events.get_mut(event).expect("an event");
                event.until = match judgement.verdict {
                    Verdict::Deferred { until, .. } => Some(until),
                    _ => None,
                };
                event.booking = super::cooldowns::booked(judgement).cloned();
            }
            Fact::Released { booking } => {
                let holder = self.events.values_mut().find(|event| event.booking.as_ref() == Some(booking));
                holder.expect("a holder").booking = None;
            }
            Fact::Moved { event, to, .. } => self.events.get_mut(event).expect("an event").go(*to),
            Fact::Started { definition, version } => self.run = Some(Run::new(definition, *version)),
            Fact::Noted { data } => self.run.as_mut().expect("a run").notes.push(data.to().expect("a text")),
            Fact::Owes { key, effect } => {
                self.run.as_mut().expect("a run").attempts.insert(key.step.clone(), key.attempt);
                assert_eq!(self.owed.insert(key.clone(), effect.clone()), None, "{key} is owed twice");
            }
            Fact::Ended { key, .. } => {
                let timer = matches!(self.owed.remove(key), Some(Effect::Timer { .. }));
                assert!(timer || self.ended.insert(key.clone()), "{key} ends twice");
            }
            Fact::Finished { end } => {
                let failed = matches!(end, regie_core::workflow::RunEnd::Failed { .. });
                self.run.as_mut().expect("a run").failed = Some(failed);
                self.owed.clear();
            }
            _ => {}
        }
    }

    /// Counts what a record tells that it has followed.
    pub(super) fn count(&self, record: &Record, tally: &mut Tally) {
        let returns = record.facts.iter().any(|fact| matches!(fact, Fact::Moved { to: LifeState::Pending, .. }));
        let run = self.run.as_ref();
        for fact in &record.facts {
            tally.count(match fact {
                Fact::Parked { attempts: 1, .. } => "handler: error",
                Fact::Parked { .. } => "parked after its attempts",
                Fact::Moved { to: LifeState::Deferred, .. } if returns => "policy: deferred again",
                Fact::Moved { to: LifeState::Deferred, .. } => "policy: deferred",
                Fact::Moved { reason, .. } if reason == "banned" => "policy: vetoed",
                Fact::Moved { to: LifeState::Discarded, .. } => match run.is_some_and(|run| run.failed == Some(true)) {
                    true => "skipped: the run has failed",
                    false => "policy: discarded",
                },
                Fact::Moved { reason, .. } if reason == "recorded" && run.is_some() => "recorded: the run is over",
                _ => continue,
            });
        }
    }

    /// When it must be woken: at once for what is owed now.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let effects = self.owed.values().map(|effect| match effect {
            Effect::Timer { due } => *due,
            _ => Timestamp::MIN,
        });
        let deferred = self.events.values().filter(|event| event.state == LifeState::Deferred);
        effects.chain(deferred.filter_map(|event| event.until)).min()
    }

    /// The handler's own state holds what was noted.
    pub(super) fn assert_notes(&self, state: &State, definitions: &Definitions) {
        let Some(run) = &self.run else { return assert!(state.run().is_none()) };
        let found = state.run().expect("a run");
        assert_eq!((found.definition.as_str(), found.version), (run.name.as_str(), run.version));
        // A snapshot holds the handler's state as JSON text.
        let saved = state.save(definitions).expect("its definition is there");
        let notes = serde_json::to_string(&run.notes).expect("JSON");
        let holds = saved.windows(notes.len()).any(|window| window == notes.as_bytes());
        assert!(holds, "the notes of {} are not {notes}", run.name);
    }
}

impl Event {
    /// The moves that there are.
    fn go(&mut self, to: LifeState) {
        use LifeState::{Deferred, Discarded, Escalated, Pending, Processed};
        let legal = match self.state {
            Pending => matches!(to, Processed | Deferred | Escalated | Discarded),
            Deferred => to == Pending,
            Escalated | Processed | Discarded => false,
        };
        assert!(legal, "an event goes from {} to {to}", self.state);
        self.state = to;
    }
}

fn first_of(sequence: u64, facts: &[Fact]) -> First {
    let moved = facts.iter().filter_map(|fact| match fact {
        Fact::Moved { event, to, .. } if *event == sequence => Some(*to),
        _ => None,
    });
    let moves: Vec<LifeState> = std::iter::once(LifeState::Pending).chain(moved).collect();
    let until = facts.iter().find_map(|fact| match fact {
        Fact::Judged { judgement, .. } => match judgement.verdict {
            Verdict::Deferred { until, .. } => Some(until),
            _ => None,
        },
        _ => None,
    });
    First { state: *moves.last().expect("at least one"), until, moves }
}

/// What is parked was refused by its handler, or has killed its workflow so often.
fn assert_attempts(facts: &[Fact], deaths: u32) {
    for fact in facts {
        if let Fact::Parked { attempts, .. } = fact {
            let tried = (limits::POISON_ATTEMPTS..=deaths).contains(attempts);
            assert!(*attempts == 1 || tried, "parked after {attempts} attempts, of {deaths} deaths");
        }
    }
}
