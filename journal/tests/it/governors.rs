//! A governor that starts from the journal knows the same, however much of the journal the index has folded for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use regie_core::event::LifeState;
use regie_core::governance::{
    Ask, AskId, Booking, Governor, Grant, Interval, Judgement, PolicyDecision, PolicyOutcome, PolicySet, Promise,
    Ruling, Verdict, Want,
};
use regie_core::workflow::{Fact, Record};
use regie_journal::{Journal, Opened};

use crate::helpers::{OpenedExt, Place, Story, at, moved};

const FILE: &str = r#"
[[policy]]
name = "quiet"
kind = "debounce"
match = ">"
wait = "10s"
max = "30s"

[[policy]]
name = "open"
kind = "window"
match = ">"
zone = "UTC"
start = "00:00"
end = "24:00"
at_most = 3
mode = "defer"

[[policy]]
name = "rate"
kind = "rate"
match = ">"
rate = 3
per = "10s"
burst = 2
mode = "defer"

[[policy]]
name = "cool"
kind = "cooldown"
match = ">"
window = "7s"
mode = "defer"

[[policy]]
name = "limit"
kind = "concurrency"
match = ">"
limit = 2
"#;
const NAMES: [&str; 5] = ["quiet", "open", "rate", "cool", "limit"];
const KEYS: [&str; 2] = ["ana", "bob"];

/// One thing that happens: to which correlation, under which policy and key, when, and a die for the rest.
type Step = (bool, usize, usize, i64, usize);

/// An event that has not come to its end: the policy, and what it has there.
struct Open {
    correlation: &'static str,
    event: u64,
    policy: &'static str,
    grant: Grant,
}

fn decided(policy: &str, grant: Grant) -> PolicyDecision {
    PolicyDecision {
        policy: policy.into(),
        version: "v".into(),
        outcome: PolicyOutcome::Passed,
        reason: "so".into(),
        observed: BTreeMap::new(),
        at: at(0),
        remaining_ms: None,
        grant: Some(grant),
    }
}

fn judged(event: u64, policy: &str, grant: Grant) -> Fact {
    let decisions = vec![decided(policy, grant)];
    Fact::Judged { event, judgement: Judgement { decisions, ..Judgement::free(at(0), None) } }
}

/// What a policy grants at a key then. Days and seconds are few, so that they meet.
fn grant((_, policy, key, when, die): Step, nth: u32) -> Grant {
    let (policy, key) = (NAMES[policy], KEYS[key].to_string());
    let booked = |slot| Booking { policy: policy.into(), key: key.clone(), slot };
    let day = |nth: i64| at(nth * 86_400);
    match (policy, die % 2) {
        // All of a burst at its longest wait: who has come back had no later slot than those who have not.
        ("quiet", _) => Grant::Burst { booking: booked(at(when / 8 + 30)), first: at(when / 8), nth: nth * 7 % 41 },
        ("open", 0) => Grant::Placed { key, opening: day(when / 8) },
        ("open", _) => Grant::Booked(booked(day(when / 8))),
        ("rate", 0) => {
            // A third of ten seconds is no whole number: a booked slot is that, rounded up.
            let slot = at(0).after(Duration::from_micros((when.cast_unsigned() * 10_000_000).div_ceil(3)));
            Grant::Spent { key, at: slot, interval: Interval { micros: 10_000_000, parts: 3 }, booked: die > 4 }
        }
        ("cool", 0) => Grant::Taken { key, at: at(when) },
        ("limit", 0) => Grant::Held { key },
        // Slots of one key are not promised twice.
        _ => Grant::Booked(booked(at(i64::from(nth) * 10))),
    }
}

/// Facts as a runtime would leave them: what was booked is released, what was held is freed, in any order.
fn records(steps: Vec<Step>) -> Vec<(&'static str, Vec<Fact>)> {
    let (mut open, mut sequences): (Vec<Open>, BTreeMap<&str, u64>) = (Vec::new(), BTreeMap::new());
    let mut records = Vec::new();
    for (nth, step) in (1..).zip(steps) {
        let ends = step.4 % 3 == 0 && !open.is_empty();
        let Open { correlation, event, policy, grant } = match ends {
            true => open.remove(step.4 % open.len()),
            false => {
                let correlation = if step.0 { "a" } else { "b" };
                let event = sequences.get(correlation).copied().unwrap_or_default() + 1;
                Open { correlation, event, policy: NAMES[step.1], grant: grant(step, nth) }
            }
        };
        *sequences.entry(correlation).or_default() += 1;
        let facts = match (ends, grant.booking(), &grant) {
            (true, Some(booking), _) => {
                vec![moved(event, LifeState::Pending), Fact::Released { booking: booking.clone() }]
            }
            (true, None, Grant::Held { key }) => vec![Fact::Freed { policy: policy.into(), key: key.clone(), event }],
            _ => vec![judged(event, policy, grant.clone())],
        };
        records.push((correlation, facts));
        if !ends && (grant.booking().is_some() || matches!(grant, Grant::Held { .. })) {
            open.push(Open { correlation, event, policy, grant });
        }
    }
    records
}

/// What is folded already, and what comes after that.
fn read(opened: &mut Opened, set: &PolicySet) -> Governor {
    let mut governor = Governor::new(set);
    let mut reader = opened.reader();
    let grants = reader.grants().unwrap();
    grants.tell(&mut governor);
    for row in reader.rows_after(grants.position, 1_000).unwrap() {
        let correlation = reader.name(row.number).unwrap().unwrap();
        for record in &row.records {
            governor.replay(&correlation, &Record::decode(&record.bytes).unwrap());
        }
    }
    governor
}

/// What a governor says to a newcomer at each key at several times, to each who has booked, and whom it calls.
fn says(governor: &mut Governor, set: &Arc<PolicySet>, standing: &[(Booking, String, u64)]) -> impl PartialEq + use<> {
    let calls: Vec<Promise> = governor.take_promises();
    let mut answers: Vec<Option<Ruling>> = Vec::new();
    let mut ask = |policy: usize, key: &str, who: (&str, u64), returning: Option<Booking>, now: i64| {
        let wants = vec![Want { policy, key: key.into() }];
        let id = AskId(answers.len() as u64);
        let ask = Ask { id, who: (who.0.into(), who.1), set: Arc::clone(set), wants, returning, may_defer: true };
        answers.push(governor.ask(ask, at(now)).map(|(_, ruling)| ruling));
        governor.settle(id, None, at(now));
    };
    for now in [0, 5, 20, 60, 86_400, 2 * 86_400, 3 * 86_400, 400_000] {
        for (policy, key) in (0..NAMES.len()).flat_map(|policy| KEYS.map(|key| (policy, key))) {
            ask(policy, key, ("new", 1), None, now);
        }
        for (booking, correlation, event) in standing {
            let policy = NAMES.iter().position(|name| *name == booking.policy).unwrap();
            ask(policy, &booking.key, (correlation, *event), Some(booking.clone()), now);
        }
    }
    assert!(answers.iter().flatten().any(|ruling| ruling.stopped.as_ref().is_none_or(|it| *it != Verdict::Accepted)));
    (calls, answers)
}

fn check(opened: &mut Opened, records: &[(&'static str, Vec<Fact>)], cut: usize) {
    let set = Arc::new(PolicySet::parse(FILE).unwrap());
    let mut story = Story::default();
    let turns: Vec<_> = records.iter().map(|(name, facts)| story.facts(name, facts.clone())).collect();
    let (before, after) = turns.split_at(cut.min(turns.len()));
    opened.writer.append(before).unwrap();
    opened.catch_up();
    opened.writer.append(after).unwrap();
    let mut halves = read(opened, &set);
    opened.catch_up();
    let mut whole = read(opened, &set);
    let mut replayed = Governor::new(&set);
    let mut sequences: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, facts) in records {
        let sequence = sequences.entry(name).or_default();
        *sequence += 1;
        replayed.replay(&(*name).into(), &Record { sequence: *sequence, at: at(0), facts: facts.clone() });
    }
    let booked = opened.reader().grants().unwrap().booked;
    let standing: Vec<_> = booked.into_iter().map(|it| (it.booking, it.correlation.to_string(), it.event)).collect();
    let expected = says(&mut replayed, &set, &standing);
    assert!(says(&mut whole, &set, &standing) == expected, "what the index folds is not what the records say");
    assert!(
        says(&mut halves, &set, &standing) == expected,
        "half folded and half replayed is not what the records say"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_folded_and_what_is_replayed_come_to_the_same(
        steps in proptest::collection::vec((any::<bool>(), 0_usize..5, 0_usize..2, 0_i64..30, 0_usize..12), 1..40),
        cut in 0_usize..40,
    ) {
        let records = records(steps);
        check(&mut Journal::memory(), &records, cut);
        check(&mut Place::new().open(), &records, cut);
    }
}

#[test]
fn two_events_of_one_correlation_that_booked_one_session_give_their_places_up_one_by_one() {
    let booking = Booking { policy: "open".into(), key: "ana".into(), slot: at(86_400) };
    let booked = |event| judged(event, "open", Grant::Booked(booking.clone()));
    let released = vec![moved(1, LifeState::Pending), Fact::Released { booking: booking.clone() }];
    for mut opened in [Journal::memory(), Place::new().open()] {
        let mut story = Story::default();
        let turns = [vec![booked(1)], vec![booked(2)], released.clone()].map(|facts| story.facts("a", facts));
        opened.writer.append(&turns).unwrap();
        opened.catch_up();
        let left: Vec<u64> = opened.reader().grants().unwrap().booked.iter().map(|it| it.event).collect();
        assert_eq!(left, [2]);
    }
}
