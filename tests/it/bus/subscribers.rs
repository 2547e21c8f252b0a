//! Subscribers with handlers: isolation, order, retries.

use std::sync::Arc;
use std::time::Duration;

use futures::future::pending;
use regie::bus::{Blocks, Delivery, HandleError, Retry, Subscribe};

use super::helpers::{Done, does, ids, numbered, seen, submit, takes};
use crate::runtime_support::{Gate, Stage, event, within};

#[test]
fn one_that_sleeps_one_that_panics_and_one_that_leaves_harm_nobody() {
    within(async {
        let ((good_tells, good), (bad_tells, bad), gate) = (seen(), seen(), Gate::default());
        let sleeping = gate.clone();
        let sleeps = Blocks(move |_: Arc<Delivery>| -> Done {
            sleeping.pass();
            Ok(())
        });
        let panics = does(&bad_tells, |_| panic!("on purpose"));
        let stage = Stage::with(|builder| {
            let builder = builder.blocking_subscriber("sleeps", Subscribe::to("a").queue(8), sleeps);
            let builder = builder.subscriber("panics", Subscribe::to("a").retry(Retry::never()), panics);
            builder.subscriber("good", Subscribe::to("a"), takes(&good_tells))
        });
        let stage = stage.await;
        let leaves = stage.handle.subscribe(Subscribe::to("a").queue(4)).await.unwrap();
        let mut stays = stage.handle.subscribe(Subscribe::to("a")).await.unwrap();
        submit(&stage.handle, "a", "c", numbered(100)).await;
        drop(leaves);
        submit(&stage.handle, "a", "c", (101..=200).map(|nth| format!("e-{nth}"))).await;
        assert_eq!(ids(&mut stays, 200).await, numbered(200));
        assert_eq!(good.take(200), numbered(200));
        assert_eq!(bad.take(200), numbered(200));
        gate.open();
        stage.close().await;
    });
}

#[test]
fn those_of_one_correlation_stay_in_order_when_several_are_taken_at_once() {
    within(async {
        let ((tells, seen), gate) = (seen(), Gate::default());
        let waits = gate.clone();
        let first_waits = Blocks(move |delivery: Arc<Delivery>| -> Done {
            if delivery.event().id == "first" {
                waits.pass();
            }
            tells.tell(&delivery);
            Ok(())
        });
        let subscribe = Subscribe::to("a").concurrency(64);
        let stage = Stage::with(|builder| builder.blocking_subscriber("s", subscribe, first_waits)).await;
        for (correlation, id) in [("c", "first"), ("c", "second"), ("d", "other")] {
            stage.submit(event("a", correlation, id)).await;
        }
        assert_eq!(seen.next(), "other");
        gate.open();
        assert_eq!(seen.take(2), ["first", "second"]);
        stage.close().await;
    });
}

#[test]
fn one_that_fails_holds_up_those_of_its_correlation_alone() {
    within(async {
        let (tells, seen) = seen();
        let first_fails = does(&tells, |delivery| match delivery.event().id.as_str() {
            "e-1" => Err(HandleError::Retry("busy".into())),
            _ => Ok(()),
        });
        let retry = Retry { first: Duration::from_secs(30), ..Retry::times(3) };
        let subscribe = Subscribe::to("a").concurrency(64).retry(retry);
        let stage = Stage::with(|builder| builder.subscriber("s", subscribe, first_fails)).await;
        submit(&stage.handle, "a", "c", numbered(4)).await;
        stage.submit(event("a", "d", "other")).await;
        let mut both = seen.take(2);
        both.sort();
        assert_eq!(both, ["e-1", "other"]);
        stage.close().await;
    });
}

#[test]
fn several_are_taken_at_once_if_it_says_so() {
    within(async {
        let (gate, come) = (Gate::default(), Gate::default());
        let (waits, comes) = (gate.clone(), come.clone());
        let blocks = Blocks(move |_: Arc<Delivery>| -> Done {
            comes.come();
            waits.pass();
            Ok(())
        });
        let subscribe = Subscribe::to("a").concurrency(64);
        let stage = Stage::with(|builder| builder.blocking_subscriber("s", subscribe, blocks)).await;
        for nth in 0..20 {
            stage.submit(event("a", &format!("c-{nth}"), "e")).await;
        }
        come.wait_for(5);
        gate.open();
        stage.close().await;
    });
}

#[test]
fn what_fails_is_tried_again_after_waits_that_grow_and_the_next_waits_for_it() {
    within(async {
        let (tells, seen) = seen();
        let fails_once = does(&tells, {
            let failed = std::sync::atomic::AtomicBool::new(false);
            move |_| match failed.swap(true, std::sync::atomic::Ordering::Relaxed) {
                false => Err(HandleError::Retry("busy".into())),
                true => Ok(()),
            }
        });
        let retry = Retry { jitter_percent: 0, first: Duration::from_secs(1), ..Retry::times(3) };
        let subscribe = Subscribe::to("a").retry(retry);
        let stage = Stage::with(|builder| builder.subscriber("s", subscribe, fails_once)).await;
        submit(&stage.handle, "a", "c", numbered(2)).await;
        assert_eq!(seen.next(), "e-1");
        let (clock, later) = (stage.clock.clone(), Duration::from_millis(100));
        let (seen, again) = seen.next_while(move || assert!(clock.advance(later)));
        assert_eq!((again.as_str(), seen.next().as_str()), ("e-1", "e-2"));
        let stats = stage.handle.bus_stats().await;
        assert_eq!((stats.subscriptions[0].retries, stats.subscriptions[0].dead_letters), (1, 0));
        stage.close().await;
    });
}

#[test]
fn one_that_takes_longer_than_its_limit_is_stopped() {
    within(async {
        let (tells, seen) = seen();
        let hangs = move |delivery: Arc<Delivery>| {
            let tells = tells.clone();
            async move {
                tells.tell(&delivery);
                if delivery.event().id == "e-1" { pending().await } else { Ok(()) }
            }
        };
        let subscribe = Subscribe::to("a").timeout(Duration::from_millis(50)).retry(Retry::never());
        let runtime = regie::builder().subscriber("s", subscribe, hangs).start().await.unwrap();
        submit(&runtime.handle(), "a", "c", numbered(2)).await;
        assert_eq!(seen.take(2), numbered(2));
        runtime.shutdown().await;
    });
}
