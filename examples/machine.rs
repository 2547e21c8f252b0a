//! A state machine: an order is paid in parts, packed, and sent. The first parcel is lost, so what was done is put back.

use regie::actors::agent::AgentLimits;
use regie::core::Json;
use regie::core::workflow::machine::{Machine, Unmatched};
use regie::prelude::*;
use regie::testing::{ScriptedAgent, Stage};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Is {
    Open,
    Packing,
    Shipping,
    OnItsWay,
    Arrived,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Order {
    price: u32,
    paid: u32,
}

#[derive(Deserialize)]
struct Paid {
    amount: u32,
}

fn machine() -> Machine<Is, Order> {
    let machine = Machine::<Is, Order>::named("order", Is::Open)
        .starts_on("order.placed")
        .begins(|order, placed, _| order.price = placed.payload.to().unwrap_or_default())
        .otherwise_for("parcel.arrived", Unmatched::Keep)
        .step("pack", "warehouse", |step| step.undo("warehouse", |done| json!({ "unpack": done.input })))
        .step("ship", "carrier", |step| step)
        .on::<Json>(Is::Open, "order.placed", |way| way)
        .on::<Paid>(Is::Open, "order.paid", |way| {
            way.guard("all of it", |order, paid| order.paid + paid.amount >= order.price)
                .act("count it", |order, paid| order.paid += paid.amount)
                .go(Is::Packing)
        })
        .on::<Paid>(Is::Open, "order.paid", |way| way.act("count it", |order, paid| order.paid += paid.amount))
        .enter(Is::Packing, |deeds| deeds.start("pack", |order, at| json!([at.moment.correlation, order.paid])))
        .on_done::<String>(Is::Packing, "pack", |way| way.start("ship", |_, packed| json!(**packed)).go(Is::Shipping))
        .on_done::<Json>(Is::Shipping, "ship", |way| way.go(Is::OnItsWay))
        .on::<Json>(Is::OnItsWay, "parcel.arrived", |way| way.go(Is::Arrived))
        .completes(Is::Arrived, |order| json!({ "paid": order.paid }));
    machine.build().unwrap_or_else(|error| panic!("{error}"))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", machine().to_mermaid_at(&Is::Packing));
    let warehouse = ScriptedAgent::new().answers(json!("box 1")).answers(json!("box 2")).answers(json!("unpacked"));
    let carrier = ScriptedAgent::new().answers(json!("taken")).fails("the parcel is lost");
    let limits = AgentLimits::default();
    futures::executor::block_on(async {
        let agents =
            |builder: regie::Builder| builder.agent("warehouse", warehouse, limits).agent("carrier", carrier, limits);
        let stage = Stage::with(|builder| agents(builder.handler(machine()))).await;
        for order in ["order-1", "order-2"] {
            stage.submit(Event::new("order.placed", order).id("1").payload(json!(10))).await;
            stage.submit(Event::new("parcel.arrived", order).id("2")).await; // before its time: it waits
            stage.submit(Event::new("order.paid", order).id("3").payload(json!({ "amount": 4 }))).await;
            stage.submit(Event::new("order.paid", order).id("4").payload(json!({ "amount": 6 }))).await;
            stage.settle().await;
            println!("{order}: {:#?}", stage.handle.wait(&order.into(), None).await?);
        }
        println!("{:#?}", stage.states().await);
        stage.close().await;
        Ok(())
    })
}
