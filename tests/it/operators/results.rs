//! How workflows ended: from memory for a while, then from the journal.

use futures::FutureExt;
use regie::core::Json;
use regie::core::limits;
use regie::runtime::{Ending, Waited};

use super::{HOUR, ana, place, with_orders};
use crate::runtime_support::{Stage, event, within};

/// Comes back once so many are kept in memory: that is shown a moment after the last answer.
async fn keeps(stage: &Stage, wanted: u64) {
    while stage.handle.metrics().await.results != wanted {}
}

async fn result(stage: &Stage, correlation: &str) -> Option<Ending> {
    stage.handle.result(&correlation.into()).await.unwrap()
}

#[test]
fn how_one_ended_is_told_from_memory_and_after_its_time_or_once_forgotten_from_the_journal() {
    within(async {
        let stage = Stage::with(with_orders).await;
        for (name, what) in [("a", "done"), ("b", "fail"), ("c", "begin")] {
            place(&stage, name, what).await;
        }
        let enough = Some(Ending::Completed(Json::of("enough")));
        assert_eq!((result(&stage, "a").await, result(&stage, "c").await), (enough.clone(), None));
        assert_eq!(result(&stage, "nobody").await, None);
        keeps(&stage, 2).await;
        assert!(stage.handle.forget(&"a".into()).await);
        assert!(!stage.handle.forget(&"a".into()).await);
        assert_eq!(result(&stage, "a").await, enough);
        keeps(&stage, 1).await;
        stage.advance(limits::RESULT_TTL).await;
        assert_eq!(result(&stage, "b").await, Some(Ending::Failed("no money".into())));
        keeps(&stage, 0).await;
        stage.close().await;
    });
}

#[test]
fn who_waits_for_one_that_has_ended_is_told_without_waking_it() {
    within(async {
        let stage = Stage::with(with_orders).await;
        place(&stage, "a", "done").await;
        stage.settle().await;
        let before = stage.handle.metrics().await.woken;
        let waited = stage.handle.wait(&"a".into(), None).await.unwrap();
        assert!(matches!(waited, Waited::Ended { ending: Ending::Completed(_), .. }));
        assert_eq!(stage.handle.metrics().await.woken, before);
        stage.close().await;
    });
}

#[test]
fn an_end_alone_is_told_as_soon_as_it_is_there_and_nothing_once_the_time_is_up() {
    within(async {
        let stage = Stage::with(with_orders).await;
        place(&stage, "bad", "ask").await;
        let name = "bad".into();
        let mut waits = Box::pin(stage.handle.await_result(&name, Some(2 * HOUR)));
        assert!(waits.as_mut().now_or_never().is_none());
        stage.handle.cancel(&name, ana(), "no more").await.unwrap();
        assert_eq!(waits.await.unwrap(), Some(Ending::Cancelled("no more".into())));

        place(&stage, "runs", "begin").await;
        let name = "runs".into();
        let mut waits = Box::pin(stage.handle.await_result(&name, Some(HOUR)));
        assert!(waits.as_mut().now_or_never().is_none());
        stage.advance(HOUR).await;
        assert_eq!(waits.await.unwrap(), None);
        stage.close().await;
    });
}

#[test]
fn who_waits_while_the_runtime_ends_is_told_so() {
    within(async {
        let stage = Stage::with(with_orders).await;
        place(&stage, "runs", "begin").await;
        let (handle, name) = (stage.handle.clone(), "runs".into());
        let mut waits = Box::pin(handle.await_result(&name, None));
        assert!(waits.as_mut().now_or_never().is_none());
        stage.close().await;
        assert!(waits.await.is_err());
        assert!(handle.await_result(&name, None).await.is_err());
    });
}

#[test]
fn one_that_goes_on_after_a_failure_has_no_result_any_more() {
    within(async {
        let stage = Stage::with(with_orders).await;
        stage.submit(event("stubborn.begin", "s", "1")).await;
        assert_eq!(result(&stage, "s").await, Some(Ending::Failed("not today".into())));
        stage.handle.retry(&"s".into(), ana(), "better now").await.unwrap();
        assert_eq!(result(&stage, "s").await, None);
        keeps(&stage, 0).await;
        stage.handle.terminate(&"s".into(), ana(), "enough").await.unwrap();
        assert_eq!(result(&stage, "s").await, Some(Ending::Terminated("enough".into())));
        stage.close().await;
    });
}
