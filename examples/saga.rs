//! A saga: a flight and a room are booked, the car cannot be had, and what was booked is taken back, the last first.

use std::time::Duration;

use regie::actors::agent::{Agent, AgentError, AgentLimits, AgentTask};
use regie::core::Json;
use regie::core::retry::Retry;
use regie::core::workflow::flow::{Flow, IntoTask, call};
use regie::prelude::*;
use regie::runtime::Waited;
use serde_json::json;

/// Books and takes back; it has no cars.
struct Desk;

impl Agent for Desk {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        let step = task.key.step.as_str();
        if step == "car" {
            return Err(AgentError::new("no cars left"));
        }
        // The token is the same if this is asked again after a crash: a service that takes one books once.
        println!("{step}, as {}", task.token());
        Ok(json!({"step": step}).into())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let book = || call("desk").retry(Retry { first: Duration::from_millis(10), ..Retry::times(2) }).undo("desk");
    let trip = Flow::named("trip")
        .starts_on("trip.wanted")
        .task("flight", book().with(|scope| scope.input().clone()))
        .task("room", book().with(|scope| scope.input().clone()))
        .task("car", book().with(|scope| scope.input().clone()))
        .build()?;
    futures::executor::block_on(async {
        let runtime = builder().handler(trip).agent("desk", Desk, AgentLimits::default()).start().await?;
        let handle = runtime.handle();
        let wanted = Event::new("trip.wanted", "trip-1").id("e-1").payload(json!({"to": "Lisbon"}));
        handle.submit(wanted.build()?).await?;
        let ended = handle.wait(&"trip-1".into(), Some(Duration::from_secs(10))).await?;
        let Waited::Ended { ending, warnings, .. } = ended else { return Err("it takes too long".into()) };
        println!("{ending:?}\n{}", warnings.join("\n"));
        runtime.shutdown().await;
        Ok(())
    })
}
