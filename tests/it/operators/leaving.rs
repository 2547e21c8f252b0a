//! Who is over leaves memory at once, however it ended, and leaves nothing behind.

use futures::FutureExt;
use regie::core::event::CorrelationId;
use regie::runtime::Waited;

use super::{HOUR, ana, place, status, with_orders};
use crate::runtime_support::{Stage, event, within};

/// How many end in each way.
const EACH: usize = 40;
/// How often is looked whether they have gone: a few seconds.
const LOOKS: usize = 50_000;

/// Comes back once so much is left in memory: workflows, those who wait, what is out, timers. Counts are shown a moment after the
/// last answer.
async fn comes_to(stage: &Stage, wanted: [u64; 4]) {
    let mut left = [0; 4];
    for _ in 0..LOOKS {
        let metrics = stage.handle.metrics().await;
        left = [metrics.live, metrics.waiters, metrics.workflows_out, metrics.timers];
        if left == wanted {
            return;
        }
    }
    assert_eq!(left, wanted);
}

/// The names of those that end in a way.
fn names(way: &str) -> Vec<CorrelationId> {
    (0..EACH).map(|nth| CorrelationId::from(format!("{way}-{nth}"))).collect()
}

async fn all(stage: &Stage, way: &str, what: &str) {
    for name in names(way) {
        place(stage, &name, what).await;
    }
}

#[test]
fn whoever_ended_in_whatever_way_leaves_no_actor_waiter_call_or_timer() {
    within(async {
        let stage = Stage::with(with_orders).await;
        for (way, what) in
            [("cancelled", "ask"), ("stopped", "ask"), ("late", "wait"), ("parked", "bad"), ("paused", "wait")]
        {
            all(&stage, way, what).await;
        }
        let told: Vec<CorrelationId> = ["cancelled", "late"].into_iter().flat_map(names).collect();
        let mut waits: Vec<_> = told.iter().map(|name| Box::pin(stage.handle.wait(name, Some(100 * HOUR)))).collect();
        assert!(waits.iter_mut().all(|wait| wait.as_mut().now_or_never().is_none()));
        let given_up = names("stopped");
        for name in &given_up {
            assert!(stage.handle.wait(name, Some(HOUR)).now_or_never().is_none());
        }
        comes_to(&stage, [5 * EACH as u64, 3 * EACH as u64, 2 * EACH as u64, 2 * EACH as u64]).await;

        all(&stage, "done", "done").await;
        all(&stage, "failed", "fail").await;
        for name in names("cancelled") {
            stage.handle.cancel(&name, ana(), "no more").await.unwrap();
        }
        for name in names("stopped").iter().chain(&names("parked")) {
            stage.handle.terminate(name, ana(), "now").await.unwrap();
        }
        for name in names("paused") {
            stage.handle.pause(&name, ana(), "wait").await.unwrap();
            stage.handle.cancel(&name, ana(), "no more").await.unwrap();
        }
        stage.advance(HOUR).await;
        let ended = futures::future::join_all(waits).await;
        assert!(ended.iter().all(|waited| matches!(waited, Ok(Waited::Ended { .. }))));
        comes_to(&stage, [0, 0, 0, 0]).await;
        stage.close().await;
    });
}

#[test]
fn one_that_runs_or_only_records_stays_and_a_look_at_one_that_is_over_does_not_keep_it() {
    within(async {
        let stage = Stage::with(with_orders).await;
        place(&stage, "runs", "begin").await;
        stage.submit(event("note.taken", "ledger", "1")).await;
        place(&stage, "over", "done").await;
        comes_to(&stage, [2, 0, 0, 0]).await;
        for _ in 0..3 {
            assert_eq!(status(&stage, "over").await.name(), "completed");
        }
        comes_to(&stage, [2, 0, 0, 0]).await;
        stage.close().await;
    });
}

#[test]
fn events_that_come_late_wake_one_that_is_over_once() {
    within(async {
        let stage = Stage::with(with_orders).await;
        place(&stage, "failed", "fail").await;
        comes_to(&stage, [0, 0, 0, 0]).await;
        let before = stage.handle.metrics().await.woken;
        for nth in 0..50 {
            let late = stage.submit(event("order.begin", "failed", &format!("late-{nth}"))).await;
            assert_eq!(late.event_state, Some(regie::core::event::LifeState::Discarded));
        }
        assert_eq!(stage.handle.metrics().await.woken, before + 1);
        stage.close().await;
    });
}
