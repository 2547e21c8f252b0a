//! Events that wait for their run: kept without a time, recalled by type, given in order, and never left behind.

use regie_core::event::LifeState::{self, Deferred, Discarded, Escalated, Pending, Processed};
use regie_core::event::Principal;
use regie_core::governance::{Judgement, Verdict};
use regie_core::workflow::{
    Command, Fact, Operation, Record, Refusal, State, evolve, first_answer, is_governed, next_due, pending,
};
use regie_core::{Digest, Timestamp, limits};

use super::helpers::{Desk, at, event, submit};
use super::toy::{Do, asks, toys};

fn toy(kind: &str, id: &str, wanted: &[Do]) -> Command {
    submit(event(kind, id).payload(asks(wanted)))
}

/// The moves of a record.
fn moves(record: &Record) -> Vec<(u64, LifeState)> {
    let moved = record.facts.iter().filter_map(|fact| match fact {
        Fact::Moved { event, to, .. } => Some((*event, *to)),
        _ => None,
    });
    moved.collect()
}

fn take(desk: &mut Desk, command: &Command) -> Vec<(u64, LifeState)> {
    moves(&desk.take(command).expect("taken").record)
}

/// What is owed now, carried out as a workflow does, until nothing is; the events that were given, in order.
fn come_back(desk: &mut Desk) -> Vec<u64> {
    let mut given = Vec::new();
    while next_due(&desk.state) == Some(Timestamp::MIN) {
        assert!(given.len() < 100, "they come back for ever: {given:?}");
        for command in pending(&desk.state).iter().filter_map(|owed| owed.command()) {
            match desk.take(&command) {
                Ok(_) => given.extend(command.about()),
                Err(refusal) => assert!(matches!(refusal, Refusal::Over { .. }), "{refusal}"),
            }
        }
    }
    given
}

/// Sequence 1 is of type `toy.a` and kept, 2 of `toy.b`, 3 of `toy.a` again.
fn three_wait() -> Desk {
    let mut desk = Desk::new(toys());
    for (kind, id) in [("toy.a", "1"), ("toy.b", "2"), ("toy.a", "3")] {
        take(&mut desk, &toy(kind, id, &[Do::Keep, Do::Note(id.into())]));
    }
    desk
}

#[test]
fn a_kept_event_is_deferred_without_a_time_and_not_counted_as_a_deferral() {
    let desk = three_wait();
    let open = &desk.state.open()[&1];
    assert_eq!((open.state, open.until, open.deferrals), (Deferred, None, 0));
    assert_eq!(next_due(&desk.state), None);
    let record = Record::decode(&desk.records[0]).expect("a record");
    let incoming = event("toy.a", "1").build().expect("an event");
    let answer = first_answer(incoming.event(), &record, 1);
    let told = answer.state_transitions.last().map(|last| last.reason.as_str());
    assert_eq!(
        (answer.event_state, told, answer.deferred_until),
        (Some(Deferred), Some("awaiting transition: no place"), None)
    );
}

#[test]
fn those_of_a_type_that_is_recalled_are_given_oldest_first_and_once() {
    let mut desk = three_wait();
    take(&mut desk, &toy("toy.c", "4", &[Do::Recall("toy.a".into())]));
    assert_eq!(come_back(&mut desk), [1, 3]);
    assert_eq!(desk.state.open().len(), 3, "they are kept again");
}

#[test]
fn a_return_before_its_turn_is_nothing_yet_and_one_that_was_not_recalled_neither() {
    let mut desk = three_wait();
    take(&mut desk, &toy("toy.c", "4", &[Do::Recall("toy.a".into())]));
    for event in [3, 2] {
        assert!(matches!(desk.take(&Command::Return { event }), Err(Refusal::Over { .. })), "{event}");
    }
    assert!(desk.take(&Command::Return { event: 1 }).is_ok());
    assert!(desk.take(&Command::Return { event: 3 }).is_ok());
}

#[test]
fn what_comes_meanwhile_is_given_after_those_that_waited() {
    let mut desk = three_wait();
    take(&mut desk, &toy("toy.c", "4", &[Do::Recall("toy.b".into())]));
    assert_eq!(take(&mut desk, &toy("toy.d", "5", &[Do::Note("five".into())])), [(5, Deferred)]);
    assert_eq!(come_back(&mut desk), [2, 5]);
    assert_eq!(desk.state.known().by_sequence(5).map(|known| known.state), Some(Processed));
}

#[test]
fn what_the_definition_has_not_seen_is_given_whatever_is_recalled_meanwhile() {
    let mut desk = three_wait();
    take(&mut desk, &toy("toy.c", "4", &[Do::Recall("toy.b".into())]));
    take(&mut desk, &toy("toy.d", "5", &[Do::Recall("toy.none".into())]));
    take(&mut desk, &toy("toy.e", "6", &[]));
    assert_eq!(come_back(&mut desk), [2, 5, 6]);
}

#[test]
fn another_recall_means_its_own_types_alone() {
    let mut desk = three_wait();
    take(&mut desk, &toy("toy.c", "4", &[Do::Recall("toy.a".into())]));
    let end = Command::Return { event: 1 };
    take(&mut desk, &end);
    take(&mut desk, &toy("toy.c", "5", &[Do::Note("queued".into())]));
    assert_eq!(come_back(&mut desk), [3, 6], "the sixth record is of the fifth event");
    take(&mut desk, &toy("toy.c", "6", &[Do::Recall("toy.b".into())]));
    assert_eq!(come_back(&mut desk), [2]);
}

#[test]
fn a_paused_run_takes_what_comes_in_and_what_comes_back() {
    let mut desk = three_wait();
    take(&mut desk, &toy("toy.c", "4", &[Do::Recall("toy.b".into())]));
    let (by, why) = (Principal::user("ana"), "to look".into());
    desk.take(&Command::Operate { operation: Operation::Pause, id: "p".into(), by, why }).expect("paused");
    assert_eq!(come_back(&mut desk), [2]);
}

#[test]
fn an_event_that_is_kept_does_not_recall_itself() {
    let mut desk = three_wait();
    take(&mut desk, &toy("toy.a", "4", &[Do::Keep, Do::Recall("toy.>".into())]));
    assert_eq!((next_due(&desk.state), desk.state.open().len()), (None, 4));
}

#[test]
fn the_end_of_the_run_lets_all_come_back_to_be_recorded_or_skipped() {
    for (end, state) in [(Do::Complete, Processed), (Do::Fail, Discarded)] {
        let mut desk = three_wait();
        take(&mut desk, &toy("toy.c", "4", &[end]));
        assert_eq!(come_back(&mut desk), [1, 2, 3]);
        let states = [1, 2, 3].map(|event| desk.state.known().by_sequence(event).map(|known| known.state));
        assert_eq!((states, desk.state.open().len()), ([Some(state); 3], 0));
    }
}

#[test]
fn no_policy_judges_again_what_has_gone_on_already() {
    let mut desk = three_wait();
    take(&mut desk, &toy("toy.c", "4", &[Do::Recall("toy.a".into())]));
    assert!(!is_governed(&desk.state, &Command::Return { event: 1 }));
}

#[test]
fn one_that_a_policy_had_put_off_waits_without_a_time_too() {
    let mut desk = Desk::new(toys());
    take(&mut desk, &toy("toy.c", "1", &[]));
    let verdict = Verdict::Deferred { until: at(5), reason: "later".into() };
    let later = Judgement { verdict, ..Judgement::free(at(0), None) };
    desk.take_judged(&toy("toy.a", "2", &[Do::Keep]), Some(later)).expect("taken");
    desk.now = at(5);
    assert_eq!(take(&mut desk, &Command::Return { event: 2 }), [(2, Pending), (2, Deferred)]);
    assert_eq!((next_due(&desk.state), desk.state.open()[&2].until), (None, None));
}

#[test]
fn a_person_may_approve_what_the_definition_then_keeps_or_refuses() {
    for (wanted, state) in [(Do::Keep, Deferred), (Do::Discard, Discarded)] {
        let mut desk = Desk::new(toys());
        let escalated =
            Judgement { verdict: Verdict::Escalated { reason: "who knows".into() }, ..Judgement::free(at(0), None) };
        let turn = desk.take_judged(&toy("toy.a", "1", &[wanted]), Some(escalated)).expect("taken");
        assert_eq!(moves(&turn.record), [(1, Escalated)]);
        let (by, why) = (Principal::user("ana"), "it is known".to_string());
        let turn = desk.take(&Command::Resolve { event: 1, approved: true, by, why }).expect("taken");
        let is_told =
            |fact: &Fact| matches!(fact, Fact::Moved { reason, by: Some(_), .. } if reason.ends_with("; it is known"));
        assert!(
            moves(&turn.record) == [(1, state)] && turn.record.facts.iter().any(is_told),
            "{:?}",
            turn.record.facts
        );
    }
}

#[test]
fn what_is_refused_begins_no_run_and_nothing_else_of_it_stands() {
    let mut desk = Desk::new(toys());
    let turn = desk.take(&toy("toy.a", "1", &[Do::Call("x".into()), Do::Discard])).expect("taken");
    assert!(desk.state.run().is_none() && desk.state.owed().is_empty());
    assert!(matches!(turn.record.facts.last(), Some(Fact::Moved { to: Discarded, reason, .. }) if reason == "not now"));
}

#[test]
fn a_snapshot_and_a_replay_know_who_waits_and_who_was_recalled() {
    let mut desk = three_wait();
    take(&mut desk, &toy("toy.c", "4", &[Do::Recall("toy.a".into())]));
    let saved = desk.state.save(&desk.definitions).expect("the toy is here");
    let restored = State::restore(&saved, 4, Digest::default(), &desk.definitions).expect("a snapshot");
    let mut replayed = State::default();
    for bytes in &desk.records {
        evolve(&mut replayed, &Record::decode(bytes).expect("a record"), &desk.definitions).expect("legal");
    }
    for state in [&restored, &replayed] {
        assert_eq!((state.open(), pending(state)), (desk.state.open(), pending(&desk.state)));
        assert_eq!(next_due(state), Some(Timestamp::MIN));
    }
}

#[test]
fn one_that_recalls_is_taken_however_many_wait_and_only_further_ones_to_keep_are_refused() {
    let mut desk = Desk::new(toys());
    for id in 0..limits::OPEN_EVENTS {
        take(&mut desk, &toy("toy.a", &id.to_string(), &[Do::Keep]));
    }
    let full = desk.take(&toy("toy.a", "one more", &[Do::Keep])).map(drop);
    assert!(matches!(full, Err(Refusal::TooManyOpen { .. })), "{full:?}");
    assert_eq!(desk.records.len(), limits::OPEN_EVENTS);
    take(&mut desk, &toy("toy.c", "recalls", &[Do::Recall("toy.a".into())]));
    assert_eq!(next_due(&desk.state), Some(Timestamp::MIN));
    take(&mut desk, &Command::Return { event: 1 });
}
