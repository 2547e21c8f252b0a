//! Workflows: what their steps, starts, sleep, growth, ends and neighbours cost.

pub(crate) mod asleep;
pub(crate) mod ends;
pub(crate) mod flat;
pub(crate) mod flows;
mod hops;
pub(crate) mod neighbours;
mod probe;
pub(crate) mod steps;

use std::time::Duration;

use regie::actors::agent::{Agent, AgentError, AgentLimits, AgentTask};
use regie::core::Json;
use regie::core::event::{EventBuilder, Incoming};
use regie::core::workflow::flow::{Flow, call};
use regie::prelude::*;

use crate::Figure;

/// An agent that answers at once.
pub(super) struct AtOnce;

impl Agent for AtOnce {
    async fn handle(&self, _: AgentTask) -> Result<Json, AgentError> {
        Ok(Json::of(&serde_json::json!({"ok": true})))
    }
}

/// Three steps through the agent of that name, begun by events of that type.
pub(super) fn three(name: &str, starts_on: &str, agent: &str) -> Flow {
    let flow = Flow::named(name).starts_on(starts_on);
    flow.task("a", call(agent)).task("b", call(agent)).task("c", call(agent)).build().expect("a good flow")
}

/// An event of about the size of those that are measured with elsewhere.
pub(super) fn about(kind: &str, correlation: &str) -> EventBuilder {
    Event::new(kind, correlation)
        .actor(Principal::user("ana"))
        .entity(EntityRef::new("task", format!("T-{correlation}")))
        .change("status", "open", "done")
        .payload(serde_json::json!({"amount": "12.50", "note": "a short text of some words", "count": 7, "ok": true}))
}

/// The event that begins a workflow in a correlation.
pub(super) fn begins(kind: &str, correlation: &str) -> Incoming {
    about(kind, correlation).id("begin").build().expect("a good event")
}

/// The name of a workflow.
pub(super) fn name(nth: usize) -> String {
    format!("w-{nth}")
}

/// As many as come, and none refused.
pub(super) fn wide() -> AgentLimits {
    AgentLimits::default().places(100_000, 100_000)
}

pub(super) fn micros(time: Duration) -> String {
    format!("{:.0} µs", time.as_secs_f64() * 1e6)
}

pub(super) fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// A figure without a floor.
pub(super) fn told(name: String, ours: String, goal: &'static str) -> Figure {
    Figure { name, ours, floor: "-".into(), ratio: "-".into(), goal }
}
