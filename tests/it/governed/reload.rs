//! Sets that come into force in the middle of load: no event is judged by half of one, and each set that judged is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use regie::actors::in_force::EnactError;
use regie::core::Digest;
use regie::core::event::{LifeState, Principal};
use regie::core::governance::{Judgement, PolicySet};
use regie::core::workflow::{Fact, HandlerError, Input, Moment, Reaction};
use regie::{Handle, Reason};

use super::size;
use crate::runtime_support::{Folder, Stage, event, note_by, script, within};

const THREADS: usize = 4;
pub(super) const CORRELATIONS: usize = 40;

/// A set whose policies have its number in their names: two conditions, and two that hold state.
pub(super) fn text(number: usize) -> String {
    let policy = |name: &str, what: &str| format!("[[policy]]\nname = '{name}-{number}'\nmatch = 'agent.>'\n{what}\n");
    [
        policy("large", "kind = 'veto'\nwhen = 'event.payload.amount > 1000000'"),
        policy("late", "kind = 'veto'\nwhen = 'now < event.timestamp && false'"),
        policy("rate", "kind = 'rate'\nrate = 1000000\nper = '1s'\nburst = 1000000\nmode = 'discard'"),
        policy("pace", "kind = 'cooldown'\nwindow = '1s'\nkey = 'actor'\nmode = 'discard'"),
    ]
    .concat()
}

pub(super) fn numbered(number: usize) -> PolicySet {
    PolicySet::parse(&text(number)).unwrap()
}

/// Puts sets in force one after the other, each as soon as the one before is.
async fn change(handle: &Handle, changes: usize) {
    for number in 1..=changes {
        while let Err(error) = handle.set_policies(numbered(number), Some(Principal::user("ops"))).await {
            assert_eq!(error, EnactError::Busy);
        }
    }
}

/// Submits until the sets are through, and some more; each event is of an actor of its own.
fn load(handle: &Handle, thread: usize, over: &AtomicBool) -> usize {
    let mut more = 50;
    let mut sent = 0;
    while more > 0 {
        more -= usize::from(over.load(Ordering::Acquire));
        let (actor, correlation) = (format!("a-{thread}-{sent}"), format!("c-{}", sent % CORRELATIONS));
        let event = note_by(&actor, &correlation, &actor).payload(serde_json::json!({"amount": sent})).build().unwrap();
        let answer = futures::executor::block_on(handle.submit(event));
        match answer {
            Ok(answer) => assert_eq!(answer.policy_decisions.len(), 4, "{answer:?}"),
            Err(refused) => assert!(matches!(refused.reason, Reason::Full { .. }), "{refused}"),
        }
        sent += 1;
    }
    sent
}

/// All judgements.
async fn judgements(handle: &Handle) -> Vec<Judgement> {
    let mut judgements = Vec::new();
    for correlation in 0..CORRELATIONS {
        for stored in handle.records(&format!("c-{correlation}").as_str().into()).await.unwrap() {
            judgements.extend(stored.record.facts.into_iter().filter_map(|fact| match fact {
                Fact::Judged { judgement, .. } => Some(judgement),
                _ => None,
            }));
        }
    }
    judgements
}

async fn recorded(handle: &Handle) -> BTreeSet<Digest> {
    let records = handle.records(&"regie/policies".into()).await.unwrap();
    let facts = records.into_iter().flat_map(|stored| stored.record.facts);
    facts
        .filter_map(|fact| match fact {
            Fact::PolicySet { digest, .. } => Some(digest),
            _ => None,
        })
        .collect()
}

/// Each of so many events by one of the sets, up to this one's number, and by nothing of another.
pub(super) async fn assert_judged_by_whole_sets(handle: &Handle, sent: usize, last: usize) {
    let numbers: BTreeMap<Digest, usize> =
        (0..=last).map(|number| (numbered(number).digest().unwrap(), number)).collect();
    let (judged, recorded) = (judgements(handle).await, recorded(handle).await);
    let mut seen = BTreeSet::new();
    for judgement in &judged {
        let number = numbers[&judgement.set.unwrap()];
        let of_it = |name: &str| name.ends_with(&format!("-{number}"));
        assert_eq!(judgement.decisions.len(), 4, "{number}: {judgement:?}");
        assert!(judgement.decisions.iter().all(|decision| of_it(&decision.policy)), "{number}: {judgement:?}");
        seen.insert(judgement.set.unwrap());
    }
    assert_eq!(judged.len(), sent);
    assert!(seen.is_subset(&recorded), "a set judged that is not recorded");
    assert!(seen.len() > last / 10, "only {} of {last} sets judged anything", seen.len());
    println!("{sent} events were judged by {} of {} sets", seen.len(), last + 1);
}

#[test]
fn no_event_is_judged_by_half_a_set_and_each_set_that_judged_is_recorded() {
    within(async {
        let changes = size("REGIE_RELOADS", 60);
        let folder = Folder::new();
        let stage = Stage::with(|builder| builder.policies(numbered(0)).journal(folder.journal())).await;
        let over = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (handle, over) = (stage.handle.clone(), Arc::clone(&over));
                std::thread::spawn(move || load(&handle, thread, &over))
            })
            .collect();
        change(&stage.handle, changes).await;
        over.store(true, Ordering::Release);
        let sent: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();

        assert_judged_by_whole_sets(&stage.handle, sent, changes).await;
        stage.close().await;
    });
}

fn works(_: &u64, _: Input<'_>, _: &Moment<'_>) -> Result<Reaction<u64>, HandlerError> {
    Ok(Reaction::none().note(1))
}

/// One holds the only place, and another waits for it; then that set comes into force.
async fn with_one_waiting(then: PolicySet) {
    let limit =
        PolicySet::parse("[[policy]]\nname = 'places'\nkind = 'concurrency'\nmatch = 'work.begin'\nlimit = 1\n");
    let stage = Stage::with(|builder| builder.policies(limit.unwrap()).handler(script("works", "work.>", works))).await;
    for (name, state) in [("a", LifeState::Processed), ("b", LifeState::Deferred)] {
        assert_eq!(stage.submit(event("work.begin", name, "begin")).await.event_state, Some(state));
    }
    stage.handle.set_policies(then, None).await.unwrap();
    stage.handle.settle().await;
    assert_eq!(stage.state_of("b/begin").await, Some(LifeState::Processed));
    stage.close().await;
}

#[test]
fn who_waits_for_a_place_goes_on_when_a_set_comes_into_force_that_has_more_of_them() {
    let two = "[[policy]]\nname = 'places'\nkind = 'concurrency'\nmatch = 'work.begin'\nlimit = 2\n";
    within(with_one_waiting(PolicySet::parse(two).unwrap()));
}

#[test]
fn who_waits_for_a_place_goes_on_when_the_limit_is_no_more() {
    within(with_one_waiting(PolicySet::default()));
}
