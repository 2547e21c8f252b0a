//! What becomes of a delivery for which there is no room.

use regie::bus::{Missed, Overflow, Subscribe, Subscription};

use super::helpers::{ids, numbered, submit};
use crate::runtime_support::{Stage, within};

/// A subscription with a queue of four, and twenty events, all of which another has seen by then.
async fn overflown(stage: &Stage, overflow: Overflow) -> Subscription {
    let subscribe = Subscribe::to("a").queue(4).overflow(overflow);
    let slow = stage.handle.subscribe(subscribe).await.unwrap();
    let mut other = stage.handle.subscribe(Subscribe::to("a")).await.unwrap();
    submit(&stage.handle, "a", "c", numbered(20)).await;
    assert_eq!(ids(&mut other, 20).await, numbered(20), "a slow one harms nobody");
    slow
}

#[test]
fn one_that_waits_reads_on_from_the_journal_without_gap_or_repeat() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let mut slow = overflown(&stage, Overflow::Wait).await;
        let stats = stage.handle.bus_stats().await;
        assert_eq!((stats.subscriptions[0].queued, stats.subscriptions[0].behind), (4, 16));
        assert_eq!(ids(&mut slow, 20).await, numbered(20));
        submit(&stage.handle, "a", "c", ["x".to_string()]).await;
        assert_eq!(ids(&mut slow, 1).await, ["x"], "it is with the others again");
        stage.close().await;
    });
}

#[test]
fn the_oldest_are_dropped_and_the_subscriber_is_told_how_many() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let mut slow = overflown(&stage, Overflow::DropOldest).await;
        assert_eq!(slow.next().await.unwrap().unwrap_err(), Missed::Dropped { count: 16 });
        assert_eq!(ids(&mut slow, 4).await, numbered(20)[16..]);
        assert_eq!(stage.handle.bus_stats().await.subscriptions[0].dropped, 16);
        stage.close().await;
    });
}

#[test]
fn one_that_is_disconnected_is_told_at_which_position_after_what_it_has() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let mut slow = overflown(&stage, Overflow::Disconnect).await;
        assert_eq!(ids(&mut slow, 4).await, numbered(4));
        assert_eq!(slow.next().await.unwrap().unwrap_err(), Missed::Disconnected { at: 5 });
        assert!(slow.next().await.is_none());
        stage.close().await;
    });
}

#[test]
fn bytes_fill_a_queue_too() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let mut slow = stage.handle.subscribe(Subscribe::to("a").overflow(Overflow::DropOldest)).await.unwrap();
        for id in numbered(12) {
            let event =
                regie::core::event::Event::new("a", "c").id(id).payload(serde_json::json!("x".repeat(1_000_000)));
            stage.submit(event).await;
        }
        let mut other = stage.handle.subscribe(Subscribe::to("b")).await.unwrap();
        submit(&stage.handle, "b", "d", numbered(1)).await;
        ids(&mut other, 1).await;
        assert_eq!(slow.next().await.unwrap().unwrap_err(), Missed::Dropped { count: 4 });
        assert_eq!(ids(&mut slow, 8).await, numbered(12)[4..]);
        stage.close().await;
    });
}
