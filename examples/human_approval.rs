//! A person in a workflow: a large order waits for an approval, or for a day; then it goes on without one.

use std::time::Duration;

use regie::actors::agent::{Agent, AgentError, AgentLimits, AgentTask};
use regie::core::Json;
use regie::core::workflow::flow::{Flow, IntoTask, attempt, call, listen, raise, sequence, switch};
use regie::prelude::*;
use serde_json::json;

struct Mail;

impl Agent for Mail {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        println!("mail: {}", task.task);
        Ok(Json::null())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let approval = listen("order.approved").or("order.rejected").within(Duration::from_secs(24 * 3_600));
    let ask = sequence()
        .task("ask", call("mail").with(|scope| json!({"please approve": scope.input().value()})))
        .task("wait", approval)
        .task("said", switch().case(|scope| scope.value().value()["ok"] == json!(false), "no").end_if(|_| true))
        .task("no", raise("rejected", |scope| scope.value().value()["why"].clone()));
    let order = Flow::named("order")
        .starts_on("order.placed")
        .task("large", switch().case(|scope| scope.value().value()["sum"].as_i64() <= Some(1_000), "ship"))
        .task(
            "approval",
            attempt("by-a-person", ask).catch_if(|scope| scope.error().is_some_and(|it| it.kind == "timeout")),
        )
        .task("ship", call("mail").with(|_| json!("it is on its way")))
        .build()?;
    futures::executor::block_on(async {
        let runtime = builder().handler(order).agent("mail", Mail, AgentLimits::default()).start().await?;
        let handle = runtime.handle();
        for (order, sum) in [("small", 20), ("large", 5_000)] {
            handle.submit(Event::new("order.placed", order).id(order).payload(json!({"sum": sum})).build()?).await?;
        }
        let no = Event::new("order.rejected", "large").id("no").actor(Principal::user("ada"));
        handle.submit(no.payload(json!({"ok": false, "why": "too much"})).build()?).await?;
        for order in ["small", "large"] {
            println!("{order}: {:?}", handle.wait(&order.into(), Some(Duration::from_secs(10))).await?);
        }
        runtime.shutdown().await;
        Ok(())
    })
}
