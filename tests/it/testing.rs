//! The module for users' tests: what it asserts, it would have found otherwise.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::FutureExt;
use regie::actors::agent::AgentLimits;
use regie::core::event::{EntityRef, LifeState};
use regie::core::workflow::{AgentOutcome, Input, Reaction};
use regie::testing::{
    ScriptedAgent, Stage, assert_calls, assert_ended, assert_entity, assert_failed, assert_state, assert_types, within,
};

use crate::runtime_support::{event, script};

/// A stage whose workflow asks an agent once, and tells in its end what it was told.
async fn asking(agent: &ScriptedAgent) -> Stage {
    let asks = script("asks", "ask", |_, input, _| {
        Ok(match input {
            Input::Event(_) => Reaction::none().call("step", "agent", serde_json::json!({"n": 1})),
            Input::Agent { outcome: AgentOutcome::Done(answer), .. } => Reaction::none().complete(answer),
            Input::Agent { outcome, .. } => Reaction::none().fail(format!("{outcome:?}")),
            _ => Reaction::none(),
        })
    });
    let limits = AgentLimits { timeout: Duration::from_secs(5), ..AgentLimits::default() };
    let stage = Stage::with(|builder| builder.handler(asks).agent("agent", agent.clone(), limits)).await;
    for correlation in ["a", "b"] {
        assert_state(&stage.submit(event("ask", correlation, "1")).await, LifeState::Processed);
    }
    stage
}

#[test]
fn a_scripted_agent_takes_its_lines_in_turn_and_remembers_what_it_was_asked() {
    within(async {
        let agent = ScriptedAgent::new().answers(serde_json::json!("fine"));
        let stage = asking(&agent).await;
        stage.settle().await;
        assert_calls(&agent, &[r#"{"n":1}"#, r#"{"n":1}"#]);
        assert_ended(&stage, "a", r#""fine""#).await;
        stage.close().await;
    });
}

#[test]
fn errors_panics_and_silence_can_be_scripted() {
    for (agent, told) in [(ScriptedAgent::new().fails("busy"), "busy"), (ScriptedAgent::new().panics("oh"), "oh")] {
        within(async move {
            let stage = asking(&agent).await;
            stage.settle().await;
            assert_failed(&stage, "a", told).await;
            stage.close().await;
        });
    }
    within(async {
        let stage = asking(&ScriptedAgent::new().never_answers()).await;
        while stage.clock.waiters() < 2 {
            futures::future::ready(()).await; // until both calls have their limits
        }
        stage.advance(Duration::from_secs(5)).await;
        assert_failed(&stage, "b", "TimedOut").await;
        stage.close().await;
    });
}

#[test]
fn entities_and_types_are_asserted() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let task = EntityRef::new("task", "1");
        stage.submit(event("task.made", "c", "1").entity(task.clone()).change("status", (), "open")).await;
        stage.submit(event("task.done", "c", "2").entity(task.clone()).change("status", "open", "done")).await;
        assert_types(&stage, "c", &["task.made", "task.done"]).await;
        assert_entity(&stage, &task, "status", &serde_json::json!("done")).await;
        assert_entity(&stage, &task, "owner", &serde_json::Value::Null).await;
        let open = serde_json::json!("open");
        let wrong = AssertUnwindSafe(assert_entity(&stage, &task, "status", &open));
        assert!(wrong.catch_unwind().await.is_err());
        assert!(AssertUnwindSafe(assert_types(&stage, "c", &["task.made"])).catch_unwind().await.is_err());
        stage.close().await;
    });
}

#[test]
fn a_wrong_state_or_call_is_found() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let answer = stage.submit(event("t", "c", "1")).await;
        assert!(catch_unwind(|| assert_state(&answer, LifeState::Deferred)).is_err());
        assert!(catch_unwind(|| assert_calls(&ScriptedAgent::new(), &["1"])).is_err());
        stage.close().await;
    });
}
