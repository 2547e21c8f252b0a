//! Bytes of a workflow: one that lives and is idle, and one that has left memory. Each is measured in a process of its
//! own, so that nothing else is in what grows.

use std::time::Duration;

use actix::Actor;
use regie::prelude::*;

use crate::actix_floor::Idle;
use crate::events::{drive, event};
use crate::measure::resident;
use crate::{Figure, Scale};

/// Workflows that are there before it is measured: caches and buffers have their size by then.
const BEFORE: usize = 300_000;

/// Live ones to bare actors, and passivated ones.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let count = scale.of(1_000_000);
    let [bare, live, gone] = ["bare", "live", "gone"].map(|job| in_a_child(job, count));
    let ratio = |other: f64| format!("{:.2}", live / other);
    let name = |what: &str| format!("bytes of {what}, {count} of them");
    vec![
        Figure {
            name: name("a live workflow; bare actor"),
            ours: format!("{live:.0}"),
            floor: format!("{bare:.0}"),
            ratio: ratio(bare),
            goal: "<= 2.0",
        },
        Figure {
            name: name("a passivated one"),
            ours: format!("{gone:.0}"),
            floor: "-".into(),
            ratio: "-".into(),
            goal: "<= 100",
        },
    ]
}

fn in_a_child(job: &str, count: usize) -> f64 {
    let own = std::env::current_exe().expect("a program");
    let count = count.to_string();
    let output = std::process::Command::new(own).args(["--child", job, &count]).output().expect("a child");
    let told = String::from_utf8_lossy(&output.stdout);
    told.trim().parse().unwrap_or_else(|_| panic!("{job}: {told} {}", String::from_utf8_lossy(&output.stderr)))
}

/// What a child does: prints the bytes of one.
pub(crate) fn child(arguments: &[String]) {
    let count = arguments[1].parse().expect("a count");
    let bytes = match arguments[0].as_str() {
        "bare" => bare(count),
        job => ours(job == "gone", count),
    };
    println!("{bytes}");
}

fn bare(count: usize) -> f64 {
    actix::System::new().block_on(async {
        let start = |from: usize, to: usize| (from..to).map(|nth| Idle(nth as u64).start()).collect::<Vec<_>>();
        let first = start(0, BEFORE);
        actix::clock::sleep(Duration::ZERO).await;
        let before = resident();
        let all = start(BEFORE, BEFORE + count);
        actix::clock::sleep(Duration::ZERO).await;
        let grown = resident() - before;
        drop((first, all));
        grown as f64 / count as f64
    })
}

fn ours(leave: bool, count: usize) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    futures::executor::block_on(async {
        let journal = JournalConfig::sqlite(folder.path().join("bytes"));
        let keep = if leave { 1_000 } else { 10_000_000 };
        let builder = builder()
            .journal(journal)
            .durability(regie::journal::Durability::Relaxed)
            .keep(keep, Duration::from_secs(3_600));
        let runtime = builder.start().await.expect("a runtime");
        let handle = runtime.handle();
        let submit = async |from: usize, to: usize| {
            for chunk in (from..to).step_by(50_000) {
                let events = (chunk..to.min(chunk + 50_000)).map(|nth| event(nth, usize::MAX)).collect();
                drop(drive(&handle, events, 512).await);
            }
            crate::events::caught_up(&handle);
        };
        submit(0, BEFORE).await;
        let before = resident();
        submit(BEFORE, BEFORE + count).await;
        let grown = resident().saturating_sub(before);
        let (live, all) = (handle.metrics().await.live, (BEFORE + count) as u64);
        assert!(if leave { live < all / 10 } else { live == all }, "{live} of {all} workflows are in memory");
        runtime.shutdown().await;
        grown as f64 / count as f64
    })
}
