//! The governor, case by case: races, several policies, places given up, memory.

use std::sync::Arc;

use proptest::prelude::*;
use regie_core::governance::{
    Ask, AskId, Booking, Governor, Grant, Judgement, PolicyOutcome, PolicySet, Ruling, Settled, Verdict, Want,
};
use regie_core::limits;
use regie_core::workflow::Fact;

use super::helpers::{at, policies, record, who};

/// One entry of a policy file over all events.
fn entry(name: &str, window: &str, mode: &str) -> String {
    format!(
        "[[policy]]\nname = \"{name}\"\nkind = \"cooldown\"\nmatch = \">\"\nwindow = \"{window}\"\nmode = \"{mode}\"\n"
    )
}

struct Desk {
    set: Arc<PolicySet>,
    governor: Governor,
}

impl Desk {
    fn new(entries: &[(&str, &str, &str)]) -> Self {
        let text: String = entries.iter().map(|(name, window, mode)| entry(name, window, mode)).collect();
        let set = policies(&text);
        Self { governor: Governor::new(&set), set }
    }

    /// An ask of all policies of the set, with one key.
    fn ask(&mut self, id: u64, key: &str, now: i64) -> Option<Ruling> {
        let wants = (0..self.set.len()).map(|policy| Want { policy, key: key.into() }).collect();
        self.ask_for(id, wants, None, now)
    }

    fn come_back(&mut self, id: u64, booking: &Booking, now: i64) -> Option<Ruling> {
        let wants = (0..self.set.len()).map(|policy| Want { policy, key: booking.key.clone() }).collect();
        self.ask_for(id, wants, Some(booking.clone()), now)
    }

    fn ask_for(&mut self, id: u64, wants: Vec<Want>, returning: Option<Booking>, now: i64) -> Option<Ruling> {
        let ask = Ask { id: AskId(id), who: who(id), set: Arc::clone(&self.set), wants, returning, may_defer: true };
        self.governor.ask(ask, at(now)).map(|(_, ruling)| ruling)
    }

    fn commit(&mut self, id: u64, now: i64) -> Vec<Settled> {
        self.governor.settle(AskId(id), Some(id + 1), at(now))
    }

    fn release(&mut self, id: u64, now: i64) -> Vec<Settled> {
        self.governor.settle(AskId(id), None, at(now))
    }

    /// Asked and committed at once.
    fn take(&mut self, id: u64, key: &str, now: i64) -> Ruling {
        let ruling = self.ask(id, key, now).expect("an answer at once");
        self.commit(id, now);
        ruling
    }
}

fn until(ruling: &Ruling) -> i64 {
    match &ruling.stopped {
        Some(Verdict::Deferred { until, .. }) => until.micros() / 1_000,
        other => panic!("not deferred: {other:?}"),
    }
}

fn booking(ruling: &Ruling) -> Booking {
    let grants = ruling.decisions.iter().filter_map(|decision| decision.grant.clone());
    let mut booked = grants.filter_map(|grant| if let Grant::Booked(booking) = grant { Some(booking) } else { None });
    booked.next_back().expect("a booking")
}

fn is_discarded(ruling: &Ruling) -> bool {
    matches!(ruling.stopped, Some(Verdict::Discarded { .. }))
}

proptest! {
    #[test]
    fn of_those_who_race_one_goes_on_and_the_others_are_discarded(
        racers in 2_u64..60,
        lost in proptest::collection::vec(any::<bool>(), 60),
    ) {
        let mut desk = Desk::new(&[("p", "1s", "discard")]);
        let mut answers: Vec<Settled> =
            (0..racers).filter_map(|id| desk.ask(id, "k", 0).map(|ruling| (AskId(id), ruling))).collect();
        prop_assert_eq!(answers.len(), 1);
        let (mut accepted, mut discarded) = (0, 0);
        while let Some((id, ruling)) = answers.pop() {
            // Some of those that were let go on die before they commit: then the next may.
            let committed = !lost[id.0 as usize] || is_discarded(&ruling);
            answers.extend(desk.governor.settle(id, committed.then_some(id.0 + 1), at(0)));
            accepted += u64::from(ruling.stopped.is_none() && committed);
            discarded += u64::from(is_discarded(&ruling));
        }
        let dead = (0..racers).take_while(|id| lost[*id as usize]).count() as u64;
        prop_assert_eq!((accepted, discarded), (u64::from(dead < racers), racers.saturating_sub(dead + 1)));
    }

    #[test]
    fn of_those_who_race_one_goes_on_and_each_other_has_a_slot_of_its_own(racers in 2_u64..60) {
        let mut desk = Desk::new(&[("p", "1s", "defer")]);
        for id in 0..racers {
            let answered = desk.ask(id, "k", 0);
            prop_assert_eq!(answered.is_some(), id == 0, "all others wait for the first");
        }
        let answers = desk.commit(0, 0);
        let slots: Vec<i64> = answers.iter().map(|(_, ruling)| until(ruling)).collect();
        prop_assert_eq!(slots, (1..racers as i64).map(|nth| nth * 1_000).collect::<Vec<_>>());
        prop_assert!(answers.iter().map(|(id, _)| id.0).eq(1..racers), "who asked first has the first slot");
    }
}

#[test]
fn four_ends_of_one_clock() {
    let mut desk = Desk::new(&[("p", "1s", "defer")]);
    assert_eq!(desk.take(1, "ana", 0).stopped, None);
    let second = desk.take(2, "ana", 400);
    assert_eq!((until(&second), second.decisions[0].remaining_ms), (1_000, Some(600)));
    let fifth = desk.take(5, "ana", 999);
    assert_eq!((until(&fifth), fifth.decisions[0].remaining_ms), (2_000, Some(1)));
    assert_eq!(desk.come_back(6, &booking(&second), 1_000).expect("an answer").stopped, None);
    desk.commit(6, 1_000);
    assert_eq!(until(&desk.take(7, "ana", 1_000)), 3_000, "a fresh one comes after those who booked");
    assert_eq!(desk.come_back(8, &booking(&fifth), 2_000).expect("an answer").stopped, None);
}

#[test]
fn keys_do_not_know_each_other() {
    let mut desk = Desk::new(&[("p", "1s", "discard")]);
    assert!((0..50).all(|id| desk.take(id, &id.to_string(), 0).stopped.is_none()));
    assert!((50..100).all(|id| is_discarded(&desk.take(id, &(id - 50).to_string(), 999))));
}

#[test]
fn a_policy_that_stops_spends_nothing_of_the_others() {
    let mut desk = Desk::new(&[("open", "1s", "discard"), ("shut", "9s", "discard")]);
    desk.governor.was_taken("shut", "k", at(0));
    assert!(is_discarded(&desk.take(1, "k", 10)));
    desk.governor = Governor::new(&desk.set);
    assert_eq!(desk.take(2, "k", 11).stopped, None, "the open one was never spent");
}

#[test]
fn who_is_discarded_anyway_waits_for_nobody() {
    let mut desk = Desk::new(&[("shut", "9s", "discard"), ("busy", "1s", "discard")]);
    let busy = vec![Want { policy: 1, key: "k".into() }];
    assert!(desk.ask_for(1, busy, None, 10).is_some(), "holds a reservation at the second");
    desk.governor.was_taken("shut", "k", at(0));
    assert!(is_discarded(&desk.ask(2, "k", 10).expect("an answer at once")));
}

#[test]
fn who_may_yet_be_let_on_by_the_first_waits_though_the_second_would_stop_it() {
    let mut desk = Desk::new(&[("busy", "1s", "discard"), ("shut", "9s", "discard")]);
    assert!(desk.ask_for(1, vec![Want { policy: 0, key: "k".into() }], None, 10).is_some());
    desk.governor.was_taken("shut", "k", at(0));
    assert_eq!(desk.ask(2, "k", 10), None);
    let freed = desk.release(1, 10);
    assert_eq!(freed[0].1.decisions[1].outcome, PolicyOutcome::Discarded);
}

#[test]
fn of_several_who_defer_the_latest_time_wins_and_alone_books() {
    let mut desk = Desk::new(&[("short", "1s", "defer"), ("long", "5s", "defer")]);
    desk.take(1, "k", 0);
    let second = desk.take(2, "k", 100);
    assert_eq!((until(&second), booking(&second).policy.as_str()), (5_000, "long"));
    assert!(second.decisions.iter().all(|decision| decision.outcome == PolicyOutcome::Deferred));
    assert_eq!(desk.take(3, "k", 2_000).decisions[0].outcome, PolicyOutcome::Passed, "the short one has no booking");
}

#[test]
fn behind_one_who_defers_a_discard_is_told_but_does_not_decide() {
    let mut desk = Desk::new(&[("first", "1s", "defer"), ("second", "5s", "discard")]);
    desk.take(1, "k", 0);
    let ruling = desk.take(2, "k", 100);
    let outcomes: Vec<_> = ruling.decisions.iter().map(|decision| decision.outcome).collect();
    assert_eq!((until(&ruling), outcomes), (1_000, vec![PolicyOutcome::Deferred, PolicyOutcome::Discarded]));
}

#[test]
fn a_return_is_judged_anew_by_the_others_and_gives_its_place_up_if_one_stops_it() {
    let mut desk = Desk::new(&[("first", "1s", "defer"), ("second", "5s", "discard")]);
    desk.take(1, "k", 0);
    let place = booking(&desk.take(2, "k", 100));
    assert!(is_discarded(&desk.come_back(3, &place, 1_000).expect("an answer")));
    desk.commit(3, 1_000);
    let newcomer = desk.ask_for(4, vec![Want { policy: 0, key: "k".into() }], None, 1_000);
    assert_eq!(newcomer.expect("an answer").stopped, None);
}

#[test]
fn a_vetoed_return_frees_its_place_once_it_commits_and_not_before() {
    let mut desk = Desk::new(&[("p", "1s", "defer")]);
    desk.take(1, "k", 0);
    let place = booking(&desk.take(2, "k", 100));
    // Vetoed before anybody with state was asked: an ask that wants nothing carries the place.
    desk.ask_for(3, Vec::new(), Some(place.clone()), 1_000);
    desk.release(3, 1_000);
    assert_eq!(until(&desk.take(4, "k", 1_000)), 2_000, "it did not commit: the place stands");
    desk.ask_for(5, Vec::new(), Some(place), 1_000);
    desk.commit(5, 1_000);
    assert_eq!(desk.take(6, "k", 1_000).stopped, None);
}

#[test]
fn a_promise_holds_though_the_policy_discards_by_now() {
    let mut desk = Desk::new(&[("p", "1s", "discard")]);
    let place = Booking { policy: "p".into(), key: "k".into(), slot: at(1_000) };
    desk.governor.was_booked(&place, &who(1));
    desk.governor.was_taken("p", "k", at(5_000));
    assert_eq!(until(&desk.come_back(1, &place, 5_000).expect("an answer")), 6_000);
}

#[test]
fn a_full_key_takes_no_newcomer_and_breaks_no_promise() {
    let mut desk = Desk::new(&[("p", "1s", "defer")]);
    desk.governor.was_taken("p", "k", at(0));
    let place = |nth: usize| Booking { policy: "p".into(), key: "k".into(), slot: at(1_000 * nth as i64) };
    (1..=limits::BOOKINGS).for_each(|nth| desk.governor.was_booked(&place(nth), &who(nth as u64)));
    assert!(is_discarded(&desk.take(1, "k", 10)));
    desk.governor.was_taken("p", "k", at(5_500));
    let last = 1_000 * (limits::BOOKINGS as i64 + 1);
    assert_eq!(
        until(&desk.come_back(2, &place(5), 5_500).expect("an answer")),
        last,
        "it moves on; it is not thrown out"
    );
}

#[test]
fn what_piled_up_goes_before_a_newcomer() {
    let mut desk = Desk::new(&[("p", "1s", "defer")]);
    let place = |slot| Booking { policy: "p".into(), key: "k".into(), slot: at(slot) };
    [1_000, 2_000, 3_000].into_iter().for_each(|slot| desk.governor.was_booked(&place(slot), &who(slot as u64)));
    // Down until 10,000. A newcomer is there first; those who are overdue need the next three windows.
    assert_eq!(until(&desk.take(1, "k", 10_000)), 13_000);
    assert_eq!(desk.come_back(2, &place(1_000), 10_000).expect("an answer").stopped, None);
    desk.commit(2, 10_000);
    for (id, slot, next) in [(3, 2_000, 11_000), (4, 3_000, 12_000)] {
        assert_eq!(until(&desk.come_back(id, &place(slot), 10_000).expect("an answer")), next);
        desk.commit(id, 10_000);
    }
}

#[test]
fn who_gives_up_waiting_is_not_answered_and_holds_nobody_up() {
    let mut desk = Desk::new(&[("p", "1s", "discard")]);
    desk.ask(1, "k", 0);
    assert_eq!((desk.ask(2, "k", 0), desk.ask(3, "k", 0)), (None, None));
    assert!(desk.governor.forget(AskId(2), at(0)).is_empty());
    let freed = desk.release(1, 0);
    assert_eq!(freed.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [3]);
}

#[test]
fn what_the_journal_tells_of_policies_that_are_no_more_is_passed_over() {
    let mut desk = Desk::new(&[("p", "1s", "discard")]);
    desk.governor.was_taken("gone", "k", at(0));
    let booking = Booking { policy: "gone".into(), key: "k".into(), slot: at(0) };
    desk.governor.replay(&"c".into(), &record(1, vec![Fact::Released { booking }]));
    assert_eq!(desk.governor.keys(), 0);
}

#[test]
fn a_restart_finds_a_taken_grant_and_a_booking_again() {
    let mut desk = Desk::new(&[("p", "1s", "defer")]);
    let rulings = [desk.take(1, "k", 0), desk.take(2, "k", 400)];
    desk.governor = Governor::new(&desk.set);
    for Ruling { decisions, stopped, at } in rulings {
        let verdict = stopped.unwrap_or(Verdict::Accepted);
        let judgement = Judgement { verdict, decisions, set: None, at };
        desk.governor.replay(&"c".into(), &record(1, vec![Fact::Judged { event: 1, judgement }]));
    }
    assert_eq!(until(&desk.take(3, "k", 500)), 2_000);
}

#[test]
fn a_clock_that_was_set_back_lets_nobody_on_before_who_was_there() {
    let mut desk = Desk::new(&[("p", "1s", "defer")]);
    desk.governor.was_taken("p", "k", at(60_000));
    assert_eq!(until(&desk.take(1, "k", 10)), 61_000);
}

#[test]
fn memory_of_spent_keys_is_given_back() {
    let mut desk = Desk::new(&[("p", "1s", "discard")]);
    for id in 0..20_000 {
        desk.take(id, &id.to_string(), 10 * id as i64);
    }
    assert!(desk.governor.keys() <= 1_024, "{} keys are kept", desk.governor.keys());
}
