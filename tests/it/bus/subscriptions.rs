//! Who is told of what, in which order.

use regie::bus::{From, Subscribe, TypedError};
use regie::core::governance::CooldownMode;
use serde::Deserialize;
use serde_json::json;

use super::helpers::{ids, numbered, submit};
use crate::runtime_support::{Folder, Stage, at, event, note_by, one_a_second, set, within};

#[test]
fn a_subscription_sees_what_its_patterns_and_its_filter_mean_in_the_order_of_the_journal() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let paid = Subscribe::to("order.paid").and("order.*.void").filter("event.payload.n != 3").unwrap();
        let mut paid = stage.handle.subscribe(paid).await.unwrap();
        for (nth, kind) in ["order.paid", "order.sent", "order.paid", "order.paid", "order.x.void"].iter().enumerate() {
            let event = event(kind, &format!("c-{nth}"), &format!("e-{nth}"));
            stage.submit(event.payload(json!({"n": nth}))).await;
        }
        assert_eq!(ids(&mut paid, 3).await, ["e-0", "e-2", "e-4"]);
        let stats = stage.handle.bus_stats().await;
        assert_eq!((stats.events_read, stats.deliveries, stats.position), (5, 3, stats.head));
        stage.close().await;
    });
}

#[test]
fn a_delivery_tells_the_event_its_bytes_and_its_place() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let mut all = stage.handle.subscribe(Subscribe::to(">")).await.unwrap();
        stage.submit(event("a.b", "c", "e-0")).await;
        let told = stage.submit(event("a.b", "c", "e-1").payload(json!({"x": 1}))).await;
        all.next().await;
        let delivery = all.next().await.unwrap().unwrap();
        assert_eq!((Some(delivery.position()), delivery.sequence()), (told.position, 2));
        assert!(delivery.raw().contains(r#""payload":{"x":1}"#) && delivery.correlation().as_str() == "c");
        assert_eq!(delivery.recorded_at(), crate::runtime_support::at(0));
        stage.close().await;
    });
}

#[test]
fn a_subscription_begins_where_it_says() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        submit(&stage.handle, "a", "c", numbered(5)).await;
        let subscribe = |from| stage.handle.subscribe(Subscribe::to("a").from(from));
        let (mut start, mut after) = (subscribe(From::Start).await.unwrap(), subscribe(From::After(3)).await.unwrap());
        let mut now = subscribe(From::Now).await.unwrap();
        submit(&stage.handle, "a", "c", ["e-6".to_string()]).await;
        assert_eq!(ids(&mut start, 6).await, numbered(6));
        assert_eq!(ids(&mut after, 3).await, ["e-4", "e-5", "e-6"]);
        assert_eq!(ids(&mut now, 1).await, ["e-6"]);
        stage.close().await;
    });
}

#[test]
fn a_place_within_a_turn_is_a_place_too() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::with(|builder| builder.journal(folder.journal())).await;
        let events = numbered(20).into_iter().map(|id| event("a", "c", &id).build().unwrap()).collect();
        stage.handle.submit_batch(events).await.into_iter().for_each(|it| drop(it.unwrap()));
        for after in 0..20 {
            let subscribe = Subscribe::to("a").from(From::After(after));
            let mut subscription = stage.handle.subscribe(subscribe).await.unwrap();
            let expected = numbered(20).split_off(after as usize);
            assert_eq!(ids(&mut subscription, 20 - after as usize).await, expected);
        }
        stage.close().await;
    });
}

#[test]
fn every_verdict_is_told_of_unless_only_processed_events_are_wanted_which_come_when_they_are() {
    for in_files in [false, true] {
        within(async move {
            let folder = Folder::new();
            let stage = Stage::with(|builder| {
                let builder = builder.policies(set(vec![one_a_second(CooldownMode::Defer)]));
                if in_files { builder.journal(folder.journal()) } else { builder }
            });
            let stage = stage.await;
            let mut every = stage.handle.subscribe(Subscribe::to(">")).await.unwrap();
            let mut processed = stage.handle.subscribe(Subscribe::to(">").processed_only()).await.unwrap();
            stage.submit(note_by("ana", "c", "first")).await;
            stage.submit(note_by("ana", "c", "deferred")).await;
            stage.submit(event("b", "c", "last")).await;
            assert_eq!(ids(&mut every, 3).await, ["first", "deferred", "last"]);
            assert_eq!(ids(&mut processed, 2).await, ["first", "last"]);
            stage.advance_to(at(2_000)).await;
            // The first is that of the policies.
            let late = processed.next().await.unwrap().unwrap();
            assert_eq!((late.event().id.as_str(), late.position(), late.sequence()), ("deferred", 5, 2));
            stage.close().await;
        });
    }
}

#[test]
fn the_runtimes_own_events_are_told_to_those_alone_who_ask() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let mut own = stage.handle.subscribe(Subscribe::to("regie.>").with_own()).await.unwrap();
        let mut all = stage.handle.subscribe(Subscribe::to(">")).await.unwrap();
        let durable = stage.handle.subscribe(Subscribe::to("a").durable("d")).await.unwrap();
        let advanced = own.next().await.unwrap().unwrap();
        assert_eq!(advanced.event().kind, "regie.subscription.advanced");
        submit(&stage.handle, "b", "c", numbered(1)).await;
        assert_eq!(ids(&mut all, 1).await, ["e-1"]);
        drop(durable);
        stage.close().await;
    });
}

#[test]
fn payloads_are_read_as_a_type_and_one_that_is_none_is_an_error_with_its_place() {
    #[derive(Deserialize)]
    struct Paid {
        amount: u32,
    }
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let mut paid = stage.handle.subscribe(Subscribe::to("paid")).await.unwrap().typed::<Paid>();
        for amount in [json!(5), json!("six"), json!(7)] {
            let id = amount.to_string();
            stage.submit(event("paid", "c", &id).payload(json!({"amount": amount}))).await;
        }
        assert_eq!(paid.next().await.unwrap().unwrap().payload.amount, 5);
        let bad = paid.next().await.unwrap().map(|_| ()).unwrap_err();
        assert!(matches!(&bad, TypedError::Payload { delivery, .. } if delivery.position() == 2), "{bad}");
        assert!(bad.to_string().contains("line 1 column 15"), "{bad}");
        assert_eq!(paid.next().await.unwrap().unwrap().payload.amount, 7);
        stage.close().await;
    });
}

#[test]
fn without_a_subscription_the_bus_reads_nothing() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        submit(&stage.handle, "a", "c", numbered(10)).await;
        assert_eq!(stage.handle.bus_stats().await.events_read, 0);
        let mut one = stage.handle.subscribe(Subscribe::to("a")).await.unwrap();
        submit(&stage.handle, "a", "c", ["x".to_string()]).await;
        ids(&mut one, 1).await;
        assert_eq!(stage.handle.bus_stats().await.events_read, 1);
        drop(one);
        submit(&stage.handle, "a", "c", ["y".to_string()]).await;
        let stats = stage.handle.bus_stats().await;
        assert_eq!((stats.events_read, stats.subscriptions.len()), (1, 0));
        stage.close().await;
    });
}

#[test]
fn ten_thousand_subscriptions_of_which_one_is_meant_cost_one_delivery() {
    within(async {
        let stage = Stage::with(|builder| builder).await;
        let mut others = Vec::new();
        for nth in 0..10_000 {
            others.push(stage.handle.subscribe(Subscribe::to(format!("kind.k{nth}")).queue(4)).await.unwrap());
        }
        submit(&stage.handle, "kind.k7", "c", numbered(3)).await;
        assert_eq!(ids(&mut others[7], 3).await, numbered(3));
        let stats = stage.handle.bus_stats().await;
        assert_eq!((stats.deliveries, stats.subscriptions.len()), (3, 10_000));
        stage.close().await;
    });
}
