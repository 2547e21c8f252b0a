//! Values that are large: what fits, and what is told of what does not.

use regie_core::limits;
use regie_core::workflow::flow::{Flow, FlowBuilder, IntoTask, attempt, call, fork, set};
use regie_core::workflow::{Fact, Record};
use serde_json::{Value, json};

use super::{Bench, run};

fn flow() -> FlowBuilder {
    Flow::named("f").starts_on("go")
}

/// As much as an agent may give.
fn largest() -> Value {
    json!("x".repeat(limits::AGENT_RESULT_BYTES - 2))
}

fn noted(run: &Bench) -> usize {
    let record = Record::decode(run.desk.records.last().expect("a record")).expect("a record");
    let bytes = |fact: &Fact| if let Fact::Noted { data } = fact { data.text().len() } else { 0 };
    record.facts.iter().map(bytes).sum()
}

#[test]
fn what_an_agent_gave_comes_to_the_next_one_and_is_noted_once() {
    let mut run = run(flow().task("a", call("x")).task("b", call("y")).task("c", call("z")).build().unwrap(), json!(1));
    for step in ["a", "b"] {
        run.done(step, largest());
        assert!(noted(&run) < limits::AGENT_RESULT_BYTES + 2_000, "{} bytes", noted(&run));
    }
    assert_eq!(run.calls(), [format!("c {}", largest())]);
    run.done("c", largest());
    assert_eq!(run.output(), largest());
}

#[test]
fn a_large_value_comes_to_all_branches_of_a_fork() {
    let wide = (0..100).fold(fork(), |fork, at| fork.branch(&format!("b{at}"), call("x")));
    let run = run(flow().task("f", wide).build().unwrap(), json!("x".repeat(40_000)));
    assert_eq!(run.calls().len(), 100);
}

#[test]
fn what_is_too_large_is_a_failure_that_can_be_caught() {
    let huge = || set("x", |_| json!("x".repeat(limits::FLOW_VALUE_BYTES)));
    let caught = attempt("huge", huge()).otherwise("b", call("x"));
    assert_eq!(run(flow().task("t", caught).build().unwrap(), json!(1)).calls(), ["t/b 1"]);
    let given = call("x").giving(|scope| json!([scope.value().value(), scope.value().value()]));
    let mut run = run(flow().task("a", given).build().unwrap(), json!(1));
    run.done("a", json!("x".repeat(600_000)));
    assert!(run.error().starts_with("a: expression: it has 12000"), "{}", run.error());
}

#[test]
fn a_fork_that_asks_too_much_at_once_is_a_failure_that_can_be_caught() {
    let wide = (0..10).fold(fork(), |fork, at| fork.branch(&format!("b{at}"), call("x")));
    let caught = attempt("wide", wide).otherwise("else", set("x", |_| json!(1)).giving(|_| json!("less")));
    let mut run = run(flow().task("a", call("x")).task("t", caught).build().unwrap(), json!(1));
    run.done("a", largest());
    assert_eq!(run.output(), json!("less"));
}
