//! Escalated events: resolved by a person, or by the policy once the time is up.

use regie_core::event::{LifeState, Principal};
use regie_core::governance::{Judgement, Lapse, Verdict};
use regie_core::workflow::{Command, Definitions, Fact, Owed, Refusal, moves_in, next_due, pending, whole_life};

use crate::helpers::{Desk, at, event, submit};
use crate::toy::{Do, asks, toys};

/// An event of the toy, escalated at sequence 1; lapses at 5,000 if that is said.
fn escalated(then: Option<Lapse>, does: &[Do]) -> Desk {
    let mut desk = Desk::new(toys());
    let reason = "over 10,000".to_string();
    let verdict = match then {
        None => Verdict::Escalated { reason },
        Some(then) => Verdict::EscalatedUntil { reason, until: at(5_000), then },
    };
    let judgement = Judgement { verdict, ..Judgement::free(at(0), None) };
    desk.take_judged(&submit(event("toy.go", "e").payload(asks(does))), Some(judgement)).expect("a good event");
    desk
}

fn resolve(approved: bool) -> Command {
    Command::Resolve { event: 1, approved, by: Principal::user("ana"), why: "known".into() }
}

#[test]
fn an_approved_event_goes_to_its_handler_and_tells_who_and_why() {
    let mut desk = escalated(None, &[Do::Note("went on".into())]);
    let turn = desk.take(&resolve(true)).expect("it waits");
    let moves = moves_in(&turn.record, 1);
    let [only] = &moves[..] else { panic!("{moves:?}") };
    assert_eq!((only.from, only.to, only.reason.as_str()), (Some(LifeState::Escalated), LifeState::Processed, "known"));
    assert_eq!(only.by, Some(Principal::user("ana")));
    assert!(turn.record.facts.iter().any(|fact| matches!(fact, Fact::Noted { .. })));
}

#[test]
fn a_rejected_event_is_discarded_and_its_handler_never_sees_it() {
    let mut desk = escalated(None, &[Do::Note("went on".into())]);
    let turn = desk.take(&resolve(false)).expect("it waits");
    assert!(matches!(&turn.record.facts[..], [Fact::Moved { to: LifeState::Discarded, by: Some(_), .. }]));
    assert!(desk.state.run().is_none() && desk.state.has_ended());
}

#[test]
fn nobody_decides_twice_nor_of_what_does_not_wait() {
    let mut desk = escalated(None, &[]);
    desk.take(&resolve(false)).expect("it waits");
    let again = desk.take(&resolve(true)).expect_err("it is over");
    assert_eq!(again, Refusal::NotEscalated { event: 1, state: Some(LifeState::Discarded) });
    let unknown = Command::Resolve { event: 9, approved: true, by: Principal::user("ana"), why: "known".into() };
    assert_eq!(desk.take(&unknown).expect_err("unknown"), Refusal::NotEscalated { event: 9, state: None });
}

#[test]
fn a_decision_without_who_or_why_is_refused() {
    let mut desk = escalated(None, &[]);
    let refused = |id: &str, why: &str, desk: &mut Desk| {
        let command = Command::Resolve { event: 1, approved: true, by: Principal::user(id), why: why.into() };
        desk.take(&command).expect_err("unsigned")
    };
    for (by, why, said) in [
        ("", "known".into(), "\"by\": it has 0 bytes; 1 to 255 are taken"),
        (" ", "known".into(), "\"by\": it is blank"),
        ("ana", "  ".into(), "\"why\": it is blank"),
        ("ana", "x\ny".into(), "\"why\": it holds a control character"),
        ("ana", "x".repeat(2_001), "\"why\": it has 2001 bytes; at most 2000 are taken"),
    ] {
        assert_eq!(refused(by, &why, &mut desk).to_string(), format!("who does this is kept, and why: {said}"));
    }
}

#[test]
fn what_nobody_resolves_lapses_at_its_time_as_the_policy_says() {
    for (then, to) in [(Lapse::Approve, LifeState::Processed), (Lapse::Reject, LifeState::Discarded)] {
        let mut desk = escalated(Some(then), &[]);
        assert_eq!(pending(&desk.state), [Owed::Lapse { event: 1, due: at(5_000) }]);
        desk.now = at(4_999);
        assert!(matches!(desk.take(&Command::Lapse { event: 1 }), Err(Refusal::Over { .. })));
        desk.now = at(5_000);
        let turn = desk.take(&Command::Lapse { event: 1 }).expect("its time is up");
        assert_eq!(moves_in(&turn.record, 1).last().map(|last| (last.to, last.by.clone())), Some((to, None)));
    }
}

#[test]
fn what_waits_without_a_time_owes_nothing_and_is_never_woken() {
    let desk = escalated(None, &[]);
    assert_eq!((next_due(&desk.state), desk.state.has_ended()), (None, false));
}

#[test]
fn a_resolved_one_lapses_no_more() {
    let mut desk = escalated(Some(Lapse::Reject), &[]);
    desk.take(&resolve(true)).expect("it waits");
    desk.now = at(5_000);
    assert!(pending(&desk.state).is_empty());
    assert!(matches!(desk.take(&Command::Lapse { event: 1 }), Err(Refusal::Over { .. })));
}

#[test]
fn an_approved_event_that_its_handler_cannot_take_stays_escalated() {
    let mut desk = escalated(None, &[Do::Refuse]);
    let turn = desk.take(&resolve(true)).expect("it waits");
    let parked = turn.record.facts.iter().find_map(|fact| match fact {
        Fact::Parked { input, .. } => Some(input.as_str()),
        _ => None,
    });
    let tells = |input: &str| input.contains("(approved by user:ana: known)");
    assert!(parked.is_some_and(tells), "who let it go on: {parked:?}");
    assert_eq!(desk.state.open()[&1].state, LifeState::Escalated);
    desk.take(&resolve(false)).expect("it waits still");
}

#[test]
fn one_that_lapses_and_that_its_handler_cannot_take_then_waits_for_a_person_without_end() {
    let mut desk = escalated(Some(Lapse::Approve), &[Do::Refuse]);
    desk.now = at(5_000);
    desk.take(&Command::Lapse { event: 1 }).expect("its time is up");
    assert_eq!((pending(&desk.state), desk.state.open()[&1].state), (vec![], LifeState::Escalated));
    desk.take(&resolve(false)).expect("it waits still");
}

#[test]
fn an_approved_event_of_a_workflow_that_failed_meanwhile_is_skipped() {
    let mut desk = escalated(None, &[]);
    desk.take(&submit(event("toy.go", "f").payload(asks(&[Do::Fail])))).expect("a good event");
    let turn = desk.take(&resolve(true)).expect("it waits");
    assert_eq!(moves_in(&turn.record, 1)[0].to, LifeState::Discarded);
}

#[test]
fn it_waits_over_a_snapshot_and_a_replay_too() {
    let desk = escalated(Some(Lapse::Approve), &[]);
    let saved = desk.state.save(&desk.definitions).expect("it can be told");
    let restored = regie_core::workflow::State::restore(&saved, 1, desk.state.digest, &Definitions::default());
    assert_eq!(restored.map(|state| pending(&state)), Some(pending(&desk.state)));
}

#[test]
fn the_answer_with_its_whole_life_tells_an_error_until_the_event_has_got_over_it() {
    let mut desk = Desk::new(toys());
    let refused = event("toy.go", "e").payload(asks(&[Do::Refuse]));
    let incoming = refused.clone().build().expect("a good event");
    let received = desk.take(&submit(refused)).expect("it is parked").record;
    let mut later = Vec::new();
    for (approved, state, is_wrong) in [(true, LifeState::Escalated, true), (false, LifeState::Discarded, false)] {
        later.push(desk.take(&resolve(approved)).expect("it waits").record);
        let answer = whole_life(incoming.event(), &received, 1, &later);
        assert_eq!((answer.event_state, answer.error.is_some()), (Some(state), is_wrong));
    }
}
