//! S10, a trading day: the example's workflow, agents and market, on a clock that stands still.

#[path = "../../../examples/trading/day.rs"]
#[allow(dead_code)]
mod day;
#[path = "../../../examples/trading/desk.rs"]
#[allow(dead_code)]
mod desk;
#[path = "../../../examples/trading/market.rs"]
#[allow(dead_code)]
mod market;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regie::actors::agent::{Agent, AgentError, AgentLimits, AgentTask};
use regie::bus::{HandleError, LetterFilter, Retry, Subscribe};
use regie::core::Json;
use regie::core::event::{LifeState, Principal};
use regie::core::limits::RESULT_TTL;
use regie::core::query::Filter;
use regie::core::workflow::{RunStatus, Standing};
use regie::runtime::{Ending, Metrics, Waited};
use regie::workflows::{NOTIFICATION, Notification, Reconciled};
use rust_decimal::Decimal;
use serde_json::json;

use crate::runtime_support::{Stage, event, within};
use desk::{Books, Cancels, Exchange, Flattens, Places, Planner, Signals};
use market::Market;

/// What was told, and whether who tells it is up.
#[derive(Clone, Default)]
struct Screen {
    told: Arc<Mutex<Vec<Notification>>>,
    is_down: Arc<AtomicBool>,
}

impl Screen {
    /// What was told, once that is so much: nobody's rest waits for subscribers.
    fn told(&self, many: usize) -> Vec<Notification> {
        loop {
            let told = self.told.lock().unwrap().clone();
            if told.len() >= many {
                return told;
            }
            std::thread::yield_now();
        }
    }
}

/// An exchange that notes what it takes back.
struct Notes(Cancels, Arc<Mutex<Vec<String>>>);

impl Agent for Notes {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        let order = task.task.value()["input"]["id"].as_str().unwrap_or("?").to_string();
        self.1.lock().unwrap().push(order);
        self.0.handle(task).await
    }
}

/// On paper, with the sample.
async fn desk(screen: &Screen, taken_back: &Arc<Mutex<Vec<String>>>) -> Stage {
    desk_at((Market::sample(), false), screen, taken_back).await
}

async fn desk_at((market, live): (Market, bool), screen: &Screen, taken_back: &Arc<Mutex<Vec<String>>>) -> Stage {
    let market = Arc::new(market);
    let (exchange, limits) = (Exchange::open(Arc::clone(&market), live), AgentLimits::default());
    let (screen, cancels) = (screen.clone(), Notes(Cancels(exchange.clone()), Arc::clone(taken_back)));
    let tell = move |told: Notification| {
        let is_down = screen.is_down.load(Ordering::Relaxed);
        if !is_down {
            screen.told.lock().unwrap().push(told);
        }
        std::future::ready(if is_down { Err(HandleError::Retry("the screen is dark".into())) } else { Ok(()) })
    };
    let once = Subscribe::to(NOTIFICATION).retry(Retry::never());
    Stage::with(|builder| {
        let builder = builder
            .handler(day::trading_day().unwrap())
            .handler(day::recovery().unwrap())
            .agent("signals", Signals(market), limits)
            .agent("planner", Planner, limits)
            .agent("exchange", Places(exchange.clone()), limits)
            .agent("exchange.cancel", cancels, limits)
            .agent("exchange.flatten", Flattens(exchange.clone()), limits)
            .notifier("screen", tell, Some(once));
        builder.reconciler("book", "book.reconcile", Books(exchange), limits).unwrap()
    })
    .await
}

async fn begin(stage: &Stage, day: &str, symbols: [&str; 3]) {
    let startup = event("trading.startup", day, "startup").payload(json!({"mode": "PAPER", "symbols": symbols}));
    stage.submit(startup).await;
    stage.settle().await;
}

async fn ending(stage: &Stage, day: &str) -> Ending {
    match stage.handle.wait(&day.into(), None).await.unwrap() {
        Waited::Ended { ending, .. } => ending,
        other => panic!("{day} has not ended: {other:?}"),
    }
}

#[test]
fn a_good_day_places_three_orders_and_finds_no_difference() {
    within(async {
        let screen = Screen::default();
        let stage = desk(&screen, &Arc::default()).await;
        begin(&stage, "day", ["BTC", "ETH", "LTC"]).await;
        let Ending::Completed(results) = ending(&stage, "day").await else { panic!("it did not complete") };
        let results = results.value();
        let reconciled: Reconciled = serde_json::from_value(results["reconciled"].clone()).unwrap();
        assert_eq!((reconciled.compared, reconciled.differences.len()), (3, 0));
        assert_eq!(results["signals"]["direction"], "up");
        assert_eq!(results["plan"]["orders"].as_array().unwrap().len(), 3);
        let told = screen.told(1);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].outcome.as_str(), told[0].mode.as_deref()), ("completed", Some("PAPER")));
        assert_eq!((told[0].counts["placed"], told[0].counts["succeeded"]), (3, 3));
        // 1.25 + 2.50 + 3.75 at 237.02, exactly.
        assert_eq!(told[0].amounts["value"].parse::<Decimal>().unwrap(), "1777.65".parse().unwrap());
        stage.close().await;
    });
}

/// A good day with fills in parts: in how many each order was filled, and what they are worth in all.
async fn live_day(market: Market) -> (Vec<u64>, Decimal) {
    let screen = Screen::default();
    let stage = desk_at((market, true), &screen, &Arc::default()).await;
    begin(&stage, "day", ["BTC", "ETH", "LTC"]).await;
    let Ending::Completed(results) = ending(&stage, "day").await else { panic!("it did not complete") };
    let results = results.value();
    let reconciled: Reconciled = serde_json::from_value(results["reconciled"].clone()).unwrap();
    assert_eq!((reconciled.compared, reconciled.differences.len()), (3, 0));
    let worth = screen.told(1)[0].amounts["value"].parse().unwrap();
    stage.close().await;
    let fills = results["execution"].as_array().unwrap_or_else(|| panic!("{results}"));
    (fills.iter().map(|fill| fill["parts"].as_u64().unwrap()).collect(), worth)
}

#[test]
fn live_orders_are_filled_in_parts_by_the_markets_trades() {
    within(async {
        // By hand: 1.25 in 2 parts, 2.50 and 3.75 in 3; worth 295.6290422676 + 591.3265490704 + 887.1140490704.
        let (parts, worth) = live_day(Market::sample()).await;
        assert_eq!((parts, worth), (vec![2, 3, 3], "1774.0696404084".parse().unwrap()));
    });
}

#[test]
fn a_bad_day_takes_back_its_orders_and_is_recovered() {
    within(async {
        let (screen, taken_back) = (Screen::default(), Arc::default());
        let stage = desk(&screen, &taken_back).await;
        begin(&stage, "day", ["BTC", "ETH", "DOGE"]).await;
        assert!(matches!(ending(&stage, "day").await, Ending::Failed(why) if why.contains("no margin")));
        assert_eq!(*taken_back.lock().unwrap(), ["day-2", "day-1"]);
        let told = &screen.told(1)[0];
        let error = told.error.as_ref().unwrap();
        assert_eq!((told.subject.as_deref(), error.code.as_deref()), (Some("DOGE"), Some("MARGIN")));
        assert!(error.text.contains("no margin for 3.75 DOGE"));
        let recovery = Filter { correlation: Some("day/recovery".into()), ..Filter::default() };
        let recovery = stage.handle.events(recovery).await.unwrap();
        assert_eq!(recovery[0].incoming.event().correlation_chain, ["day".into()]);
        assert!(matches!(ending(&stage, "day/recovery").await, Ending::Completed(_)));
        let late = stage.submit(event("market.signal", "day", "late")).await;
        assert_eq!(late.event_state, Some(LifeState::Discarded));
        assert_eq!(late.state_transitions.last().unwrap().reason, "skipped: its workflow has failed");
        stage.close().await;
    });
}

#[test]
fn what_cannot_be_told_is_a_dead_letter_and_the_outcome_stands() {
    within(async {
        let screen = Screen::default();
        screen.is_down.store(true, Ordering::Relaxed);
        let stage = desk(&screen, &Arc::default()).await;
        begin(&stage, "day", ["BTC", "ETH", "LTC"]).await;
        assert!(matches!(ending(&stage, "day").await, Ending::Completed(_)));
        while stage.handle.dead_letters(LetterFilter::default()).await.unwrap().len() != 1 {}
        assert!(screen.told(0).is_empty());
        screen.is_down.store(false, Ordering::Relaxed);
        let (by, why) = (Principal::user("ada"), "it is on again");
        stage.handle.retry_dead_letters(LetterFilter::default(), by, why).await.unwrap();
        assert_eq!(screen.told(1).len(), 1);
        while !stage.handle.dead_letters(LetterFilter::default()).await.unwrap().is_empty() {}
        stage.close().await;
    });
}

#[test]
fn the_status_counts_days_and_after_its_time_the_journal_alone_tells_one() {
    within(async {
        let stage = desk(&Screen::default(), &Arc::default()).await;
        begin(&stage, "good", ["BTC", "ETH", "LTC"]).await;
        begin(&stage, "bad", ["BTC", "ETH", "DOGE"]).await;
        let status = stage.handle.status().await.unwrap();
        let days = &status.counts.by_definition["trading-day"];
        assert_eq!((days.by_status[&Standing::Completed], days.by_status[&Standing::Failed]), (1, 1));
        assert_eq!(days.success_rate, Some(0.5));
        stage.advance(RESULT_TTL).await;
        stage.settle().await;
        let metrics = rests(&stage).await;
        assert_eq!((metrics.waiters, metrics.timers, metrics.workflows_out), (0, 0, 0));
        let shown = stage.handle.workflow(&"bad".into()).await.unwrap().unwrap();
        assert_eq!((shown.status, shown.error.unwrap().contains("no margin")), (Standing::Failed, true));
        stage.close().await;
    });
}

/// Comes back once no end is in memory any more: that is shown a moment after the last answer.
async fn rests(stage: &Stage) -> Metrics {
    loop {
        let metrics = stage.handle.metrics().await;
        if metrics.results == 0 {
            return metrics;
        }
    }
}

#[test]
fn waiting_for_a_day_that_runs_ends_with_how_it_stands() {
    within(async {
        let flow = regie::core::workflow::flow::Flow::named("long").starts_on("go");
        let flow =
            flow.task("w", regie::core::workflow::flow::wait(Duration::from_secs(365 * 86_400))).build().unwrap();
        let stage = Stage::with(|builder| builder.handler(flow)).await;
        stage.submit(event("go", "day", "e")).await;
        let (handle, clock) = (stage.handle.clone(), stage.clock.clone());
        let waits = std::thread::spawn(move || {
            futures::executor::block_on(handle.wait(&"day".into(), Some(Duration::from_secs(1))))
        });
        while !waits.is_finished() {
            clock.advance_to(clock.now().after(Duration::from_millis(100)));
            std::thread::yield_now();
        }
        let Waited::TimedOut(view) = waits.join().unwrap().unwrap() else { panic!("it has ended") };
        assert_eq!(view.run.unwrap().status, RunStatus::Running);
        stage.close().await;
    });
}

#[test]
fn the_trades_of_the_hour_sum_to_the_last_digit() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/bitstamp_first_hour.jsonl.gz");
    if !log.exists() {
        return println!("skipped: no data");
    }
    let market = Market::read(&log).unwrap();
    assert_eq!((market.trades.len(), market.value().to_string().as_str()), (179, "98401.0451308710"));
}
