//! Fan-out and join: three offers are asked for at once, the first two that come count; then a task for each item of a list.

use std::time::Duration;

use regie::actors::agent::{Agent, AgentError, AgentLimits, AgentTask};
use regie::core::Json;
use regie::core::workflow::flow::{Flow, IntoTask, call, each, fork};
use regie::prelude::*;
use regie::runtime::Waited;
use serde_json::json;

/// Gives a price, made of the name of who is asked.
struct Shop;

impl Agent for Shop {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        Ok(json!({"by": task.key.step, "price": task.key.step.len()}).into())
    }
}

/// Packs an item.
struct Packer;

impl Agent for Packer {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        Ok(json!(format!("packed {}", task.task.value())).into())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let offers = fork().branch("near", call("shop")).branch("far", call("shop")).branch("cheap", call("shop"));
    let items = each("item", |scope| scope.input().value()["items"].clone()).at_most(2);
    let order = Flow::named("order")
        .starts_on("order.placed")
        .task("offers", offers.at_least(2).keep_as("offers"))
        .task("pack", items.task("one", call("packer")))
        .giving(|scope| json!({"offers": scope.variable("offers").value(), "packed": scope.value().value()}))
        .build()?;
    futures::executor::block_on(async {
        let limits = AgentLimits::default();
        let runtime =
            builder().handler(order).agent("shop", Shop, limits).agent("packer", Packer, limits).start().await?;
        let handle = runtime.handle();
        let placed = Event::new("order.placed", "order-1").id("e-1").payload(json!({"items": ["tea", "pot", "cup"]}));
        handle.submit(placed.build()?).await?;
        let ended = handle.wait(&"order-1".into(), Some(Duration::from_secs(10))).await?;
        let Waited::Ended { ending, .. } = ended else { return Err("it takes too long".into()) };
        println!("{ending:?}");
        runtime.shutdown().await;
        Ok(())
    })
}
