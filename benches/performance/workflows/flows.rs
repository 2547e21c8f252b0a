//! Three-step durable workflows a second, from their start to their result.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use regie::Handle;
use regie::core::event::{CorrelationId, Incoming};
use regie::prelude::*;
use regie::runtime::Ending;

use super::{AtOnce, begins, micros, millis, name, three, told, wide};
use crate::disk_floor::{rows, segment};
use crate::measure::{Stopwatch, median, quantile, rate};
use crate::{Figure, Scale};

const ROUNDS: usize = 5;

/// How many are under way at once, how many are measured, and what the ratio is to be.
const LOADS: [(usize, usize, &str); 4] =
    [(1, 500, ">= 0.2"), (64, 8_000, ">= 0.03"), (512, 16_000, ">= 0.02"), (4_096, 24_000, ">= 0.024")];

/// Workflows a second, to a raw segment of events of the same size; what one costs, and how long it takes.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (in_flight, count, goal) in LOADS {
        let count = scale.at_least(20, count);
        let (mut done, mut floor, mut spent, mut took) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let folder = tempfile::tempdir().expect("a folder");
            let events = events(count);
            let raw = segment(folder.path(), &rows(&events), in_flight);
            floor.push(rate(count, raw.iter().sum()));
            let (all, processor, mut each) = ours(&folder.path().join("ours"), events, in_flight);
            done.push(rate(count, all));
            spent.push(processor.as_secs_f64() / count as f64);
            took.push(quantile(&mut each, 0.99));
        }
        let ratio = median(done.iter().zip(&floor).map(|(ours, floor)| ours / floor).collect());
        let [ours, floor] = [done, floor].map(|them| format!("{:.0}", median(them)));
        let name = format!("workflows/s, {in_flight} in flight; raw segment");
        figures.push(Figure { name, ours, floor, ratio: format!("{ratio:.4}"), goal });
        let spent = Duration::from_secs_f64(median(spent));
        figures.push(told(format!("a core's time for one, {in_flight} in flight"), micros(spent), "told"));
        took.sort_unstable();
        let last = took[took.len() / 2];
        figures.push(told(format!("p99 from start to result, {in_flight} in flight"), millis(last), "told"));
    }
    figures
}

fn events(count: usize) -> Vec<Incoming> {
    (0..count).map(|nth| begins("bench.begin", &name(nth))).collect()
}

/// How long all took, how much of the processor's time, and how long each took.
fn ours(path: &std::path::Path, events: Vec<Incoming>, in_flight: usize) -> (Duration, Duration, Vec<Duration>) {
    futures::executor::block_on(async {
        let builder = builder().journal(JournalConfig::sqlite(path)).handler(three("three", "bench.begin", "agent"));
        let runtime = builder.agent("agent", AtOnce, wide()).start().await.expect("a runtime");
        let handle = runtime.handle();
        let watch = Stopwatch::start();
        let each = drive(&handle, events, in_flight).await;
        let (took, spent) = (watch.took(), watch.processor());
        runtime.shutdown().await;
        (took, spent, each)
    })
}

/// Begins workflows and awaits their results, so many under way at once; gives how long each took.
pub(super) async fn drive(handle: &Handle, events: Vec<Incoming>, in_flight: usize) -> Vec<Duration> {
    let mut took = Vec::with_capacity(events.len());
    let mut under_way = FuturesUnordered::new();
    for event in events {
        if under_way.len() >= in_flight {
            took.extend(under_way.next().await);
        }
        under_way.push(from_start_to_result(handle, event));
    }
    took.extend(under_way.collect::<Vec<_>>().await);
    took
}

async fn from_start_to_result(handle: &Handle, event: Incoming) -> Duration {
    let began = Instant::now();
    let correlation: CorrelationId = event.event().correlation_id.clone();
    handle.enqueue(event).await.expect("room").await.expect("an answer");
    let ending = handle.await_result(&correlation, None).await.expect("an end");
    assert!(matches!(ending, Some(Ending::Completed(_))), "{correlation} came to {ending:?}");
    began.elapsed()
}
