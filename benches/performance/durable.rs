//! Strict turns, the index caught up, and how long an answer takes.

use std::time::Duration;

use regie::prelude::*;

use crate::disk_floor::{rows, segment, two_files};
use crate::events::{caught_up, drive, events};
use crate::measure::{Stopwatch, median, quantile, rate};
use crate::{Figure, Scale};

const ROUNDS: usize = 5;

/// How many are under way at once, how many events are measured with, and what the ratio is to be.
const STEPS: [(usize, usize, &str); 4] =
    [(1, 1_500, ">= 0.8"), (64, 30_000, ">= 0.5"), (512, 80_000, ">= 0.4"), (4_096, 80_000, ">= 0.4")];

/// One step, measured some times in turn with its floors.
#[derive(Default)]
struct Step {
    ours: Vec<f64>,
    floor: Vec<f64>,
    segment: Vec<f64>,
    /// The processor's time of ours and of the bare two files: neighbours disturb it less than the clock's.
    spent: Vec<(Duration, Duration)>,
    half: Vec<(Duration, Duration)>,
    last: Vec<(Duration, Duration)>,
}

/// Throughput at each step; at 512 to a raw segment too; latency at 64.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (in_flight, count, goal) in STEPS {
        let step = measured(scale.of(count), in_flight);
        let name = format!("durable turns/s, {in_flight} in flight; bare two files");
        figures.push(throughput(name, &step.ours, &step.floor, goal));
        let name = format!("a core's time for an event, {in_flight} in flight");
        figures.push(spent(name, &step.spent, scale.of(count)));
        if in_flight == 512 {
            figures.push(throughput(
                "durable turns/s, 512 in flight; raw segment".into(),
                &step.ours,
                &step.segment,
                ">= 0.2",
            ));
        }
        if in_flight == 64 {
            figures.push(latency("p50 of an answer, 64 in flight; raw segment", &step.half, "<= 3"));
            figures.push(latency("p99 of an answer, 64 in flight; raw segment", &step.last, "<= 15"));
        }
    }
    figures
}

fn measured(count: usize, in_flight: usize) -> Step {
    let mut step = Step::default();
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir().expect("a folder");
        let given = rows(&events(count));
        let mut raw = segment(folder.path(), &given, in_flight);
        step.segment.push(rate(count, raw.iter().sum()));
        let watch = Stopwatch::start();
        step.floor.push(rate(count, two_files(folder.path(), given, in_flight)));
        let bare = watch.processor();
        let (took, spent, mut answers) = ours(&folder.path().join("ours"), count, in_flight);
        step.ours.push(rate(count, took));
        step.spent.push((spent, bare));
        step.half.push((quantile(&mut answers, 0.5), quantile(&mut raw, 0.5)));
        step.last.push((quantile(&mut answers, 0.99), quantile(&mut raw, 0.99)));
    }
    step
}

/// How long it took, how much of the processor's time, and how long each answer.
fn ours(path: &std::path::Path, count: usize, in_flight: usize) -> (Duration, Duration, Vec<Duration>) {
    futures::executor::block_on(async {
        let runtime = builder().journal(JournalConfig::sqlite(path)).start().await.expect("a runtime");
        let handle = runtime.handle();
        let given = events(count);
        let watch = Stopwatch::start();
        let answers = drive(&handle, given, in_flight).await;
        caught_up(&handle);
        let (took, spent) = (watch.took(), watch.processor());
        runtime.shutdown().await;
        (took, spent, answers)
    })
}

fn throughput(name: String, ours: &[f64], floor: &[f64], goal: &'static str) -> Figure {
    let ratio = median(ours.iter().zip(floor).map(|(ours, floor)| ours / floor).collect());
    let [ours, floor] = [ours, floor].map(|them| format!("{:.0}", median(them.to_vec())));
    Figure { name, ours, floor, ratio: format!("{ratio:.2}"), goal }
}

fn spent(name: String, pairs: &[(Duration, Duration)], count: usize) -> Figure {
    let micros = |time: &Duration| time.as_secs_f64() * 1e6 / count as f64;
    let ratio = median(pairs.iter().map(|(ours, floor)| micros(ours) / micros(floor)).collect());
    let ours = median(pairs.iter().map(|(ours, _)| micros(ours)).collect());
    let floor = median(pairs.iter().map(|(_, floor)| micros(floor)).collect());
    let [ours, floor] = [ours, floor].map(|it| format!("{it:.1} µs"));
    Figure { name, ours, floor, ratio: format!("{ratio:.1}"), goal: "told" }
}

fn latency(name: &str, pairs: &[(Duration, Duration)], goal: &'static str) -> Figure {
    let millis = |time: &Duration| time.as_secs_f64() * 1_000.0;
    let ratio = median(pairs.iter().map(|(ours, floor)| millis(ours) / millis(floor)).collect());
    let ours = median(pairs.iter().map(|(ours, _)| millis(ours)).collect());
    let floor = median(pairs.iter().map(|(_, floor)| millis(floor)).collect());
    Figure {
        name: name.into(),
        ours: format!("{ours:.2} ms"),
        floor: format!("{floor:.2} ms"),
        ratio: format!("{ratio:.1}"),
        goal,
    }
}
