//! Events that are waited for.

use std::time::Duration;

use regie_core::workflow::flow::{Flow, FlowBuilder, IntoTask, attempt, call, each, listen};
use serde_json::json;

use super::run;

fn flow() -> FlowBuilder {
    Flow::named("f").starts_on("go")
}

#[test]
fn an_event_that_fits_goes_on_and_others_are_only_recorded() {
    let wanted = listen("order.paid").matching(|scope| {
        scope.event().map(|event| event.value()["sum"] == scope.input().value()["sum"]).unwrap_or(false)
    });
    let mut run = run(flow().task("paid", wanted).build().unwrap(), json!({"sum": 7}));
    run.send("order.shipped", json!({"sum": 7}));
    run.send("order.paid", json!({"sum": 3}));
    assert_eq!(run.status().name(), "running");
    run.send("order.paid", json!({"sum": 7, "by": "card"}));
    assert_eq!(run.output(), json!({"sum": 7, "by": "card"}));
}

#[test]
fn an_event_that_came_before_anybody_listened_is_taken_then_in_its_order() {
    let flow = flow().task("a", call("x")).task("one", listen("ping")).task("two", listen("ping"));
    let mut run = run(flow.build().unwrap(), json!(0));
    run.send("ping", json!(1));
    run.send("pong", json!(2));
    run.send("ping", json!(3));
    run.done("a", json!(null));
    assert_eq!(run.output(), json!(3));
}

#[test]
fn one_event_goes_to_one_listener() {
    let items = each("i", |scope| scope.input().clone()).at_most(9).task("l", listen("ping"));
    let mut run = run(flow().task("e", items).build().unwrap(), json!([0, 0]));
    run.send("ping", json!("first"));
    assert_eq!(run.status().name(), "running");
    run.send("ping", json!("second"));
    assert_eq!(run.output(), json!(["first", "second"]));
}

#[test]
fn one_of_each_may_be_waited_for() {
    let mut run = run(flow().task("l", listen("a").or("b").all()).build().unwrap(), json!(0));
    run.send("b", json!("B"));
    run.send("b", json!("again"));
    run.send("a", json!("A"));
    assert_eq!(run.output(), json!(["A", "B"]));
}

#[test]
fn what_does_not_come_in_time_fails() {
    let late = attempt("l", listen("ping").within(Duration::from_secs(5))).otherwise("none", call("x"));
    let mut run = run(flow().task("t", late).build().unwrap(), json!(0));
    assert_eq!((run.tick().as_str(), run.calls()), ("~late/t/l", vec!["t/none 0".to_string()]));
}

#[test]
fn a_test_that_cannot_be_told_fails_who_listens() {
    let broken = listen("ping").matching(|_| Err::<bool, _>("what?"));
    let mut run = run(flow().task("l", broken).build().unwrap(), json!(0));
    run.send("ping", json!(1));
    assert_eq!(run.error(), "l: expression: what?");
}

#[test]
fn an_event_that_was_kept_is_taken_once() {
    let flow = flow().task("a", call("x")).task("one", listen("ping")).task("b", call("x")).task("two", listen("ping"));
    let mut run = run(flow.build().unwrap(), json!(0));
    run.send("ping", json!(1));
    run.done("a", json!(null));
    run.done("b", json!(null));
    assert_eq!((run.status().name(), run.owed()), ("running", vec![]));
}
