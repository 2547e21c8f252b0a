//! Each kind of fact out of its place is named: record, fact and reason.

use regie_core::event::{Format, LifeState, Principal};
use regie_core::governance::{Booking, Grant, Judgement, PolicyDecision, PolicyOutcome};
use regie_core::workflow::{AgentOutcome, Effect, EffectEnd, EffectKey, Fact, Record, RunEnd, State, evolve};
use regie_core::{Json, Timestamp};

use super::handlers::Quiet;
use super::helpers::{at, correlation, event, json};
use super::toy::toys;

fn opened() -> Fact {
    Fact::Opened { correlation: correlation() }
}

fn received(id: &str) -> Fact {
    let event = event("plain", id).build().expect("a good event");
    let (raw, identity) = (event.raw().clone(), event.identity());
    Fact::Received { format: Format::Regie, raw, identity, made_id: None, emitted: false }
}

fn moved(event: u64, to: LifeState) -> Fact {
    Fact::Moved { event, to, reason: "test".into(), by: None }
}

fn started() -> Fact {
    Fact::Started { definition: "toy".into(), version: 3 }
}

fn owes(step: &str, attempt: u32) -> Fact {
    let effect = Effect::Timer { due: at(1) };
    Fact::Owes { key: EffectKey { step: step.into(), attempt }, effect }
}

fn ended(step: &str, attempt: u32) -> Fact {
    let end = EffectEnd::Agent(AgentOutcome::Done(Json::null()));
    Fact::Ended { key: EffectKey { step: step.into(), attempt }, end }
}

fn noted(text: &str) -> Fact {
    Fact::Noted { data: json(text) }
}

fn finished() -> Fact {
    Fact::Finished { end: RunEnd::Failed { error: "test".into() } }
}

fn awaits(event: u64) -> Fact {
    Fact::Awaits { event, kind: "plain".into(), queued: false }
}

fn unwanted(event: u64) -> Fact {
    Fact::Unwanted { event, by: Principal::user("ada"), why: "test".into() }
}

fn booking() -> Booking {
    Booking { policy: "p".into(), key: "k".into(), slot: at(5) }
}

fn judged(event: u64) -> Fact {
    let decision = PolicyDecision {
        policy: "p".into(),
        version: "1".into(),
        outcome: PolicyOutcome::Deferred,
        reason: "why".into(),
        observed: Default::default(),
        at: Timestamp::MIN,
        remaining_ms: None,
        grant: Some(Grant::Booked(booking())),
    };
    let judgement = Judgement { decisions: vec![decision], ..Judgement::free(at(0), None) };
    Fact::Judged { event, judgement }
}

fn released() -> Fact {
    Fact::Released { booking: booking() }
}

/// A state after one record with these facts.
fn after(facts: Vec<Fact>) -> State {
    let mut state = State::default();
    let record = Record { sequence: 1, at: at(0), facts: [vec![opened()], facts].concat() };
    evolve(&mut state, &record, &toys()).expect("a legal record");
    state
}

/// The last fact of the second record is the illegal one.
fn assert_illegal(first: Vec<Fact>, second: Vec<Fact>, why: &str) {
    let place = second.len();
    let record = Record { sequence: 2, at: at(0), facts: second };
    let error = evolve(&mut after(first), &record, &toys()).expect_err(why);
    assert_eq!((error.sequence, error.fact), (2, place), "{error}");
    assert!(error.why.contains(why), "{error}: does not tell '{why}'");
}

#[test]
fn every_fact_has_its_place() {
    use LifeState::{Deferred, Escalated, Pending, Processed};
    let run = || vec![started(), owes("a", 1)];
    let rows: Vec<(Vec<Fact>, Vec<Fact>, &str)> = vec![
        (vec![], vec![opened()], "opened once"),
        (vec![], vec![received("1"), opened()], "opened once"),
        (vec![received("1")], vec![received("1")], "known since sequence 1"),
        (vec![], vec![received("1"), received("2")], "one event"),
        (vec![], vec![judged(1)], "event 1 is not open"),
        (vec![received("1"), moved(1, Processed)], vec![judged(1)], "event 1 is not open"),
        (vec![received("1"), moved(1, Deferred)], vec![judged(1)], "cannot be judged"),
        (vec![], vec![released()], "nobody holds this booking"),
        (vec![received("1"), judged(1)], vec![released(), released()], "nobody holds this booking"),
        (vec![], vec![moved(1, Processed)], "event 1 is not open"),
        (vec![], vec![moved(2, Processed)], "event 2 is not open"),
        (vec![received("1"), moved(1, Escalated)], vec![moved(1, Pending)], "cannot go from escalated to pending"),
        (vec![received("1")], vec![moved(1, Pending)], "cannot go from pending to pending"),
        (vec![started()], vec![started()], "one run"),
        (vec![], vec![noted("\"n\"")], "no run"),
        (vec![started()], vec![noted("7")], "cannot be read"),
        (vec![started()], vec![noted("\"bomb\"")], "the toy blew up"),
        (vec![], vec![owes("a", 1)], "no run"),
        (run(), vec![owes("a", 1)], "does not follow attempt 1"),
        (run(), vec![owes("a", 3)], "does not follow attempt 1"),
        (run(), vec![ended("a", 1), owes("a", 1)], "does not follow attempt 1"),
        (vec![started()], vec![owes("a", 0)], "does not follow attempt 0"),
        (vec![started(), finished()], vec![owes("a", 1)], "the run is over"),
        (run(), vec![ended("a", 2)], "a#2 is not owed"),
        (run(), vec![ended("a", 1), ended("a", 1)], "a#1 is not owed"),
        (vec![started(), owes("a", 1), finished()], vec![ended("a", 1)], "a#1 is not owed"),
        (vec![], vec![finished()], "no run"),
        (vec![started(), finished()], vec![finished()], "the run is over"),
        (vec![started(), finished()], vec![noted("\"n\"")], "the run is over"),
        (vec![received("1"), moved(1, Deferred)], vec![awaits(1)], "no run"),
        (vec![started()], vec![awaits(1)], "event 1 is not open"),
        (vec![started(), received("1")], vec![awaits(1)], "event 1 is pending"),
        (vec![], vec![Fact::Recalled { kinds: vec![] }], "no run"),
        (vec![], vec![unwanted(1)], "event 1 is not open"),
        (vec![received("1")], vec![unwanted(1), unwanted(1)], "unwanted already"),
    ];
    let _quiet = Quiet::new();
    rows.into_iter().for_each(|(first, second, why)| assert_illegal(first, second, why));
}

#[test]
fn a_record_out_of_order_is_named_as_a_whole() {
    for sequence in [1, 3, 0, u64::MAX] {
        let record = Record { sequence, at: at(0), facts: vec![] };
        let error = evolve(&mut after(vec![]), &record, &toys()).expect_err("out of order");
        assert_eq!((error.sequence, error.fact, error.why.as_str()), (sequence, 0, "it follows sequence 1"));
    }
}

#[test]
fn a_correlation_begins_by_being_opened() {
    for facts in [vec![], vec![received("1")], vec![received("1"), opened()]] {
        let record = Record { sequence: 1, at: at(0), facts };
        let error = evolve(&mut State::default(), &record, &toys()).expect_err("not opened");
        assert_eq!((error.sequence, error.fact), (1, 0));
    }
}

#[test]
fn what_needs_no_place_is_taken_anywhere() {
    let mut state = after(vec![]);
    let parked = Fact::Parked { input: "x".into(), attempts: 1, error: "y".into() };
    let set = Fact::PolicySet { digest: Default::default(), text: String::new(), by: None };
    let record = Record { sequence: 2, at: at(0), facts: vec![parked, set] };
    assert_eq!(evolve(&mut state, &record, &toys()), Ok(()));
}
