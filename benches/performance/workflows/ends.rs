//! Workflows that ended in every way leave nothing behind.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use regie::core::event::{CorrelationId, Event};
use regie::core::limits;
use regie::core::retry::Retry;
use regie::core::workflow::Standing;
use regie::core::workflow::flow::{Flow, FlowBuilder, IntoTask, call, listen, raise, run};
use regie::prelude::*;
use regie::runtime::Metrics;
use regie::{Builder, Handle};

use super::{AtOnce, begins, told, wide};
use crate::events::caught_up;
use crate::measure::resident;
use crate::{Figure, Scale};

const SHARDS: usize = 2;
const IN_FLIGHT: usize = 512;
/// How long those that ended may take to leave.
const PATIENCE: Duration = Duration::from_secs(120);

/// The ways in which they end, how many workflows each is, and how they stand then.
const WAYS: [(&str, usize, Standing); 7] = [
    ("completes", 1, Standing::Completed),
    ("fails", 1, Standing::Failed),
    ("cancelled", 1, Standing::Cancelled),
    ("terminated", 1, Standing::Terminated),
    ("put-back", 1, Standing::Failed),
    ("parent", 2, Standing::Completed),
    ("late", 1, Standing::Failed),
];

/// What is left of many workflows, counted.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let all: usize = WAYS.iter().map(|(_, workflows, _)| workflows).sum();
    let each = scale.at_least(20 * all, 100_000) / all;
    let folder = tempfile::tempdir().expect("a folder");
    futures::executor::block_on(async {
        let journal = JournalConfig::sqlite(folder.path().join("ends"));
        let runtime = with_all(builder().journal(journal).shards(SHARDS)).start().await.expect("a runtime");
        let handle = runtime.handle();
        let (began, before) = (Instant::now(), resident());
        for (way, ..) in WAYS {
            end(&handle, way, each).await;
        }
        caught_up(&handle);
        let took = began.elapsed();
        let left = at_rest(&handle).await;
        assert_nothing(&left, all * each);
        assert_ways(&handle, each).await;
        let grown = resident().saturating_sub(before) as f64 / (all * each) as f64;
        runtime.shutdown().await;
        let name = |what: &str| format!("{} workflows ended in every way: {what}", all * each);
        vec![
            told(name("actors, timers, waiters, calls left"), left.live.to_string(), "0"),
            told(name("results kept"), left.results.to_string(), "told"),
            told(name("their MB"), format!("{:.1}", left.result_bytes as f64 / 1e6), "<= 33.6"),
            told(name("bytes of memory for each, all in all"), format!("{grown:.0}"), "told"),
            told(name("seconds for all"), format!("{:.1}", took.as_secs_f64()), "told"),
        ]
    })
}

fn with_all(builder: Builder) -> Builder {
    let flow = |name: &str| Flow::named(name).starts_on(&format!("bench.{name}"));
    let child = |scope: &regie::core::workflow::flow::Scope<'_>| {
        Event::new("bench.child", format!("{}-child", scope.correlation()))
    };
    let late = listen("bench.never").within(Duration::from_millis(500));
    let put_back = call("agent").undo("agent");
    let flows: [FlowBuilder; 8] = [
        flow("completes").task("a", call("agent")).task("b", call("agent")),
        flow("fails").task("a", call("broken").retry(Retry::never())),
        flow("cancelled").task("a", call("silent")),
        flow("terminated").task("a", listen("bench.never").within(Duration::from_secs(3_600))),
        flow("put-back").task("a", put_back).task("b", raise("no", |_| serde_json::json!("on purpose"))),
        flow("parent").task("a", run(child)),
        flow("child").task("a", call("agent")),
        flow("late").task("a", late),
    ];
    let builder = flows.into_iter().fold(builder, |builder, flow| builder.handler(flow.build().expect("a good flow")));
    builder.agent("agent", AtOnce, wide()).agent("broken", Broken, wide()).agent("silent", Silent, wide())
}

struct Broken;

impl regie::actors::agent::Agent for Broken {
    async fn handle(
        &self,
        _: regie::actors::agent::AgentTask,
    ) -> Result<regie::core::Json, regie::actors::agent::AgentError> {
        Err(regie::actors::agent::AgentError::new("broken"))
    }
}

struct Silent;

impl regie::actors::agent::Agent for Silent {
    async fn handle(
        &self,
        _: regie::actors::agent::AgentTask,
    ) -> Result<regie::core::Json, regie::actors::agent::AgentError> {
        std::future::pending().await
    }
}

async fn end(handle: &Handle, way: &str, count: usize) {
    let mut under_way = FuturesUnordered::new();
    for nth in 0..count {
        if under_way.len() >= IN_FLIGHT {
            under_way.next().await;
        }
        under_way.push(one(handle, way, nth));
    }
    under_way.collect::<Vec<()>>().await;
}

/// Begins one, and has it end; every second one is waited for, and every fourth by somebody who gives up.
async fn one(handle: &Handle, way: &str, nth: usize) {
    let correlation = CorrelationId::from(format!("{way}-{nth}"));
    let event = begins(&format!("bench.{way}"), &correlation);
    handle.enqueue(event).await.expect("room").await.expect("an answer");
    let mut waits: BoxFuture<'_, _> = handle.wait(&correlation, None).boxed();
    let waits_for_it = nth % 4 < 2 && (&mut waits).now_or_never().is_none();
    let by = || Principal::user("ana");
    match way {
        "cancelled" => drop(handle.cancel(&correlation, by(), "no more").await.expect("it runs")),
        "terminated" => drop(handle.terminate(&correlation, by(), "now").await.expect("it runs")),
        _ => {}
    }
    if waits_for_it && nth.is_multiple_of(4) {
        waits.await.expect("an end");
    }
}

/// Comes back once nothing is under way and nobody is in memory, or it takes too long.
async fn at_rest(handle: &Handle) -> Metrics {
    let began = Instant::now();
    loop {
        let metrics = handle.metrics().await;
        let left = metrics.live + metrics.timers + metrics.workflows_out + metrics.waiters + metrics.under_way;
        let unfinished = metrics.runs_started - metrics.runs_finished;
        if left + unfinished == 0 || began.elapsed() > PATIENCE {
            return metrics;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn assert_nothing(left: &Metrics, workflows: usize) {
    let calls: u64 = left.agents.values().map(|agent| agent.running + agent.waiting + agent.stuck).sum();
    let counted = [left.live, left.timers, left.waiters, left.workflows_out, left.under_way, calls];
    assert_eq!(counted, [0; 6], "actors, timers, waiters, workflows with calls out, work under way, calls");
    assert_eq!(left.runs_started as usize, workflows);
    assert_eq!(left.runs_finished, left.runs_started);
    let bound = (SHARDS * limits::RESULT_BYTES) as u64;
    assert!(left.result_bytes <= bound, "{} bytes of results, of {bound}", left.result_bytes);
    assert!(left.results as usize <= workflows);
}

async fn assert_ways(handle: &Handle, each: usize) {
    let counts = handle.status().await.expect("an index").counts;
    for standing in [Standing::Completed, Standing::Failed, Standing::Cancelled, Standing::Terminated] {
        let wanted: usize = WAYS.iter().filter(|it| it.2 == standing).map(|it| it.1 * each).sum();
        let found = counts.all.by_status.get(&standing).copied().unwrap_or(0);
        assert_eq!(found as usize, wanted, "that ended as {standing:?}");
    }
}
