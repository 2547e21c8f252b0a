//! Places that a correlation's events hold, and bookings that several of them share.

use regie_core::event::LifeState;
use regie_core::governance::{Booking, Grant, Judgement, PolicyDecision, PolicyOutcome, Verdict};
use regie_core::workflow::{Command, Definitions, Fact, HeldPlace, Record, State, evolve, pending};

use super::helpers::{Desk, at, event, submit};
use super::toy::{asks, toys};

fn judgement(verdict: Verdict, grant: Grant) -> Option<Judgement> {
    let decision = PolicyDecision {
        policy: "p".into(),
        version: "1".into(),
        outcome: PolicyOutcome::Passed,
        reason: "why".into(),
        observed: Default::default(),
        at: at(0),
        remaining_ms: None,
        grant: Some(grant),
    };
    Some(Judgement { verdict, decisions: vec![decision], set: None, at: at(0) })
}

fn booking() -> Booking {
    Booking { policy: "p".into(), key: "k".into(), slot: at(5) }
}

#[test]
fn an_event_holds_its_place_until_it_is_freed_and_a_snapshot_knows() {
    let mut desk = Desk::new(toys());
    let held = judgement(Verdict::Accepted, Grant::Held { key: "k".into() });
    desk.take_judged(&submit(event("toy.go", "1").payload(asks(&[]))), held).expect("a turn");
    let place = HeldPlace { event: 1, policy: "p".into(), key: "k".into() };
    let state = &desk.state;
    let bytes = state.save(&desk.definitions).expect("a snapshot");
    let mut restored = State::restore(&bytes, state.sequence, state.digest, &desk.definitions).expect("a state");
    assert_eq!((desk.state.places(), restored.places()), (&[place.clone()][..], &[place][..]));
    let freed = Fact::Freed { policy: "p".into(), key: "k".into(), event: 1 };
    let record = Record { sequence: 2, at: at(0), facts: vec![freed] };
    assert_eq!(evolve(&mut restored, &record, &desk.definitions), Ok(()));
    assert_eq!(restored.places(), []);
    let again = Record { sequence: 3, ..record };
    let error = evolve(&mut restored, &again, &desk.definitions).expect_err("freed twice");
    assert!(error.why.contains("event 1 holds no such place"), "{error}");
}

#[test]
fn of_two_who_share_a_booking_each_gives_up_its_own() {
    let mut desk = Desk::new(Definitions::default());
    for id in ["1", "2"] {
        let later = Verdict::Deferred { until: at(5), reason: "later".into() };
        desk.take_judged(&submit(event("a.b", id)), judgement(later, Grant::Booked(booking()))).expect("a turn");
    }
    desk.now = at(5);
    let later = Verdict::Deferred { until: at(9), reason: "later".into() };
    let next = Booking { slot: at(9), ..booking() };
    desk.take_judged(&Command::Return { event: 2 }, judgement(later, Grant::Booked(next.clone()))).expect("a turn");
    let booked = |event: u64| desk.state.open()[&event].booking.clone();
    assert_eq!((booked(1), booked(2)), (Some(booking()), Some(next)));
}

#[test]
fn who_waits_without_a_time_is_deferred_owes_no_timer_and_may_come_back_at_any_time() {
    let mut desk = Desk::new(Definitions::default());
    let waits = Verdict::Waiting { reason: "full".into() };
    desk.take_judged(&submit(event("a.b", "1")), judgement(waits, Grant::Booked(booking()))).expect("a turn");
    assert_eq!(desk.state.open()[&1].state, LifeState::Deferred);
    assert_eq!(pending(&desk.state), []);
    let held = judgement(Verdict::Accepted, Grant::Held { key: "k".into() });
    let turn = desk.take_judged(&Command::Return { event: 1 }, held).expect("a turn");
    // It begins no run: its place is its own turn's.
    assert_eq!((desk.state.open().len(), desk.state.places().len()), (0, 0));
    assert!(matches!(turn.record.facts.last(), Some(Fact::Freed { event: 1, .. })));
}
