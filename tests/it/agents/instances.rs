//! Several instances of one agent.

use futures::FutureExt;
use regie::actors::agent::{AgentError, AgentLimits, AgentSpec, AgentTask};
use regie::core::Json;
use regie::core::agents::Phase;
use regie::core::workflow::AgentOutcome;
use regie::testing::ScriptedAgent;
use serde_json::json;

use super::{ask, asks, begin, breaks, counts, done, outcome, refused, seconds, status, until};
use crate::runtime_support::{Acts, Blocks, Gate, Stage, within};

fn never() -> ScriptedAgent {
    ScriptedAgent::new().never_answers()
}

#[test]
fn the_least_loaded_instance_takes_a_call() {
    within(async {
        let (small, large) = (never(), never());
        let spec = AgentSpec::new("bank", small.clone(), AgentLimits::default().places(1, 9));
        let spec = spec.instance(large.clone(), AgentLimits::default().places(3, 9));
        let stage = Stage::with(|builder| builder.handler(asks()).agent_as(spec)).await;
        for nth in 1..=4 {
            begin(&stage, &format!("w-{nth}"), "bank", json!(nth)).await;
            until(|| small.calls().len() + large.calls().len() == nth);
        }
        assert_eq!((small.calls().len(), large.calls().len()), (1, 3));
        stage.advance(seconds(30)).await;
        stage.close().await;
    });
}

#[test]
fn an_instance_whose_breaker_is_open_leaves_its_calls_to_the_others() {
    within(async {
        let (ill, well) = (ScriptedAgent::new().panics("down"), ScriptedAgent::new().answers(json!("paid")));
        let spec = AgentSpec::new("bank", ill.clone(), breaks()).instance(well.clone(), breaks());
        let stage = Stage::with(|builder| builder.handler(asks()).agent_as(spec)).await;
        for nth in 0..2 {
            let down = AgentOutcome::Panicked("down".into());
            assert_eq!(ask(&stage, &format!("ill-{nth}"), "bank", json!(nth)).await, down);
        }
        for nth in 0..5 {
            assert_eq!(ask(&stage, &format!("well-{nth}"), "bank", json!(nth)).await, done(json!("paid")));
        }
        let phases: Vec<Phase> = status(&stage, "bank").instances.into_iter().map(|it| it.breaker).collect();
        assert!(matches!(phases[..], [Phase::Open { .. }, Phase::Closed]), "{phases:?}");
        let all = counts(&stage, "bank").await;
        assert_eq!((all.done, all.panicked, ill.calls().len()), (5, 2, 2));
        stage.close().await;
    });
}

#[test]
fn where_none_takes_it_each_says_why() {
    within(async {
        let spec = AgentSpec::new("bank", ScriptedAgent::new().fails("down"), breaks());
        let spec = spec.instance(never(), AgentLimits::default().places(1, 0));
        let stage = Stage::with(|builder| builder.handler(asks()).agent_as(spec)).await;
        for correlation in ["a", "b"] {
            ask(&stage, correlation, "bank", json!(1)).await;
        }
        begin(&stage, "c", "bank", json!(1)).await;
        until(|| status(&stage, "bank").instances[1].calls.running == 1);
        begin(&stage, "d", "bank", json!(1)).await;
        let why = refused(outcome(&stage, "d").await);
        assert!(why.contains("none of 2 instances") && why.contains("BREAKER_OPEN"), "{why}");
        assert!(why.contains("0 calls of 'bank' are waiting already"), "{why}");
        stage.advance(seconds(30)).await;
        stage.close().await;
    });
}

/// An instance that holds its thread and one that panics; a healthy agent beside them, and healthy instances, are not held up.
#[test]
fn who_blocks_or_panics_holds_up_nobody_else() {
    within(async {
        let gate = Gate::default();
        let held = gate.clone();
        let blocks = Blocks(move |_| {
            held.pass();
            Ok(Json::null())
        });
        let panics = Acts(|_| async { panic!("down") }.boxed());
        let echo = || Acts(|task: AgentTask| futures::future::ready(Ok::<_, AgentError>(task.task)).boxed());
        let one = || breaks().places(1, 0);
        let bank = AgentSpec::blocking("bank", blocks, one()).instance(panics, one()).instance(echo(), one());
        let stage =
            Stage::with(|builder| builder.handler(asks()).agent_as(bank).agent("echo", echo(), AgentLimits::default()))
                .await;
        begin(&stage, "held", "bank", json!(0)).await;
        gate.wait_for(1);
        for nth in 0..10 {
            begin(&stage, &format!("bank-{nth}"), "bank", json!(nth)).await;
            outcome(&stage, &format!("bank-{nth}")).await;
            begin(&stage, &format!("echo-{nth}"), "echo", json!(nth)).await;
            assert_eq!(outcome(&stage, &format!("echo-{nth}")).await, done(json!(nth)));
        }
        let all = counts(&stage, "bank").await;
        assert_eq!((all.running, all.panicked, all.done), (1, 2, 8), "the breaker has left the one that panics alone");
        gate.open();
        stage.handle.settle().await;
        stage.close().await;
    });
}
