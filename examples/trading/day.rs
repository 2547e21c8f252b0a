//! The workflow of a trading day, and that of its recovery.

use std::time::Duration;

use regie::core::retry::Retry;
use regie::core::workflow::flow::{Ended, Flow, FlowFaults, IntoTask, Scope, call, each, run};
use regie::prelude::*;
use regie::workflows::Notification;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// An order of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) symbol: String,
    pub(crate) side: String,
    pub(crate) amount: Decimal,
}

/// What became of an order: its parts, as the market filled them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Filled {
    pub(crate) order: String,
    pub(crate) amount: Decimal,
    pub(crate) value: Decimal,
    pub(crate) parts: usize,
}

#[derive(Default, Deserialize)]
struct Plan {
    orders: Vec<Order>,
}

fn plan(ended: &Ended<'_>) -> Plan {
    ended.state.variable("plan").and_then(|plan| plan.to().ok()).unwrap_or_default()
}

/// Startup, signal, rebalance, orders, reconciliation; in the end a notification, and after a failure a recovery.
pub(crate) fn trading_day() -> Result<Flow, FlowFaults> {
    let retry = Retry { first: Duration::from_millis(20), ..Retry::times(3) };
    let place = call("exchange").retry(retry).never_retry("MARGIN").undo("exchange.cancel").undo_retry(retry);
    let orders = |scope: &Scope<'_>| scope.variable("plan").value()["orders"].clone();
    let book = |scope: &Scope<'_>| {
        let (day, fills) = (scope.correlation(), scope.output("orders").cloned().unwrap_or_default());
        Event::new("book.reconcile", format!("{day}/book")).payload(fills)
    };
    Flow::named("trading-day")
        .starts_on("trading.startup")
        .task("signal", call("signals").keep_as("signals"))
        .task("rebalance", call("planner").keep_as("plan"))
        .task("orders", each("order", orders).task("place", place))
        .task("reconcile", run(book))
        .giving(|scope| {
            json!({
                "signals": scope.variable("signals").value(),
                "plan": scope.variable("plan").value(),
                "execution": scope.output("orders").map(|fills| fills.value()),
                "reconciled": scope.value().value(),
            })
        })
        .notify(told)
        .recover(|ended| {
            let error = ended.error.as_ref().map(ToString::to_string);
            Event::new("trading.recovery", format!("{}/recovery", ended.correlation))
                .payload(json!({"day": ended.correlation, "error": error}))
        })
        .build()
}

/// What is told of a day, however it ended.
fn told(ended: &Ended<'_>) -> Notification {
    let mode = ended.state.input().map(|input| input.value()["mode"].clone());
    let fills: Vec<Filled> = ended.state.output("orders").and_then(|fills| fills.to().ok()).unwrap_or_default();
    let placed = plan(ended).orders;
    let notification = Notification::of(ended.correlation, ended.end)
        .mode(mode.and_then(|mode| mode.as_str().map(String::from)).unwrap_or_default())
        .count("placed", placed.len() as u64)
        .count("succeeded", fills.len() as u64)
        .amount("value", fills.iter().map(|fill| fill.value).sum::<Decimal>());
    let Some(error) = &ended.error else { return notification };
    // The path of what failed says which order it was: orders[2]/place.
    let nth = error.task.split(['[', ']']).nth(1).and_then(|nth| nth.parse::<usize>().ok());
    let symbol = nth.and_then(|nth| placed.get(nth)).map_or("?", |order| &order.symbol);
    notification.subject(symbol).code(error.code.clone())
}

/// What is done after a day that failed: all that is still open is closed.
pub(crate) fn recovery() -> Result<Flow, FlowFaults> {
    let flatten = call("exchange.flatten").with(|scope| scope.input().value()["day"].clone());
    Flow::named("trading-recovery").starts_on("trading.recovery").task("flatten", flatten).build()
}
