//! What people do to workflows.

use std::time::Duration;

use regie::actors::agent::AgentLimits;
use regie::core::event::Principal;
use regie::core::retry::Retry;
use regie::core::workflow::flow::{Flow, IntoTask, call, wait};
use regie::core::workflow::{Fact, Operation, RunStatus, Unpark};
use regie::runtime::{Ending, Waited};
use regie::testing::{ScriptedAgent, assert_ended, assert_failed};
use serde_json::json;

use crate::runtime_support::{Folder, Stage, event, within};

fn ada() -> Principal {
    Principal::user("ada")
}

/// One after another: a step that can be put back, a second of rest, another step.
fn flow() -> Flow {
    let flow = Flow::named("f").starts_on("go");
    let first = call("agent").retry(Retry::never()).undo("undoer").undo_retry(Retry::never());
    let tasks = flow.task("a", first).task("rest", wait(Duration::from_secs(1)));
    tasks.task("b", call("agent").retry(Retry::never()).with(|_| json!("b"))).build().unwrap()
}

async fn stage(agent: &ScriptedAgent, undoer: &ScriptedAgent) -> Stage {
    let (agent, undoer, limits) = (agent.clone(), undoer.clone(), AgentLimits::default());
    let stage =
        Stage::with(|builder| builder.handler(flow()).agent("agent", agent, limits).agent("undoer", undoer, limits));
    let stage = stage.await;
    stage.submit(event("go", "c", "e")).await;
    stage.settle().await;
    stage
}

#[test]
fn a_paused_workflow_rests_until_it_is_resumed() {
    within(async {
        let agent = ScriptedAgent::new();
        let stage = stage(&agent, &ScriptedAgent::new()).await;
        assert!(stage.handle.pause(&"c".into(), ada(), "let it rest").await.unwrap().run.unwrap().paused);
        stage.advance(Duration::from_secs(60)).await;
        assert_eq!(agent.calls().len(), 1, "its timer does not run");
        stage.handle.resume(&"c".into(), ada(), "go on").await.unwrap();
        stage.settle().await;
        assert_ended(&stage, "c", "null").await;
        stage.close().await;
    });
}

#[test]
fn a_cancelled_workflow_puts_back_what_it_did_and_whoever_waits_is_told() {
    within(async {
        let undoer = ScriptedAgent::new();
        let stage = stage(&ScriptedAgent::new(), &undoer).await;
        let waits = stage.handle.clone();
        let view = stage.handle.cancel(&"c".into(), ada(), "not wanted").await.unwrap();
        assert!(!view.run.unwrap().status.name().is_empty());
        let Waited::Ended { ending, .. } = waits.wait(&"c".into(), None).await.unwrap() else { panic!("not ended") };
        assert_eq!((ending, undoer.calls().len()), (Ending::Cancelled("not wanted".into()), 1));
        stage.close().await;
    });
}

#[test]
fn what_cannot_be_put_back_waits_for_a_person_over_a_restart() {
    within(async {
        let (folder, agent) = (Folder::new(), ScriptedAgent::new().answers(json!(1)).fails("no"));
        let begin = |undoer: ScriptedAgent| {
            let (agent, journal, limits) = (agent.clone(), folder.journal(), AgentLimits::default());
            Stage::with(move |builder| {
                builder.journal(journal).handler(flow()).agent("agent", agent, limits).agent("undoer", undoer, limits)
            })
        };
        let stage = begin(ScriptedAgent::new().fails("it is down")).await;
        stage.submit(event("go", "c", "e")).await;
        stage.settle().await;
        stage.advance(Duration::from_secs(1)).await;
        let parked = stage.handle.look(&"c".into()).await.unwrap().run.unwrap().parked;
        assert_eq!((parked[0].what.as_str(), parked[0].error.as_str()), ("a", "error: it is down"));
        stage.close().await;
        let undoer = ScriptedAgent::new();
        let stage = begin(undoer.clone()).await;
        stage.settle().await;
        assert_eq!(undoer.calls().len(), 0, "nobody has said so yet");
        stage.handle.unpark(&"c".into(), Unpark::Retry, ada(), "it is up again").await.unwrap();
        stage.settle().await;
        assert_failed(&stage, "c", "b: error: no").await;
        assert_eq!(undoer.calls().iter().map(|call| call.token()).collect::<Vec<_>>(), ["c/~undo/a#2"]);
        stage.close().await;
    });
}

#[test]
fn a_failed_workflow_goes_on_where_it_failed() {
    within(async {
        let agent = ScriptedAgent::new().fails("no").answers(json!("yes"));
        let flow = Flow::named("f").starts_on("go").task("a", call("agent").retry(Retry::never())).build().unwrap();
        let agent_too = agent.clone();
        let stage =
            Stage::with(|builder| builder.handler(flow).agent("agent", agent_too, AgentLimits::default())).await;
        stage.submit(event("go", "c", "e")).await;
        stage.settle().await;
        assert_failed(&stage, "c", "a: error: no").await;
        stage.handle.retry(&"c".into(), ada(), "it is up again").await.unwrap();
        stage.settle().await;
        assert_ended(&stage, "c", r#""yes""#).await;
        stage.close().await;
    });
}

#[test]
fn a_terminated_workflow_is_over_and_puts_nothing_back() {
    within(async {
        let undoer = ScriptedAgent::new();
        let stage = stage(&ScriptedAgent::new(), &undoer).await;
        let view = stage.handle.terminate(&"c".into(), ada(), "now").await.unwrap();
        assert_eq!(view.run.unwrap().status, RunStatus::Terminated { reason: "now".into() });
        stage.advance(Duration::from_secs(60)).await;
        assert_eq!(undoer.calls().len(), 0);
        let refused = stage.handle.cancel(&"c".into(), ada(), "again").await.unwrap_err();
        assert_eq!(refused.to_string(), "cancel is not possible: it is over: terminated (now)");
        stage.close().await;
    });
}

#[test]
fn nothing_can_be_done_where_nothing_runs() {
    within(async {
        let stage = stage(&ScriptedAgent::new(), &ScriptedAgent::new()).await;
        let refused = stage.handle.pause(&"nobody".into(), ada(), "why not").await.unwrap_err();
        assert_eq!(refused.to_string(), "no workflow runs here: there is nothing to pause");
        stage.close().await;
    });
}

#[test]
fn what_is_asked_again_under_its_id_is_done_once() {
    within(async {
        let stage = stage(&ScriptedAgent::new(), &ScriptedAgent::new()).await;
        for _ in 0..2 {
            let pause = (Operation::Pause, "op-1");
            assert!(stage.handle.operate_once(&"c".into(), pause, ada(), "rest").await.unwrap().run.unwrap().paused);
        }
        let records = stage.handle.records(&"c".into()).await.unwrap();
        let facts = records.iter().flat_map(|stored| &stored.record.facts);
        assert_eq!(facts.filter(|fact| matches!(fact, Fact::Operated { .. })).count(), 1);
        assert!(stage.handle.pause(&"c".into(), ada(), "rest").await.is_err(), "under another it is another");
        stage.close().await;
    });
}

#[test]
fn an_operations_id_is_not_anothers_and_is_a_name() {
    within(async {
        let stage = stage(&ScriptedAgent::new(), &ScriptedAgent::new()).await;
        let asks = |operation, id| {
            let (handle, id): (_, &'static str) = (stage.handle.clone(), id);
            async move { handle.operate_once(&"c".into(), (operation, id), ada(), "rest").await.map(drop) }
        };
        asks(Operation::Pause, "op-1").await.unwrap();
        let other = asks(Operation::Resume, "op-1").await.unwrap_err();
        assert_eq!(other.code(), "other_content");
        let told = "the operation id 'op-1' was used before, to pause, and cannot be used to resume: take a new one";
        assert_eq!(other.to_string(), told);
        let blank = asks(Operation::Resume, " ").await.unwrap_err();
        assert_eq!((blank.code(), blank.to_string().contains("operation_id")), ("bad_id", true), "{blank}");
        assert!(stage.handle.look(&"c".into()).await.unwrap().run.unwrap().paused, "nothing was done");
        stage.close().await;
    });
}
