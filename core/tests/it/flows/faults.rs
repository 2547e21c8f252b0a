//! Flows that cannot be.

use std::time::Duration;

use regie_core::retry::Retry;
use regie_core::workflow::flow::{
    Flow, FlowBuilder, IntoTask, SequenceTask, Task, attempt, call, each, fork, listen, sequence, set, steps, switch,
};
use serde_json::json;

fn flow() -> FlowBuilder {
    Flow::named("f").starts_on("go")
}

fn faults(flow: FlowBuilder) -> Vec<String> {
    let faults = flow.build().map(drop).expect_err("it cannot be");
    faults.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn each_fault_is_told_with_its_place_and_all_at_once() {
    let bad = Flow::named("no spaces")
        .version(0)
        .task("a/b", call(""))
        .task("x", listen(">.>"))
        .task("x", set("", |_| json!(1)))
        .task("e", each("i", |_| json!([])).at_most(0))
        .task("f", fork().branch("one", call("x")).at_least(2))
        .task("late", call("x").within(Duration::ZERO))
        .task("short", call("x").limit(Duration::from_micros(900)))
        .task("never", call("x").retry(Retry::times(0)))
        .task("again", attempt("x", call("x")).retry(Retry::times(0)))
        .task("back", call("x").undo("y").undo_retry(Retry::times(0)).undo_limit(Duration::ZERO))
        .task("go", call("x").then_to("nowhere"));
    let told = faults(bad);
    for wanted in [
        "a name has 1 to 60",
        "its version is 1 at least",
        "it does not say which events begin it",
        "a/b: a name has",
        "a/b: an agent's name has",
        "x: '>.>'",
        "x: two tasks beside one another have that name",
        "x: '': a name has",
        "e: 1 to 250 of its items",
        "e: it does not say what is to be done",
        "f: 2 of its 1 branches can never be done",
        "late: a time limit has at least 1 ms",
        "short: a time limit has at least 1 ms",
        "never: it is tried once at least",
        "again: it is tried once at least",
        "back: what puts it back: it is tried once at least",
        "back: what puts it back: a time limit has at least 1 ms",
        "go: it goes on at 'nowhere', which is not beside it",
    ] {
        assert!(told.iter().any(|fault| fault.contains(wanted)), "{wanted} in {told:#?}");
    }
}

#[test]
fn steps_that_wait_for_one_another_are_named() {
    let graph = steps()
        .task("free", &[], call("x"))
        .task("a", &["c", "free"], call("x"))
        .task("b", &["a"], call("x"))
        .task("c", &["b"], call("x"))
        .task("d", &["nobody"], call("x"));
    let told = faults(flow().task("g", graph));
    assert!(told.contains(&"g/d: it comes after 'nobody', which is not beside it".to_string()), "{told:?}");
    assert!(told.contains(&"g: each waits for the other: a after c after b after a".to_string()), "{told:?}");
}

#[test]
fn what_nothing_leads_to_is_named() {
    let flow = flow()
        .task("a", switch().otherwise("c"))
        .task("b", call("x"))
        .task("c", call("x").then_end())
        .task("d", call("x"));
    assert_eq!(faults(flow), ["b: nothing leads to it", "d: nothing leads to it"]);
}

#[test]
fn where_to_go_on_is_said_in_a_sequence_alone() {
    let branches = fork().branch("a", call("x").then_exit()).branch("b", call("x").then_to("a"));
    let told = faults(flow().task("f", branches));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("only a task of a sequence"));
}

#[test]
fn a_flow_may_be_large_and_not_too_large() {
    let long = |count: usize| (0..count).fold(flow(), |flow, at| flow.task(&format!("t{at}"), set("x", |_| json!(1))));
    assert!(long(10_000).build().is_ok());
    assert_eq!(faults(long(10_001)), ["it has 10001 tasks; at most 10000"]);
    let deep = |depth: usize| {
        (0..depth).fold(SequenceTask::default(), |inner: SequenceTask, _| sequence().task("s", Task::from(inner)))
    };
    assert!(flow().task("top", deep(31)).build().is_ok());
    assert!(faults(flow().task("top", deep(40)))[0].contains("more than 32 deep"));
}

#[test]
fn what_asks_for_too_much_at_once_is_refused_with_its_time_limits() {
    let second = Duration::from_secs(1);
    let wide = |branches: usize| {
        let branch = || sequence().task("c", call("x").within(second)).within(second);
        flow().task("f", (0..branches).fold(fork(), |fork, at| fork.branch(&format!("b{at}"), branch())))
    };
    assert!(wide(200).build().is_ok());
    assert_eq!(faults(wide(201)), ["f: 603 effects begin at once with it, time limits and all; at most 600"]);
}

#[test]
fn the_runtimes_own_names_are_no_names_of_flows() {
    let own = Flow::named("regie.mine").starts_on("go").task("a", call("x"));
    assert_eq!(faults(own), ["names that begin with 'regie.' are the runtime's own"]);
}
