//! One after another, or as those before are done; what goes along.

use regie_core::workflow::flow::{Flow, FlowBuilder, IntoTask, call, choose, sequence, set, steps, switch, wait};
use serde_json::json;
use std::time::Duration;

use super::{millis, run};

fn flow() -> FlowBuilder {
    Flow::named("f").starts_on("go")
}

#[test]
fn tasks_come_one_after_another_and_each_is_given_what_the_one_before_gave() {
    let flow = flow().task("a", call("x")).task("b", call("y")).build().unwrap();
    let mut run = run(flow, json!({"n": 1}));
    assert_eq!(run.calls(), [r#"a {"n":1}"#]);
    run.done("a", json!("from a"));
    assert_eq!(run.calls(), [r#"b "from a""#]);
    run.done("b", json!("from b"));
    assert_eq!(run.output(), json!("from b"));
}

#[test]
fn a_flow_without_tasks_gives_what_it_was_given() {
    assert_eq!(run(flow().build().unwrap(), json!(7)).output(), json!(7));
}

#[test]
fn variables_and_outputs_are_seen_by_what_comes_later() {
    let flow = flow()
        .task("a", call("x").keep_as("first"))
        .task("b", set("sum", |scope| scope.input().value()["n"].as_i64().map(|n| json!(n + 1))))
        .task(
            "c",
            call("y").with(|scope| {
                json!([
                    scope.variable("first").value(),
                    scope.variable("sum").value(),
                    scope.output("a").map(|it| it.value())
                ])
            }),
        )
        .giving(|scope| json!({"all": scope.value().value()}));
    let mut run = run(flow.build().unwrap(), json!({"n": 1}));
    run.done("a", json!("A"));
    assert_eq!(run.calls(), [r#"c ["A",2,"A"]"#]);
    run.done("c", json!("C"));
    assert_eq!(run.output(), json!({"all": "C"}));
}

#[test]
fn a_task_whose_condition_does_not_hold_is_passed_over() {
    let flow = flow().task("a", call("x").when(|_| false)).task("b", call("y")).build().unwrap();
    assert_eq!(run(flow, json!("in")).calls(), [r#"b "in""#]);
}

#[test]
fn steps_begin_as_those_before_them_are_done() {
    let graph = steps()
        .task("a", &[], call("x"))
        .task("b", &[], call("x"))
        .task(
            "c",
            &["a", "b"],
            call("x")
                .with(|scope| json!([scope.output("a").map(|it| it.value()), scope.output("b").map(|it| it.value())])),
        )
        .task("d", &["a"], call("x").when(|_| false))
        .task("e", &["d", "c"], call("x").with(|_| json!("last")));
    let mut run = run(flow().task("g", graph).build().unwrap(), json!(0));
    assert_eq!(run.calls(), ["g/a 0", "g/b 0"]);
    run.done("g/b", json!("B"));
    assert_eq!(run.calls(), ["g/a 0"]);
    run.done("g/a", json!("A"));
    assert_eq!(run.calls(), [r#"g/c ["A","B"]"#]);
    run.done("g/c", json!("C"));
    run.done("g/e", json!("E"));
    assert_eq!(run.output(), json!({"a": "A", "b": "B", "c": "C", "d": null, "e": "E"}));
}

#[test]
fn a_switch_says_where_to_go_on_and_may_go_round() {
    let count = |scope: &regie_core::workflow::flow::Scope<'_>| scope.variable("n").value().as_i64().unwrap_or(0);
    let flow = flow()
        .task("work", call("x").keep("n", move |scope| json!(count(scope) + 1)))
        .task("again", switch().case(move |scope| count(scope) < 3, "work"))
        .task("last", call("y"));
    let mut run = run(flow.build().unwrap(), json!(null));
    for attempt in 1..=3 {
        assert_eq!(run.owed(), [format!("work#{attempt}")]);
        run.done("work", json!(null));
    }
    assert_eq!(run.owed(), ["last#1"]);
}

#[test]
fn what_is_chosen_may_end_the_flow() {
    let flow = flow()
        .task(
            "pick",
            choose()
                .case("small", |scope| scope.value().value() == json!(1), call("x").then_end())
                .otherwise("large", call("y")),
        )
        .task("after", call("z"));
    let mut small = run(flow.build().unwrap(), json!(1));
    small.done("pick/small", json!("done"));
    assert_eq!(small.output(), json!("done"));
}

#[test]
fn what_is_left_early_goes_on_after_its_sequence() {
    let inner = sequence().task("a", call("x").then_exit()).task("b", call("x"));
    let faults = flow().task("s", inner).build().map(|_| ()).unwrap_err();
    assert_eq!(faults.faults[0].to_string(), "s/b: nothing leads to it");
    let inner = sequence()
        .task("if", switch().case(|scope| scope.value().value() == json!(2), "b"))
        .task("a", call("x").then_exit())
        .task("b", call("y"));
    let mut run = run(flow().task("s", inner).task("t", call("z")).build().unwrap(), json!(1));
    run.done("s/a", json!("out"));
    assert_eq!(run.calls(), [r#"t "out""#]);
}

#[test]
fn a_wait_ends_at_its_instant_and_one_in_the_past_at_once() {
    let flow = flow().task("w", wait(Duration::from_secs(5))).task("now", wait(Duration::ZERO)).build().unwrap();
    let mut run = run(flow, json!("kept"));
    assert_eq!((run.owed(), run.tick().as_str()), (vec!["w#1".to_string()], "w"));
    assert_eq!((run.output(), run.desk.now), (json!("kept"), millis(5_000)));
}
