//! Several at once, and when they are over.

use std::time::Duration;

use regie_core::retry::Retry;
use regie_core::workflow::flow::{Flow, FlowBuilder, ForkTask, IntoTask, attempt, call, each, fork, sequence, set};
use serde_json::json;

use super::{Bench, run};

fn once(agent: &str) -> regie_core::workflow::flow::CallTask {
    call(agent).retry(Retry::never())
}

fn flow() -> FlowBuilder {
    Flow::named("f").starts_on("go")
}

fn three(join: impl FnOnce(ForkTask) -> ForkTask) -> Bench {
    let branches = fork().branch("a", once("x")).branch("b", once("x")).branch("c", once("x"));
    run(flow().task("f", join(branches)).build().unwrap(), json!(1))
}

#[test]
fn a_fork_gives_what_each_gave_in_the_order_in_which_they_are_written() {
    let mut run = three(|fork| fork);
    for branch in ["c", "a", "b"] {
        run.done(&format!("f/{branch}"), json!(branch));
    }
    assert_eq!(run.output(), json!(["a", "b", "c"]));
}

#[test]
fn the_first_failure_fails_a_fork_and_gives_up_what_is_left() {
    let mut run = three(|fork| fork);
    run.done("f/a", json!("a"));
    run.fails("f/b");
    assert_eq!((run.error(), run.owed()), ("f/b: error: no", vec![]));
}

#[test]
fn what_is_collected_does_not_fail() {
    let mut run = three(ForkTask::collect);
    run.fails("f/a");
    run.done("f/b", json!("b"));
    run.fails("f/c");
    let output = run.output();
    assert_eq!((output[0]["error"]["message"].clone(), output[1].clone()), (json!("no"), json!({"output": "b"})));
}

#[test]
fn as_many_as_are_needed_end_it_the_earliest_first() {
    let mut run = three(|fork| fork.at_least(2));
    run.done("f/c", json!("c"));
    run.fails("f/a");
    run.done("f/b", json!("b"));
    assert_eq!(run.output(), json!(["c", "b"]));
}

#[test]
fn it_fails_as_soon_as_so_many_cannot_be_any_more() {
    let mut run = three(|fork| fork.at_least(2));
    run.fails("f/a");
    assert_eq!(run.owed().len(), 2);
    run.fails("f/b");
    assert_eq!((run.error(), run.owed()), ("f/b: error: no", vec![]));
}

#[test]
fn the_first_that_is_done_is_what_a_race_gives_and_the_others_are_given_up() {
    let mut run = three(ForkTask::first);
    run.fails("f/a");
    run.done("f/c", json!("c"));
    assert_eq!((run.output(), run.owed()), (json!("c"), vec![]));
}

#[test]
fn a_loop_has_no_more_under_way_than_it_may_and_keeps_the_order_of_its_items() {
    let items = each("order", |scope| scope.input().clone()).at_most(2);
    let flow = flow().task("e", items.task("place", once("x")));
    let mut run = run(flow.build().unwrap(), json!(["p", "q", "r"]));
    assert_eq!(run.calls(), [r#"e[0]/place "p""#, r#"e[1]/place "q""#]);
    run.done("e[1]/place", json!("Q"));
    assert_eq!(run.calls(), [r#"e[0]/place "p""#, r#"e[2]/place "r""#]);
    run.done("e[2]/place", json!("R"));
    run.done("e[0]/place", json!("P"));
    assert_eq!(run.output(), json!(["P", "Q", "R"]));
}

#[test]
fn within_a_loop_the_item_is_known_by_name_and_outputs_are_those_of_this_item() {
    let body = sequence().task("a", once("x")).task(
        "b",
        once("y").with(|scope| {
            json!([
                scope.item("outer").map(|it| it.value()),
                scope.item("inner").map(|it| it.value()),
                scope.output("a").map(|it| it.value()),
                scope.index()
            ])
        }),
    );
    let inner = each("inner", |scope| scope.value().value()["list"].clone()).at_most(9).task("body", body);
    let outer = each("outer", |scope| scope.input().clone()).at_most(9).task("in", inner);
    let mut run =
        run(flow().task("out", outer).build().unwrap(), json!([{"id": 1, "list": [10, 11]}, {"id": 2, "list": [20]}]));
    run.done("out[0]/in[1]/body/a", json!("A01"));
    run.done("out[1]/in[0]/body/a", json!("A10"));
    let calls = run.calls();
    assert!(calls.contains(&r#"out[0]/in[1]/body/b [{"id":1,"list":[10,11]},11,"A01",1]"#.to_string()), "{calls:?}");
    assert!(calls.contains(&r#"out[1]/in[0]/body/b [{"id":2,"list":[20]},20,"A10",0]"#.to_string()), "{calls:?}");
}

#[test]
fn a_loop_over_nothing_gives_nothing_and_one_over_no_array_fails() {
    let over = |input| {
        run(flow().task("e", each("i", |scope| scope.input().clone()).task("t", once("x"))).build().unwrap(), input)
    };
    assert_eq!(over(json!([])).output(), json!([]));
    assert!(over(json!(3)).error().starts_with("e: expression: what it goes over is no array"));
}

#[test]
fn a_loop_of_tasks_that_wait_for_nothing_ends_in_one_turn() {
    let body = each("i", |scope| scope.input().clone()).task("t", set("last", |scope| scope.value().clone()));
    let run = run(
        flow().task("e", body).giving(|scope| scope.variable("last")).build().unwrap(),
        json!((0..500).collect::<Vec<_>>()),
    );
    assert_eq!(run.output(), json!(499));
}

#[test]
fn a_loop_may_collect_what_goes_wrong() {
    let items = each("i", |scope| scope.input().clone()).at_most(9).collect();
    let mut run = run(flow().task("e", items.task("t", once("x"))).build().unwrap(), json!([1, 2]));
    run.fails("e[0]/t");
    run.done("e[1]/t", json!("ok"));
    assert_eq!(run.output()[1], json!({"output": "ok"}));
}

#[test]
fn a_branch_that_is_passed_over_is_done() {
    let branches = fork().branch("a", once("x").when(|_| false)).branch("b", once("x"));
    let mut run = run(flow().task("f", branches).build().unwrap(), json!(1));
    run.done("f/b", json!("b"));
    assert_eq!(run.output(), json!([null, "b"]));
}

#[test]
fn a_flow_has_no_more_under_way_than_it_may() {
    let loops = |name: &str| each(name, |scope| scope.input().clone()).at_most(250).task("t", once("x"));
    let both = fork().branch("a", loops("i")).branch("b", loops("j"));
    let run = run(flow().task("f", both).build().unwrap(), json!((0..200).collect::<Vec<_>>()));
    assert!(run.error().ends_with("refused: 250 tasks of this flow are under way already"), "{}", run.error());
}

#[test]
fn what_was_given_within_an_item_is_forgotten_with_it() {
    let items = each("i", |scope| scope.input().clone()).task("t", once("x"));
    let mut run = run(flow().task("e", items).build().unwrap(), json!([1, 2, 3]));
    run.done("e[0]/t", json!("zero"));
    let saved = run.desk.state.save(&run.desk.definitions).unwrap();
    assert_eq!(String::from_utf8_lossy(&saved).matches("zero").count(), 1, "the loop alone keeps how it ended");
}

#[test]
fn what_a_loop_asks_for_at_once_is_refused_beyond_a_bound_and_can_be_caught() {
    let second = Duration::from_secs(1);
    let body = sequence().task("s", sequence().task("c", once("x").within(second)).within(second)).within(second);
    let items = each("i", |scope| scope.input().clone()).at_most(250).task("t", body);
    let flow = flow().task("try", attempt("e", items).otherwise("else", once("y"))).build().unwrap();
    let run = run(flow, json!((0..200).collect::<Vec<_>>()));
    assert_eq!(run.owed(), ["try/else#1"]);
}
