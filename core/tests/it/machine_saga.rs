//! Steps of machines: retries, results that wait, what is put back, and operations.

use std::time::Duration;

use regie_core::event::{CorrelationId, Event, LifeState};
use regie_core::workflow::machine::{Machine, MachineFact, Standing};
use regie_core::workflow::step::StepFact;
use regie_core::workflow::{
    AgentOutcome, Command, Effect, EffectEnd, Handler, Input, Moment, Notification, Operation, Unpark,
};
use regie_core::{Json, limits};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::helpers::{at, event};
use super::machine_help::{Floor, Stage, order};

/// An order that has reserved, and whose money is being asked for.
fn charging() -> Floor {
    let mut floor = Floor::paid();
    floor.done("reserve", json!("shelf 3"));
    floor
}

#[test]
fn a_step_is_tried_again_after_its_wait_and_then_goes_on() {
    let mut floor = charging();
    floor.failed("charge", "busy");
    assert_eq!(floor.owed(), ["~again/charge#1 at 1000"]);
    floor.wait(1_000);
    assert_eq!(floor.owed(), ["charge#2 bank 10"]);
    floor.done("charge", json!(1));
    assert_eq!(floor.status(), "completed with 10");
}

#[test]
fn a_step_that_fails_for_good_fails_the_machine_and_what_was_done_is_put_back() {
    let mut floor = charging();
    floor.failed("charge", "busy");
    floor.wait(1_000);
    floor.failed("charge", "no money");
    assert_eq!(floor.status(), "compensating, then failed (step 'charge' failed: error: no money)");
    assert_eq!(floor.owed(), [r#"~undo/reserve#1 stock {"release":10}"#]);
    floor.done("~undo/reserve", json!(null));
    assert_eq!(floor.status(), "failed (step 'charge' failed: error: no money)");
}

#[test]
fn a_machine_that_failed_by_its_state_puts_back_step_after_step_and_try_after_try() {
    let machine = order().on_failed(Stage::Charging, "charge", |way| way.go(Stage::Lost)).build();
    let mut floor = Floor::new(machine.expect("a good machine"));
    floor.send("order.placed", json!(10));
    floor.send("order.paid", json!({ "amount": 10 }));
    floor.done("reserve", json!("shelf 3"));
    for wait in [1_000, 0] {
        floor.ends("charge", AgentOutcome::TimedOut { after_ms: 5 });
        floor.wait(wait);
    }
    assert_eq!(floor.status(), "compensating, then failed (nothing to send)");
    floor.failed("~undo/charge", "busy");
    floor.wait(1_000);
    floor.done("~undo/charge", json!(null));
    assert_eq!(floor.owed(), [r#"~undo/reserve#1 stock {"release":10}"#]);
    floor.done("~undo/reserve", json!(null));
    assert_eq!(floor.status(), "failed (nothing to send)");
}

#[test]
fn a_step_whose_outcome_nobody_knows_is_put_back_too_the_last_first() {
    let mut floor = charging();
    floor.ends("charge", AgentOutcome::TimedOut { after_ms: 5 });
    floor.wait(1_000);
    floor.ends("charge", AgentOutcome::Panicked("oh".into()));
    assert_eq!(floor.owed(), [r#"~undo/charge#1 bank {"refund":null}"#]);
    floor.done("~undo/charge", json!(null));
    assert_eq!(floor.owed(), [r#"~undo/reserve#1 stock {"release":10}"#]);
}

#[test]
fn a_failure_that_a_transition_takes_leads_there() {
    let mut floor = Floor::paid();
    floor.failed("reserve", "sold out");
    assert_eq!((floor.stage(), floor.status().as_str()), (Stage::Lost, "failed (nothing to send)"));
    let mut other = Floor::paid();
    other.failed("reserve", "on fire");
    assert_eq!(other.status(), "failed (step 'reserve' failed: error: on fire)");
}

#[test]
fn a_result_that_cannot_be_read_is_a_failure_of_a_step_that_was_done() {
    let mut floor = charging();
    floor.done("charge", json!("not a number"));
    assert_eq!(floor.owed(), [r#"~undo/charge#1 bank {"refund":"not a number"}"#]);
    assert!(floor.status().contains("what it gave cannot be read"), "{}", floor.status());
}

#[test]
fn a_cancel_puts_back_what_was_done_and_what_is_under_way() {
    let mut floor = charging();
    floor.operate(Operation::Cancel).expect("it runs");
    assert_eq!(floor.owed(), [r#"~undo/charge#1 bank {"refund":null}"#]);
    floor.done("~undo/charge", json!(null));
    floor.done("~undo/reserve", json!(null));
    assert_eq!(floor.status(), "cancelled (as asked)");
    assert_eq!(floor.send("order.paid", json!(1)).1, "skipped: its workflow was cancelled");
}

#[test]
fn a_cancel_of_one_that_did_nothing_ends_at_once() {
    let mut floor = Floor::new(super::machine_help::order().build().expect("a good machine"));
    floor.send("order.placed", json!(10));
    floor.operate(Operation::Cancel).expect("it runs");
    assert_eq!(floor.status(), "cancelled (as asked)");
}

/// What cannot be put back waits for a person.
fn stuck() -> Floor {
    let mut floor = charging();
    floor.operate(Operation::Cancel).expect("it runs");
    floor.failed("~undo/charge", "closed");
    floor.wait(1_000);
    floor.failed("~undo/charge", "closed");
    let parked = &floor.desk.state.run().expect("a run").parked;
    assert_eq!((parked.len(), parked[0].what.as_str(), parked[0].attempts), (1, "charge", 2));
    assert!(floor.owed().is_empty());
    floor
}

#[test]
fn what_cannot_be_put_back_waits_for_a_person_who_tries_again_passes_over_or_gives_up() {
    let mut again = stuck();
    again.operate(Operation::Unpark(Unpark::Retry)).expect("it waits");
    again.done("~undo/charge", json!(null));
    again.done("~undo/reserve", json!(null));
    assert_eq!(again.status(), "cancelled (as asked)");
    let mut skip = stuck();
    skip.operate(Operation::Unpark(Unpark::Skip)).expect("it waits");
    skip.done("~undo/reserve", json!(null));
    assert_eq!(skip.status(), "cancelled (as asked; not put back: charge)");
    let mut abandon = stuck();
    abandon.operate(Operation::Unpark(Unpark::Abandon)).expect("it waits");
    assert_eq!(abandon.status(), "cancelled (as asked; not put back: charge, reserve)");
}

/// The end of a step that this machine cannot take waits for a person.
fn untaken() -> Floor {
    let machine = super::machine_help::order()
        .on_done::<Json>(Stage::Late, "charge", |way| {
            way.start("reserve", |_, _| json!(1)).start("reserve", |_, _| json!(2))
        })
        .on::<Json>(Stage::Charging, "order.late", |way| way.go(Stage::Late))
        .on::<Json>(Stage::Late, "order.sent", |way| way.go(Stage::Sent));
    let mut floor = Floor::new(machine.build().expect("a good machine"));
    floor.send("order.placed", json!(10));
    floor.send("order.paid", json!({ "amount": 10 }));
    floor.done("reserve", json!("shelf 3"));
    floor.send("order.late", json!(null));
    floor.done("charge", json!(1));
    assert_eq!(floor.desk.state.run().expect("a run").parked.len(), 1);
    floor
}

#[test]
fn one_that_is_abandoned_while_it_runs_ends_and_what_it_did_stays() {
    let mut floor = untaken();
    floor.operate(Operation::Unpark(Unpark::Abandon)).expect("it waits");
    assert_eq!(floor.status(), "failed (abandoned: as asked; not put back: charge, reserve)");
    assert!(floor.owed().is_empty());
}

#[test]
fn what_was_done_and_is_passed_over_is_put_back() {
    let mut floor = untaken();
    floor.operate(Operation::Unpark(Unpark::Skip)).expect("it waits");
    assert!(floor.owed()[0].starts_with("~undo/charge#1"), "{:?}", floor.owed());
    floor.done("~undo/charge", json!(null));
    floor.done("~undo/reserve", json!(null));
    let status = floor.status();
    assert!(status.starts_with("failed (step 'charge' failed: error: passed over by user:"), "{status}");
}

#[test]
fn a_retry_begins_the_step_that_failed_where_nothing_was_put_back() {
    let mut floor = Floor::paid();
    floor.failed("reserve", "on fire");
    floor.operate(Operation::Retry).expect("it failed");
    assert_eq!((floor.status().as_str(), floor.owed().len()), ("running", 2));
    floor.done("reserve", json!("shelf 4"));
    floor.done("charge", json!(1));
    assert_eq!(floor.status(), "completed with 10");
}

/// Tells others that it begins, and waits for work.
fn tells() -> Floor {
    let machine = Machine::<Leg, u32>::named("tells", Leg::Start)
        .starts_on("two.go")
        .step("a", "x", |step| step)
        .on::<Json>(Leg::Start, "two.go", |way| {
            way.start("a", |_, _| json!(1)).send("told", |_, _| Event::new("told", "others")).go(Leg::Both)
        })
        .on_done::<Json>(Leg::Both, "a", |way| way.go(Leg::Home))
        .after(Leg::Both, Duration::from_secs(9), |way| way.go(Leg::Lost))
        .completes(Leg::Home, |_| json!("home"))
        .fails(Leg::Lost, |_| "lost".into());
    let mut floor = Floor::new(machine.build().expect("a good machine"));
    floor.send("two.go", json!(null));
    floor
}

#[test]
fn what_is_on_its_way_when_a_step_fails_gets_there_and_is_not_sent_again_by_a_retry() {
    let mut floor = tells();
    floor.failed("a", "no");
    assert_eq!((floor.status().as_str(), floor.owed()), ("running", vec!["~send/1/told#1".to_string()]));
    let key = floor.key("~send/1/told");
    floor.take(&Command::EffectEnded { key, end: EffectEnd::Sent { position: 1, state: LifeState::Processed } });
    assert_eq!(floor.status(), "failed (step 'a' failed: error: no)");
    floor.operate(Operation::Retry).expect("it failed");
    assert_eq!((floor.status().as_str(), floor.owed().len()), ("running", 2));
    floor.done("a", json!(1));
    assert_eq!(floor.status(), r#"completed with "home""#);
}

#[test]
fn there_is_no_retry_of_what_was_put_back_or_failed_by_its_definition() {
    let mut undone = charging();
    undone.ends("charge", AgentOutcome::Refused("none".into()));
    undone.wait(1_000);
    undone.ends("charge", AgentOutcome::Refused("none".into()));
    undone.done("~undo/reserve", json!(null));
    let mut lost = Floor::paid();
    lost.failed("reserve", "sold out");
    for mut floor in [undone, lost] {
        let refusal = floor.operate(Operation::Retry).expect_err("no way");
        assert!(refusal.to_string().contains("begin it anew"), "{refusal}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Leg {
    Start,
    Both,
    Second,
    Home,
    Lost,
}

/// Two steps at once; the second is awaited after the first.
fn two() -> Machine<Leg, u32> {
    let machine = Machine::<Leg, u32>::named("two", Leg::Start)
        .starts_on("two.go")
        .step("a", "x", |step| step)
        .step("b", "x", |step| step.undo("y", |done| json!(done.result)))
        .on::<Json>(Leg::Start, "two.go", |way| {
            way.start("a", |_, _| json!(1)).start("b", |_, _| json!(2)).go(Leg::Both)
        })
        .on::<Json>(Leg::Both, "two.more", |way| way.start("a", |_, _| json!(3)))
        .on::<Json>(Leg::Both, "two.drop", |way| way.give_up("a").start("a", |_, _| json!(4)))
        .on::<Json>(Leg::Both, "two.again", |way| way.start("b", |_, _| json!(5)))
        .on::<Json>(Leg::Both, "two.lose", |way| way.give_up("a").start("a", |_, _| json!(6)).go(Leg::Lost))
        .on_done::<u32>(Leg::Both, "a", |way| way.act("add", |sum, one| *sum += **one).go(Leg::Second))
        .on_done::<u32>(Leg::Second, "b", |way| way.act("add", |sum, one| *sum += **one).go(Leg::Home))
        .after(Leg::Second, Duration::from_secs(9), |way| way.go(Leg::Home))
        .completes(Leg::Home, |sum| json!(sum))
        .fails(Leg::Lost, |_| "lost".into());
    machine.build().expect("a good machine")
}

#[test]
fn a_result_waits_for_the_state_that_takes_it() {
    for steps in [["a", "b"], ["b", "a"]] {
        let mut floor = Floor::new(two());
        floor.send("two.go", json!(null));
        steps.iter().for_each(|step| floor.done(step, json!(if *step == "a" { 1 } else { 20 })));
        assert_eq!(floor.status(), "completed with 21", "{steps:?}");
    }
}

#[test]
fn what_a_step_gave_is_forgotten_once_it_starts_again() {
    let mut floor = Floor::new(two());
    floor.send("two.go", json!(null));
    floor.done("b", json!(20));
    floor.send("two.again", json!(null));
    floor.done("a", json!(1));
    assert_eq!(floor.status(), "running", "it waits for the second b");
    floor.done("b", json!(30));
    assert_eq!(floor.status(), "completed with 31");
}

#[test]
fn a_failure_asks_for_nothing_but_what_puts_back() {
    let mut floor = Floor::new(two());
    floor.send("two.go", json!(null));
    floor.done("b", json!(20));
    floor.send("two.lose", json!(null));
    assert_eq!(
        (floor.owed(), floor.status()),
        (vec!["~undo/b#1 y 20".into()], "compensating, then failed (lost)".into())
    );
}

/// It has reserved and its charge hangs; its state that fails is entered by an event.
fn lost() -> Floor {
    let machine = super::machine_help::order()
        .on::<Json>(Stage::Charging, "order.lost", |way| way.go(Stage::Lost))
        .build()
        .expect("a good machine");
    let mut floor = Floor::new(machine);
    floor.send("order.placed", json!(10));
    floor.send("order.paid", json!({ "amount": 10 }));
    floor.done("reserve", json!("shelf 3"));
    floor.send("order.lost", json!(null));
    assert_eq!(floor.status(), "compensating, then failed (nothing to send)");
    floor
}

#[test]
fn a_state_that_fails_puts_back_all_that_was_done_one_after_the_other() {
    let mut floor = lost();
    floor.done("~undo/charge", json!(null));
    assert_eq!(floor.owed(), [r#"~undo/reserve#1 stock {"release":10}"#]);
    floor.done("~undo/reserve", json!(null));
    assert_eq!(floor.status(), "failed (nothing to send)");
}

#[test]
fn what_a_state_that_fails_cannot_put_back_is_tried_again_and_then_waits_for_a_person() {
    let mut floor = lost();
    floor.failed("~undo/charge", "busy");
    assert_eq!(floor.owed(), ["~again/~undo/charge#1 at 1000"]);
    floor.wait(1_000);
    floor.failed("~undo/charge", "busy");
    floor.operate(Operation::Unpark(Unpark::Skip)).expect("it waits");
    floor.done("~undo/reserve", json!(null));
    assert_eq!(floor.status(), "failed (nothing to send; not put back: charge)");
}

#[test]
fn a_step_that_is_under_way_is_not_started_twice_and_one_given_up_may_be() {
    let mut floor = Floor::new(two());
    floor.send("two.go", json!(null));
    let (state, reason) = floor.send("two.more", json!(null));
    assert_eq!(
        (state.as_str(), reason.contains("step 'a' is to start, and is under way")),
        ("escalated", true),
        "{reason}"
    );
    floor.send("two.drop", json!(null));
    assert_eq!(floor.owed(), ["a#2 x 4", "b#1 x 2"]);
}

#[test]
fn a_machine_that_goes_round_without_waiting_fails_instead_of_holding_its_shard() {
    let round = Machine::<Leg, u32>::named("round", Leg::Start)
        .starts_on("two.go")
        .step("a", "x", |step| step.undo("y", |_| json!(1)))
        .on::<Json>(Leg::Start, "two.go", |way| way.start("a", |_, _| json!(1)))
        .on_failed(Leg::Start, "a", |way| way.start("a", |_, _| json!(1)))
        .on::<Json>(Leg::Start, "two.end", |way| way.go(Leg::Home))
        .completes(Leg::Home, |_| json!(1))
        .build()
        .expect("a good machine");
    let mut stand = Standing::default();
    // So many wait to be put back that no further one may begin.
    for _ in 0..limits::UNDOABLE_STEPS {
        let (step, at) = ("a".to_string(), at(0));
        let (agent, input, timeout_ms, undoable) = ("x".into(), Json::null(), None, true);
        let began = StepFact::Began { step: step.clone(), agent, input, timeout_ms, undoable, at };
        round.evolve(&mut stand, MachineFact::Step(began));
        round.evolve(&mut stand, MachineFact::Step(StepFact::Done { step, result: Json::null() }));
    }
    let event = event("two.go", "1").build().expect("a good event");
    let moment = Moment { now: at(0), correlation: &CorrelationId::from("c") };
    let reaction = round.decide(&stand, Input::Event(event.event()), &moment).expect("an end");
    assert!(format!("{reaction:?}").contains("moves without waiting"), "it fails");
}

#[test]
fn a_machine_tells_how_it_ended_and_has_itself_recovered_after_a_failure_alone() {
    let telling = || {
        let told = super::machine_help::order().notify(|ended| {
            let code = ended.error.as_ref().map(|error| error.message.clone());
            Notification::of(ended.correlation, ended.end).amount("paid", ended.state.data().paid).code(code)
        });
        told.recover(|ended| Event::new("recover", format!("{}/recovery", ended.correlation)))
            .at_end("never", |_| None)
            .build()
            .expect("a good machine")
    };
    for (well, sent) in [(true, vec!["~end/notification#1"]), (false, vec!["~end/notification#1", "~end/recovery#1"])] {
        let mut floor = Floor::new(telling());
        floor.send("order.placed", json!(10));
        floor.send("order.paid", json!({ "amount": 10 }));
        if well {
            floor.done("reserve", json!("shelf 3"));
            floor.done("charge", json!(1));
        } else {
            floor.failed("reserve", "on fire");
        }
        assert_eq!(floor.owed(), sent);
        let told = floor.desk.state.owed().values().next().expect("a notification");
        let Effect::Send { event } = told else { panic!("{told:?}") };
        assert_eq!((event.contains("on fire"), event.contains(r#""paid":"10""#)), (!well, true), "{event}");
    }
    let twice = super::machine_help::order().at_end("x", |_| None).at_end("x", |_| None).build();
    assert!(twice.expect_err("a fault").to_string().contains("'x' is sent at its end"));
}
