//! As many tasks as a flow may have, and as deep as they may be: run to the end.

use regie_core::limits;
use regie_core::workflow::flow::{Flow, FlowBuilder, SequenceTask, Task, call, sequence};
use serde_json::json;

use super::run;

fn flow() -> FlowBuilder {
    Flow::named("f").starts_on("go")
}

#[test]
fn ten_thousand_calls_are_made_one_after_another() {
    let flow = (0..limits::FLOW_TASKS).fold(flow(), |flow, at| flow.task(&format!("t{at}"), call("x")));
    let mut run = run(flow.build().unwrap(), json!(null));
    for at in 0..limits::FLOW_TASKS {
        run.done(&format!("t{at}"), json!(at));
    }
    assert_eq!(run.output(), json!(limits::FLOW_TASKS - 1));
    run.assert_replays();
}

#[test]
fn what_is_deep_within_comes_all_the_way_up() {
    let call: Task = sequence().task("s", call("x")).into();
    let wrap = |inner: Task| Task::from(SequenceTask::default().task("s", inner));
    let deep = (0..limits::FLOW_DEPTH - 3).fold(call, |inner, _| wrap(inner));
    let mut run = run(flow().task("top", deep).build().unwrap(), json!(null));
    let path = format!("top{}", "/s".repeat(limits::FLOW_DEPTH - 2));
    run.done(&path, json!("from below"));
    assert_eq!(run.output(), json!("from below"));
    run.assert_replays();
}
