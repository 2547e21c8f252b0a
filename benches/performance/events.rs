//! The events that are measured with, and driving them in.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use regie::Handle;
use regie::core::event::Incoming;
use regie::core::governance::{CooldownMode, KeyKind, Policy, PolicySet};
use regie::prelude::*;
use std::time::{Duration, Instant};

/// An event of four fields in its payload, of one of so many correlations.
pub(crate) fn event(nth: usize, correlations: usize) -> Incoming {
    let work = nth % correlations;
    Event::new("bench.step", format!("work-{work}"))
        .id(format!("e-{nth}"))
        .actor(Principal::user("ana"))
        .entity(EntityRef::new("task", format!("T-{work}")))
        .change("status", "open", "done")
        .payload(serde_json::json!({"amount": "12.50", "note": "a short text of some words", "count": 7, "ok": true}))
        .build()
        .expect("a good event")
}

/// So many events, each correlation ten times.
pub(crate) fn events(count: usize) -> Vec<Incoming> {
    (0..count).map(|nth| event(nth, (count / 10).max(1))).collect()
}

/// One cooldown that has a say over each event and stops none: the ask is what is measured.
pub(crate) fn policies() -> PolicySet {
    let pattern = Pattern::parse("bench.>").expect("a pattern");
    let window = Duration::from_micros(1);
    let cooldown = Policy::cooldown("spacing", pattern, window, KeyKind::Correlation, CooldownMode::Discard);
    PolicySet::new(vec![cooldown]).expect("a set")
}

/// Drives events in, so many under way at once; gives how long each took, from its entry to its answer.
pub(crate) async fn drive(handle: &Handle, events: Vec<Incoming>, in_flight: usize) -> Vec<Duration> {
    let mut took = Vec::with_capacity(events.len());
    let mut answers = FuturesUnordered::new();
    let timed = |answer: regie::Answer| {
        let entered = Instant::now();
        async move {
            answer.await.expect("an answer");
            entered.elapsed()
        }
    };
    for event in events {
        if answers.len() >= in_flight {
            took.extend(answers.next().await);
        }
        answers.push(timed(handle.enqueue(event).await.expect("room")));
    }
    took.extend(answers.collect::<Vec<_>>().await);
    took
}

/// Waits until the index has come to the journal's end.
pub(crate) fn caught_up(handle: &Handle) {
    let mut reader = handle.readers().open().expect("a reader");
    reader.caught_up(handle.position(), Duration::from_secs(600)).expect("an index");
}
