//! A trading day as a workflow: startup, signal, rebalance, three orders, reconciliation, notification; and one that fails,
//! whose orders are taken back and which is recovered.
//!
//! `cargo run --example trading [--live] [LOG]`: without a log of trades it takes that of an hour of 2011 where the data are
//! beside the repository, and else makes do with a sample; `--live` fills orders in
//! parts, by the market's trades, instead of on paper. `cargo run --example trading -- workflow list` and the other commands of
//! `regie` work on what it did, with its definitions.

mod day;
mod desk;
mod market;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use regie::actors::agent::AgentLimits;
use regie::bus::HandleError;
use regie::prelude::*;
use regie::runtime::Waited;
use regie::workflows::Notification;
use regie::{Builder, Handle, JournalConfig};
use serde_json::json;

use desk::{Books, Cancels, Exchange, Flattens, Places, Planner, Signals};
use market::Market;

type Fault = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_day = |argument: &String| argument == "--live" || Path::new(argument).is_file();
    match arguments.first() {
        Some(first) if !is_day(first) => command(),
        _ => match day(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => {
                eprintln!("{fault}");
                ExitCode::FAILURE
            }
        },
    }
}

/// The commands of `regie`, with these definitions.
fn command() -> ExitCode {
    match defined(Arc::new(Market::sample()), false) {
        Ok(builder) => regie::cli::main(builder),
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

fn day(arguments: &[String]) -> Result<(), Fault> {
    let live = arguments.iter().any(|argument| argument == "--live");
    let log = arguments.iter().find(|argument| !argument.starts_with("--"));
    let hour = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/bitstamp_first_hour.jsonl.gz");
    let log = log.map(Path::new).or(hour.is_file().then_some(&*hour));
    let market = Arc::new(log.map_or_else(|| Ok(Market::sample()), Market::read)?);
    println!("{} trades, worth {} in all", market.trades.len(), market.value());
    let folder = std::env::temp_dir().join(format!("regie-trading-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let journal = folder.join("trading.db");
    futures::executor::block_on(trade(market, live, &journal))?;
    println!("look at it: cargo run --example trading -- workflow list --db {}", journal.display());
    Ok(())
}

/// What the program defines.
fn defined(market: Arc<Market>, live: bool) -> Result<Builder, Fault> {
    let (exchange, limits) = (Exchange::open(Arc::clone(&market), live), AgentLimits::default());
    let builder = builder()
        .handler(day::trading_day()?)
        .handler(day::recovery()?)
        .agent("signals", Signals(market), limits)
        .agent("planner", Planner, limits)
        .agent("exchange", Places(exchange.clone()), limits)
        .agent("exchange.cancel", Cancels(exchange.clone()), limits)
        .agent("exchange.flatten", Flattens(exchange.clone()), limits)
        .notifier("screen", tell, None);
    Ok(builder.reconciler("book", "book.reconcile", Books(exchange), limits)?)
}

fn tell(told: Notification) -> std::future::Ready<Result<(), HandleError>> {
    println!("  told: {}", serde_json::to_string(&told).unwrap_or_default());
    std::future::ready(Ok(()))
}

async fn trade(market: Arc<Market>, live: bool, journal: &Path) -> Result<(), Fault> {
    let runtime = defined(market, live)?.journal(JournalConfig::sqlite(journal)).start().await?;
    let handle = runtime.handle();
    for (day, symbols) in [("day-1", ["BTC", "ETH", "LTC"]), ("day-2", ["BTC", "ETH", "DOGE"])] {
        println!("{day}: {}", symbols.join(", "));
        let mode = if live { "LIVE" } else { "PAPER" };
        let startup =
            Event::new("trading.startup", day).id("startup").payload(json!({"mode": mode, "symbols": symbols}));
        handle.submit(startup.build()?).await?;
        println!("  {}", ending(&handle, day).await?);
    }
    println!("  recovery: {}", ending(&handle, "day-2/recovery").await?);
    let late = Event::new("market.signal", "day-2").id("late").build()?;
    let answer = handle.submit(late).await?;
    println!("a late signal: {}", answer.state_transitions.last().map_or("?", |last| &last.reason));
    handle.settle().await;
    runtime.shutdown().await;
    Ok(())
}

/// How a workflow ended, in a line.
async fn ending(handle: &Handle, workflow: &str) -> Result<String, Fault> {
    match handle.wait(&workflow.into(), Some(Duration::from_secs(30))).await? {
        Waited::Ended { ending, .. } => Ok(format!("{ending:?}")),
        other => Err(format!("{workflow} has not ended: {other:?}").into()),
    }
}
