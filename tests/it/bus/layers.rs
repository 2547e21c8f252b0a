//! Layers around a subscriber.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use regie::bus::layers::{Retry, StateCheck, Timing, Tracing};
use regie::bus::{self, Delivery, HandleError, Layer, LetterFilter, Next, Subscribe, Subscriber, SubscriberContext};
use regie::core::event::EntityRef;

use super::helpers::{does, numbered, seen, submit, takes};
use crate::runtime_support::{Stage, event, within};

/// Leaves out what has this id.
struct Without(&'static str);

impl Layer for Without {
    async fn handle(
        &self,
        delivery: Arc<Delivery>,
        context: SubscriberContext,
        next: Next<'_>,
    ) -> Result<(), HandleError> {
        if delivery.event().id == self.0 { Ok(()) } else { next.run(delivery, context).await }
    }
}

#[test]
fn layers_of_ones_own_and_those_that_come_along_go_around_a_subscriber() {
    within(async {
        let (tells, seen) = seen();
        let timing = Timing::new();
        let subscriber = takes(&tells).layer(Without("e-2")).layer(Tracing).layer(timing.clone());
        let stage = Stage::with(|builder| builder.subscriber("s", Subscribe::to("a"), subscriber)).await;
        submit(&stage.handle, "a", "c", numbered(3)).await;
        assert_eq!(seen.take(2), ["e-1", "e-3"]);
        stage.handle.bus_stats().await;
        stage.close().await;
        assert_eq!((timing.timed().handled, timing.timed().failed), (3, 0));
    });
}

#[test]
fn the_retry_layer_tries_again_within_one_try_of_the_subscription() {
    within(async {
        let (tells, seen) = seen();
        let tried = AtomicU32::new(0);
        let fails_twice = does(&tells, move |_| match tried.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Err(HandleError::Retry("not yet".into())),
            _ => Ok(()),
        });
        let at_once = Retry(bus::Retry { first: Duration::ZERO, ..bus::Retry::times(3) });
        let subscribe = Subscribe::to("a").retry(bus::Retry::never());
        let stage = Stage::with(|builder| builder.subscriber("s", subscribe, fails_twice.layer(at_once))).await;
        submit(&stage.handle, "a", "c", numbered(1)).await;
        assert_eq!(seen.take(3), ["e-1", "e-1", "e-1"]);
        assert!(stage.handle.dead_letters(LetterFilter::default()).await.unwrap().is_empty());
        stage.close().await;
    });
}

#[test]
fn a_state_check_skips_or_rejects_by_the_entity_as_it_is_now() {
    within(async {
        let ((skip_tells, skip), (reject_tells, reject)) = (seen(), seen());
        let open = "event.type == 'task.note' && entity.fields.status == 'open'";
        let skips = takes(&skip_tells).layer(StateCheck::or_skip(open).unwrap());
        let rejects = takes(&reject_tells).layer(StateCheck::or_reject(open).unwrap());
        let stage = Stage::with(|builder| {
            let builder = builder.subscriber("skips", Subscribe::to("task.note"), skips);
            builder.subscriber("rejects", Subscribe::to("task.note"), rejects)
        });
        let stage = stage.await;
        let mut letters = stage.handle.subscribe(Subscribe::to("regie.dead_letter").with_own()).await.unwrap();
        let task = || EntityRef::new("task", "t");
        stage.submit(event("task.made", "c", "made").entity(task()).change("status", "", "open")).await;
        stage.submit(event("task.note", "c", "in-time").entity(task())).await;
        assert_eq!((skip.next(), reject.next()), ("in-time".to_string(), "in-time".to_string()));
        stage.submit(event("task.done", "c", "done").entity(task()).change("status", "open", "done")).await;
        stage.submit(event("task.note", "c", "late").entity(task())).await;
        letters.next().await.unwrap().unwrap();
        let dead = stage.handle.dead_letters(LetterFilter::default()).await.unwrap();
        assert_eq!((dead.len(), dead[0].subscriber()), (1, Some("rejects")));
        assert!(dead[0].error.contains("does not hold now") && skip.is_empty() && reject.is_empty());
        stage.close().await;
    });
}
