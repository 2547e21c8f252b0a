//! One key of one rate, as a state machine: the generic cell rate algorithm.
//!
//! The exact rule: with T = period / rate, an event judged at t is accepted if the theoretical arrival time is at most
//! t + (burst − 1)·T; that time is then moved to T after itself, or after t, whichever is later. T is not rounded: the time
//! is kept as a whole number of microseconds and a fraction of which the rate is the denominator, so that it does not drift.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ask::AskId;
use super::cooldown::Comer;
use super::decision::Interval;
use crate::Timestamp;

/// How many events in how long, and how many of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateRule {
    /// How many events.
    pub rate: u32,
    /// In how long.
    pub per: Duration,
    /// How many may come at once.
    pub burst: u32,
}

/// A theoretical arrival time: microseconds, and a fraction of one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The whole microseconds.
    pub micros: i64,
    /// The numerator of the fraction.
    pub rest: u32,
    /// Its denominator.
    pub parts: u32,
}

/// What one key says to one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateRuling {
    /// It may go on, and counts from this instant.
    Free {
        /// The slot of a booked return, otherwise now.
        at: Timestamp,
        /// Whether it is the slot of a booked return.
        booked: bool,
    },
    /// It may not go on now.
    Closed {
        /// When one without a booking could, if no more came.
        ends: Timestamp,
        /// The next slot that nobody has booked.
        slot: Timestamp,
    },
    /// Only a reservation stands in its way.
    Unclear,
}

/// The state of one key. Instants that carry an ask are reservations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    arrival: Option<Arrival>,
    /// The same without those that have committed of late: one that comes before them in the journal may be told after them.
    settled: Option<Arrival>,
    recent: Vec<Recent>,
    taken: Vec<Taken>,
    /// The arrival with what is taken on top.
    all: Option<Arrival>,
    /// How many were ever taken.
    ever_taken: u64,
    booked: BTreeMap<Timestamp, Option<AskId>>,
}

/// A reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    spend: Spend,
    /// The slot that it had booked: that stands until this is final.
    own: Option<Timestamp>,
    by: AskId,
    /// Which of all it is.
    nth: u64,
}

/// A committed acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Recent {
    position: u64,
    spend: Spend,
    /// How many had been taken when it was told: those that are taken later stand after it in the journal.
    told: u64,
}

/// One that goes on: from when it counts, and whether that is a booked slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spend {
    at: Timestamp,
    booked: bool,
    interval: Interval,
}

impl RateRule {
    /// How far apart the events are.
    pub fn interval(&self) -> Interval {
        Interval { micros: u64::try_from(self.per.as_micros()).unwrap_or(u64::MAX), parts: self.rate.max(1) }
    }

    fn tolerance(&self) -> i128 {
        i128::from(self.burst.saturating_sub(1)) * i128::from(self.interval().micros)
    }

    /// Whether one may go on at an instant.
    fn conforms(&self, arrival: Option<Arrival>, at: Timestamp) -> bool {
        let parts = self.interval().parts;
        arrival.is_none_or(|arrival| arrival.ticks(parts) <= ticks(at, parts) + self.tolerance())
    }

    /// The first instant from `now` on at which one may go on.
    fn earliest(&self, arrival: Option<Arrival>, now: Timestamp) -> Timestamp {
        let parts = self.interval().parts;
        arrival.map_or(now, |it| whole_up(it.ticks(parts) - self.tolerance(), parts).max(now))
    }

    fn is_late(&self, slot: Timestamp, now: Timestamp) -> bool {
        let parts = self.interval().parts;
        ticks(now, parts) - ticks(slot, parts) >= i128::from(self.interval().micros)
    }

    /// From when one with a booked slot counts, if it comes now: one that is late by less than T from its slot.
    fn counts_from(&self, slot: Timestamp, now: Timestamp) -> Spend {
        let late = self.is_late(slot, now);
        Spend { at: if late { now } else { slot }, booked: !late, interval: self.interval() }
    }
}

impl Arrival {
    /// After one event more.
    pub fn after(this: Option<Arrival>, at: Timestamp, interval: Interval, booked: bool) -> Arrival {
        let parts = interval.parts.max(1);
        let at = ticks(at, parts);
        // A booked slot is the exact instant rounded up: what was added by that is not lost.
        let floor = if booked { at - i128::from(parts) + 1 } else { at };
        let base = this.map(|this| this.ticks(parts)).filter(|known| *known >= floor).unwrap_or(at);
        let ticks = base + i128::from(interval.micros);
        let micros = i64::try_from(ticks.div_euclid(parts.into())).unwrap_or(i64::MAX);
        Arrival { micros, rest: ticks.rem_euclid(parts.into()) as u32, parts }
    }

    /// In parts of a microsecond; another denominator's fraction is rounded up.
    fn ticks(self, parts: u32) -> i128 {
        let rest = (u64::from(self.rest) * u64::from(parts)).div_ceil(u64::from(self.parts.max(1)));
        i128::from(self.micros) * i128::from(parts) + i128::from(rest)
    }

    /// Rounded up to an instant.
    pub fn instant(self) -> Timestamp {
        whole_up(self.ticks(self.parts), self.parts)
    }

    fn spend(this: Option<Arrival>, spend: Spend) -> Arrival {
        Self::after(this, spend.at, spend.interval, spend.booked)
    }
}

fn ticks(at: Timestamp, parts: u32) -> i128 {
    i128::from(at.micros()) * i128::from(parts)
}

fn whole_up(ticks: i128, parts: u32) -> Timestamp {
    let up = (ticks + i128::from(parts) - 1).div_euclid(parts.into());
    Timestamp::from_micros(i64::try_from(up).unwrap_or(if up < 0 { i64::MIN } else { i64::MAX }))
}

impl Rate {
    /// What this key says to one who comes at `now`. A newcomer goes on if it moves none that has booked a slot.
    pub fn rule(&self, rule: &RateRule, now: Timestamp, comer: Comer) -> RateRuling {
        let all = self.all;
        let own = match comer {
            Comer::Back(slot) => Some(slot),
            Comer::New | Comer::Promised(_) => None,
        };
        let (open, unclear) = match comer {
            Comer::Back(_) => (rule.conforms(all, now), rule.conforms(self.arrival, now)),
            Comer::New | Comer::Promised(_) => {
                let stands = |slot: Timestamp| !matches!(comer, Comer::Promised(promised) if slot > promised);
                let slots = self.standing().filter(|slot| stands(*slot));
                let committed =
                    self.booked.iter().filter(|(slot, by)| by.is_none() && stands(**slot)).map(|(slot, _)| *slot);
                (
                    rule.conforms(all, now) && place(rule, all, slots, now) == now,
                    rule.conforms(self.arrival, now) && place(rule, self.arrival, committed, now) == now,
                )
            }
        };
        match own {
            Some(slot) if open => {
                // If others have gone on since, from when it could go on.
                let Spend { at, booked, .. } = rule.counts_from(slot, now);
                RateRuling::Free { at: rule.earliest(all, at), booked }
            }
            None if open => RateRuling::Free { at: now, booked: false },
            _ if unclear => RateRuling::Unclear,
            _ => {
                let others = self.standing().filter(|slot| Some(*slot) != own);
                let committed = self.booked.iter().filter(|(slot, by)| by.is_none() && Some(**slot) != own);
                let ends = place(rule, self.arrival, committed.map(|(slot, _)| *slot), now);
                RateRuling::Closed { ends, slot: place(rule, all, others, now) }
            }
        }
    }

    /// Booked slots whose events are not on their way yet: those count among the taken.
    fn standing(&self) -> impl Iterator<Item = Timestamp> {
        let is_taken = |slot: &Timestamp| self.taken.iter().any(|taken| taken.own == Some(*slot));
        self.booked.keys().copied().filter(move |slot| !is_taken(slot))
    }

    /// When one could go on, as the key stands.
    pub fn arrival(&self) -> Option<Arrival> {
        self.arrival
    }

    /// Reserves an acceptance: what its grant says, and the slot that it comes back to.
    pub fn take(&mut self, (at, interval, booked): (Timestamp, Interval, bool), own: Option<Timestamp>, ask: AskId) {
        self.ever_taken += 1;
        let spend = Spend { at, booked, interval };
        self.taken.push(Taken { spend, own, by: ask, nth: self.ever_taken });
        self.all = Some(Arrival::spend(self.all, spend));
    }

    /// Reserves a slot.
    pub fn book(&mut self, slot: Timestamp, ask: AskId) {
        self.booked.entry(slot).or_insert(Some(ask)); // one that has committed stays so
    }

    /// Makes what an ask reserved final. Acceptances count in the order in which they stand in the journal, so that a restart
    /// finds the same; `position` tells where this one does.
    pub fn commit(&mut self, ask: AskId, position: u64) {
        let told = self.ever_taken;
        let spent = self.taken.extract_if(.., |taken| taken.by == ask);
        self.recent.extend(spent.map(|Taken { spend, .. }| Recent { position, spend, told }));
        self.recent.sort_by_key(|recent| recent.position);
        self.booked.values_mut().filter(|by| **by == Some(ask)).for_each(|by| *by = None);
        self.fold();
    }

    /// Gives up what an ask reserved.
    pub fn release(&mut self, ask: AskId) {
        self.taken.retain(|taken| taken.by != ask);
        self.booked.retain(|_, by| *by != Some(ask));
        self.fold();
    }

    /// What nothing can come before any more is settled; the others count on top of that.
    fn fold(&mut self) {
        let oldest = self.taken.iter().map(|taken| taken.nth).min().unwrap_or(u64::MAX);
        let settled = self.recent.iter().take_while(|recent| recent.told < oldest).count();
        for Recent { spend, .. } in self.recent.drain(..settled) {
            self.settled = Some(Arrival::spend(self.settled, spend));
        }
        self.arrival = self.recent.iter().fold(self.settled, |known, it| Some(Arrival::spend(known, it.spend)));
        self.all = self.taken.iter().fold(self.arrival, |known, it| Some(Arrival::spend(known, it.spend)));
    }

    /// A committed acceptance, as the journal has it.
    pub fn was_spent(&mut self, at: Timestamp, interval: Interval, booked: bool) {
        self.settled = Some(Arrival::after(self.settled, at, interval, booked));
        self.fold();
    }

    /// One that has committed at a position while others are reserved, some of which may stand before it.
    pub fn was_spent_at(&mut self, (at, interval, booked): (Timestamp, Interval, bool), position: u64) {
        self.recent.push(Recent { position, spend: Spend { at, booked, interval }, told: self.ever_taken });
        self.recent.sort_by_key(|recent| recent.position);
        self.fold();
    }

    /// What committed acceptances came to, as the journal's index has it.
    pub fn stands_at(&mut self, arrival: Arrival) {
        self.settled = Some(arrival);
        self.fold();
    }

    /// A committed booking, as the journal has it.
    pub fn was_booked(&mut self, slot: Timestamp) {
        self.booked.insert(slot, None);
    }

    /// A booking was used or given up.
    pub fn unbook(&mut self, slot: Timestamp) {
        self.booked.remove(&slot);
    }

    /// How many slots are booked.
    pub fn bookings(&self) -> usize {
        self.booked.len()
    }

    /// Whether nothing here can matter any more.
    pub fn is_spent(&self, now: Timestamp) -> bool {
        let over = self.arrival.is_none_or(|arrival| arrival.instant() <= now);
        over && self.taken.is_empty() && self.booked.is_empty()
    }
}

/// The first instant from `now` on at which one more may go on without moving any that has booked: in a hole that is large
/// enough, or after all of them. One walk, for there may be many.
fn place(rule: &RateRule, from: Option<Arrival>, slots: impl Iterator<Item = Timestamp>, now: Timestamp) -> Timestamp {
    let mut without = from;
    // The candidate, and how things would stand with it.
    let mut with: Option<(Timestamp, Option<Arrival>)> = None;
    for slot in slots {
        let spend = rule.counts_from(slot, now);
        let candidate = rule.earliest(without, now);
        if with.is_none() && slot > now && candidate <= slot {
            with = Some((candidate, Some(Arrival::after(without, candidate, rule.interval(), false))));
        }
        without = Some(Arrival::spend(without, spend));
        with = match with {
            Some((_, arrival)) if !rule.conforms(arrival, slot) => None, // it would move this one
            Some((at, arrival)) => Some((at, Some(Arrival::spend(arrival, spend)))),
            None => None,
        };
        if let Some((at, _)) = with.filter(|(_, arrival)| *arrival == without) {
            return at;
        }
    }
    with.map_or_else(|| rule.earliest(without, now), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn rule(rate: u32, burst: u32) -> RateRule {
        RateRule { rate, per: Duration::from_secs(1), burst }
    }

    /// How many of those who come at these instants go on, one after the other.
    fn accepted(rule: &RateRule, instants: &[i64]) -> Vec<i64> {
        let mut key = Rate::default();
        let mut on = Vec::new();
        for millis in instants {
            if let RateRuling::Free { at, booked } = key.rule(rule, at(*millis), Comer::New) {
                key.was_spent(at, rule.interval(), booked);
                on.push(*millis);
            }
        }
        on
    }

    fn slot(ruling: RateRuling) -> Timestamp {
        match ruling {
            RateRuling::Closed { slot, .. } => slot,
            other => panic!("not closed: {other:?}"),
        }
    }

    #[test]
    fn a_burst_goes_on_at_once_and_then_one_each_interval() {
        let instants = [0, 0, 0, 0, 99, 100, 150, 200, 1_000, 1_000, 1_000, 1_000];
        assert_eq!(accepted(&rule(10, 3), &instants), [0, 0, 0, 100, 200, 1_000, 1_000, 1_000]);
        assert_eq!(accepted(&rule(10, 1), &[0, 99, 100, 199, 200]), [0, 100, 200]);
    }

    #[test]
    fn acceptances_count_in_the_order_of_the_journal_in_whichever_they_are_told() {
        let rule = rule(10, 4);
        let spend = |millis: i64| (at(millis), rule.interval(), false);
        let in_order = |instants: &[i64]| {
            let mut key = Rate::default();
            instants.iter().for_each(|millis| key.was_spent(at(*millis), rule.interval(), false));
            key.arrival()
        };
        let mut key = Rate::default();
        for (ask, millis) in [(1, 0), (2, 90), (3, 95)] {
            key.take(spend(millis), None, AskId(ask));
        }
        key.commit(AskId(2), 20);
        key.take(spend(200), None, AskId(4));
        key.commit(AskId(4), 40);
        assert_eq!(key.arrival(), in_order(&[90, 200]));
        key.commit(AskId(1), 10); // it stands before both
        assert_eq!(key.arrival(), in_order(&[0, 90, 200]));
        key.release(AskId(3));
        assert_eq!((key.arrival(), key.recent.len()), (in_order(&[0, 90, 200]), 0));
    }

    #[test]
    fn an_interval_that_is_no_whole_number_does_not_drift() {
        let (mut key, rule) = (Rate::default(), rule(3, 1));
        let mut now = at(0);
        for _ in 0..3_000_000 {
            now = rule.earliest(key.arrival, now);
            assert!(rule.conforms(key.arrival, now));
            key.was_spent(now, rule.interval(), true);
        }
        assert_eq!(key.arrival, Some(Arrival { micros: 1_000_000_000_000, rest: 0, parts: 3 }));
    }

    #[test]
    fn each_deferral_books_the_slot_after_the_last_and_goes_before_a_newcomer() {
        let (mut key, rule) = (Rate::default(), rule(10, 1));
        key.was_spent(at(0), rule.interval(), false);
        for expected in [100, 200, 300] {
            let next = slot(key.rule(&rule, at(40), Comer::New));
            assert_eq!(next, at(expected));
            key.was_booked(next);
        }
        assert_eq!(slot(key.rule(&rule, at(100), Comer::New)), at(400));
        assert_eq!(key.rule(&rule, at(103), Comer::Back(at(100))), RateRuling::Free { at: at(100), booked: true });
    }

    #[test]
    fn slots_of_an_interval_that_is_no_whole_number_do_not_drift() {
        let (mut key, rule) = (Rate::default(), rule(3, 1));
        key.was_spent(at(0), rule.interval(), false);
        let mut book = || {
            let next = slot(key.rule(&rule, at(0), Comer::New));
            key.was_booked(next);
            next.micros()
        };
        assert_eq!([book(), book(), book(), book()], [333_334, 666_667, 1_000_000, 1_333_334]);
    }

    #[test]
    fn a_hole_that_was_given_up_is_filled_and_moves_nobody() {
        let (mut key, rule) = (Rate::default(), rule(10, 2));
        key.was_spent(at(0), rule.interval(), false);
        key.was_spent(at(0), rule.interval(), false);
        [100, 200, 300].into_iter().for_each(|slot| key.was_booked(at(slot)));
        key.unbook(at(200));
        assert_eq!(slot(key.rule(&rule, at(50), Comer::New)), at(200));
        key.was_booked(at(200));
        assert_eq!(slot(key.rule(&rule, at(50), Comer::New)), at(400));
    }

    #[test]
    fn what_piled_up_goes_on_as_the_rate_allows() {
        let (mut key, rule) = (Rate::default(), rule(10, 2));
        [100, 200, 300].into_iter().for_each(|slot| key.was_booked(at(slot)));
        for slot in [100, 200] {
            assert_eq!(
                key.rule(&rule, at(9_000), Comer::Back(at(slot))),
                RateRuling::Free { at: at(9_000), booked: false }
            );
            key.was_spent(at(9_000), rule.interval(), false);
            key.unbook(at(slot));
        }
        assert_eq!(slot(key.rule(&rule, at(9_000), Comer::Back(at(300)))), at(9_100));
    }

    #[test]
    fn a_return_that_finds_another_gone_on_since_counts_from_when_it_may() {
        let (mut key, rule) = (Rate::default(), rule(10, 1));
        [0, 200].into_iter().for_each(|slot| key.was_booked(at(slot)));
        key.unbook(at(0)); // it came back late, and counts from then
        key.was_spent(at(101), rule.interval(), false);
        assert_eq!(slot(key.rule(&rule, at(200), Comer::Back(at(200)))), at(201));
        assert_eq!(key.rule(&rule, at(205), Comer::Back(at(200))), RateRuling::Free { at: at(201), booked: true });
    }

    #[test]
    fn just_a_reservation_makes_it_unclear_until_it_is_settled() {
        let (mut key, rule) = (Rate::default(), rule(10, 1));
        key.take((at(0), rule.interval(), false), None, AskId(1));
        assert_eq!(key.rule(&rule, at(10), Comer::New), RateRuling::Unclear);
        let mut released = key.clone();
        released.release(AskId(1));
        assert_eq!(released.rule(&rule, at(10), Comer::New), RateRuling::Free { at: at(10), booked: false });
        key.commit(AskId(1), 1);
        assert_eq!(slot(key.rule(&rule, at(10), Comer::New)), at(100));
    }
}
