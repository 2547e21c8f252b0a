//! Flows through agents, timers, other correlations and restarts.

use std::time::Duration;

use regie::actors::agent::AgentLimits;
use regie::core::event::Event;
use regie::core::retry::Retry;
use regie::core::workflow::flow::{Flow, FlowBuilder, IntoTask, attempt, call, each, emit, fork, listen, run};
use regie::testing::{ScriptedAgent, assert_calls, assert_ended, assert_failed, assert_types};
use serde_json::json;

use crate::runtime_support::{Stage, event, within};

fn flow() -> FlowBuilder {
    Flow::named("f").starts_on("go")
}

async fn stage(agent: &ScriptedAgent, flow: FlowBuilder) -> Stage {
    let (flow, agent) = (flow.build().expect("a good flow"), agent.clone());
    Stage::with(|builder| builder.handler(flow).agent("agent", agent, AgentLimits::default())).await
}

async fn go(stage: &Stage, input: serde_json::Value) {
    stage.submit(event("go", "c", "e").payload(input)).await;
    stage.settle().await;
}

#[test]
fn a_step_is_tried_again_after_its_waits_with_a_token_of_its_own() {
    within(async {
        let agent = ScriptedAgent::new().fails("busy").fails("busy").answers(json!("ok"));
        let retry = Retry { first: Duration::from_secs(1), jitter_percent: 0, ..Retry::times(3) };
        let stage = stage(&agent, flow().task("a", call("agent").retry(retry))).await;
        go(&stage, json!("in")).await;
        stage.advance(Duration::from_secs(1)).await;
        stage.advance(Duration::from_secs(2)).await;
        assert_ended(&stage, "c", r#""ok""#).await;
        let tokens: Vec<String> = agent.calls().iter().map(|call| call.token()).collect();
        assert_eq!(tokens, ["c/a#1", "c/a#2", "c/a#3"]);
        stage.close().await;
    });
}

#[test]
fn branches_and_items_run_at_once_and_come_together() {
    within(async {
        let agent = ScriptedAgent::new().answers(json!(1));
        let items = each("n", |scope| scope.input().clone()).at_most(2).task("t", call("agent"));
        let both = fork().branch("items", items).branch("one", call("agent").with(|_| json!("one")));
        let stage = stage(&agent, flow().task("f", both)).await;
        go(&stage, json!([1, 2, 3])).await;
        assert_ended(&stage, "c", "[[1,1,1],1]").await;
        assert_eq!(agent.calls().len(), 4);
        stage.close().await;
    });
}

#[test]
fn an_event_is_waited_for_and_one_that_does_not_come_is_given_up() {
    within(async {
        let agent = ScriptedAgent::new();
        let paid = attempt("paid", listen("paid").within(Duration::from_secs(60)))
            .otherwise("remind", call("agent").with(|_| json!("pay!")));
        let stage = stage(&agent, flow().task("t", paid).task("ship", listen("shipped"))).await;
        go(&stage, json!(null)).await;
        stage.advance(Duration::from_secs(60)).await;
        assert_calls(&agent, &[r#""pay!""#]);
        stage.submit(event("shipped", "c", "s").payload(json!("by boat"))).await;
        assert_ended(&stage, "c", r#""by boat""#).await;
        stage.close().await;
    });
}

#[test]
fn a_sub_workflow_runs_in_its_own_correlation_and_gives_what_it_gives() {
    within(async {
        let agent = ScriptedAgent::new().answers(json!("from below"));
        let below = Flow::named("below").starts_on("below").task("a", call("agent")).build().unwrap();
        let above = flow()
            .task("sub", run(|scope| Event::new("below", format!("{}/sub", scope.correlation())).payload(json!("in"))))
            .task("tell", emit(|scope| Event::new("told", "elsewhere").payload(scope.value().value())));
        let (agent_too, above) = (agent.clone(), above.build().unwrap());
        let stage = Stage::with(|builder| {
            builder.handler(above).handler(below).agent("agent", agent_too, AgentLimits::default())
        });
        let stage = stage.await;
        go(&stage, json!(null)).await;
        assert_ended(&stage, "c/sub", r#""from below""#).await;
        assert_ended(&stage, "c", r#""from below""#).await;
        assert_types(&stage, "elsewhere", &["told"]).await;
        let chain =
            stage.handle.events(regie::core::query::Filter { correlation: Some("c/sub".into()), ..Default::default() });
        assert_eq!(chain.await.unwrap()[0].incoming.event().correlation_chain, ["c".into()]);
        stage.close().await;
    });
}

#[test]
fn a_sub_workflow_of_a_cancelled_one_is_cancelled_too() {
    within(async {
        let agent = ScriptedAgent::new();
        let below = Flow::named("below").starts_on("below").task("a", listen("never")).build().unwrap();
        let above = flow().task("sub", run(|_| Event::new("below", "sub"))).build().unwrap();
        let stage =
            Stage::with(|builder| builder.handler(above).handler(below).agent("agent", agent, AgentLimits::default()));
        let stage = stage.await;
        go(&stage, json!(null)).await;
        stage.handle.cancel(&"c".into(), regie::core::event::Principal::user("ada"), "no more").await.unwrap();
        stage.settle().await;
        let status = stage.handle.look(&"sub".into()).await.unwrap().run.unwrap().status;
        assert_eq!(status.to_string(), "cancelled (what it ran for goes on without it)");
        stage.close().await;
    });
}

#[test]
fn what_was_done_is_put_back_and_late_events_are_skipped() {
    within(async {
        let agent = ScriptedAgent::new().answers(json!(1)).answers(json!(2)).fails("no").answers(json!("back"));
        let undoable = || call("agent").retry(Retry::never()).undo("agent");
        let three = flow().task("a", undoable()).task("b", undoable()).task("c", undoable());
        let stage = stage(&agent, three).await;
        go(&stage, json!("in")).await;
        assert_failed(&stage, "c", "c: error: no").await;
        assert_calls(
            &agent,
            &[r#""in""#, "1", "2", r#"{"input":1,"result":2,"step":"b"}"#, r#"{"input":"in","result":1,"step":"a"}"#],
        );
        let late = stage.submit(event("anything", "c", "late")).await;
        assert_eq!(late.state_transitions.last().unwrap().reason, "skipped: its workflow has failed");
        stage.close().await;
    });
}

#[test]
fn a_call_that_is_given_up_is_stopped() {
    within(async {
        let (fast, slow) = (ScriptedAgent::new().answers(json!("fast")), ScriptedAgent::new().never_answers());
        let race = fork().branch("slow", call("slow")).branch("fast", call("fast")).first();
        let flow = flow().task("race", race).task("wait", listen("end")).build().unwrap();
        let stage = Stage::with(|builder| {
            let limits = AgentLimits::default();
            builder.handler(flow).agent("slow", slow, limits).agent("fast", fast, limits)
        });
        let stage = stage.await;
        go(&stage, json!(null)).await;
        // At rest although the slow agent never answers: nothing of it is under way any more.
        stage.settle().await;
        stage.submit(event("end", "c", "end").payload(json!("over"))).await;
        assert_ended(&stage, "c", r#""over""#).await;
        stage.close().await;
    });
}
