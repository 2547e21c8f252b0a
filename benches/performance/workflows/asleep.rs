//! Workflows that wait take no actor, and how soon one wakes.

use std::time::{Duration, Instant};

use regie::Handle;
use regie::core::workflow::flow::{Flow, call, listen};
use regie::journal::Durability;
use regie::prelude::*;

use super::{AtOnce, about, begins, millis, name, told, wide};
use crate::events::{caught_up, drive};
use crate::measure::quantile;
use crate::{Figure, Scale};

/// After so long without anything a workflow leaves memory.
const IDLE: Duration = Duration::from_secs(1);
/// How long all of them may take to leave.
const PATIENCE: Duration = Duration::from_secs(120);

/// Actors that are left once all are idle; p50 and p99 of what wakes one, to the same of one that is awake.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let (count, sample) = (scale.at_least(200, 100_000), scale.at_least(20, 1_000));
    let mut figures = Vec::new();
    for (kind, durability) in [("strict", Durability::Strict), ("relaxed", Durability::Relaxed)] {
        let folder = tempfile::tempdir().expect("a folder");
        futures::executor::block_on(async {
            let journal = JournalConfig::sqlite(folder.path().join("asleep"));
            let builder = builder().journal(journal).durability(durability).keep(usize::MAX, IDLE).handler(waits());
            let runtime = builder.agent("agent", AtOnce, wide()).start().await.expect("a runtime");
            let handle = runtime.handle();
            drive(&handle, (0..count).map(|nth| begins("bench.wait", &name(nth))).collect(), 512).await;
            caught_up(&handle);
            asleep(&handle, count).await;
            figures.push(told(format!("actors of {count} that wait, {kind}"), "0".into(), "0"));
            let apart = count / sample;
            let looks = timed(&handle, (0..sample).map(|nth| nth * apart), Touch::Look).await;
            figures.extend(pair(&format!("a look at one, {kind}; awake"), looks));
            asleep(&handle, count).await;
            let sends = timed(&handle, (0..sample).map(|nth| nth * apart), Touch::Send).await;
            figures.extend(pair(&format!("a send to one, {kind}; awake"), sends));
            runtime.shutdown().await;
        });
    }
    figures
}

/// Waits for an event, twice: the first wakes it, the second finds it awake.
fn waits() -> Flow {
    let flow = Flow::named("waits").starts_on("bench.wait");
    flow.task("first", listen("bench.go"))
        .task("second", listen("bench.go"))
        .task("a", call("agent"))
        .build()
        .expect("a good flow")
}

/// Comes back once no actor is left.
async fn asleep(handle: &Handle, count: usize) {
    let began = Instant::now();
    loop {
        let live = handle.metrics().await.live;
        if live == 0 {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{live} of {count} are in memory still");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[derive(Clone, Copy)]
enum Touch {
    Look,
    Send,
}

/// How long it took of those that were asleep, and then of the same ones awake.
async fn timed(handle: &Handle, whom: impl Iterator<Item = usize>, how: Touch) -> [Vec<Duration>; 2] {
    let (mut asleep, mut awake) = (Vec::new(), Vec::new());
    let woken = handle.metrics().await.woken;
    for nth in whom {
        asleep.push(touch(handle, nth, how, "1").await);
        awake.push(touch(handle, nth, how, "2").await);
    }
    let woken = handle.metrics().await.woken - woken;
    assert_eq!(woken as usize, asleep.len(), "each was woken once");
    [asleep, awake]
}

async fn touch(handle: &Handle, nth: usize, how: Touch, id: &str) -> Duration {
    let event = about("bench.go", &name(nth)).id(id).build().expect("a good event");
    let began = Instant::now();
    match how {
        Touch::Look => drop(handle.look(&event.event().correlation_id.clone()).await.expect("a view")),
        Touch::Send => drop(handle.submit(event).await.expect("an answer")),
    }
    began.elapsed()
}

fn pair(name: &str, [mut asleep, mut awake]: [Vec<Duration>; 2]) -> Vec<Figure> {
    let of = |(quantile_name, share, goal): (&str, f64, &'static str)| {
        let (ours, floor) = (quantile(&mut asleep, share), quantile(&mut awake, share));
        let ratio = format!("{:.2}", ours.as_secs_f64() / floor.as_secs_f64());
        Figure { name: format!("{quantile_name} of {name}"), ours: millis(ours), floor: millis(floor), ratio, goal }
    };
    [("p50", 0.5, "< 1 ms"), ("p99", 0.99, "< 1 ms")].map(of).into()
}
