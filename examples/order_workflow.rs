//! A workflow in code: an order calls a payment agent, waits for its answer, and ends. The agent runs off its thread.

use std::time::Duration;

use regie::actors::agent::{Agent, AgentError, AgentLimits, AgentTask};
use regie::core::Json;
use regie::core::workflow::AgentOutcome;
use regie::prelude::*;
use serde::{Deserialize, Serialize};

struct Order;

#[derive(Serialize, Deserialize)]
enum Fact {
    Placed { amount: String },
    Paid { receipt: String },
}

impl Handler for Order {
    type State = Vec<String>;
    type Fact = Fact;

    fn name(&self) -> &str {
        "order"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse("order.placed").expect("a good pattern")
    }

    fn decide(&self, _: &Vec<String>, input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<Fact>, HandlerError> {
        let refuse = |error: serde_json::Error| HandlerError(error.to_string());
        Ok(match input {
            Input::Event(event) => {
                let amount: String = event.payload.to().map_err(refuse)?;
                let task = serde_json::json!({ "charge": amount });
                Reaction::none().note(Fact::Placed { amount }).call("charge", "bank", task)
            }
            Input::Agent { outcome: AgentOutcome::Done(receipt), .. } => {
                let receipt: String = receipt.to().map_err(refuse)?;
                Reaction::none().complete(&receipt).note(Fact::Paid { receipt })
            }
            Input::Agent { outcome, .. } => Reaction::none().fail(format!("the bank: {outcome:?}")),
            _ => Reaction::none(),
        })
    }

    fn evolve(&self, story: &mut Vec<String>, fact: Fact) {
        story.push(match fact {
            Fact::Placed { amount } => format!("placed for {amount}"),
            Fact::Paid { receipt } => format!("paid, {receipt}"),
        });
    }
}

struct Bank;

impl Agent for Bank {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        Ok(Json::of(&format!("receipt for {}", task.token())))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    futures::executor::block_on(async {
        let runtime = builder().handler(Order).agent("bank", Bank, AgentLimits::default()).start().await?;
        let handle = runtime.handle();
        let placed = Event::new("order.placed", "order-7").id("e-1").payload(Json::of("12.50")).build()?;
        handle.submit(placed).await?;
        let ended = handle.wait(&"order-7".into(), Some(Duration::from_secs(10))).await?;
        println!("{ended:#?}");
        runtime.shutdown().await;
        Ok(())
    })
}
