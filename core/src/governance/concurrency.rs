//! One key of one concurrency limit, as a state machine: so many places, and who waits for one.
//!
//! The exact rule: an event is accepted if those who hold a place and those who came before it and wait are fewer than the
//! limit. It holds its place until that is freed. Who waits is promised a place that is free, first come first served.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ask::{AskId, Who};
use super::cooldown::Comer;
use crate::Timestamp;

/// What one key says to one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConcurrencyRuling {
    /// It may go on.
    Free,
    /// It may not go on now.
    Closed {
        /// Its place among those who wait: since when, and one microsecond after the last who came at once.
        since: Timestamp,
    },
    /// Only a reservation stands in its way.
    Unclear,
}

/// The state of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concurrency {
    held: BTreeSet<Who>,
    taken: HashMap<AskId, Who>,
    /// Who waits, in their order; one that carries an ask has only reserved that.
    waiting: BTreeMap<Timestamp, (Who, Option<AskId>)>,
    promised: BTreeSet<Who>,
}

impl Concurrency {
    /// What this key says to one who comes at `now`.
    pub fn rule(&self, limit: u32, now: Timestamp, comer: Comer) -> ConcurrencyRuling {
        let before = match comer {
            Comer::Back(since) => since,
            Comer::New | Comer::Promised(_) => Timestamp::MAX,
        };
        let taken: BTreeSet<&Who> = self.taken.values().collect();
        let on_its_way = |who: &Who| taken.contains(who);
        let ahead = || self.waiting.range(..before).map(|(_, waiter)| waiter);
        let all = self.held.len() + self.taken.len() + ahead().filter(|(who, _)| !on_its_way(who)).count();
        let committed = self.held.len() + ahead().filter(|(_, by)| by.is_none()).count();
        let limit = limit as usize;
        match comer {
            _ if all < limit => ConcurrencyRuling::Free,
            _ if committed < limit => ConcurrencyRuling::Unclear,
            // It keeps its place among those who wait.
            Comer::Back(since) => ConcurrencyRuling::Closed { since },
            _ => {
                let last =
                    self.waiting.last_key_value().map(|(since, _)| since.after(std::time::Duration::from_micros(1)));
                ConcurrencyRuling::Closed { since: last.map_or(now, |last| last.max(now)) }
            }
        }
    }

    /// How many places are held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Who has a free place now, and has not been told yet.
    pub fn promise(&mut self, limit: u32) -> Vec<Who> {
        let free = (limit as usize).saturating_sub(self.held.len());
        let first = self.waiting.values().filter(|(_, by)| by.is_none()).take(free);
        let new: Vec<Who> = first.map(|(who, _)| who).filter(|who| !self.promised.contains(*who)).cloned().collect();
        self.promised.extend(new.iter().cloned());
        new
    }

    /// One that was told did not come: it is told again.
    pub fn unpromise(&mut self, who: &Who) {
        self.promised.remove(who);
    }

    /// Reserves a place.
    pub fn take(&mut self, who: &Who, ask: AskId) {
        self.taken.insert(ask, who.clone());
    }

    /// Reserves a place among those who wait. One that keeps its place needs none.
    pub fn book(&mut self, since: Timestamp, who: &Who, ask: AskId) {
        self.waiting.entry(since).or_insert_with(|| (who.clone(), Some(ask)));
    }

    /// Makes what an ask reserved final.
    pub fn commit(&mut self, ask: AskId) {
        self.held.extend(self.taken.remove(&ask));
        self.waiting.values_mut().filter(|(_, by)| *by == Some(ask)).for_each(|(_, by)| *by = None);
    }

    /// Gives up what an ask reserved.
    pub fn release(&mut self, ask: AskId) {
        self.taken.remove(&ask);
        self.waiting.retain(|_, (_, by)| *by != Some(ask));
    }

    /// A committed acceptance, as the journal has it.
    pub fn was_held(&mut self, who: &Who) {
        self.held.insert(who.clone());
    }

    /// A place was freed.
    pub fn was_freed(&mut self, who: &Who) {
        self.held.remove(who);
    }

    /// A committed wait, as the journal has it.
    pub fn was_booked(&mut self, since: Timestamp, who: &Who) {
        self.waiting.insert(since, (who.clone(), None));
    }

    /// One waits no more.
    pub fn unbook(&mut self, since: Timestamp) {
        if let Some((who, _)) = self.waiting.remove(&since) {
            self.promised.remove(&who);
        }
    }

    /// How many wait.
    pub fn bookings(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing here can matter any more.
    pub fn is_spent(&self) -> bool {
        self.held.is_empty() && self.taken.is_empty() && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn who(event: u64) -> Who {
        ("c".into(), event)
    }

    fn full(limit: u64) -> Concurrency {
        let mut key = Concurrency::default();
        (0..limit).for_each(|event| key.was_held(&who(event)));
        key
    }

    #[test]
    fn as_many_go_on_as_there_are_places_and_then_one_for_each_that_is_freed() {
        let mut key = full(2);
        assert_eq!(full(1).rule(2, at(0), Comer::New), ConcurrencyRuling::Free);
        assert_eq!(key.rule(2, at(0), Comer::New), ConcurrencyRuling::Closed { since: at(0) });
        key.was_booked(at(0), &who(7));
        key.was_booked(at(1), &who(8));
        assert_eq!(key.promise(2), []);
        key.was_freed(&who(0));
        assert_eq!((key.promise(2), key.promise(2)), (vec![who(7)], vec![]), "and is told once");
        assert_eq!(key.rule(2, at(5), Comer::Back(at(0))), ConcurrencyRuling::Free);
        assert_eq!(key.rule(2, at(5), Comer::Back(at(1))), ConcurrencyRuling::Closed { since: at(1) });
    }

    #[test]
    fn a_newcomer_stands_behind_those_who_wait_though_a_place_is_free() {
        let mut key = full(1);
        key.was_booked(at(0), &who(7));
        key.was_freed(&who(0));
        let microsecond = std::time::Duration::from_micros(1);
        assert_eq!(key.rule(1, at(0), Comer::New), ConcurrencyRuling::Closed { since: at(0).after(microsecond) });
    }

    #[test]
    fn one_that_was_told_and_did_not_come_is_told_again() {
        let mut key = Concurrency::default();
        key.was_booked(at(0), &who(7));
        assert_eq!(key.promise(1), [who(7)]);
        key.unpromise(&who(7));
        assert_eq!(key.promise(1), [who(7)]);
    }

    #[test]
    fn just_a_reservation_makes_it_unclear_until_it_is_settled() {
        let mut key = Concurrency::default();
        key.take(&who(1), AskId(1));
        assert_eq!(key.rule(1, at(0), Comer::New), ConcurrencyRuling::Unclear);
        let mut lost = key.clone();
        lost.release(AskId(1));
        assert_eq!(lost.rule(1, at(0), Comer::New), ConcurrencyRuling::Free);
        key.commit(AskId(1));
        assert_eq!(key.rule(1, at(0), Comer::New), ConcurrencyRuling::Closed { since: at(0) });
    }
}
