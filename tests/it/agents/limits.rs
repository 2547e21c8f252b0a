//! Limits that are changed while an agent runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use regie::actors::agent::{AgentLimits, AgentSpec};
use regie::actors::faults::{FaultPoint, Faults};
use regie::core::Json;
use regie::core::agents::Phase;
use regie::testing::ScriptedAgent;
use serde_json::json;

use super::{ask, asks, begin, breaks, counts, refused, seconds, status, until};
use crate::runtime_support::{Blocks, Gate, Stage, within};

fn places(concurrency: usize) -> AgentLimits {
    AgentLimits::default().places(concurrency, 9)
}

/// So many calls are at a gate, each on a thread of its own.
async fn held(gate: &Gate, limits: AgentLimits, calls: usize) -> Stage {
    let holds = gate.clone();
    let bank = Blocks(move |_| {
        holds.pass();
        Ok(Json::null())
    });
    let spec = AgentSpec::blocking("bank", bank, limits);
    let stage = Stage::with(|builder| builder.handler(asks()).agent_as(spec)).await;
    for nth in 0..calls {
        begin(&stage, &format!("w-{nth}"), "bank", json!(nth)).await;
    }
    stage
}

#[test]
fn more_at_once_begin_what_waits_and_fewer_stop_nothing_that_runs() {
    within(async {
        let gate = Gate::default();
        let stage = held(&gate, places(1), 6).await;
        gate.wait_for(1);
        stage.handle.set_agent_limits("bank", places(3)).await.unwrap();
        gate.wait_for(3);
        stage.handle.set_agent_limits("bank", places(1)).await.unwrap();
        until(|| status(&stage, "bank").instances[0].calls.waiting == 3);
        assert_eq!((gate.came(), counts(&stage, "bank").await.running), (3, 3));
        assert_eq!(status(&stage, "bank").instances[0].limits, places(1));
        gate.open();
        stage.handle.settle().await;
        assert_eq!(counts(&stage, "bank").await.done, 6);
        stage.close().await;
    });
}

#[test]
fn a_breaker_can_be_given_and_taken_while_the_agent_runs() {
    within(async {
        let bank = ScriptedAgent::new().fails("down");
        let agent = bank.clone();
        let stage = Stage::with(|builder| builder.handler(asks()).agent("bank", agent, AgentLimits::default())).await;
        ask(&stage, "before", "bank", json!(1)).await;
        stage.handle.set_agent_limits("bank", breaks()).await.unwrap();
        for correlation in ["a", "b"] {
            ask(&stage, correlation, "bank", json!(1)).await;
        }
        refused(ask(&stage, "c", "bank", json!(1)).await);
        stage.handle.set_agent_limits("bank", AgentLimits::default()).await.unwrap();
        ask(&stage, "d", "bank", json!(1)).await;
        assert_eq!((bank.calls().len(), status(&stage, "bank").instances[0].breaker.clone()), (4, Phase::Closed));
        stage.close().await;
    });
}

#[test]
fn limits_that_were_set_outlive_the_gate() {
    within(async {
        let armed = Arc::new(AtomicBool::new(false));
        let arms = Arc::clone(&armed);
        let dies = Faults::when(move |at, _| at == FaultPoint::GateCall && arms.swap(false, Ordering::Relaxed));
        let bank = ScriptedAgent::new().never_answers();
        let agent = bank.clone();
        let stage =
            Stage::with(|builder| builder.handler(asks()).agent("bank", agent, AgentLimits::default()).faults(dies))
                .await;
        let limits = AgentLimits::default().places(1, 0);
        stage.handle.set_agent_limits("bank", limits).await.unwrap();
        armed.store(true, Ordering::Relaxed);
        ask(&stage, "dies", "bank", json!(1)).await;
        until(|| stage.handle.health().parts.iter().all(|part| part.trouble.is_none()));
        begin(&stage, "runs", "bank", json!(1)).await;
        until(|| bank.calls().len() == 1);
        begin(&stage, "too-many", "bank", json!(1)).await;
        refused(super::outcome(&stage, "too-many").await);
        stage.advance(seconds(30)).await;
        stage.close().await;
    });
}

#[test]
fn nobody_has_limits_who_is_not_there() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let error = stage.handle.set_agent_limits("bank", AgentLimits::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no agent 'bank'");
        stage.close().await;
    });
}
