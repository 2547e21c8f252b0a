//! Flows that are operated on.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use regie_core::event::Event;
use regie_core::retry::Retry;
use regie_core::workflow::flow::{
    CallTask, Flow, FlowBuilder, IntoTask, Scope, attempt, call, each, emit, fork, raise, run as ends_elsewhere,
    sequence, wait,
};
use regie_core::workflow::{Operation, Refusal, Unpark};
use serde_json::{Value, json};

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

/// Fails until it is corrected: an expression, and the word that corrects it.
fn bad() -> (impl Fn(&Scope<'_>) -> Result<Value, String> + Clone + Send + Sync + 'static, Arc<AtomicBool>) {
    let good = Arc::new(AtomicBool::new(false));
    let asked = good.clone();
    let value = move |scope: &Scope<'_>| match asked.load(Relaxed) {
        true => Ok(json!(["good", scope.value().value()])),
        false => Err("bad".to_string()),
    };
    (value, good)
}

#[test]
fn a_retry_ends_a_task_that_failed_on_its_way_out_without_doing_it_again() {
    for inner in [false, true] {
        let (value, good) = bad();
        let task = once("x").giving(value);
        let flow = if inner { flow().task("s", sequence().task("a", task)) } else { flow().task("a", task) };
        let mut run = run(flow.task("next", once("y")).build().unwrap(), json!(1));
        run.done(if inner { "s/a" } else { "a" }, json!("done"));
        assert!(run.error().ends_with("a: expression: bad"), "{}", run.error());
        run.operate(Operation::Retry).unwrap();
        assert!(run.error().ends_with("a: expression: bad"), "{}", run.error());
        good.store(true, Relaxed);
        run.operate(Operation::Retry).unwrap();
        assert_eq!(run.calls(), [r#"next ["good","done"]"#]);
    }
}

#[test]
fn a_retry_ends_what_holds_others_and_the_flow_itself() {
    let (value, good) = bad();
    let inner = fork().branch("a", once("x")).branch("b", once("y")).first().keep("v", value.clone());
    let mut run = run(flow().task("f", inner).giving(value).build().unwrap(), json!(1));
    run.done("f/b", json!("b"));
    assert_eq!((run.error(), run.owed()), ("f: expression: bad", vec![]));
    run.operate(Operation::Retry).unwrap();
    assert_eq!(run.error(), "f: expression: bad");
    good.store(true, Relaxed);
    run.operate(Operation::Retry).unwrap();
    assert_eq!(run.output(), json!(["good", "b"]));
}

#[test]
fn a_retry_begins_what_had_not_begun_beside_what_failed() {
    let (value, good) = bad();
    let wide = fork().branch("a", once("x").with(value)).branch("b", once("y")).branch("c", once("z"));
    let mut run = run(flow().task("f", wide).task("next", once("w")).build().unwrap(), json!(1));
    assert_eq!((run.error(), run.owed()), ("f/a: expression: bad", vec![]));
    good.store(true, Relaxed);
    run.operate(Operation::Retry).unwrap();
    assert_eq!(run.calls(), [r#"f/a ["good",1]"#, "f/b 1", "f/c 1"]);
}

#[test]
fn a_retry_that_fails_elsewhere_forgets_nothing() {
    let ((one, one_good), (two, two_good)) = (bad(), bad());
    let inner = |value| sequence().task("s", once("x").with(value));
    let wide = fork().branch("a", inner(one)).branch("b", inner(two)).branch("c", once("z"));
    let mut run = run(flow().task("f", wide).build().unwrap(), json!(1));
    assert_eq!(run.error(), "f/a/s: expression: bad");
    one_good.store(true, Relaxed);
    run.operate(Operation::Retry).unwrap();
    assert_eq!(run.error(), "f/b/s: expression: bad");
    two_good.store(true, Relaxed);
    run.operate(Operation::Retry).unwrap();
    assert_eq!(run.calls(), [r#"f/a/s ["good",1]"#, r#"f/b/s ["good",1]"#, "f/c 1"]);
}

#[test]
fn a_retry_begins_what_is_tried_once_though_its_failure_was_not_caught() {
    let (value, good) = bad();
    let tried = attempt("x", once("x").with(value)).catch_if(|_| false);
    let mut run = run(flow().task("t", tried).build().unwrap(), json!(1));
    assert_eq!(run.error(), "t/x: expression: bad");
    good.store(true, Relaxed);
    run.operate(Operation::Retry).unwrap();
    assert_eq!(run.calls(), [r#"t/x ["good",1]"#]);
}

#[test]
fn a_retry_goes_on_with_the_items_of_a_loop_that_had_not_begun() {
    let (value, good) = bad();
    let items = each("i", |scope| scope.input().clone()).at_most(2).task("t", once("x").with(value));
    let mut run = run(flow().task("e", items).build().unwrap(), json!([1, 2, 3]));
    assert_eq!(run.error(), "e[0]/t: expression: bad");
    good.store(true, Relaxed);
    run.operate(Operation::Retry).unwrap();
    assert_eq!(run.calls(), [r#"e[0]/t ["good",1]"#, r#"e[1]/t ["good",2]"#]);
    run.done("e[0]/t", json!(1));
    assert_eq!(run.calls().len(), 2);
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
fn one_that_is_abandoned_while_it_runs_ends_and_what_it_did_stays() {
    let two = flow().task("a", call("x").undo("y")).task("b", call("z").undo("y")).build().unwrap();
    let mut run = run(two, json!(1));
    run.done("a", json!(1));
    let mut other = regie_core::workflow::Definitions::default();
    other.add(self::flow().task("a", call("x").undo("y")).build().unwrap());
    run.desk.definitions = other;
    run.done("b", json!(1)); // a definition without that task cannot take it
    run.operate(Operation::Unpark(Unpark::Abandon)).unwrap();
    assert_eq!((run.error(), run.owed()), ("abandoned: because; not put back: b, a", vec![]));
}

#[test]
fn nothing_waits_for_a_person_in_a_flow_that_runs() {
    let mut run = run(flow().task("a", once("x")).build().unwrap(), json!(1));
    assert!(matches!(run.operate(Operation::Unpark(Unpark::Skip)), Err(Refusal::NotNow { .. })));
    run.operate(Operation::Pause).unwrap();
    run.operate(Operation::Cancel).unwrap();
    assert_eq!(run.status().name(), "cancelled");
}

#[test]
fn a_wait_without_an_end_is_one_that_can_be_written_and_read() {
    let flow = flow().task("w", wait(Duration::MAX)).build().unwrap();
    let mut run = run(flow, json!(1));
    assert_eq!(run.owed(), ["w#1"]);
    run.assert_replays();
    run.operate(Operation::Cancel).unwrap();
    assert_eq!(run.status().name(), "cancelled");
}

#[test]
fn what_is_the_runtimes_own_is_not_a_flows_to_send() {
    for (kind, to, what) in [
        ("regie.x", "elsewhere", "\"type\": types that begin with 'regie.' are the runtime's own: 'regie.x'"),
        ("told", "regie/x", "\"correlation_id\": names that begin with 'regie/' are the runtime's own: 'regie/x'"),
    ] {
        let event = move |_: &Scope<'_>| Event::new(kind, to);
        for task in [emit(event), ends_elsewhere(event)] {
            let run = run(flow().task("e", task).build().unwrap(), json!(1));
            assert_eq!(run.error(), format!("e: expression: it may not be sent: {what}"));
            assert!(run.owed().is_empty());
        }
    }
}

#[test]
fn what_is_raised_is_bounded_as_all_values_are() {
    let run = run(flow().task("r", raise("no", |_| json!("x".repeat(2 << 20)))).build().unwrap(), json!(1));
    assert!(run.error().starts_with("r: expression: it has 2097154 bytes"), "{}", &run.error()[..100]);
}
