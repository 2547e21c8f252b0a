//! One key of one cooldown, as a state machine.
//!
//! The exact rule: an event judged at t is accepted if none of its key was accepted in (t − window, t]. A booked slot goes
//! before a newcomer, so that a newcomer within a window of a booking is refused too. What is granted is a reservation
//! until its event commits: acceptance counts reservations, refusal rests on committed grants alone, and what just a
//! reservation would refuse must wait.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ask::AskId;
use crate::Timestamp;

/// What one key says to one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CooldownRuling {
    /// It may go on, and counts from this instant.
    Free {
        /// The slot of a booked return, otherwise now.
        counts_at: Timestamp,
    },
    /// It may not go on now.
    Closed {
        /// When the window ends.
        ends: Timestamp,
        /// The next slot that nobody has booked.
        slot: Timestamp,
    },
    /// Only a reservation stands in its way: it must wait until that is committed or released.
    Unclear,
}

/// Who comes to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comer {
    /// Somebody without a promise.
    New,
    /// One with the promise of another policy, for that instant: it yields here only to those who were promised no later,
    /// so that of events under several policies the one with the earliest promise always goes on.
    Promised(Timestamp),
    /// One that comes back to the slot that it booked here.
    Back(Timestamp),
}

/// The state of one key. Instants that carry an ask are reservations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cooldown {
    last: Option<Timestamp>,
    taken: Vec<(Timestamp, AskId)>,
    booked: BTreeMap<Timestamp, Option<AskId>>,
}

impl Cooldown {
    /// What this key says to one who comes at `now`.
    ///
    /// A return that is late by less than a window counts from its slot, so that those who booked the slots after it need
    /// not move. A later one counts from now: what piled up while the runtime was down goes on one by one, not as a herd.
    pub fn rule(&self, window: Duration, now: Timestamp, comer: Comer) -> CooldownRuling {
        let counts_at = match comer {
            Comer::Back(slot) if now.since(slot) < window => slot,
            _ => now,
        };
        let returning = match comer {
            Comer::Back(slot) => Some(slot),
            Comer::New | Comer::Promised(_) => None,
        };
        let near = |other: Timestamp| other.since(counts_at).max(counts_at.since(other)) < window;
        let overdue = if returning.is_none() { self.booked.range(..=now).count() } else { 0 };
        if let Some(last) = self.last.filter(|last| near(*last) || *last > counts_at) {
            return self.closed(window, last.after(window), overdue, returning);
        }
        if returning.is_none() {
            // An overdue booking is on its way back, and goes first however late it is.
            let yields_to = |slot: Timestamp| !matches!(comer, Comer::Promised(promised) if slot > promised);
            let mut standing = self.booked.range(..now.after(window)).filter(|(slot, _)| yields_to(**slot));
            if let Some((slot, _)) = standing.clone().find(|(_, ask)| ask.is_none()) {
                return self.closed(window, (*slot).max(now).after(window), overdue.saturating_sub(1), None);
            }
            if standing.next().is_some() {
                return CooldownRuling::Unclear;
            }
        }
        if self.taken.iter().any(|(at, _)| near(*at)) {
            return CooldownRuling::Unclear;
        }
        CooldownRuling::Free { counts_at }
    }

    /// The earliest slot from the end of the window on that keeps a window's distance from every booking: holes that others
    /// gave up are filled, but room is left for those that are overdue, a window each. The place that a return gives up is
    /// none of these. One walk, for there may be many bookings.
    fn closed(&self, window: Duration, ends: Timestamp, overdue: usize, own: Option<Timestamp>) -> CooldownRuling {
        let mut slot = ends.after(window.saturating_mul(u32::try_from(overdue).unwrap_or(u32::MAX)));
        let others = self.booked.range(slot.before(window)..).map(|(booked, _)| *booked);
        for booked in others.filter(|booked| Some(*booked) != own) {
            if booked >= slot.after(window) {
                break;
            }
            if booked.after(window) > slot {
                slot = booked.after(window);
            }
        }
        CooldownRuling::Closed { ends, slot }
    }

    /// Reserves an acceptance.
    pub fn take(&mut self, at: Timestamp, ask: AskId) {
        self.taken.push((at, ask));
    }

    /// Reserves a slot.
    pub fn book(&mut self, slot: Timestamp, ask: AskId) {
        self.booked.entry(slot).or_insert(Some(ask)); // one that has committed stays so
    }

    /// Makes what an ask reserved final.
    pub fn commit(&mut self, ask: AskId) {
        for (at, _) in self.taken.extract_if(.., |(_, by)| *by == ask) {
            self.last = self.last.max(Some(at));
        }
        self.booked.values_mut().filter(|by| **by == Some(ask)).for_each(|by| *by = None);
    }

    /// Gives up what an ask reserved.
    pub fn release(&mut self, ask: AskId) {
        self.taken.retain(|(_, by)| *by != ask);
        self.booked.retain(|_, by| *by != Some(ask));
    }

    /// A committed acceptance, as the journal has it.
    pub fn was_taken(&mut self, at: Timestamp) {
        self.last = self.last.max(Some(at));
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
    pub fn is_spent(&self, window: Duration, now: Timestamp) -> bool {
        let over = self.last.is_none_or(|last| last.after(window) <= now);
        over && self.taken.is_empty() && self.booked.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(1_000);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn taken_at(millis: i64) -> Cooldown {
        let mut key = Cooldown::default();
        key.was_taken(at(millis));
        key
    }

    fn closed(ends: i64, slot: i64) -> CooldownRuling {
        CooldownRuling::Closed { ends: at(ends), slot: at(slot) }
    }

    #[test]
    fn elapsed_of_just_the_window_is_accepted() {
        assert_eq!(taken_at(0).rule(WINDOW, at(999), Comer::New), closed(1_000, 1_000));
        assert_eq!(taken_at(0).rule(WINDOW, at(1_000), Comer::New), CooldownRuling::Free { counts_at: at(1_000) });
    }

    #[test]
    fn each_deferral_books_the_slot_after_the_last() {
        let mut key = taken_at(0);
        key.was_booked(at(1_000));
        assert_eq!(key.rule(WINDOW, at(999), Comer::New), closed(1_000, 2_000));
    }

    #[test]
    fn a_booked_slot_goes_before_a_newcomer() {
        let mut key = taken_at(0);
        key.was_booked(at(1_000));
        key.was_booked(at(2_000));
        assert_eq!(key.rule(WINDOW, at(1_000), Comer::New), closed(2_000, 3_000));
        assert_eq!(key.rule(WINDOW, at(1_000), Comer::Back(at(1_000))), CooldownRuling::Free { counts_at: at(1_000) });
    }

    #[test]
    fn one_that_was_promised_elsewhere_yields_to_those_promised_no_later_alone() {
        let mut key = taken_at(0);
        key.was_booked(at(2_000));
        let free = CooldownRuling::Free { counts_at: at(1_500) };
        assert_eq!(key.rule(WINDOW, at(1_500), Comer::Promised(at(1_500))), free);
        assert_ne!(key.rule(WINDOW, at(1_500), Comer::Promised(at(2_000))), free);
        assert_ne!(key.rule(WINDOW, at(1_500), Comer::New), free);
    }

    #[test]
    fn a_hole_that_was_given_up_is_filled() {
        let mut key = taken_at(0);
        [1_000, 2_000, 3_000].into_iter().for_each(|slot| key.was_booked(at(slot)));
        key.unbook(at(2_000));
        assert_eq!(key.rule(WINDOW, at(500), Comer::New), closed(1_000, 2_000));
    }

    #[test]
    fn a_return_that_is_a_little_late_counts_from_its_slot_and_one_much_later_from_now() {
        let mut key = taken_at(0);
        key.was_booked(at(1_000));
        assert_eq!(key.rule(WINDOW, at(1_600), Comer::Back(at(1_000))), CooldownRuling::Free { counts_at: at(1_000) });
        assert_eq!(key.rule(WINDOW, at(2_000), Comer::Back(at(1_000))), CooldownRuling::Free { counts_at: at(2_000) });
    }

    #[test]
    fn what_piled_up_goes_on_one_by_one() {
        let mut key = taken_at(5_000);
        [1_000, 2_000].into_iter().for_each(|slot| key.was_booked(at(slot)));
        assert_eq!(key.rule(WINDOW, at(5_000), Comer::Back(at(2_000))), closed(6_000, 6_000));
        assert_eq!(key.rule(WINDOW, at(5_000), Comer::New), closed(6_000, 8_000));
    }

    #[test]
    fn just_a_reservation_makes_it_unclear_until_it_is_settled() {
        let mut key = Cooldown::default();
        key.take(at(0), AskId(1));
        assert_eq!(key.rule(WINDOW, at(10), Comer::New), CooldownRuling::Unclear);
        let mut released = key.clone();
        released.release(AskId(1));
        assert_eq!(released.rule(WINDOW, at(10), Comer::New), CooldownRuling::Free { counts_at: at(10) });
        key.commit(AskId(1));
        assert_eq!(key.rule(WINDOW, at(10), Comer::New), closed(1_000, 1_000));
    }

    #[test]
    fn a_key_is_spent_once_its_window_is_over_and_nothing_is_booked() {
        let mut key = taken_at(0);
        assert!(!key.is_spent(WINDOW, at(999)) && key.is_spent(WINDOW, at(1_000)));
        key.was_booked(at(500));
        assert!(!key.is_spent(WINDOW, at(9_000)));
    }
}
