//! One key of one debounce, as a state machine: of a burst the last goes on, once it has been quiet.
//!
//! The exact rule: an event at t belongs to the burst whose slot is after t, or else begins one; its slot is t + wait, or the
//! burst's first + max if that is earlier. At its return the latest of its burst goes on, and the others are overtaken. Nobody
//! of a burst returns while a place in it is only reserved: who was overtaken would depend on which commit is told first, and a
//! restart might find it otherwise.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::ask::{AskId, Who};
use super::cooldown::Comer;
use crate::Timestamp;

/// How long it must be quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebounceRule {
    /// How long after an event no other may come, for it to go on.
    pub wait: Duration,
    /// How long after the first of a burst its last goes on at the latest.
    pub max: Option<Duration>,
}

/// What one key says to one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebounceRuling {
    /// It goes on: it was the last of its burst, or has that behind it.
    Free,
    /// It came back, and others of its burst came after it.
    Overtaken,
    /// It comes back then.
    Put {
        /// Its slot.
        slot: Timestamp,
        /// When its burst began.
        first: Timestamp,
        /// Which of the burst it is.
        nth: u32,
    },
    /// Only a reservation stands in its way.
    Unclear,
}

/// The state of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debounce {
    /// By their first instant.
    bursts: BTreeMap<Timestamp, Burst>,
    /// Where each event that is put off stands.
    events: HashMap<Who, (Timestamp, u32)>,
    /// What each ask reserves.
    reserved: Vec<(AskId, Who, Place)>,
}

/// A place in a burst, as its grant has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When it comes back.
    pub slot: Timestamp,
    /// When its burst began.
    pub first: Timestamp,
    /// Which of the burst it is.
    pub nth: u32,
}

/// A burst whose events have not all come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Burst {
    /// The latest of it.
    top: u32,
    /// When that comes back.
    slot: Timestamp,
    /// How many of it are put off.
    standing: usize,
}

impl Debounce {
    /// What this key says to one who comes at `now`. What comes back to another policy's place has been through here.
    pub fn rule(&self, rule: &DebounceRule, now: Timestamp, (comer, who): (Comer, &Who)) -> DebounceRuling {
        match comer {
            Comer::New => self.put(rule, now),
            Comer::Promised(_) => DebounceRuling::Free,
            Comer::Back(_) if self.is_unsettled(who) => DebounceRuling::Unclear,
            Comer::Back(_) => match self.events.get(who) {
                Some((first, nth)) if self.bursts.get(first).is_some_and(|burst| burst.top > *nth) => {
                    DebounceRuling::Overtaken
                }
                _ => DebounceRuling::Free,
            },
        }
    }

    /// Whether others have reserved places in the burst of one who is put off: until that is settled it does not return, nor is
    /// its place given back.
    pub fn is_unsettled(&self, who: &Who) -> bool {
        let Some((first, _)) = self.events.get(who) else { return false };
        self.reserved.iter().any(|(.., place)| place.first == *first)
    }

    fn put(&self, rule: &DebounceRule, now: Timestamp) -> DebounceRuling {
        let committed =
            self.bursts.iter().map(|(first, burst)| Place { slot: burst.slot, first: *first, nth: burst.top });
        let known = committed.chain(self.reserved.iter().map(|(.., place)| *place));
        let current = known.filter(|place| place.slot > now).max_by_key(|place| (place.first, place.nth));
        let (first, nth) = current.map_or((now, 1), |last| (last.first, last.nth.saturating_add(1)));
        let quiet = now.after(rule.wait);
        let slot = rule.max.map_or(quiet, |max| quiet.min(first.after(max)));
        DebounceRuling::Put { slot, first, nth }
    }

    /// Reserves a place in a burst.
    pub fn book(&mut self, place: Place, who: &Who, ask: AskId) {
        self.reserved.push((ask, who.clone(), place));
    }

    /// Makes what an ask reserved final.
    pub fn commit(&mut self, ask: AskId) {
        let mine: Vec<_> = self.reserved.extract_if(.., |(by, ..)| *by == ask).collect();
        mine.into_iter().for_each(|(_, who, place)| self.was_put(place, &who, place.nth));
    }

    /// Gives up what an ask reserved.
    pub fn release(&mut self, ask: AskId) {
        self.reserved.retain(|(by, ..)| *by != ask);
    }

    /// A committed booking, as the journal has it, and the latest of the burst that has been committed while it stands.
    pub fn was_put(&mut self, place: Place, who: &Who, top: u32) {
        let burst = self.bursts.entry(place.first).or_default();
        (burst.top, burst.slot) = (burst.top.max(top), burst.slot.max(place.slot));
        burst.standing += 1;
        self.events.insert(who.clone(), (place.first, place.nth));
    }

    /// A booking was used or given up.
    pub fn unbook(&mut self, who: &Who) {
        let Some((first, _)) = self.events.remove(who) else { return };
        let Some(burst) = self.bursts.get_mut(&first) else { return };
        burst.standing -= 1;
        if burst.standing == 0 {
            self.bursts.remove(&first);
        }
    }

    /// Whether nothing here can matter any more.
    pub fn is_spent(&self) -> bool {
        self.events.is_empty() && self.reserved.is_empty()
    }

    /// How many are put off.
    pub fn bookings(&self) -> usize {
        self.events.len() + self.reserved.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: DebounceRule = DebounceRule { wait: Duration::from_millis(100), max: Some(Duration::from_millis(250)) };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn who(event: u64) -> Who {
        ("c".into(), event)
    }

    fn put(key: &mut Debounce, event: u64, now: i64) -> i64 {
        match key.rule(&RULE, at(now), (Comer::New, &who(event))) {
            DebounceRuling::Put { slot, first, nth } => {
                key.was_put(Place { slot, first, nth }, &who(event), nth);
                slot.micros() / 1_000
            }
            other => panic!("{other:?}"),
        }
    }

    fn back(key: &Debounce, event: u64, now: i64) -> DebounceRuling {
        key.rule(&RULE, at(now), (Comer::Back(at(now)), &who(event)))
    }

    #[test]
    fn each_event_puts_the_end_off_but_not_beyond_the_longest() {
        let mut key = Debounce::default();
        let slots = [0, 60, 120, 180, 249].map(|now| put(&mut key, now as u64, now));
        assert_eq!(slots, [100, 160, 220, 250, 250]);
        assert_eq!(put(&mut key, 250, 250), 350, "one that comes at the end begins another");
    }

    #[test]
    fn the_last_of_a_burst_goes_on_and_the_others_are_overtaken() {
        let mut key = Debounce::default();
        for (event, now) in [(1, 0), (2, 200), (3, 290), (4, 300)] {
            put(&mut key, event, now);
        }
        assert_eq!(back(&key, 1, 100), DebounceRuling::Free);
        key.unbook(&who(1));
        assert_eq!(back(&key, 4, 400), DebounceRuling::Free);
        key.unbook(&who(4));
        assert_eq!(back(&key, 2, 400), DebounceRuling::Overtaken, "though the one that overtook it is gone");
        assert_eq!(back(&key, 3, 400), DebounceRuling::Overtaken);
    }

    #[test]
    fn who_may_have_been_overtaken_waits_until_that_is_settled() {
        let mut key = Debounce::default();
        put(&mut key, 1, 0);
        key.book(Place { slot: at(199), first: at(0), nth: 2 }, &who(2), AskId(1));
        assert_eq!(back(&key, 1, 100), DebounceRuling::Unclear);
        let mut lost = key.clone();
        lost.release(AskId(1));
        assert_eq!(back(&lost, 1, 100), DebounceRuling::Free);
        key.commit(AskId(1));
        assert_eq!(back(&key, 1, 100), DebounceRuling::Overtaken);
    }

    /// The first may be told to be written after the second has come back, though it was written before: so that does not.
    #[test]
    fn nobody_comes_back_before_those_before_it_are_settled() {
        let mut key = Debounce::default();
        let place = |nth| Place { slot: at(100), first: at(0), nth };
        key.book(place(1), &who(1), AskId(1));
        key.was_put(place(2), &who(2), 2);
        assert_eq!(back(&key, 2, 100), DebounceRuling::Unclear);
        key.commit(AskId(1));
        assert_eq!((back(&key, 2, 100), back(&key, 1, 100)), (DebounceRuling::Free, DebounceRuling::Overtaken));
        key.unbook(&who(2));
        assert_eq!(back(&key, 1, 100), DebounceRuling::Overtaken);
    }

    /// Where the clock was set back, a workflow's time may be ahead, and its event is back before its slot.
    #[test]
    fn who_comes_after_the_last_was_let_go_early_still_joins_its_burst_and_goes_on_too() {
        let mut key = Debounce::default();
        put(&mut key, 1, 0);
        assert_eq!(back(&key, 1, 67), DebounceRuling::Free);
        assert_eq!(put(&mut key, 2, 67), 167);
        assert_eq!(back(&key, 1, 68), DebounceRuling::Overtaken, "if letting it go came to nothing");
        key.unbook(&who(1));
        assert_eq!(back(&key, 2, 167), DebounceRuling::Free);
    }

    #[test]
    fn a_restart_knows_who_was_overtaken_by_one_that_is_gone() {
        let mut key = Debounce::default();
        key.was_put(Place { slot: at(250), first: at(0), nth: 4 }, &who(4), 5);
        assert_eq!(back(&key, 4, 250), DebounceRuling::Overtaken);
    }
}
