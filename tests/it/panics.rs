//! A panic harms one workflow: it comes back from the journal, its senders get an honest answer, and the others are untouched.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use futures::FutureExt;
use regie::actors::faults::{FaultPoint, Faults};
use regie::core::event::{CorrelationId, EventResult, Incoming, LifeState, Status};
use regie::core::governance::{CooldownMode, Policy};
use regie::core::limits;
use regie::core::workflow::{Fact, Handler, HandlerError, Input, Moment, Reaction};
use regie::runtime::{Ending, Waited};
use regie::{Reason, Refused, Until};

use crate::runtime_support::{
    POISON, Stage, at, event, note, note_by, one_a_second, pattern, script, set, submit_all, within,
};

const MANY: usize = 1_000;

/// Panics at a point, the so-many-th time that each sick correlation comes there.
fn sick_at(point: FaultPoint, nth: usize) -> Faults {
    let visits = Mutex::new(HashMap::new());
    Faults::when(move |at, correlation| {
        if at != point || !correlation.starts_with("sick") {
            return false;
        }
        let mut visits = visits.lock().unwrap();
        let visit: &mut usize = visits.entry(correlation.clone()).or_default();
        *visit += 1;
        *visit == nth
    })
}

/// One event of each of many sick and as many healthy correlations.
fn round(nth: usize) -> Vec<Incoming> {
    let names = (0..MANY).flat_map(|n| [format!("sick-{n}"), format!("well-{n}")]);
    names.map(|name| note(&name, &nth.to_string()).build().unwrap()).collect()
}

#[track_caller]
fn assert_all_processed(answers: &[Result<EventResult, Refused>], sick: Status) {
    for answer in answers {
        let answer = answer.as_ref().unwrap();
        let status = if answer.correlation_id.starts_with("sick") { sick } else { Status::New };
        assert_eq!((answer.event_state, answer.status), (Some(LifeState::Processed), status), "{answer:?}");
    }
}

async fn assert_counts(stage: &Stage, states: &[(&str, u64)], restarts: u64) {
    stage.handle.settle().await;
    let expected: BTreeMap<String, u64> = states.iter().map(|(name, count)| (name.to_string(), *count)).collect();
    assert_eq!(stage.stats().await.by_state, expected);
    let metrics = stage.handle.metrics().await;
    assert_eq!((metrics.restarts, metrics.storms, metrics.under_way), (restarts, 0, 0));
}

/// Every sick workflow dies once there, and all come back.
async fn all_come_back(point: FaultPoint, sick: Status) {
    let stage = Stage::with(|builder| builder.faults(sick_at(point, 1))).await;
    assert_all_processed(&submit_all(&stage.handle, round(1)).await, sick);
    assert_all_processed(&submit_all(&stage.handle, round(2)).await, Status::New);
    assert_counts(&stage, &[("processed", 4 * MANY as u64)], MANY as u64).await;
    stage.close().await;
}

#[test]
fn a_thousand_that_panic_at_their_start_come_back() {
    within(all_come_back(FaultPoint::Start, Status::New));
}

#[test]
fn a_thousand_that_panic_when_handed_something_come_back() {
    within(all_come_back(FaultPoint::Handle, Status::New));
}

#[test]
fn a_thousand_that_panic_in_their_turn_come_back() {
    within(all_come_back(FaultPoint::Decide, Status::New));
}

/// What was recorded before the death is given again as what it is: known.
#[test]
fn a_thousand_that_panic_before_their_answer_come_back_and_tell_what_was_recorded() {
    within(all_come_back(FaultPoint::Appended, Status::Duplicate));
}

#[test]
fn where_nobody_panics_nobody_is_restarted() {
    within(async {
        let stage = Stage::with(|builder| builder.faults(sick_at(FaultPoint::Start, 0))).await;
        assert_all_processed(&submit_all(&stage.handle, round(1)).await, Status::New);
        assert_counts(&stage, &[("processed", 2 * MANY as u64)], 0).await;
    });
}

#[test]
fn a_thousand_that_panic_when_they_stop_come_back() {
    within(async {
        let keep_few = |builder: regie::Builder| builder.keep(10, Duration::from_secs(60));
        let stage = Stage::with(|builder| keep_few(builder).faults(sick_at(FaultPoint::Stop, 1))).await;
        for events in [round(1), round(2)].iter().flat_map(|round| round.chunks(100)) {
            assert_all_processed(&submit_all(&stage.handle, events.to_vec()).await, Status::New);
        }
        assert_counts(&stage, &[("processed", 4 * MANY as u64)], 0).await;
        assert!(stage.handle.metrics().await.passivated >= 3 * MANY as u64);
    });
}

/// A workflow that is as foreign code may be.
fn fragile() -> impl Handler {
    script("fragile", "work.>", |_, input: Input<'_>, _: &Moment<'_>| match input {
        Input::Event(event) if event.kind == "work.panic" => panic!("cannot stand this"),
        Input::Event(event) if event.kind == "work.evolve" => Ok(Reaction::none().note(POISON)),
        Input::Event(event) if event.kind == "work.refuse" => Err(HandlerError("not like this".into())),
        _ => Ok(Reaction::none().note(1)),
    })
}

/// Three events of each sick correlation, the second of that kind, and three of each healthy one.
fn work(kind: &str) -> Vec<Incoming> {
    let three = |name: String, second: &str| {
        let kinds = ["work.begin", second, "work.go"];
        let build = |(nth, kind): (usize, &str)| event(kind, &name, &nth.to_string()).build().unwrap();
        kinds.into_iter().enumerate().map(build).collect::<Vec<_>>()
    };
    (0..MANY)
        .flat_map(|n| [three(format!("sick-{n}"), kind), three(format!("well-{n}"), "work.go")])
        .flatten()
        .collect()
}

/// The second event of each sick workflow is parked, after so many deaths, and everything else is processed.
async fn poison_is_parked(kind: &'static str, faults: Faults, deaths: u64) {
    let stage = Stage::with(|builder| builder.handler(fragile()).faults(faults)).await;
    for answer in submit_all(&stage.handle, work(kind)).await.into_iter().map(Result::unwrap) {
        let poisonous = answer.correlation_id.starts_with("sick") && answer.event_id == "1";
        let expected = if poisonous { LifeState::Escalated } else { LifeState::Processed };
        assert_eq!(answer.event_state, Some(expected), "{answer:?}");
        assert_eq!(answer.error.is_some_and(|error| error.code == "poison"), poisonous);
    }
    let many = MANY as u64;
    assert_counts(&stage, &[("processed", 5 * many), ("escalated", many)], deaths * many).await;
    assert_eq!(stage.handle.metrics().await.parked, many);
    stage.close().await;
}

#[test]
fn an_event_at_which_a_handler_panics_is_parked_after_its_retries_and_the_next_goes_on() {
    within(poison_is_parked("work.panic", Faults::default(), limits::POISON_ATTEMPTS.into()));
}

#[test]
fn a_fact_at_which_a_handler_panics_is_parked_with_its_event() {
    within(poison_is_parked("work.evolve", Faults::default(), limits::POISON_ATTEMPTS.into()));
}

#[test]
fn what_a_handler_refuses_is_parked_at_once() {
    within(poison_is_parked("work.refuse", Faults::default(), 0));
}

#[test]
fn a_workflow_that_stops_after_a_panic_and_panics_again_comes_back() {
    within(poison_is_parked("work.panic", sick_at(FaultPoint::Stop, 1), limits::POISON_ATTEMPTS.into()));
}

#[test]
fn what_was_parked_tells_its_attempts_and_its_last_error() {
    within(async {
        let stage = Stage::with(|builder| builder.handler(fragile())).await;
        stage.submit(event("work.begin", "c", "1")).await;
        stage.submit(event("work.panic", "c", "2")).await;
        let records = stage.handle.records(&"c".into()).await.unwrap();
        let parked = records.iter().flat_map(|stored| &stored.record.facts).find_map(|fact| match fact {
            Fact::Parked { attempts, error, .. } => Some((*attempts, error.contains("cannot stand this"))),
            _ => None,
        });
        assert_eq!(parked, Some((limits::POISON_ATTEMPTS, true)));
    });
}

#[test]
fn a_storm_of_restarts_is_capped_and_others_go_on() {
    within(async {
        let at_each_start = Faults::when(|at, correlation| at == FaultPoint::Start && &**correlation == "sick");
        let stage = Stage::with(|builder| builder.faults(at_each_start)).await;
        for id in ["1", "2"] {
            let refused = stage.handle.submit(note("sick", id).build().unwrap()).await.unwrap_err();
            assert!(matches!(refused.reason, Reason::Down { deaths: 11, .. }), "{:?}", refused.reason);
            assert_eq!(refused.event.event().id, id);
        }
        assert_eq!(stage.submit(note("well", "1")).await.event_state, Some(LifeState::Processed));
        let metrics = stage.handle.metrics().await;
        assert_eq!((metrics.restarts, metrics.storms), (u64::from(limits::RESTARTS) + 1, 1));
    });
}

#[test]
fn an_event_at_which_a_policys_condition_panics_is_parked() {
    within(async {
        let veto = Policy::veto("fragile", pattern("agent.note"), "bad", |event| match event.id.as_str() {
            "poison" => panic!("cannot judge this"),
            id => id == "bad",
        });
        let stage = Stage::with(|builder| builder.policies(set(vec![veto]))).await;
        let poison = stage.submit(note("c", "poison")).await;
        assert_eq!(poison.event_state, Some(LifeState::Escalated));
        assert_eq!(poison.error.unwrap().code, "poison");
        assert_eq!(stage.submit(note("c", "bad")).await.event_state, Some(LifeState::Discarded));
        assert_eq!(stage.submit(note("c", "good")).await.event_state, Some(LifeState::Processed));
        let metrics = stage.handle.metrics().await;
        assert_eq!((metrics.restarts, metrics.parked), (limits::POISON_ATTEMPTS.into(), 1));
    });
}

#[test]
fn who_waits_for_an_events_end_is_told_though_its_workflow_died_with_the_answer() {
    within(async {
        let defer = set(vec![one_a_second(CooldownMode::Defer)]);
        let stage = Stage::with(|builder| builder.policies(defer).faults(sick_at(FaultPoint::Appended, 2))).await;
        stage.submit(note_by("ana", "other", "1")).await;
        let deferred = note_by("ana", "sick", "2").build().unwrap();
        let mut ended = Box::pin(stage.handle.submit_until(deferred, Until::Ended));
        assert!(ended.as_mut().now_or_never().is_none());
        stage.handle.settle().await;
        assert_eq!(stage.state_of("sick/2").await, Some(LifeState::Deferred));
        stage.advance_to(at(1_000)).await;
        let answer = ended.await.unwrap();
        assert_eq!(
            (answer.event_state, answer.state_transitions.last().unwrap().at),
            (Some(LifeState::Processed), at(1_000))
        );
        assert_eq!(stage.handle.metrics().await.restarts, 1);
    });
}

#[test]
fn who_waits_for_a_workflows_end_is_told_though_it_died_with_the_answer() {
    within(async {
        let ends = script("ends", "work.>", |_, input: Input<'_>, _: &Moment<'_>| match input {
            Input::Event(event) if event.kind == "work.end" => Ok(Reaction::none().complete("done")),
            _ => Ok(Reaction::none()),
        });
        let stage = Stage::with(|builder| builder.handler(ends).faults(sick_at(FaultPoint::Appended, 2))).await;
        stage.submit(event("work.begin", "sick", "1")).await;
        let sick = CorrelationId::from("sick");
        let mut ended = Box::pin(stage.handle.wait(&sick, None));
        assert!(ended.as_mut().now_or_never().is_none());
        stage.submit(event("work.end", "sick", "2")).await;
        let Waited::Ended { ending, .. } = ended.await.unwrap() else { panic!("it has ended") };
        assert_eq!(ending, Ending::Completed(regie::core::Json::of("done")));
    });
}
