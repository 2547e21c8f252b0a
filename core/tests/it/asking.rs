//! Events that reasoners are asked about: pending until they have answered, then judged with what they said.

use std::collections::BTreeMap;

use regie_core::event::LifeState;
use regie_core::governance::{Judgement, PolicyDecision, PolicyOutcome, Verdict};
use regie_core::reasoning::{Advice, Ask, Asked, Mode, Reasoning, Sifted, SignalDraft};
use regie_core::workflow::{
    Command, Fact, Owed, Refusal, State, first_answer, is_judged_in, judged_later, next_due, pending,
};
use regie_core::{Json, Timestamp};

use crate::helpers::{Desk, at, event, submit};
use crate::toy::{Do, asks, toys};

fn ask() -> Ask {
    Ask { policy: "p".into(), reasoner: "fraud".into(), mode: Mode::RISK_FLAGGING, limit_ms: None }
}

fn judged(verdict: Verdict, now: Timestamp) -> Option<Judgement> {
    Some(Judgement { verdict, ..Judgement::free(now, None) })
}

/// An event of the toy that reasoners are asked about, at sequence 1.
fn asked(does: &[Do]) -> Desk {
    let mut desk = Desk::new(toys());
    let verdict = Verdict::Asking { asks: vec![ask()] };
    desk.take_judged(&submit(event("toy.go", "e").payload(asks(does))), judged(verdict, at(0))).expect("a good event");
    desk
}

fn reasoned() -> Command {
    let draft = SignalDraft { kind: "risk".into(), confidence: 0.9, rationale: "r".into(), payload: Json::null() };
    let asked = Asked { reasoner: "fraud".into(), mode: Mode::RISK_FLAGGING };
    let pass = |passed| Sifted { passed, filtered: Vec::new() };
    let reasoning = Reasoning::new("p", Advice::of(asked, Ok(vec![draft]), 120), pass);
    Command::Reasoned { event: 1, reasonings: vec![reasoning] }
}

#[test]
fn it_is_recorded_pending_and_the_question_is_owed_at_once() {
    let desk = asked(&[]);
    assert_eq!(desk.state.open()[&1].state, LifeState::Pending);
    assert_eq!(pending(&desk.state), [Owed::Reason { event: 1, asks: vec![ask()] }]);
    assert_eq!((next_due(&desk.state), desk.state.has_ended()), (Some(Timestamp::MIN), false));
    assert!(desk.state.run().is_none(), "the handler waits");
}

#[test]
fn the_answer_brings_the_judgement_and_only_then_the_handler() {
    let mut desk = asked(&[Do::Note("went on".into())]);
    let turn = desk.take_judged(&reasoned(), judged(Verdict::Accepted, at(0))).expect("it is asked");
    assert!(matches!(&turn.record.facts[0], Fact::Reasoned { reasonings, .. } if reasonings[0].signals.len() == 1));
    assert!(turn.record.facts.iter().any(|fact| matches!(fact, Fact::Noted { .. })));
    assert!(desk.state.open().is_empty() && pending(&desk.state).is_empty());
}

#[test]
fn a_policy_may_stop_it_then() {
    let mut desk = asked(&[Do::Note("went on".into())]);
    let verdict = Verdict::Discarded { reason: "too risky".into() };
    desk.take_judged(&reasoned(), judged(verdict, at(0))).expect("it is asked");
    assert!(desk.state.open().is_empty() && desk.state.run().is_none());
}

#[test]
fn an_answer_that_comes_twice_or_to_no_question_is_over() {
    let mut desk = asked(&[]);
    desk.take(&reasoned()).expect("it is asked");
    assert!(matches!(desk.take(&reasoned()), Err(Refusal::Over { .. })));
    let mut plain = Desk::new(toys());
    plain.take(&submit(event("plain", "e"))).expect("a good event");
    assert!(matches!(plain.take(&reasoned()), Err(Refusal::Over { .. })));
}

#[test]
fn what_was_said_is_kept_while_it_is_deferred() {
    let mut desk = asked(&[]);
    let verdict = Verdict::Deferred { until: at(1_000), reason: "later".into() };
    desk.take_judged(&reasoned(), judged(verdict, at(0))).expect("it is asked");
    assert_eq!(desk.state.open()[&1].reasonings.len(), 1);
    desk.now = at(1_000);
    desk.take(&Command::Return { event: 1 }).expect("its time has come");
    assert!(desk.state.open().is_empty());
}

#[test]
fn a_return_may_be_asked_about_again_and_the_later_answer_counts() {
    let mut desk = asked(&[]);
    let verdict = Verdict::Deferred { until: at(1_000), reason: "nobody answered".into() };
    desk.take_judged(&reasoned(), judged(verdict, at(0))).expect("it is asked");
    desk.now = at(1_000);
    let again = judged(Verdict::Asking { asks: vec![ask()] }, at(1_000));
    desk.take_judged(&Command::Return { event: 1 }, again).expect("its time has come");
    assert_eq!(pending(&desk.state), [Owed::Reason { event: 1, asks: vec![ask()] }]);
    let verdict = Verdict::Deferred { until: at(2_000), reason: "later".into() };
    desk.take_judged(&reasoned(), judged(verdict, at(1_000))).expect("it is asked");
    assert_eq!((desk.state.open()[&1].reasonings.len(), desk.state.open()[&1].deferrals), (1, 2));
}

#[test]
fn an_event_of_a_workflow_that_failed_meanwhile_is_skipped() {
    let mut desk = asked(&[]);
    desk.take(&submit(event("toy.go", "f").payload(asks(&[Do::Fail])))).expect("a good event");
    let turn = desk.take(&reasoned()).expect("it is asked");
    assert!(matches!(turn.record.facts.last(), Some(Fact::Moved { to: LifeState::Discarded, .. })));
}

#[test]
fn the_question_is_still_owed_from_a_snapshot() {
    let desk = asked(&[]);
    let saved = desk.state.save(&desk.definitions).expect("it can be told");
    let restored = State::restore(&saved, 1, desk.state.digest, &desk.definitions).expect("a snapshot");
    assert_eq!(pending(&restored), pending(&desk.state));
}

#[test]
fn its_answer_tells_both_records() {
    let mut desk = Desk::new(toys());
    let decision = PolicyDecision {
        policy: "veto".into(),
        version: "1".into(),
        outcome: PolicyOutcome::Passed,
        reason: "why".into(),
        observed: BTreeMap::new(),
        at: at(0),
        remaining_ms: None,
        grant: None,
    };
    let first =
        Judgement { decisions: vec![decision], ..judged(Verdict::Asking { asks: vec![ask()] }, at(0)).unwrap() };
    let built = event("toy.go", "e").payload(asks(&[])).build().expect("a good event");
    let command = Command::Submit { event: built.clone(), emitted: false };
    let received = desk.take_judged(&command, Some(first)).expect("a good event");
    desk.now = at(120);
    let later = desk.take(&reasoned()).expect("it is asked");
    let mut answer = first_answer(built.event(), &received.record, 7);
    assert_eq!(answer.event_state, Some(LifeState::Pending));
    assert!(is_judged_in(&later.record, 1));
    judged_later(&mut answer, &later.record, 1);
    assert_eq!((answer.event_state, answer.signals.len()), (Some(LifeState::Processed), 1));
    let moves: Vec<_> = answer.state_transitions.iter().map(|it| (it.from, it.to, it.at)).collect();
    let expected = [(None, LifeState::Pending, at(0)), (Some(LifeState::Pending), LifeState::Processed, at(120))];
    assert_eq!((moves, answer.reasoning_time_ms, answer.policy_decisions.len()), (expected.to_vec(), 120.0, 1));
}
