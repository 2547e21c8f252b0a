//! What is counted of workflows and of their agents' calls.

use std::time::Duration;

use futures::FutureExt;
use regie::actors::agent::AgentLimits;
use regie::core::Json;
use regie::core::workflow::flow::{Flow, call};
use regie::core::workflow::{Fact, RunEnd};
use regie::runtime::Metrics;

use super::{ana, place, with_orders};
use crate::runtime_support::{Acts, Stage, event, within};

async fn told(stage: &Stage) -> Metrics {
    stage.settle().await;
    stage.handle.metrics().await
}

/// How often the journal holds such a fact.
async fn facts(stage: &Stage, correlation: &str, is_one: impl Fn(&Fact) -> bool) -> u64 {
    let records = stage.handle.records(&correlation.into()).await.unwrap();
    records.iter().flat_map(|stored| &stored.record.facts).filter(|fact| is_one(fact)).count() as u64
}

#[test]
fn runs_are_counted_by_definition_as_the_journal_has_them() {
    within(async {
        let stage = Stage::with(with_orders).await;
        place(&stage, "slow", "wait").await;
        stage.settle().await;
        stage.advance(Duration::from_secs(2)).await;
        place(&stage, "slow", "done").await;
        place(&stage, "fails", "fail").await;
        place(&stage, "odd", "bad").await;
        stage.settle().await; // its agent has said what it says before it is stopped
        place(&stage, "asks", "ask").await;
        stage.handle.cancel(&"asks".into(), ana(), "not wanted").await.unwrap();
        stage.handle.terminate(&"odd".into(), ana(), "enough").await.unwrap();
        let metrics = told(&stage).await;
        let orders = metrics.workflows["orders"];
        assert_eq!((orders.started, orders.completed, orders.failed), (4, 1, 1));
        assert_eq!((orders.cancelled, orders.terminated), (1, 1));
        assert_eq!((orders.calls, orders.calls_done, orders.calls_failed), (2, 0, 1));
        let ended =
            facts(&stage, "odd", |fact| matches!(fact, Fact::Finished { end: RunEnd::Terminated { .. } })).await;
        assert_eq!((orders.parked, ended), (facts(&stage, "odd", |fact| matches!(fact, Fact::Parked { .. })).await, 1));
        let took = orders.took.unwrap();
        assert_eq!((took.count, took.max_ms, orders.deciding.unwrap().count > 4), (4, 2_000.0, true));
        stage.close().await;
    });
}

#[test]
fn what_users_count_is_told_with_what_the_runtime_counts() {
    within(async {
        let stage = Stage::with(|builder| {
            let meter = builder.meter();
            let flow = Flow::named("f").starts_on("go").task("a", call("counts")).build().unwrap();
            let agent = Acts(move |_| {
                meter.count("asked", 1);
                meter.time("asking", Duration::from_millis(20));
                futures::future::ready(Ok(Json::null())).boxed()
            });
            builder.handler(flow).agent("counts", agent, AgentLimits::default())
        });
        let stage = stage.await;
        stage.submit(event("go", "c", "e")).await;
        stage.handle.meter().level("open", 3.0);
        let metrics = told(&stage).await;
        assert_eq!((metrics.own.counts["asked"], metrics.own.levels["open"]), (1, 3.0));
        assert_eq!(metrics.own.times["asking"].count, 1);
        let times = metrics.agent_times["counts"];
        assert_eq!((times.took.unwrap().count, times.waited.unwrap().count), (1, 1));
        stage.close().await;
    });
}
