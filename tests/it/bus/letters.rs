//! Dead letters: kept, listed, tried again, discarded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use regie::bus::{DeadLetter, HandleError, LetterFilter, LetterKind, Retry, Subscribe, Subscription};
use regie::core::event::{LifeState, Pattern, Principal};
use regie::{Builder, Handle, Reason};

use super::helpers::{Seen, does, numbered, seen, submit};
use crate::runtime_support::{Folder, Stage, at, cannot_judge_orders, order, set, within};

/// A subscriber that refuses until it is mended.
struct Broken {
    mended: Arc<AtomicBool>,
    seen: Seen,
}

/// A builder with a subscriber `billing` over `paid`, which does so.
fn broken(builder: Builder, retry: Retry) -> (Builder, Broken) {
    let ((tells, seen), mended) = (seen(), Arc::new(AtomicBool::new(false)));
    let is_mended = Arc::clone(&mended);
    let refuses = does(&tells, move |_| match is_mended.load(Ordering::Relaxed) {
        true => Ok(()),
        false => Err(HandleError::Retry("the ledger is down".into())),
    });
    (builder.subscriber("billing", Subscribe::to("paid.*").retry(retry), refuses), Broken { mended, seen })
}

async fn listens(handle: &Handle) -> Subscription {
    handle.subscribe(Subscribe::to("regie.dead_letter").with_own()).await.unwrap()
}

async fn all(handle: &Handle) -> Vec<DeadLetter> {
    handle.dead_letters(LetterFilter::default()).await.unwrap()
}

fn ana() -> Principal {
    Principal::user("ana")
}

#[test]
fn what_fails_to_the_end_is_kept_with_its_error_and_the_event_stays_as_it_was() {
    within(async {
        let mut broken_one = None;
        let stage = Stage::with(|builder| {
            let (builder, broken) = broken(builder, Retry::never());
            broken_one = Some(broken);
            builder
        });
        let stage = stage.await;
        let mut letters = listens(&stage.handle).await;
        submit(&stage.handle, "paid.order", "o-1", numbered(1)).await;
        letters.next().await.unwrap().unwrap();
        let dead = all(&stage.handle).await;
        let LetterKind::Letter(letter) = &dead[0].kind else { panic!("{dead:?}") };
        assert_eq!(
            (dead.len(), letter.subscriber.as_str(), letter.id.as_str(), letter.attempts),
            (1, "billing", "e-1", 1)
        );
        assert_eq!((letter.error.as_str(), letter.kind.as_str()), ("the ledger is down", "paid.order"));
        assert_eq!(stage.state_of("o-1/e-1").await, Some(LifeState::Processed));
        // Counted once it is durable, which may be a moment after it was told of.
        while stage.handle.bus_stats().await.subscriptions[0].dead_letters != 1 {}
        assert_eq!(stage.stats().await.events, 1, "own events stay outside counts");
        stage.close().await;
    });
}

#[test]
fn one_that_is_tried_again_after_a_restart_is_handed_to_its_subscriber_or_is_a_new_letter() {
    within(async {
        let folder = Folder::new();
        let start = || broken(regie::builder().journal(folder.journal()), Retry::never());
        let (builder, _) = start();
        let runtime = builder.start().await.unwrap();
        let mut letters = listens(&runtime.handle()).await;
        submit(&runtime.handle(), "paid.order", "o-1", numbered(1)).await;
        letters.next().await.unwrap().unwrap();
        runtime.shutdown().await;

        let (builder, billing) = start();
        let runtime = builder.start().await.unwrap();
        let handle = runtime.handle();
        let mut letters = listens(&handle).await;
        let first = all(&handle).await[0].position;
        let told = handle.retry_dead_letter(first, ana(), "is it back?").await.unwrap();
        assert_eq!(told.event_state, Some(LifeState::Processed));
        assert_eq!(billing.seen.next(), "e-1");
        letters.next().await.unwrap().unwrap();
        let again = all(&handle).await;
        let LetterKind::Letter(letter) = &again[0].kind else { panic!("{again:?}") };
        assert_eq!((again.len(), letter.attempts, letter.error.as_str()), (1, 2, "the ledger is down"));

        billing.mended.store(true, Ordering::Relaxed);
        handle.retry_dead_letter(again[0].position, ana(), "mended").await.unwrap();
        assert_eq!(billing.seen.next(), "e-1");
        handle.settle().await;
        assert!(all(&handle).await.is_empty());
        let over = handle.retry_dead_letter(first, ana(), "once more").await.unwrap_err();
        assert_eq!(over.code(), "not_escalated");
        runtime.shutdown().await;
    });
}

#[test]
fn one_whose_subscriber_is_gone_is_refused_with_its_name_and_can_be_discarded() {
    within(async {
        let folder = Folder::new();
        let (builder, _) = broken(regie::builder().journal(folder.journal()), Retry::never());
        let runtime = builder.start().await.unwrap();
        let mut letters = listens(&runtime.handle()).await;
        submit(&runtime.handle(), "paid.order", "o-1", numbered(1)).await;
        letters.next().await.unwrap().unwrap();
        runtime.shutdown().await;

        let runtime = regie::builder().journal(folder.journal()).start().await.unwrap();
        let handle = runtime.handle();
        let position = all(&handle).await[0].position;
        let gone = handle.retry_dead_letter(position, ana(), "try").await.unwrap_err();
        assert_eq!(gone, Reason::SubscriberGone { name: "billing".into() });
        let told = handle.discard_dead_letter(position, ana(), "paid by hand").await.unwrap();
        assert_eq!(told.event_state, Some(LifeState::Discarded));
        assert!(all(&handle).await.is_empty());
        runtime.shutdown().await;
    });
}

#[test]
fn many_are_meant_by_a_filter_and_resolved_together() {
    within(async {
        let mut billing = None;
        let stage = Stage::with(|builder| {
            let (builder, broken) = broken(builder, Retry::never());
            billing = Some(broken);
            builder
        });
        let stage = stage.await;
        let (handle, billing) = (&stage.handle, billing.unwrap());
        let mut letters = listens(handle).await;
        submit(handle, "paid.order", "o", numbered(3)).await;
        submit(handle, "paid.fee", "f", numbered(2)).await;
        for _ in 0..5 {
            letters.next().await.unwrap().unwrap();
        }
        let of = |kind: &str| LetterFilter { kind: Pattern::parse(kind).ok(), ..LetterFilter::default() };
        assert_eq!(handle.dead_letters(of("paid.fee")).await.unwrap().len(), 2);
        let nobodys = LetterFilter { subscriber: Some("nobody".into()), ..LetterFilter::default() };
        assert!(handle.dead_letters(nobodys).await.unwrap().is_empty());
        let old = LetterFilter { before: Some(at(0)), ..LetterFilter::default() };
        assert!(handle.dead_letters(old).await.unwrap().is_empty());
        let discarded = handle.discard_dead_letters(of("paid.fee"), ana(), "small").await.unwrap();
        assert!(discarded.len() == 2 && discarded.iter().all(|(_, done)| done.is_ok()));
        billing.mended.store(true, Ordering::Relaxed);
        billing.seen.take(5);
        handle.retry_dead_letters(LetterFilter::default(), ana(), "mended").await.unwrap();
        assert_eq!(billing.seen.take(3).len(), 3);
        stage.handle.settle().await;
        assert!(all(handle).await.is_empty());
        stage.close().await;
    });
}

#[test]
fn poison_is_listed_among_them_and_what_only_waits_for_approval_is_not() {
    within(async {
        let stage = Stage::with(|builder| builder.policies(set(vec![cannot_judge_orders()]))).await;
        let escalated = stage.submit(order("ana", "o-1", "e-1")).await;
        let dead = all(&stage.handle).await;
        assert!(
            dead.len() == 1 && dead[0].kind == LetterKind::Poison && dead[0].event_type() == "order.placed",
            "{dead:?}"
        );
        let told = stage.handle.discard_dead_letter(escalated.position.unwrap(), ana(), "a bad one").await.unwrap();
        assert_eq!(told.event_state, Some(LifeState::Discarded));
        let none = stage.handle.retry_dead_letter(escalated.position.unwrap(), ana(), "again").await.unwrap_err();
        assert_eq!(none.code(), "no_event");
        stage.close().await;
    });
}
