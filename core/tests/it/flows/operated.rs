//! Flows that are operated on.

use std::time::Duration;

use regie_core::retry::Retry;
use regie_core::workflow::flow::{CallTask, Flow, FlowBuilder, call, fork, raise, sequence, wait};
use regie_core::workflow::{Operation, Refusal, Unpark};
use serde_json::json;

use super::run;

fn flow() -> FlowBuilder {
    Flow::named("f").starts_on("go")
}

fn once(agent: &str) -> CallTask {
    call(agent).retry(Retry::never())
}

#[test]
fn a_retry_goes_on_at_the_step_that_failed_and_with_what_was_beside_it() {
    let both = fork()
        .branch("a", once("x"))
        .branch("b", once("y"))
        .branch("c", sequence().task("w", wait(Duration::from_secs(60))))
        .branch("d", once("z"));
    let mut run = run(flow().task("f", both).task("next", once("w")).build().unwrap(), json!(1));
    run.done("f/d", json!("d"));
    run.fails("f/a");
    assert_eq!((run.error(), run.owed()), ("f/a: error: no", vec![]));
    run.operate(Operation::Retry).unwrap();
    assert_eq!(run.owed(), ["f/a#2", "f/b#2", "f/c/w#2"]);
    run.done("f/a", json!("a"));
    run.done("f/b", json!("b"));
    run.tick();
    assert_eq!(run.calls(), [r#"next ["a","b",1,"d"]"#]);
}

#[test]
fn a_retry_does_again_what_failed_before_it_had_begun() {
    let flow = flow().task("a", once("x")).task("r", raise("no", |_| json!("not today"))).build().unwrap();
    let mut run = run(flow, json!(1));
    run.done("a", json!(2));
    assert_eq!(run.error(), "r: no: not today");
    run.operate(Operation::Retry).unwrap();
    assert_eq!(run.error(), "r: no: not today");
}

#[test]
fn what_was_put_back_is_not_gone_on_with() {
    let flow = flow().task("a", once("x").undo("y")).task("b", once("z")).build().unwrap();
    let mut run = run(flow, json!(1));
    run.done("a", json!(1));
    run.fails("b");
    run.done("~undo/a", json!(1));
    let refused = run.operate(Operation::Retry).unwrap_err();
    assert_eq!(refused.to_string(), "retry is not possible: what it did was put back: begin it anew");
}

#[test]
fn a_time_limit_begins_again_with_a_retry() {
    let flow = flow().within(Duration::from_secs(60)).task("a", once("x")).build().unwrap();
    let mut run = run(flow, json!(1));
    run.fails("a");
    run.operate(Operation::Retry).unwrap();
    assert_eq!(run.owed(), ["a#2", "~late/#2"]);
}

#[test]
fn nothing_waits_for_a_person_in_a_flow_that_runs() {
    let mut run = run(flow().task("a", once("x")).build().unwrap(), json!(1));
    assert!(matches!(run.operate(Operation::Unpark(Unpark::Skip)), Err(Refusal::NotNow { .. })));
    run.operate(Operation::Pause).unwrap();
    run.operate(Operation::Cancel).unwrap();
    assert_eq!(run.status().name(), "cancelled");
}
