//! How often an agent is called.

use regie::actors::agent::{AgentLimits, CallRate};
use regie::testing::ScriptedAgent;
use serde_json::json;

use super::{ask, asks, begin, begun, outcome, refused, seconds, until};
use crate::runtime_support::{Stage, at, within};

fn one_a_second(burst: u32) -> AgentLimits {
    AgentLimits::default().rate(CallRate::new(1, seconds(1)).burst(burst))
}

async fn asked(bank: &ScriptedAgent, limits: AgentLimits, calls: usize) -> Stage {
    let agent = bank.clone();
    let stage = Stage::with(|builder| builder.handler(asks()).agent("bank", agent, limits)).await;
    for nth in 0..calls {
        begin(&stage, &format!("w-{nth}"), "bank", json!(nth)).await;
        // Each shard lets out its own: the next one is asked for once the gate has this one.
        until(|| super::status(&stage, "bank").instances[0].calls.waiting as usize + bank.calls().len() > nth);
    }
    stage
}

#[test]
fn calls_begin_evenly_after_the_burst_in_the_order_in_which_they_came() {
    within(async {
        let bank = ScriptedAgent::new();
        let stage = asked(&bank, one_a_second(2), 5).await;
        for nth in 3..=5 {
            until(|| bank.calls().len() == nth - 1);
            stage.clock.advance_to(at((nth as i64 - 2) * 1_000));
        }
        until(|| bank.calls().len() == 5);
        assert_eq!(begun(&bank), [0, 0, 1_000, 2_000, 3_000].map(at));
        let tasks: Vec<String> = bank.calls().iter().skip(2).map(|call| call.task.to_string()).collect();
        assert_eq!(tasks, ["2", "3", "4"]);
        stage.handle.settle().await;
        stage.close().await;
    });
}

#[test]
fn a_call_that_would_wait_longer_than_it_may_take_is_refused_at_once() {
    within(async {
        let bank = ScriptedAgent::new();
        let limits = AgentLimits { timeout: seconds(2), ..one_a_second(1) };
        let stage = asked(&bank, limits, 3).await;
        let why = refused(outcome_of_one_more(&stage).await);
        assert!(why.contains("begin in 3s") && why.contains("(RATE)"), "{why}");
        for nth in 1..=2 {
            stage.clock.advance_to(at(nth * 1_000));
            until(|| bank.calls().len() as i64 > nth);
        }
        stage.handle.settle().await;
        stage.close().await;
    });
}

async fn outcome_of_one_more(stage: &Stage) -> regie::core::workflow::AgentOutcome {
    begin(stage, "more", "bank", json!("more")).await;
    outcome(stage, "more").await
}

#[test]
fn no_more_wait_for_a_rate_than_the_queue_takes() {
    within(async {
        let bank = ScriptedAgent::new();
        let stage = asked(&bank, AgentLimits { queue: 1, ..one_a_second(1) }, 2).await;
        assert!(refused(outcome_of_one_more(&stage).await).contains("waiting already"));
        stage.clock.advance_to(at(1_000));
        stage.handle.settle().await;
        assert_eq!(bank.calls().len(), 2);
        stage.close().await;
    });
}

#[test]
fn who_waits_for_a_rate_goes_by_another_once_that_is_set() {
    within(async {
        let bank = ScriptedAgent::new();
        let stage = asked(&bank, one_a_second(1), 3).await;
        stage.handle.set_agent_limits("bank", AgentLimits::default()).await.unwrap();
        stage.handle.settle().await;
        assert_eq!(begun(&bank), [0, 0, 0].map(at));
        ask(&stage, "more", "bank", json!(9)).await;
        stage.close().await;
    });
}
