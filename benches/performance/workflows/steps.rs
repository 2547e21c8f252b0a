//! The runtime's own time in a step, with many workflows under way through an agent that takes 50 ms.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use regie::Handle;
use regie::prelude::*;

use super::hops::bare;
use super::probe::{Probe, STEPS, Watched};
use super::{begins, millis, name, three, wide};
use crate::measure::quantile;
use crate::{Figure, Scale};

const TAKES: Duration = Duration::from_millis(50);
const ROUNDS: usize = 3;

/// p50 and p99.
type Pair = [Duration; 2];

/// How many workflows are under way at once, how many calls the agent takes at once, how many workflows are measured, and what
/// the p99 is to be.
const LOADS: [(usize, usize, usize, &str); 4] = [
    (1_000, 100, 3_000, "< 2 ms"),
    (1_000, 400, 10_000, "< 2 ms"),
    (1_000, 1_000, 10_000, "< 2 ms"),
    (10_000, 400, 20_000, "told"),
];

/// p50 and p99 of the runtime's time in a step, in memory and durable, to those of the bare changes of thread by turns; the best
/// of some rounds of each.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (at_once, places, count, goal) in LOADS {
        let (at_once, places) = (scale.at_least(20, at_once), scale.at_least(5, places));
        let count = scale.at_least(60, count);
        for durable in [false, true] {
            let rounds =
                (0..ROUNDS).map(|_| (measured(at_once, places, count, durable), floor(places, count, durable)));
            let (ours, floors): (Vec<Pair>, Vec<Pair>) = rounds.unzip();
            let best = |rounds: Vec<Pair>| rounds.into_iter().min_by_key(|[_, last]| *last).expect("a round");
            let (ours, floor) = (best(ours), best(floors));
            let kind = if durable { "durable" } else { "in memory" };
            let rate = (places as f64 / TAKES.as_secs_f64()).round();
            let name = format!("step, {at_once} at once, {rate} steps/s, {kind}");
            for (at, (share, goal)) in [("p50", "told"), ("p99", goal)].into_iter().enumerate() {
                let ratio = format!("{:.1}", ours[at].as_secs_f64() / floor[at].as_secs_f64());
                let (name, ours, floor) = (format!("{name}: {share}; bare hops"), millis(ours[at]), millis(floor[at]));
                figures.push(Figure { name, ours, floor, ratio, goal });
            }
        }
    }
    figures
}

/// The bare changes of thread, as many under way at once as the agent takes.
fn floor(places: usize, count: usize, durable: bool) -> Pair {
    let folder = tempfile::tempdir().expect("a folder");
    let file = durable.then(|| std::fs::File::create(folder.path().join("hops")).expect("a file"));
    let mut took = bare(places, (count * STEPS / places).max(2), TAKES, file);
    [quantile(&mut took, 0.5), quantile(&mut took, 0.99)]
}

fn measured(at_once: usize, places: usize, count: usize, durable: bool) -> Pair {
    let (over, ended) = channel();
    let probe = Probe::new(count, over);
    let folder = tempfile::tempdir().expect("a folder");
    let journal = if durable { JournalConfig::sqlite(folder.path().join("steps")) } else { JournalConfig::memory() };
    let agent = Watched { probe: Arc::clone(&probe), takes: TAKES };
    let runtime = futures::executor::block_on(
        builder()
            .journal(journal)
            .handler(three("three", "bench.begin", "agent"))
            .agent("agent", agent, wide().places(places, 100_000))
            .faults(probe.at_commits())
            .start(),
    );
    let runtime = runtime.expect("a runtime");
    let handle = runtime.handle();
    // As many as are to be under way begin spread over the time that a workflow takes then; each that ends makes room for one.
    let spread = TAKES.mul_f64(STEPS as f64 * at_once as f64 / places as f64);
    let (began, mut started, mut is_over) = (Instant::now(), 0, 0);
    while is_over < count {
        let next = began + spread.mul_f64(started as f64 / at_once as f64);
        let is_filling = started < at_once.min(count);
        let patience =
            if is_filling { next.saturating_duration_since(Instant::now()) } else { Duration::from_secs(60) };
        let ends = ended.recv_timeout(patience);
        assert!(ends.is_ok() || is_filling, "{is_over} of {count} workflows came to their end");
        is_over += usize::from(ends.is_ok());
        if started < count && (ends.is_ok() || is_filling) {
            begin(&handle, &probe, started);
            started += 1;
        }
    }
    assert!(probe.most() <= places, "{} calls ran at once, of {places} that may", probe.most());
    futures::executor::block_on(runtime.shutdown());
    let mut overheads = probe.overheads(places);
    assert_eq!(overheads.len(), count * STEPS);
    [quantile(&mut overheads, 0.5), quantile(&mut overheads, 0.99)]
}

/// Begins a workflow, and does not wait for it.
pub(super) fn begin(handle: &Handle, probe: &Probe, nth: usize) {
    let event = begins("bench.begin", &name(nth));
    probe.enters(nth);
    drop(futures::executor::block_on(handle.enqueue(event)).expect("room"));
}
