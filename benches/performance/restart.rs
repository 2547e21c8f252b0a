//! How soon a runtime answers after a restart, with a long journal and many workflows that are not over.

use std::time::{Duration, Instant};

use regie::core::governance::{CooldownMode, KeyKind, Policy, PolicySet};
use regie::prelude::*;

use crate::events::{caught_up, drive, event};
use crate::{Figure, Scale};

/// From `start()` to the first answer.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let (events, open) = (scale.of(1_000_000), scale.of(100_000));
    let folder = tempfile::tempdir().expect("a folder");
    let took = futures::executor::block_on(async {
        let path = folder.path().join("long");
        fill(&path, events, open).await;
        let began = Instant::now();
        let runtime = start(&path).await;
        runtime.handle().submit(event(usize::MAX, 7)).await.expect("an answer");
        let took = began.elapsed();
        runtime.shutdown().await;
        took
    });
    let name = format!("restart, {events} events, {open} workflows open");
    vec![Figure {
        name,
        ours: format!("{:.0} ms", took.as_secs_f64() * 1e3),
        floor: "-".into(),
        ratio: "-".into(),
        goal: "<= 1 s",
    }]
}

/// Each open workflow has one event that comes back tomorrow.
async fn fill(path: &std::path::Path, events: usize, open: usize) {
    let runtime = start(path).await;
    let handle = runtime.handle();
    for from in (0..events).step_by(50_000) {
        let some = (from..events.min(from + 50_000)).map(|nth| event(nth, open)).collect();
        drive(&handle, some, 512).await;
    }
    let deferred = (0..2 * open).map(|nth| {
        let name = format!("work-{}", nth % open);
        Event::new("hold.it", name).id(format!("h-{nth}")).build().expect("a good event")
    });
    drive(&handle, deferred.collect(), 512).await;
    caught_up(&handle);
    runtime.shutdown().await;
}

async fn start(path: &std::path::Path) -> regie::Runtime {
    let pattern = Pattern::parse("hold.>").expect("a pattern");
    let day = Duration::from_secs(24 * 3_600);
    let hold = Policy::cooldown("hold", pattern, day, KeyKind::Correlation, CooldownMode::Defer);
    let set = PolicySet::new(vec![hold]).expect("a set");
    let journal = JournalConfig::sqlite(path);
    builder()
        .journal(journal)
        .durability(regie::journal::Durability::Relaxed)
        .policies(set)
        .start()
        .await
        .expect("a runtime")
}
