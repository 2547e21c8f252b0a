//! One policy of each kind that holds state, each of which lets one event of a key go on in its first second.

use std::time::Duration;

use regie::core::Timestamp;
use regie::core::event::{EventBuilder, EventResult, LifeState, Principal};
use regie::core::governance::{PolicyDecision, PolicyOutcome, PolicySet};
use regie::core::workflow::{HandlerError, Input, Moment, Reaction};
use regie::{Builder, JournalConfig};

use crate::runtime_support::{event, script};

/// A kind: its name, and what makes it one.
const KINDS: [(&str, &str); 8] = [
    ("cooldown-discard", "kind = 'cooldown'\nwindow = '1s'\nmode = 'discard'"),
    ("cooldown-defer", "kind = 'cooldown'\nwindow = '1s'\nmode = 'defer'"),
    ("window-discard", "kind = 'window'\nzone = 'UTC'\nstart = '00:00'\nend = '12:00'\nat_most = 1\nmode = 'discard'"),
    ("window-defer", "kind = 'window'\nzone = 'UTC'\nstart = '00:00'\nend = '12:00'\nat_most = 1\nmode = 'defer'"),
    ("rate-discard", "kind = 'rate'\nrate = 1\nper = '1s'\nmode = 'discard'"),
    ("rate-defer", "kind = 'rate'\nrate = 1\nper = '1s'\nmode = 'defer'"),
    ("debounce", "kind = 'debounce'\nwait = '1s'"),
    ("concurrency", "kind = 'concurrency'\nlimit = 1"),
];

/// How many openings ahead are searched for a place.
const OPENINGS: usize = regie::core::limits::OPENINGS_AHEAD;

/// The policy of a kind.
pub(crate) fn policies(kind: &str) -> PolicySet {
    let (name, what) = KINDS.iter().find(|(name, _)| *name == kind).unwrap();
    PolicySet::parse(&format!("[[policy]]\nname = '{name}'\nmatch = 'work.begin'\nkey = 'actor'\n{what}\n")).unwrap()
}

/// A runtime under it. What goes on holds its place for good: its run does not end.
pub(crate) fn under(kind: &str, journal: JournalConfig) -> impl FnOnce(Builder) -> Builder {
    let policies = policies(kind);
    move |builder| builder.policies(policies).journal(journal).handler(script("works", "work.>", works))
}

fn works(_: &u64, input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<u64>, HandlerError> {
    Ok(match input {
        Input::Event(event) if event.kind == "work.end" => Reaction::none().complete("enough"),
        _ => Reaction::none().note(1),
    })
}

/// One of those that race: all of one actor, each in a correlation of its own.
pub(crate) fn racer(round: usize, nth: usize) -> EventBuilder {
    event("work.begin", &format!("c-{round}-{nth}"), "begin").actor(Principal::user("ana"))
}

fn decision(answer: &EventResult) -> &PolicyDecision {
    let [decision] = answer.policy_decisions.as_slice() else { panic!("not one decision: {answer:?}") };
    decision
}

/// What the answers to a race have to be: one goes on, and each other is told to the millisecond how long still, and has a
/// place of its own where there are places.
#[track_caller]
pub(crate) fn assert_one_went_on(kind: &str, answers: &[EventResult]) {
    let in_state = |state| answers.iter().filter(move |answer| answer.event_state == Some(state));
    if kind == "debounce" {
        // Who is the last of the burst is known when it is over.
        assert_eq!(in_state(LifeState::Deferred).count(), answers.len());
        answers.iter().for_each(|answer| {
            assert_eq!(decision(answer).remaining_ms, Some(1_000));
            assert_eq!(answer.deferred_until, Some(decision(answer).at.after(Duration::from_secs(1))));
        });
        return;
    }
    let gone: Vec<_> = in_state(LifeState::Processed).collect();
    assert_eq!(gone.len(), 1, "{kind}: {} of {} went on", gone.len(), answers.len());
    let taken_at = decision(gone[0]).at;
    let others: Vec<_> = answers.iter().filter(|answer| answer.event_state != Some(LifeState::Processed)).collect();
    others.iter().for_each(|answer| assert_held_back(kind, taken_at, answer));
    let mut slots: Vec<Timestamp> = others.iter().filter_map(|answer| answer.deferred_until).collect();
    slots.sort();
    assert_eq!(slots, slots_after(kind, taken_at, others.len()), "{kind}");
}

fn assert_held_back(kind: &str, taken_at: Timestamp, answer: &EventResult) {
    let decision = decision(answer);
    let told = decision.remaining_ms.map(|remaining| decision.at.micros() + remaining as i64 * 1_000);
    let (second, day) = (taken_at.micros() + 1_000_000, 86_400_000_000);
    match kind {
        "window-discard" | "window-defer" => assert_eq!(told, Some(day), "{kind}"),
        "concurrency" => assert_eq!(told, None, "nobody knows when a place is free"),
        // A rate tells when one more could go on behind those who have booked; who has only reserved does not count.
        "rate-defer" => {
            let until = answer.deferred_until.unwrap().micros();
            assert!(told.is_some_and(|told| told >= second && told <= until && (told - second) % 1_000_000 == 0));
        }
        _ => assert_eq!(told, Some(second), "{kind}"),
    }
    // Not every opening to come is searched for a place.
    let defers = matches!(kind, "cooldown-defer" | "rate-defer" | "concurrency")
        || (kind == "window-defer" && answer.deferred_until.is_some());
    let (outcome, state) = match defers {
        true => (PolicyOutcome::Deferred, LifeState::Deferred),
        false => (PolicyOutcome::Discarded, LifeState::Discarded),
    };
    assert_eq!((decision.outcome, answer.event_state), (outcome, Some(state)), "{kind}");
}

/// The places of those who wait.
fn slots_after(kind: &str, taken_at: Timestamp, count: usize) -> Vec<Timestamp> {
    let (first, step, count) = match kind {
        "cooldown-defer" | "rate-defer" => (taken_at, Duration::from_secs(1), count),
        "window-defer" => (Timestamp::from_millis(0), Duration::from_secs(86_400), count.min(OPENINGS)),
        _ => return Vec::new(),
    };
    (1..=count as u32).map(|nth| first.after(step * nth)).collect()
}
