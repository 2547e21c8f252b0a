//! One key of one session window, as a state machine.
//!
//! The exact rule: an event judged at t is accepted if t is inside a session, and fewer than N of its key have a place there:
//! those that were accepted, and those that have booked one. Who has booked one goes on while the session lasts, and fewer
//! than N were accepted: another set may have put more bookings into it than it has places.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ahead::Ahead;
use super::ask::AskId;
use super::calendar::{Calendar, Occurrence};
use super::cooldown::Comer;
use crate::Timestamp;

/// What a session window lets on.
#[derive(Clone, Debug)]
pub struct WindowRule {
    /// When it is open.
    pub calendar: Arc<Calendar>,
    /// How many of a key go on in one session; any number without.
    pub at_most: Option<u32>,
}

/// What one key says to one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowRuling {
    /// It may go on, in the session that began then.
    Free {
        /// Its session.
        opening: Timestamp,
        /// Whether it has a booked place there.
        booked: bool,
    },
    /// It may not go on now.
    Closed {
        /// When something opens next; never, within the time that is searched.
        opens: Option<Timestamp>,
        /// The next opening that has a place.
        slot: Option<Timestamp>,
    },
    /// Only a reservation stands in its way.
    Unclear,
}

/// The state of one key. Instants that carry an ask are reservations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The latest session in which one was accepted, and how many were.
    latest: Option<(Timestamp, u64)>,
    /// Whether it has a booked place: that counts until this is final.
    taken: Vec<(Timestamp, AskId, bool)>,
    /// How many have booked each opening.
    booked: BTreeMap<Timestamp, u64>,
    booking: Vec<(Timestamp, AskId)>,
    ahead: Ahead,
}

impl WindowRule {
    fn has_place(&self, used: u64) -> bool {
        self.at_most.is_none_or(|most| used < u64::from(most))
    }
}

impl Window {
    /// What this key says to one who comes at `now`.
    pub fn rule(&self, rule: &WindowRule, now: Timestamp, comer: Comer) -> WindowRuling {
        let open = rule.calendar.is_open(now);
        if let Some(session) = open {
            let opening = session.session;
            let booked = matches!(comer, Comer::Back(slot) if opening <= slot && slot <= now);
            let (committed, reserved) = match booked {
                true => (self.accepted(&session), self.taken_in(&session).count() as u64),
                false => (self.used(&session), self.reserved(&session)),
            };
            if rule.has_place(committed + reserved) {
                return WindowRuling::Free { opening, booked };
            }
            if rule.has_place(committed) {
                return WindowRuling::Unclear;
            }
        }
        let opens = self.ahead.next(rule, now).map(|next| next.start);
        let has_place = |opening: &Occurrence| rule.has_place(self.used(opening) + self.reserved(opening));
        WindowRuling::Closed { opens, slot: self.ahead.slot(rule, now, has_place) }
    }

    /// How many have a place in a session: accepted there, or booked.
    pub fn used(&self, session: &Occurrence) -> u64 {
        let booked: u64 = self.booked.range(session.session..session.session_end).map(|(_, count)| count).sum();
        self.accepted(session) + booked
    }

    fn accepted(&self, session: &Occurrence) -> u64 {
        match self.latest {
            Some((opening, count)) if opening == session.session => count,
            // A clock that was set back opens no session again that is counted no more.
            Some((opening, _)) if opening > session.session => u64::MAX / 2,
            _ => 0,
        }
    }

    /// Those on their way into a session, each with whether it has a booked place.
    fn taken_in(&self, session: &Occurrence) -> impl Iterator<Item = bool> {
        let opening = session.session;
        self.taken.iter().filter(move |(taken, ..)| *taken == opening).map(|(.., booked)| *booked)
    }

    fn reserved(&self, session: &Occurrence) -> u64 {
        let taken = self.taken_in(session).filter(|booked| !booked).count();
        let inside = |slot: Timestamp| session.session <= slot && slot < session.session_end;
        (taken + self.booking.iter().filter(|(slot, _)| inside(*slot)).count()) as u64
    }

    /// Reserves a place.
    pub fn take(&mut self, opening: Timestamp, booked: bool, ask: AskId) {
        self.taken.push((opening, ask, booked));
    }

    /// Reserves a place in a session to come.
    pub fn book(&mut self, slot: Timestamp, ask: AskId) {
        self.booking.push((slot, ask));
    }

    /// Makes what an ask reserved final.
    pub fn commit(&mut self, ask: AskId) {
        let taken: Vec<_> = self.taken.extract_if(.., |(_, by, _)| *by == ask).collect();
        let booked: Vec<_> = self.booking.extract_if(.., |(_, by)| *by == ask).collect();
        taken.into_iter().for_each(|(opening, ..)| self.was_placed(opening, 1));
        booked.into_iter().for_each(|(slot, _)| self.was_booked(slot));
    }

    /// Gives up what an ask reserved.
    pub fn release(&mut self, ask: AskId) {
        self.taken.retain(|(_, by, _)| *by != ask);
        self.booking.retain(|(_, by)| *by != ask);
        self.ahead.place_is_free();
    }

    /// Committed acceptances, as the journal has them. Of sessions before the latest nothing is remembered.
    pub fn was_placed(&mut self, opening: Timestamp, count: u64) {
        match &mut self.latest {
            Some((latest, known)) if *latest == opening => *known += count,
            Some((latest, _)) if *latest > opening => {}
            latest => *latest = Some((opening, count)),
        }
    }

    /// A committed booking, as the journal has it.
    pub fn was_booked(&mut self, slot: Timestamp) {
        *self.booked.entry(slot).or_default() += 1;
    }

    /// A booking was used or given up.
    pub fn unbook(&mut self, slot: Timestamp) {
        if let Some(count) = self.booked.get_mut(&slot) {
            *count -= 1;
            if *count == 0 {
                self.booked.remove(&slot);
            }
        }
        self.ahead.place_is_free();
    }

    /// How many places are booked.
    pub fn bookings(&self) -> usize {
        self.booked.values().sum::<u64>() as usize + self.booking.len()
    }

    /// Whether nothing here can matter any more: the session is over, and nobody has booked another.
    pub fn is_spent(&self, rule: &WindowRule, now: Timestamp) -> bool {
        let counts =
            |(opening, _): (Timestamp, u64)| rule.calendar.is_open(opening).is_some_and(|it| it.session_end > now);
        self.bookings() == 0 && self.taken.is_empty() && !self.latest.is_some_and(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::{Days, Hours};
    use super::*;

    /// Open from 09:00 to 17:00 UTC each day.
    fn rule(at_most: Option<u32>) -> WindowRule {
        let hours = Hours::parse("09:00", "17:00").unwrap();
        WindowRule { calendar: Arc::new(Calendar::new("UTC", Days::ALL, hours).unwrap()), at_most }
    }

    fn at(day: i64, hour: i64) -> Timestamp {
        Timestamp::from_millis((day * 24 + hour) * 3_600_000)
    }

    fn closed(opens: Timestamp, slot: Timestamp) -> WindowRuling {
        WindowRuling::Closed { opens: Some(opens), slot: Some(slot) }
    }

    #[test]
    fn the_start_is_inside_and_the_end_is_not() {
        let (key, rule) = (Window::default(), rule(None));
        let before = at(0, 9).before(std::time::Duration::from_micros(1));
        assert_eq!(key.rule(&rule, before, Comer::New), closed(at(0, 9), at(0, 9)));
        assert_eq!(key.rule(&rule, at(0, 9), Comer::New), WindowRuling::Free { opening: at(0, 9), booked: false });
        assert_eq!(key.rule(&rule, at(0, 17), Comer::New), closed(at(1, 9), at(1, 9)));
    }

    #[test]
    fn who_finds_no_place_books_the_next_opening_that_has_one() {
        let (mut key, rule) = (Window::default(), rule(Some(2)));
        key.was_placed(at(0, 9), 2);
        [at(1, 9), at(1, 9), at(2, 9)].into_iter().for_each(|slot| key.was_booked(slot));
        assert_eq!(key.rule(&rule, at(0, 12), Comer::New), closed(at(1, 9), at(2, 9)));
        key.unbook(at(1, 9));
        assert_eq!(key.rule(&rule, at(0, 12), Comer::New), closed(at(1, 9), at(1, 9)));
    }

    #[test]
    fn who_has_booked_goes_before_a_newcomer_while_the_session_lasts() {
        let (mut key, rule) = (Window::default(), rule(Some(1)));
        key.was_booked(at(1, 9));
        assert_eq!(key.rule(&rule, at(1, 10), Comer::New), closed(at(2, 9), at(2, 9)));
        assert_eq!(
            key.rule(&rule, at(1, 10), Comer::Back(at(1, 9))),
            WindowRuling::Free { opening: at(1, 9), booked: true }
        );
        assert_eq!(key.rule(&rule, at(1, 18), Comer::Back(at(1, 9))), closed(at(2, 9), at(2, 9)));
    }

    #[test]
    fn of_more_who_have_booked_than_there_are_places_those_go_on_who_come_first() {
        let (mut key, rule) = (Window::default(), rule(Some(2)));
        key.was_placed(at(1, 9), 1);
        [9, 10, 10].into_iter().for_each(|hour| key.was_booked(at(1, hour))); // another set opened later
        let back = |key: &Window, hour| key.rule(&rule, at(1, 11), Comer::Back(at(1, hour)));
        assert_eq!(back(&key, 10), WindowRuling::Free { opening: at(1, 9), booked: true });
        key.take(at(1, 9), true, AskId(1));
        assert_eq!(back(&key, 10), WindowRuling::Unclear);
        key.commit(AskId(1));
        key.unbook(at(1, 10));
        assert_eq!([9, 10].map(|hour| back(&key, hour)), [closed(at(2, 9), at(2, 9)); 2]);
    }

    #[test]
    fn just_a_reservation_makes_it_unclear_until_it_is_settled() {
        let (mut key, rule) = (Window::default(), rule(Some(1)));
        key.take(at(0, 9), false, AskId(1));
        assert_eq!(key.rule(&rule, at(0, 10), Comer::New), WindowRuling::Unclear);
        key.commit(AskId(1));
        assert_eq!(key.rule(&rule, at(0, 10), Comer::New), closed(at(1, 9), at(1, 9)));
    }

    #[test]
    fn a_clock_that_was_set_back_opens_no_session_again() {
        let (mut key, rule) = (Window::default(), rule(Some(5)));
        key.was_placed(at(3, 9), 1);
        assert_eq!(key.rule(&rule, at(2, 10), Comer::New), closed(at(3, 9), at(3, 9)));
    }
}
