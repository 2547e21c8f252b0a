//! What policies have granted is the fold of the facts that say so.

use regie_core::event::LifeState;
use regie_core::governance::{Booking, Grant, Judgement, PolicyDecision, PolicyOutcome};
use regie_core::workflow::Fact;
use regie_journal::{Booked, Journal, Opened, Taken};

use crate::helpers::{OpenedExt, Place, Story, at, moved};

fn judged(event: u64, grant: Grant) -> Fact {
    let decision = PolicyDecision {
        policy: "cool".into(),
        version: "v".into(),
        outcome: PolicyOutcome::Passed,
        reason: "so".into(),
        observed: Default::default(),
        at: at(0),
        remaining_ms: None,
        grant: Some(grant),
    };
    Fact::Judged { event, judgement: Judgement { decisions: vec![decision], ..Judgement::free(at(0), None) } }
}

fn taken(key: &str, seconds: i64) -> Fact {
    judged(1, Grant::Taken { key: key.into(), at: at(seconds) })
}

fn booking(key: &str, seconds: i64) -> Booking {
    Booking { policy: "cool".into(), key: key.into(), slot: at(seconds) }
}

fn both(test: impl Fn(&mut Opened)) {
    test(&mut Journal::memory());
    test(&mut Place::new().open());
}

#[test]
fn a_key_counts_from_the_latest_instant() {
    both(|opened| {
        let mut story = Story::default();
        let turns = [5, 9, 7].map(|seconds| story.facts("a", vec![taken("ana", seconds)]));
        opened.writer.append(&turns).unwrap();
        let (keys, position) = opened.reader().cooldowns().unwrap();
        assert_eq!(keys, [Taken { policy: "cool".into(), key: "ana".into(), at: at(9) }]);
        assert_eq!(position, 3);
    });
}

#[test]
fn places_are_counted_in_the_latest_session_alone() {
    both(|opened| {
        let mut story = Story::default();
        let placed = |day: i64| judged(1, Grant::Placed { key: "ana".into(), opening: at(day) });
        let turns = [1, 1, 2, 1, 2].map(|day| story.facts("a", vec![placed(day)]));
        opened.writer.append(&turns[..3]).unwrap();
        let count = |opened: &mut Opened| {
            opened.catch_up();
            opened.reader().grants().unwrap().placed.into_iter().map(|it| (it.opening, it.count)).collect::<Vec<_>>()
        };
        assert_eq!(count(opened), [(at(2), 1)]);
        opened.writer.append(&turns[3..]).unwrap();
        assert_eq!(count(opened), [(at(2), 2)]);
    });
}

#[test]
fn a_place_is_booked_until_it_is_released() {
    both(|opened| {
        let mut story = Story::default();
        let booked = |seconds| judged(1, Grant::Booked(booking("ana", seconds)));
        opened.writer.append(&[story.facts("a", vec![booked(5)]), story.facts("b", vec![booked(6)])]).unwrap();
        opened.catch_up();
        opened
            .writer
            .append(&[
                story.facts("a", vec![moved(1, LifeState::Pending), Fact::Released { booking: booking("ana", 5) }])
            ])
            .unwrap();
        let (places, position) = opened.reader().bookings().unwrap();
        assert_eq!(places, [Booked { booking: booking("ana", 6), correlation: "b".into(), event: 1, burst: None }]);
        assert_eq!(position, 3);
    });
}
