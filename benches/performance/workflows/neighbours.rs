//! What an agent that blocks, or one that panics, costs the healthy ones beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use regie::Handle;
use regie::actors::agent::{Agent, AgentError, AgentLimits, AgentTask, BlockingAgent};
use regie::core::Json;
use regie::core::retry::Retry;
use regie::core::workflow::flow::{Flow, call};
use regie::prelude::*;

use super::probe::{Probe, STEPS, Watched};
use super::{begins, millis, steps, three, told, wide};
use crate::measure::{median, quantile};
use crate::{Figure, Scale};

const ROUNDS: usize = 5;
/// What the healthy agent takes.
const TAKES: Duration = Duration::from_millis(5);
/// So often a healthy workflow begins.
const HEALTHY_EVERY: Duration = Duration::from_millis(10);
/// How long those hold a thread that do.
const BLOCKED: Duration = Duration::from_millis(200);

/// Who is beside the healthy ones, and how often one of them begins.
const BESIDE: [(&str, &str, Duration); 4] = [
    ("beside instant ones (the same load)", "bench.instant", Duration::from_millis(20)),
    ("beside agents that block their threads", "bench.blocks", Duration::from_millis(20)),
    ("beside agents that panic", "bench.panics", Duration::from_millis(20)),
    ("beside one that blocks the pool, against the rule", "bench.misuse", BLOCKED.saturating_mul(2)),
];

/// The runtime's own time in a healthy step, p50 and p99, beside others, to the same alone.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let count = scale.at_least(50, 500);
    let mut figures = Vec::new();
    let rounds: Vec<Vec<[Duration; 2]>> = (0..ROUNDS)
        .map(|_| {
            let beside = BESIDE.iter().map(|(_, kind, every)| Some((*kind, *every)));
            std::iter::once(None).chain(beside).map(|beside| healthy(count, beside)).collect()
        })
        .collect();
    for (quantile, (which, goal)) in [("p50", "1"), ("p99", "1")].into_iter().enumerate() {
        let of = |who: usize| -> Vec<f64> { rounds.iter().map(|round| round[who][quantile].as_secs_f64()).collect() };
        let alone = of(0);
        let show = |values: Vec<f64>| millis(Duration::from_secs_f64(median(values)));
        figures.push(told(format!("{which} of a healthy step, alone"), show(alone.clone()), "told"));
        for (nth, (name, ..)) in BESIDE.into_iter().enumerate() {
            let beside = of(nth + 1);
            let ratio = median(beside.iter().zip(&alone).map(|(beside, alone)| beside / alone).collect());
            let (name, ours, floor) = (format!("{which}, {name}; alone"), show(beside), show(alone.clone()));
            figures.push(Figure { name, ours, floor, ratio: format!("{ratio:.2}"), goal });
        }
    }
    figures
}

fn healthy(count: usize, beside: Option<(&'static str, Duration)>) -> [Duration; 2] {
    let (over, ended) = channel();
    let probe = Probe::new(count, over);
    let agent = Watched { probe: Arc::clone(&probe), takes: TAKES };
    let runtime = futures::executor::block_on(
        builder()
            .handler(three("three", "bench.begin", "agent"))
            .handler(once("instant"))
            .handler(once("blocks"))
            .handler(once("panics"))
            .handler(once("misuse"))
            .agent("agent", agent, wide())
            .agent("instant", super::AtOnce, wide())
            .blocking_agent("blocks", Blocks, AgentLimits::default())
            .agent("panics", Panics, wide())
            .agent("misuse", Misuse, AgentLimits::default())
            .grace(Duration::ZERO)
            .faults(probe.at_commits())
            .start(),
    );
    let runtime = runtime.expect("a runtime");
    let (handle, stop) = (runtime.handle(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        if let Some(others) = beside {
            let (handle, stop) = (&handle, &stop);
            scope.spawn(move || trouble(handle, others, stop));
        }
        let began = Instant::now();
        for nth in 0..count {
            std::thread::sleep((began + HEALTHY_EVERY * nth as u32).saturating_duration_since(Instant::now()));
            steps::begin(&handle, &probe, nth);
        }
        for _ in 0..count {
            ended.recv_timeout(Duration::from_secs(60)).expect("all come to their end");
        }
        stop.store(true, Ordering::Relaxed);
    });
    futures::executor::block_on(runtime.shutdown());
    let mut overheads = probe.overheads(usize::MAX);
    assert_eq!(overheads.len(), count * STEPS);
    [quantile(&mut overheads, 0.5), quantile(&mut overheads, 0.99)]
}

/// Begins workflows through an agent that is no good neighbour, until it is told to stop.
fn trouble(handle: &Handle, (kind, every): (&str, Duration), stop: &AtomicBool) {
    let mut nth = 0;
    while !stop.load(Ordering::Relaxed) {
        nth += 1;
        let event = begins(kind, &format!("other-{nth}"));
        drop(futures::executor::block_on(handle.enqueue(event)).expect("room"));
        std::thread::sleep(every);
    }
}

/// One step, tried once.
fn once(agent: &str) -> Flow {
    let flow = Flow::named(agent).starts_on(&format!("bench.{agent}"));
    flow.task("x", call(agent).retry(Retry::never())).build().expect("a good flow")
}

/// Holds a thread of its own.
struct Blocks;

impl BlockingAgent for Blocks {
    fn handle(&self, _: AgentTask) -> Result<Json, AgentError> {
        std::thread::sleep(BLOCKED);
        Ok(Json::null())
    }
}

/// Holds a thread of the pool, which an agent is told not to.
struct Misuse;

impl Agent for Misuse {
    async fn handle(&self, _: AgentTask) -> Result<Json, AgentError> {
        std::thread::sleep(BLOCKED);
        Ok(Json::null())
    }
}

struct Panics;

impl Agent for Panics {
    async fn handle(&self, _: AgentTask) -> Result<Json, AgentError> {
        std::panic::resume_unwind(Box::new("on purpose")) // without a word on the terminal
    }
}
