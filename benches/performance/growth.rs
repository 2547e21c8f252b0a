//! What an event costs as the journal grows.

use regie::Handle;
use regie::prelude::*;

use crate::events::{caught_up, drive, event};
use crate::measure::{Stopwatch, median};
use crate::{Figure, Scale};

/// Events that one measurement takes, and how often it is repeated.
const SOME: usize = 10_000;
const ROUNDS: usize = 9;
const CORRELATIONS: usize = 100_000;

/// The processor's time for an event with a long journal, to that with a short one.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let (short, long) = (scale.of(10_000), scale.of(10_000_000));
    let folder = tempfile::tempdir().expect("a folder");
    let [before, after] = [("short", short), ("long", long)].map(|(name, events)| {
        futures::executor::block_on(async {
            let journal = JournalConfig::sqlite(folder.path().join(name));
            let builder = builder().journal(journal).durability(regie::journal::Durability::Relaxed);
            let runtime = builder.start().await.expect("a runtime");
            let handle = runtime.handle();
            put(&handle, 0, events).await;
            let mut costs = Vec::new();
            for round in 0..ROUNDS {
                let watch = Stopwatch::start();
                put(&handle, events + round * SOME, SOME).await;
                costs.push(watch.processor().as_secs_f64() * 1e6 / SOME as f64);
            }
            runtime.shutdown().await;
            median(costs)
        })
    });
    let name = format!("us of a core an event: {long} in the journal; {short}");
    let (ours, floor) = (format!("{after:.1}"), format!("{before:.1}"));
    vec![Figure { name, ours, floor, ratio: format!("{:.2}", after / before), goal: "<= 1.1" }]
}

async fn put(handle: &Handle, from: usize, count: usize) {
    let to = from + count;
    for from in (from..to).step_by(50_000) {
        let some = (from..to.min(from + 50_000)).map(|nth| event(nth, CORRELATIONS)).collect();
        drive(handle, some, 512).await;
    }
    caught_up(handle);
}
