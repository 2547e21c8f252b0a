//! The loop over random commands: replay of the bytes is the live state, from any snapshot on; nothing owed is lost.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use regie_core::event::{Identity, LifeState, Principal};
use regie_core::governance::{Booking, Grant, Judgement, Lapse, PolicyDecision, PolicyOutcome, Verdict};
use regie_core::workflow::{
    AgentOutcome, Command, Definitions, EffectEnd, EffectKey, Fact, Operation, Owed, Record, Refusal, State, Turn,
    Unpark, evolve, next_due, pending,
};
use regie_core::{Digest, Json};

use super::helpers::{Desk, at, event, submit};
use super::toy::{Do, asks, toys};

#[derive(Clone, Debug)]
enum Op {
    Submit {
        id: u8,
        kind: &'static str,
        wanted: Vec<Do>,
        judged: u8,
    },
    /// What is due so many milliseconds on comes; a return is judged again.
    Due {
        after: i64,
        judged: u8,
    },
    /// An effect ends: one that is owed, or one that is not.
    End {
        nth: usize,
        failed: bool,
        made_up: bool,
        deadly: bool,
    },
    /// Somebody does something to the run; it may be that they ask again.
    Operate {
        operation: Operation,
        id: u8,
        by: &'static str,
    },
    /// A person decides of an event, whether it waits for that or not.
    Resolve {
        nth: usize,
        approved: bool,
    },
    Snapshot,
}

fn wanted() -> impl Strategy<Value = Do> {
    let step = proptest::sample::select(vec!["a", "b", "c"]).prop_map(String::from);
    prop_oneof![
        3 => "[a-z]{0,4}".prop_map(Do::Note),
        4 => step.clone().prop_map(Do::Call),
        3 => (step.clone(), 0_u64..3_000).prop_map(|(step, after)| Do::Timer(step, after)),
        2 => step.clone().prop_map(Do::Send),
        2 => step.prop_map(Do::CancelOther),
        3 => Just(Do::Keep),
        3 => proptest::sample::select(vec!["toy.a", "toy.>"]).prop_map(|kind| Do::Recall(kind.into())),
        1 => prop_oneof![Just(Do::PassOver), Just(Do::Discard)],
        1 => Just(Do::Refuse),
        1 => Just(Do::Panic),
        1 => Just(Do::Bomb),
        1 => prop_oneof![Just(Do::Complete), Just(Do::Fail)],
    ]
}

fn operate() -> impl Strategy<Value = Op> {
    use Operation::{Cancel, Pause, Resume, Retry, Terminate};
    let unpark = [Unpark::Retry, Unpark::Skip, Unpark::Abandon].map(Operation::Unpark);
    let operation =
        proptest::sample::select([&unpark[..], &[Pause, Resume, Pause, Resume, Cancel, Retry, Terminate]].concat());
    let by = proptest::sample::select(vec!["user", "user", "user", "workflow"]);
    (operation, 0_u8..60, by).prop_map(|(operation, id, by)| Op::Operate { operation, id, by })
}

fn op() -> impl Strategy<Value = Op> {
    let kind = proptest::sample::select(vec!["toy.a", "toy.b", "plain"]);
    let submit = (0_u8..40, kind, proptest::collection::vec(wanted(), 0..3), 0_u8..14);
    prop_oneof![
        6 => submit.prop_map(|(id, kind, wanted, judged)| Op::Submit { id, kind, wanted, judged }),
        2 => (0_i64..1_500, 0_u8..12).prop_map(|(after, judged)| Op::Due { after, judged }),
        4 => (0_usize..6, any::<bool>(), proptest::bool::weighted(0.1), proptest::bool::weighted(0.2))
            .prop_map(|(nth, failed, made_up, deadly)| Op::End { nth, failed, made_up, deadly }),
        3 => operate(),
        2 => (0_usize..12, any::<bool>()).prop_map(|(nth, approved)| Op::Resolve { nth, approved }),
        1 => Just(Op::Snapshot),
    ]
}

/// Most go on; some are deferred with a booking, deferred without, escalated, discarded.
fn judgement(judged: u8, desk: &Desk) -> Option<Judgement> {
    let slot = desk.now.after(std::time::Duration::from_millis(700));
    let booking = Booking { policy: "p".into(), key: "k".into(), slot };
    let (verdict, grant) = match judged {
        0 | 1 => (Verdict::Deferred { until: slot, reason: "later".into() }, Some(Grant::Booked(booking))),
        2 => (Verdict::Deferred { until: slot, reason: "later".into() }, None),
        3 => (Verdict::Escalated { reason: "who knows".into() }, None),
        4 => (Verdict::Discarded { reason: "no".into() }, None),
        5 => (Verdict::Accepted, Some(Grant::Taken { key: "k".into(), at: desk.now })),
        6 => (Verdict::EscalatedUntil { reason: "who knows".into(), until: slot, then: Lapse::Approve }, None),
        7 => (Verdict::EscalatedUntil { reason: "who knows".into(), until: slot, then: Lapse::Reject }, None),
        _ => return None,
    };
    let decision = PolicyDecision {
        policy: "p".into(),
        version: "1".into(),
        outcome: PolicyOutcome::Passed,
        reason: "why".into(),
        observed: BTreeMap::new(),
        at: desk.now,
        remaining_ms: None,
        grant,
    };
    Some(Judgement { verdict, decisions: vec![decision], set: None, at: desk.now })
}

struct Bench {
    desk: Desk,
    snapshots: Vec<(Vec<u8>, u64, Digest)>,
    /// What a model knows of each event: the sequence that received it, and where it is in its life.
    lives: BTreeMap<Identity, u64>,
    states: BTreeMap<u64, LifeState>,
    keys: BTreeSet<EffectKey>,
    /// Whether what comes now has killed the workflow too often.
    deadly: bool,
}

impl Bench {
    fn new() -> Self {
        let (lives, states) = (BTreeMap::new(), BTreeMap::new());
        Self { desk: Desk::new(toys()), snapshots: Vec::new(), lives, states, keys: BTreeSet::new(), deadly: false }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Submit { id, kind, wanted, judged } => {
                let command = submit(event(kind, &id.to_string()).payload(asks(&wanted)));
                self.take(&command, judged);
            }
            Op::Due { after, judged } => {
                self.desk.now = self.desk.now.after(std::time::Duration::from_millis(after as u64));
                let now = self.desk.now;
                let due = pending(&self.desk.state).into_iter().filter(|owed| owed.due() <= now);
                due.filter_map(|owed| owed.command()).for_each(|command| self.take(&command, judged));
            }
            Op::End { nth, failed, made_up, deadly } => {
                let owed: Vec<EffectKey> = self.desk.state.owed().keys().cloned().collect();
                let mut key = match owed.get(nth % owed.len().max(1)) {
                    Some(key) => key.clone(),
                    None => EffectKey { step: "a".into(), attempt: 1 },
                };
                key.attempt += u32::from(made_up);
                let done = AgentOutcome::Done(Json::of("done"));
                let outcome = if failed { AgentOutcome::Failed("no".into()) } else { done };
                self.deadly = deadly;
                self.take(&Command::EffectEnded { key, end: EffectEnd::Agent(outcome) }, 99);
                self.deadly = false;
            }
            Op::Operate { operation, id, by } => {
                let (by, why) = (Principal { kind: by.into(), id: "ana".into() }, "because".to_string());
                self.take(&Command::Operate { operation, id: format!("o{id}"), by, why }, 99);
            }
            Op::Resolve { nth, approved } => {
                let event = 1 + nth as u64 % self.desk.state.sequence.max(1);
                let (by, why) = (Principal::user("ana"), "known".to_string());
                self.take(&Command::Resolve { event, approved, by, why }, 99);
            }
            Op::Snapshot => {
                let bytes = self.desk.state.save(&self.desk.definitions).expect("the toy is here");
                self.snapshots.push((bytes, self.desk.state.sequence, self.desk.state.digest));
            }
        }
    }

    fn take(&mut self, command: &Command, judged: u8) {
        let owed = pending(&self.desk.state);
        let known = self.known_of(command);
        let count = self.desk.records.len();
        let judgement = judgement(judged, &self.desk);
        let taken = match self.deadly {
            true => self.desk.take_poisoned(command, "it dies"),
            false => self.desk.take_judged(command, judgement),
        };
        match taken {
            Ok(turn) => {
                assert_eq!(known, None, "a known one leaves no record");
                self.follow(command, &turn.record);
                self.assert_only_facts_end_what_is_owed(&owed, &turn);
            }
            Err(refusal) => {
                assert_eq!(self.desk.records.len(), count, "what is refused leaves no record");
                if refusal.spoils_the_state() {
                    self.desk.state = replayed(&self.desk.records, &self.desk.definitions);
                }
                assert_eq!(pending(&self.desk.state), owed);
                let told = if let Refusal::Known { sequence } = refusal { Some(sequence) } else { None };
                assert_eq!(told, known);
            }
        }
    }

    fn known_of(&self, command: &Command) -> Option<u64> {
        let Command::Submit { event, .. } = command else { return None };
        self.lives.get(&event.identity()).copied()
    }

    /// Moves are those of the table; keys are used once.
    fn follow(&mut self, command: &Command, record: &Record) {
        if let Command::Submit { event, .. } = command {
            self.lives.insert(event.identity(), record.sequence);
            self.states.insert(record.sequence, LifeState::Pending);
        }
        for fact in &record.facts {
            match fact {
                Fact::Moved { event, to, .. } => {
                    let state = self.states.get_mut(event).expect("a received event");
                    *state = state.go(*to).expect("a legal move");
                }
                Fact::Owes { key, .. } => assert!(self.keys.insert(key.clone()), "{key} is used twice"),
                _ => {}
            }
        }
    }

    fn assert_only_facts_end_what_is_owed(&self, before: &[Owed], turn: &Turn) {
        let after = pending(&self.desk.state);
        let facts = &turn.record.facts;
        let finished = facts.iter().any(|fact| matches!(fact, Fact::Finished { .. }));
        let is_paused = self.desk.state.run().is_some_and(|run| run.paused);
        for gone in before.iter().filter(|owed| !after.contains(owed)) {
            let ended = match gone {
                Owed::Effect { key, .. } | Owed::Timer { key, .. } => {
                    let given_up = finished && !key.step.starts_with("~end/");
                    let kept_in = is_paused && self.desk.state.owed().contains_key(key);
                    let ends = |fact: &Fact| matches!(fact, Fact::Ended { key: ended, .. } if ended == key);
                    given_up || kept_in || facts.iter().any(ends)
                }
                Owed::Reason { event, .. } => {
                    facts.iter().any(|fact| matches!(fact, Fact::Reasoned { event: other, .. } if other == event))
                }
                Owed::Return { event, .. } | Owed::Lapse { event, .. } => facts.iter().any(|fact| match fact {
                    Fact::Moved { event: other, .. } | Fact::Kept { event: other } => other == event,
                    Fact::Recalled { .. } => true, // others are meant now
                    _ => false,
                }),
            };
            assert!(ended, "{gone:?} is gone without a fact");
        }
        assert_eq!(next_due(&self.desk.state), after.first().map(Owed::due));
    }
}

/// What the bytes tell, from the beginning.
fn replayed(records: &[Vec<u8>], definitions: &Definitions) -> State {
    let mut state = State::default();
    tail(&mut state, records, definitions);
    state
}

fn tail(state: &mut State, records: &[Vec<u8>], definitions: &Definitions) {
    for bytes in &records[state.sequence as usize..] {
        let record = Record::decode(bytes).expect("a record");
        evolve(state, &record, definitions).expect("a legal record");
        state.digest = state.digest.chain(bytes);
        state.placed(record.sequence, record.sequence);
    }
}

fn assert_same(found: &State, live: &State, definitions: &Definitions) {
    assert_eq!((found.sequence, found.digest, found.last_at), (live.sequence, live.digest, live.last_at));
    assert_eq!(found.open(), live.open());
    assert_eq!(found.owed(), live.owed());
    assert_eq!(found.known(), live.known());
    assert_eq!(found.run().map(|run| run.status.clone()), live.run().map(|run| run.status.clone()));
    assert_eq!(found.save(definitions), live.save(definitions));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn replay_is_the_live_state_from_the_beginning_and_from_any_snapshot(ops in proptest::collection::vec(op(), 1..80)) {
        let _quiet = super::handlers::Quiet::new();
        let mut bench = Bench::new();
        ops.into_iter().for_each(|op| bench.run(op));
        let Bench { desk, snapshots, states, .. } = bench;
        assert_same(&replayed(&desk.records, &desk.definitions), &desk.state, &desk.definitions);
        for (bytes, sequence, digest) in snapshots {
            let mut state = State::restore(&bytes, sequence, digest, &desk.definitions).expect("a snapshot");
            tail(&mut state, &desk.records, &desk.definitions);
            assert_same(&state, &desk.state, &desk.definitions);
        }
        let open = states.iter().filter(|(_, state)| !state.is_end()).map(|(sequence, _)| *sequence);
        prop_assert!(open.eq(desk.state.open().keys().copied()));
    }

    #[test]
    fn facts_tell_events_effects_and_ends_without_the_handler(ops in proptest::collection::vec(op(), 1..60)) {
        let _quiet = super::handlers::Quiet::new();
        let mut bench = Bench::new();
        ops.into_iter().for_each(|op| bench.run(op));
        let blind = replayed(&bench.desk.records, &Definitions::default());
        prop_assert_eq!(blind.open(), bench.desk.state.open());
        prop_assert_eq!(blind.owed(), bench.desk.state.owed());
        prop_assert_eq!(pending(&blind), pending(&bench.desk.state));
        prop_assert_eq!(blind.has_ended(), bench.desk.state.has_ended());
    }
}

#[test]
fn many_known_events_have_one_form_in_a_snapshot() {
    let mut desk = Desk::new(toys());
    (0..200).for_each(|id| drop(desk.take(&submit(event("plain", &id.to_string()))).expect("taken")));
    let again = replayed(&desk.records, &desk.definitions);
    assert_eq!(again.save(&desk.definitions), desk.state.save(&desk.definitions));
    assert_eq!(desk.now, at(0));
}
