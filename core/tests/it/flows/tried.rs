//! Failures that are caught, tried again, or raised; time limits.

use std::time::Duration;

use regie_core::retry::Retry;
use regie_core::workflow::flow::{
    Flow, FlowBuilder, IntoTask, attempt, call, fork, raise, sequence, set, switch, wait,
};
use serde_json::json;

use super::{millis, run};

fn flow() -> FlowBuilder {
    Flow::named("f").starts_on("go")
}

fn once(agent: &str) -> regie_core::workflow::flow::CallTask {
    call(agent).retry(Retry::never())
}

fn exact(attempts: u32) -> Retry {
    Retry { jitter_percent: 0, first: Duration::from_secs(1), ..Retry::times(attempts) }
}

#[test]
fn a_failure_that_is_caught_is_seen_by_what_is_done_instead() {
    let caught = attempt("try", once("x")).otherwise(
        "else",
        call("y").with(|scope| json!(scope.error().map(|error| (error.task.clone(), error.kind.clone())))),
    );
    let mut run = run(flow().task("t", caught).build().unwrap(), json!(1));
    run.fails("t/try");
    assert_eq!(run.calls(), [r#"t/else ["t/try","error"]"#]);
    run.done("t/else", json!("saved"));
    assert_eq!(run.output(), json!("saved"));
}

#[test]
fn a_failure_that_nobody_wants_goes_on_up_to_who_does() {
    let inner = attempt("try", once("x")).catch_if(|scope| scope.error().is_some_and(|error| error.kind == "timeout"));
    let outer = attempt("in", inner).otherwise("out", call("y"));
    let mut run = run(flow().task("t", outer).build().unwrap(), json!(1));
    run.fails("t/in/try");
    assert_eq!(run.calls(), ["t/out 1"]);
}

#[test]
fn a_block_is_tried_again_as_a_whole_after_its_waits() {
    let block = sequence().task("a", once("x")).task("b", once("x"));
    let mut run = run(flow().task("t", attempt("block", block).retry(exact(3))).build().unwrap(), json!(1));
    for due in [1_000, 3_000] {
        run.done("t/block/a", json!(null));
        run.fails("t/block/b");
        assert_eq!((run.tick().as_str(), run.desk.now), ("~back/t", millis(due)));
    }
    run.done("t/block/a", json!(null));
    run.fails("t/block/b");
    assert_eq!(run.error(), "t/block/b: error: no");
}

#[test]
fn what_is_caught_gives_up_what_else_was_under_way_within() {
    let both = fork().branch("a", once("x")).branch("b", sequence().task("w", wait(Duration::from_secs(9))));
    let mut run = run(flow().task("t", attempt("both", both)).task("next", call("y")).build().unwrap(), json!(1));
    run.fails("t/both/a");
    assert_eq!(run.owed(), ["next#1"]);
}

#[test]
fn what_is_raised_is_caught_by_its_kind_and_fails_the_flow_otherwise() {
    let raises = || raise("empty", |_| json!("nothing in stock"));
    let caught = attempt("r", raises()).catch_if(|scope| scope.error().is_some_and(|error| error.kind == "empty"));
    assert_eq!(run(flow().task("t", caught).build().unwrap(), json!(1)).output(), json!(null));
    assert_eq!(run(flow().task("r", raises()).build().unwrap(), json!(1)).error(), "r: empty: nothing in stock");
}

#[test]
fn a_task_that_takes_too_long_fails_with_all_within_it() {
    let slow = sequence().task("a", once("x")).task("b", once("x")).within(Duration::from_secs(2));
    let mut run = run(flow().task("slow", slow).build().unwrap(), json!(1));
    run.done("slow/a", json!(null));
    assert_eq!(run.tick(), "~late/slow");
    assert_eq!((run.error(), run.owed()), ("slow: timeout: its time is up", vec![]));
}

#[test]
fn a_time_limit_is_given_up_with_its_task() {
    let flow =
        flow().within(Duration::from_secs(60)).task("a", once("x").within(Duration::from_secs(2))).task("b", once("x"));
    let mut run = run(flow.build().unwrap(), json!(1));
    assert_eq!(run.owed(), ["a#1", "~late/#1", "~late/a#1"]);
    run.done("a", json!(null));
    assert_eq!(run.owed(), ["b#1", "~late/#1"]);
    assert_eq!(run.tick(), "~late/");
    assert_eq!((run.error(), run.owed()), (": timeout: its time is up", vec![]));
}

#[test]
fn an_expression_that_fails_is_a_failure_like_others() {
    let broken = || call("x").with(|_| Err::<serde_json::Value, _>("no such field"));
    assert_eq!(run(flow().task("a", broken()).build().unwrap(), json!(1)).error(), "a: expression: no such field");
    let caught = attempt("a", broken()).otherwise("b", call("y"));
    assert_eq!(run(flow().task("t", caught).build().unwrap(), json!(1)).calls(), ["t/b 1"]);
}

#[test]
fn a_flow_that_goes_round_without_waiting_fails_instead_of_holding_its_shard() {
    let flow = flow().task("a", switch().otherwise("b")).task("b", switch().otherwise("a"));
    assert!(run(flow.build().unwrap(), json!(1)).error().contains("without waiting for anything"));
}

#[test]
fn what_is_asked_and_given_up_in_one_turn_is_never_asked() {
    let branches = fork().branch("a", once("x")).branch("b", raise("no", |_| json!("at once"))).branch("c", once("x"));
    let mut run = run(flow().task("t", attempt("f", branches)).task("next", call("y")).build().unwrap(), json!(1));
    assert_eq!(run.owed(), ["next#1"]);
    run.done("next", json!(1));
}

#[test]
fn what_was_still_to_begin_when_its_block_failed_does_not_begin_in_the_next_round() {
    let first = |scope: &regie_core::workflow::flow::Scope<'_>| scope.variable("tried").is_null();
    let caught =
        fork().branch("a", once("x")).branch("b", raise("no", |_| json!("once")).when(first)).branch("c", once("x"));
    let flow = flow()
        .task("t", attempt("f", caught).otherwise("mark", set("tried", |_| json!(true)).and("round", |_| json!(1))))
        .task("again", switch().case(|scope| scope.variable("round").value() == json!(1), "clear").otherwise("end"))
        .task("clear", set("round", |_| json!(2)).then_to("t"))
        .task("end", call("y"));
    let mut run = run(flow.build().unwrap(), json!(1));
    assert_eq!(run.owed(), ["t/f/a#1", "t/f/c#1"]);
    run.done("t/f/a", json!(1));
    run.done("t/f/c", json!(1));
    assert_eq!(run.owed(), ["end#1"]);
}

#[test]
fn a_block_that_waits_to_be_tried_again_is_given_up_with_what_holds_it() {
    let waits = attempt("x", once("x")).retry(exact(3));
    let mut run = run(
        flow()
            .task("race", fork().branch("a", waits).branch("b", once("y")).first())
            .task("next", call("z"))
            .build()
            .unwrap(),
        json!(1),
    );
    run.fails("race/a/x");
    assert_eq!(run.owed(), ["race/b#1", "~back/race/a#1"]);
    run.done("race/b", json!(1));
    assert_eq!(run.owed(), ["next#1"]);
}
