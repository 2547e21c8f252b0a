//! What was done is put back.

use regie_core::retry::Retry;
use regie_core::workflow::flow::{CallTask, Flow, FlowBuilder, call, each, fork};
use regie_core::workflow::{AgentOutcome, Definitions, EffectEnd, Operation, RunStatus, Unpark};
use serde_json::json;

use super::run;

fn flow() -> FlowBuilder {
    Flow::named("f").starts_on("go")
}

fn undoable(agent: &str) -> CallTask {
    let once = Retry::never();
    call(agent).retry(once).undo(&format!("un{agent}")).undo_retry(once)
}

fn three() -> Flow {
    flow()
        .task("a", undoable("x"))
        .task("b", call("y"))
        .task("c", undoable("z"))
        .task("d", undoable("w"))
        .build()
        .unwrap()
}

#[test]
fn what_was_done_is_put_back_in_reverse_and_then_it_fails() {
    let mut run = run(three(), json!("in"));
    for step in ["a", "b", "c"] {
        run.done(step, json!(step));
    }
    run.fails("d");
    assert_eq!(run.status().name(), "compensating");
    assert_eq!(run.calls(), [r#"~undo/c {"input":"b","result":"c","step":"c"}"#]);
    run.done("~undo/c", json!(null));
    assert_eq!(run.calls(), [r#"~undo/a {"input":"in","result":"a","step":"a"}"#]);
    run.done("~undo/a", json!(null));
    assert_eq!(*run.status(), RunStatus::Failed { error: "d: error: no".into() });
}

#[test]
fn what_was_done_and_is_passed_over_is_put_back_with_what_it_gave() {
    let two = || flow().task("a", undoable("x")).task("b", undoable("z")).build().unwrap();
    let mut run = run(two(), json!(1));
    run.done("a", json!(2));
    let without = |flow: Flow| {
        let mut definitions = Definitions::default();
        definitions.add(flow);
        definitions
    };
    let whole = std::mem::replace(
        &mut run.desk.definitions,
        without(flow().task("a", undoable("x")).build().unwrap()), // which cannot take what b gives
    );
    run.done("b", json!("gave"));
    run.desk.definitions = whole;
    run.operate(Operation::Unpark(Unpark::Skip)).unwrap();
    assert_eq!(run.error(), "b: error: passed over by user:ada: because");
    assert_eq!(run.calls(), [r#"~undo/b {"input":2,"result":"gave","step":"b"}"#]);
}

#[test]
fn a_cancel_gives_up_what_is_under_way_and_puts_that_back_too() {
    let mut run = run(three(), json!("in"));
    run.done("a", json!("a"));
    run.done("b", json!("b"));
    run.operate(Operation::Cancel).unwrap();
    assert_eq!(run.calls(), [r#"~undo/c {"input":"b","result":null,"step":"c"}"#]);
    run.done("~undo/c", json!(null));
    run.done("~undo/a", json!(null));
    assert_eq!(*run.status(), RunStatus::Cancelled { reason: "because".into() });
}

#[test]
fn a_step_that_was_stopped_is_put_back_too() {
    let mut run = run(three(), json!("in"));
    run.ends("a", EffectEnd::Agent(AgentOutcome::TimedOut { after_ms: 5 }));
    assert_eq!(run.calls(), [r#"~undo/a {"input":"in","result":null,"step":"a"}"#]);
}

#[test]
fn what_cannot_be_put_back_waits_and_a_person_says_how_to_go_on() {
    for (how, status) in [(Unpark::Retry, "compensating"), (Unpark::Skip, "compensating"), (Unpark::Abandon, "failed")]
    {
        let mut run = run(three(), json!("in"));
        for step in ["a", "b", "c"] {
            run.done(step, json!(step));
        }
        run.fails("d");
        run.fails("~undo/c");
        assert_eq!(run.desk.state.run().unwrap().parked[0].what, "c");
        run.operate(Operation::Unpark(how)).unwrap();
        assert_eq!(run.status().name(), status, "{how:?}");
        match how {
            Unpark::Retry => assert_eq!(run.owed(), ["~undo/c#2"]),
            Unpark::Skip => {
                run.done("~undo/a", json!(null));
                assert_eq!(run.error(), "d: error: no; not put back: c");
            }
            Unpark::Abandon => assert_eq!(run.error(), "d: error: no; not put back: c, a"),
        }
    }
}

#[test]
fn of_what_ran_at_once_the_last_that_was_done_is_put_back_first() {
    let both = fork().branch("a", undoable("x")).branch("b", undoable("y")).branch("c", undoable("z"));
    let mut run = run(flow().task("f", both).build().unwrap(), json!(1));
    run.done("f/b", json!(2));
    run.done("f/a", json!(1));
    run.fails("f/c");
    let mut order = Vec::new();
    while run.status().name() == "compensating" {
        let step = run.calls()[0].split(' ').next().unwrap().to_string();
        run.done(&step, json!(null));
        order.push(step);
    }
    assert_eq!(order, ["~undo/f/a", "~undo/f/b"]);
}

#[test]
fn the_items_of_a_loop_are_put_back_each_with_its_own_result() {
    let items = each("i", |scope| scope.input().clone()).task(
        "t",
        undoable("x").undo_with(|done| json!([done.input.value(), done.result.as_ref().map(|it| it.value())])),
    );
    let mut run = run(flow().task("e", items).task("last", undoable("y")).build().unwrap(), json!(["p", "q"]));
    run.done("e[0]/t", json!("P"));
    run.done("e[1]/t", json!("Q"));
    run.fails("last");
    assert_eq!(run.calls(), [r#"~undo/e[1]/t ["q","Q"]"#]);
    run.done("~undo/e[1]/t", json!(null));
    assert_eq!(run.calls(), [r#"~undo/e[0]/t ["p","P"]"#]);
}

#[test]
fn what_nothing_puts_back_fails_at_once() {
    let mut run = run(flow().task("a", call("x").retry(Retry::never())).build().unwrap(), json!(1));
    run.fails("a");
    assert_eq!(run.error(), "a: error: no");
}
