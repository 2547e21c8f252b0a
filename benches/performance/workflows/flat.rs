//! What a step costs as one workflow grows, and as workflows grow many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use regie::actors::agent::{Agent, AgentError, AgentTask};
use regie::core::Json;
use regie::core::event::CorrelationId;
use regie::core::workflow::flow::{Flow, call, each, listen, switch};
use regie::journal::Durability;
use regie::prelude::*;
use regie::{Handle, Runtime};

use super::{AtOnce, begins, flows, micros, name, three, wide};
use crate::events::{caught_up, drive};
use crate::measure::{Stopwatch, median};
use crate::{Figure, Scale};

const ROUNDS: usize = 3;
/// Facts that one workflow has, of whatever kind.
const FACTS: [usize; 3] = [10, 1_000, 100_000];
const WORKFLOWS: [usize; 3] = [1, 1_000, 1_000_000];

/// Time for a step by facts in its workflow, and by workflows in the journal; each to the least.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (kind, flow) in [("a loop", again as fn() -> Flow), ("a for-each", for_each)] {
        let mut least = None;
        for facts in FACTS {
            let facts = if facts > 1_000 { scale.at_least(2_000, facts) } else { facts };
            let (took, steps) = grown(facts, flow);
            figures.push(row(format!("step of {kind}, {facts} facts, {steps} steps"), took, &mut least));
        }
    }
    let mut least = None;
    for workflows in WORKFLOWS {
        let workflows = if workflows > 1 { scale.at_least(100, workflows) } else { workflows };
        let took = among(workflows, scale.at_least(50, 3_000));
        figures.push(row(format!("step of a core, among {workflows} workflows"), took, &mut least));
    }
    figures
}

fn row(name: String, took: Duration, least: &mut Option<Duration>) -> Figure {
    let first = *least.get_or_insert(took);
    let ratio = format!("{:.2}", took.as_secs_f64() / first.as_secs_f64());
    Figure { name, ours: micros(took), floor: micros(first), ratio, goal: "flat" }
}

/// Counts its calls, and remembers when they came.
struct Counts {
    calls: AtomicU64,
    came: Sender<Instant>,
}

impl Agent for Counts {
    async fn handle(&self, _: AgentTask) -> Result<Json, AgentError> {
        self.came.send(Instant::now()).ok(); // where nobody asks, nobody listens
        Ok(Json::of(&(self.calls.fetch_add(1, Ordering::Relaxed) + 1)))
    }
}

/// The same step again and again, as often as its input says.
fn again() -> Flow {
    let more = |scope: &regie::core::workflow::flow::Scope<'_>| {
        let (done, wanted) = (number(&scope.value().value()), number(&scope.input().value()["steps"]));
        done % wanted != 0
    };
    let flow = Flow::named("grows").starts_on("bench.grow");
    flow.task("a", call("agent")).task("more", switch().case(more, "a")).build().expect("a good flow")
}

/// A step for each of as many items as its input says.
fn for_each() -> Flow {
    let items = |scope: &regie::core::workflow::flow::Scope<'_>| {
        let wanted = number(&scope.input().value()["steps"]);
        Json::of(&(0..wanted).collect::<Vec<u64>>())
    };
    let all = each("item", items).task("a", call("agent"));
    Flow::named("grows").starts_on("bench.grow").task("all", all).build().expect("a good flow")
}

fn number(value: &serde_json::Value) -> u64 {
    value.as_u64().unwrap_or(1)
}

/// The time for a step of a workflow that has so many facts, and how many steps that are: the mean of the last fourth of its
/// steps, the best of some rounds. Of a short one many are begun, one after another.
fn grown(facts: usize, flow: fn() -> Flow) -> (Duration, usize) {
    let (a_few, some) = (facts_of(4, flow), facts_of(12, flow));
    let steps = (facts.saturating_sub(a_few) * 8 / (some - a_few) + 4).max(2);
    let workflows = (2_000 / steps).max(1);
    let took = (0..ROUNDS).map(|_| run(steps, workflows, flow)).min().unwrap_or_default();
    (took, steps)
}

/// How many facts a workflow of so many steps has.
fn facts_of(steps: usize, flow: fn() -> Flow) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = start(&folder.path().join("facts"), flow(), channel().0);
    let handle = runtime.handle();
    block_on(async {
        let correlation = one(&handle, 0, steps).await;
        let records = handle.records(&correlation).await.expect("a journal");
        runtime.shutdown().await;
        records.iter().map(|stored| stored.record.facts.len()).sum()
    })
}

fn run(steps: usize, workflows: usize, flow: fn() -> Flow) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let (comes, came) = channel();
    let runtime = start(&folder.path().join("grown"), flow(), comes);
    let handle = runtime.handle();
    let (mut took, mut measured) = (Duration::ZERO, 0);
    block_on(async {
        for nth in 0..workflows {
            one(&handle, nth, steps).await;
            let came: Vec<Instant> = came.try_iter().collect();
            assert_eq!(came.len(), steps, "each step was done once");
            let last = &came[(3 * steps / 4).min(steps - 2)..];
            took += last[last.len() - 1] - last[0];
            measured += last.len() - 1;
        }
        runtime.shutdown().await;
    });
    took / measured as u32
}

async fn one(handle: &Handle, nth: usize, steps: usize) -> CorrelationId {
    let correlation = CorrelationId::from(name(nth));
    let event = Event::new("bench.grow", correlation.clone()).payload(serde_json::json!({"steps": steps}));
    handle.submit(event.id("begin").build().expect("a good event")).await.expect("an answer");
    let waited = handle.wait(&correlation, None).await.expect("an end");
    let done = matches!(waited, regie::runtime::Waited::Ended { ending: regie::runtime::Ending::Completed(_), .. });
    assert!(done, "it came to its end");
    correlation
}

fn start(path: &std::path::Path, flow: Flow, came: Sender<Instant>) -> Runtime {
    let agent = Counts { calls: AtomicU64::new(0), came };
    let builder = builder().journal(JournalConfig::sqlite(path)).durability(Durability::Relaxed);
    block_on(builder.handler(flow).agent("agent", agent, wide()).start()).expect("a runtime")
}

/// A core's time for a step where there are so many other workflows, which wait and have left memory.
fn among(workflows: usize, count: usize) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    block_on(async {
        let waits = Flow::named("waits").starts_on("bench.wait").task("w", listen("bench.go")).build();
        let journal = JournalConfig::sqlite(folder.path().join("among"));
        let builder =
            builder().journal(journal).durability(Durability::Relaxed).keep(usize::MAX, Duration::from_secs(5));
        let builder = builder.handler(waits.expect("a good flow")).handler(three("three", "bench.begin", "agent"));
        let runtime = builder.agent("agent", AtOnce, wide()).start().await.expect("a runtime");
        let handle = runtime.handle();
        for from in (0..workflows).step_by(50_000) {
            let some = (from..workflows.min(from + 50_000)).map(|nth| begins("bench.wait", &format!("waits-{nth}")));
            drive(&handle, some.collect(), 512).await;
        }
        caught_up(&handle);
        while handle.metrics().await.live > 0 {
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut costs = Vec::new();
        for round in 0..ROUNDS {
            let some = (0..count).map(|nth| begins("bench.begin", &name(round * count + nth))).collect();
            let watch = Stopwatch::start();
            flows::drive(&handle, some, 64).await;
            caught_up(&handle);
            costs.push(watch.processor().as_secs_f64() / (3 * count) as f64);
        }
        runtime.shutdown().await;
        Duration::from_secs_f64(median(costs))
    })
}
