//! The agents: signals by the market's trend, a planner, and an exchange that fills orders in parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::channel::{mpsc, oneshot};
use futures::{SinkExt, StreamExt};
use regie::actors::agent::{Agent, AgentError, AgentTask};
use regie::core::Json;
use regie::workflows::Reconciler;
use rust_decimal::Decimal;
use serde_json::json;

use super::day::{Filled, Order};
use super::market::Market;

/// Says whether the market rises.
pub(crate) struct Signals(pub(crate) Arc<Market>);

impl Agent for Signals {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        let rises = self.0.last() >= self.0.first();
        let symbols = task.task.value()["symbols"].clone();
        Ok(json!({"direction": if rises { "up" } else { "down" }, "symbols": symbols, "last": self.0.last()}).into())
    }
}

/// Makes an order of each symbol.
pub(crate) struct Planner;

impl Agent for Planner {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        let signals = task.task.value();
        let side = if signals["direction"] == "up" { "buy" } else { "sell" };
        let symbols: Vec<String> = serde_json::from_value(signals["symbols"].clone()).unwrap_or_default();
        let order = |(at, symbol): (usize, String)| Order {
            id: format!("{}-{}", task.correlation, at + 1),
            symbol,
            side: side.into(),
            amount: Decimal::new(125 * (at as i64 + 1), 2),
        };
        let orders: Vec<Order> = symbols.into_iter().enumerate().map(order).collect();
        Ok(json!({"orders": orders}).into())
    }
}

/// What the exchange is asked.
enum Ask {
    Place(Order, oneshot::Sender<Result<Filled, AgentError>>),
    Cancel(String, oneshot::Sender<()>),
    Flatten(String, oneshot::Sender<usize>),
    Book(oneshot::Sender<BTreeMap<String, Json>>),
}

/// An exchange: one task owns its book. On paper it fills an order at the last price; live in parts, by the market's trades.
#[derive(Clone)]
pub(crate) struct Exchange(mpsc::Sender<Ask>);

impl Exchange {
    pub(crate) fn open(market: Arc<Market>, live: bool) -> Self {
        let (ask, mut asked) = mpsc::channel(16);
        std::thread::spawn(move || {
            futures::executor::block_on(async {
                let mut book: BTreeMap<String, Filled> = BTreeMap::new();
                while let Some(ask) = asked.next().await {
                    answer(ask, &mut book, &market, live);
                }
            });
        });
        Self(ask)
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, AgentError> {
        let (reply, answer) = oneshot::channel();
        let closed = |_| AgentError::from("the exchange is closed");
        self.0.clone().send(ask(reply)).await.map_err(|error| closed(error.to_string()))?;
        answer.await.map_err(|error| closed(error.to_string()))
    }
}

fn answer(ask: Ask, book: &mut BTreeMap<String, Filled>, market: &Market, live: bool) {
    match ask {
        Ask::Place(order, reply) => {
            let filled = match order.symbol.as_str() {
                "DOGE" => {
                    Err(AgentError::new(format!("no margin for {} {}", order.amount, order.symbol)).code("MARGIN"))
                }
                // Asked twice, because an answer was lost, is placed once.
                _ => Ok(book.entry(order.id.clone()).or_insert_with(|| fill(&order, market, live)).clone()),
            };
            let _ = reply.send(filled);
        }
        Ask::Cancel(order, reply) => {
            book.remove(&order);
            println!("    the exchange takes {order} back");
            let _ = reply.send(());
        }
        Ask::Flatten(day, reply) => {
            let before = book.len();
            book.retain(|order, _| !order.starts_with(&day));
            let _ = reply.send(before - book.len());
        }
        Ask::Book(reply) => {
            let _ = reply.send(book.iter().map(|(id, filled)| (id.clone(), Json::of(&filled.value))).collect());
        }
    }
}

fn fill(order: &Order, market: &Market, live: bool) -> Filled {
    let mut left = order.amount;
    let mut filled = Filled { order: order.id.clone(), amount: order.amount, value: Decimal::ZERO, parts: 0 };
    for trade in market.trades.iter().filter(|_| live) {
        let part = left.min(trade.amount);
        if part > Decimal::ZERO {
            (left, filled.value, filled.parts) = (left - part, filled.value + part * trade.price, filled.parts + 1);
        }
    }
    if left > Decimal::ZERO {
        (filled.value, filled.parts) = (filled.value + left * market.last(), filled.parts + 1);
    }
    filled
}

/// Places orders.
pub(crate) struct Places(pub(crate) Exchange);

impl Agent for Places {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        let order: Order = task.task.to().map_err(|error| AgentError::new(format!("this is no order: {error}")))?;
        let filled = self.0.ask(|reply| Ask::Place(order, reply)).await??;
        println!("    {} filled in {}: {}", filled.order, filled.parts, filled.value);
        Ok(Json::of(&filled))
    }
}

/// Takes orders back: what it is told is the order, and what came of it.
pub(crate) struct Cancels(pub(crate) Exchange);

impl Agent for Cancels {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        let order = task.task.value()["input"]["id"].as_str().unwrap_or_default().to_string();
        self.0.ask(|reply| Ask::Cancel(order, reply)).await?;
        Ok(Json::null())
    }
}

/// Closes all that is open of a day.
pub(crate) struct Flattens(pub(crate) Exchange);

impl Agent for Flattens {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        let day = task.task.to::<String>().map_err(|error| AgentError::new(error.to_string()))?;
        Ok(json!({"closed": self.0.ask(|reply| Ask::Flatten(format!("{day}-"), reply)).await?}).into())
    }
}

/// What the day believes to have, and what the exchange's book says.
pub(crate) struct Books(pub(crate) Exchange);

impl Reconciler for Books {
    async fn expected(&self, about: &Json) -> Result<BTreeMap<String, Json>, AgentError> {
        let fills: Vec<Filled> = about.to().map_err(|error| AgentError::new(error.to_string()))?;
        Ok(fills.iter().map(|fill| (fill.order.clone(), Json::of(&fill.value))).collect())
    }

    async fn actual(&self, about: &Json) -> Result<BTreeMap<String, Json>, AgentError> {
        let own = self.expected(about).await?;
        let book = self.0.ask(Ask::Book).await?;
        Ok(book.into_iter().filter(|(order, _)| own.contains_key(order)).collect())
    }
}
