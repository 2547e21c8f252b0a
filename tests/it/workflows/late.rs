//! Events that come after a run failed or was cancelled: ten thousand are recorded as skipped, and no handler sees one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use regie::core::event::{LifeState, Principal};
use regie::core::workflow::{Handler, Input, Moment, Reaction};

use crate::runtime_support::{Stage, event, script, submit_all, within};

/// How many come to each of the two.
const LATE: usize = 5_000;

/// Fails on `job.fail`; counts what it is asked.
fn job(asked: &Arc<AtomicU64>) -> impl Handler {
    let asked = Arc::clone(asked);
    script("job", "job.>", move |_, input: Input<'_>, _: &Moment<'_>| {
        asked.fetch_add(1, Ordering::Relaxed);
        Ok(match input {
            Input::Event(event) if event.kind == "job.fail" => Reaction::none().fail("no"),
            _ => Reaction::none(),
        })
    })
}

#[test]
fn after_a_failure_and_a_cancel_ten_thousand_events_are_skipped_and_no_handler_runs() {
    within(async {
        let asked = Arc::new(AtomicU64::new(0));
        let stage = Stage::with(|builder| builder.handler(job(&asked))).await;
        stage.submit(event("job.fail", "failed", "first")).await;
        stage.submit(event("job.begin", "cancelled", "first")).await;
        stage.handle.cancel(&"cancelled".into(), Principal::user("ada"), "not wanted").await.unwrap();
        let before = asked.load(Ordering::Relaxed);
        for (whose, why) in [("failed", "has failed"), ("cancelled", "was cancelled")] {
            for thousand in 0..LATE / 1_000 {
                let late = |nth| event("job.more", whose, &format!("late-{thousand}-{nth}")).build().unwrap();
                for answer in submit_all(&stage.handle, (0..1_000).map(late).collect()).await {
                    let answer = answer.unwrap();
                    assert_eq!(answer.event_state, Some(LifeState::Discarded));
                    assert!(answer.state_transitions.last().unwrap().reason.ends_with(why), "{answer:?}");
                }
            }
        }
        assert_eq!(asked.load(Ordering::Relaxed), before);
        stage.close().await;
    });
}
