//! Agents behind their gates: errors, breakers, rates, health, instances, routes, results that are kept; and modules.

mod breaker;
mod cache;
mod errors;
mod health;
mod instances;
mod limits;
mod modules;
mod rate;
mod routes;

use std::time::Duration;

use regie::actors::agent::AgentLimits;
use regie::core::agents::BreakerRule;
use regie::core::workflow::{AgentOutcome, EffectEnd, Handler, Input, Reaction};
use regie::core::{Json, Timestamp};
use regie::runtime::{AgentMetrics, AgentStatus, Waited};
use regie::testing::ScriptedAgent;
use serde_json::{Value, json};

use crate::runtime_support::{Stage, event, script};

/// Asks the agent or route that its event names, and ends with that.
fn asks() -> impl Handler {
    script("asks", "work.>", |_, input: Input<'_>, _: &_| {
        Ok(match input {
            Input::Event(event) if event.kind == "work.end" => Reaction::none().complete("enough"),
            Input::Event(event) => {
                let asked = event.payload.value();
                Reaction::none().call("ask", asked["agent"].as_str().unwrap_or_default(), asked["task"].clone())
            }
            _ => Reaction::none().complete("done"),
        })
    })
}

/// Has a workflow ask, without waiting for what comes of it.
async fn begin(stage: &Stage, correlation: &str, agent: &str, task: Value) {
    stage.submit(event("work.ask", correlation, "ask").payload(json!({"agent": agent, "task": task}))).await;
}

/// How what a workflow asked has ended.
async fn end(stage: &Stage, correlation: &str) -> EffectEnd {
    match stage.handle.wait(&correlation.into(), None).await.unwrap() {
        Waited::Ended { mut steps, .. } => steps.remove("ask").expect("it asked").end,
        other => panic!("{correlation} has not ended: {other:?}"),
    }
}

async fn outcome(stage: &Stage, correlation: &str) -> AgentOutcome {
    match end(stage, correlation).await {
        EffectEnd::Agent(outcome) | EffectEnd::Routed { outcome, .. } => outcome,
        other => panic!("{correlation} asked no agent: {other:?}"),
    }
}

/// Asks, and waits for what comes of it. The journal has taken all that follows by then.
async fn ask(stage: &Stage, correlation: &str, agent: &str, task: Value) -> AgentOutcome {
    begin(stage, correlation, agent, task).await;
    let outcome = outcome(stage, correlation).await;
    stage.handle.settle().await;
    outcome
}

fn done(value: impl Into<Json>) -> AgentOutcome {
    AgentOutcome::Done(value.into())
}

/// The reason of a refusal.
#[track_caller]
fn refused(outcome: AgentOutcome) -> String {
    match outcome {
        AgentOutcome::Refused(why) => why,
        other => panic!("it was not refused: {other:?}"),
    }
}

fn status(stage: &Stage, agent: &str) -> AgentStatus {
    stage.handle.agents().remove(agent).expect("it is registered")
}

async fn counts(stage: &Stage, agent: &str) -> AgentMetrics {
    stage.handle.metrics().await.agents[agent]
}

/// Waits for something that happens on other threads.
fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Opens after two failures in a row, for ten seconds.
fn breaks() -> AgentLimits {
    AgentLimits::default().breaker(BreakerRule::default().failures(2).open_for(seconds(10)))
}

/// When each call of an agent began that may take thirty seconds.
fn begun(agent: &ScriptedAgent) -> Vec<Timestamp> {
    agent.calls().iter().map(|call| call.deadline.before(seconds(30))).collect()
}
