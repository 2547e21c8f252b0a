//! What a session window has seen of the openings to come, so that each who comes does not walk over them anew.

use std::cell::RefCell;
use std::sync::Arc;

use super::calendar::{Calendar, Occurrence};
use super::window::WindowRule;
use crate::{Timestamp, limits};

/// It is only remembered: two windows are equal whatever they have seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead(RefCell<Option<Seen>>);

#[derive(Clone, Debug)]
struct Seen {
    calendar: Arc<Calendar>,
    at_most: Option<u32>,
    since: Timestamp,
    /// The next opening after that.
    next: Option<Occurrence>,
    /// How many openings from there on are full, and the last of them.
    full: usize,
    last: Option<Occurrence>,
}

impl PartialEq for Ahead {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Ahead {}

impl Ahead {
    /// The next opening.
    pub(super) fn next(&self, rule: &WindowRule, now: Timestamp) -> Option<Occurrence> {
        self.with(rule, now, |seen| seen.next)
    }

    /// The first opening that has a place, among so many as are looked at.
    pub(super) fn slot(
        &self,
        rule: &WindowRule,
        now: Timestamp,
        has_place: impl Fn(&Occurrence) -> bool,
    ) -> Option<Timestamp> {
        self.with(rule, now, |seen| {
            let mut opening = match &seen.last {
                Some(last) => rule.calendar.next_opening(last.start),
                None => seen.next,
            };
            while seen.full < limits::OPENINGS_AHEAD {
                let here = opening?;
                if has_place(&here) {
                    return Some(here.start);
                }
                (seen.full, seen.last) = (seen.full + 1, Some(here));
                opening = rule.calendar.next_opening(here.start);
            }
            None
        })
    }

    /// A place was given up: an opening that was full may have one.
    pub(super) fn place_is_free(&mut self) {
        if let Some(seen) = self.0.get_mut() {
            (seen.full, seen.last) = (0, None);
        }
    }

    fn with<T>(&self, rule: &WindowRule, now: Timestamp, look: impl FnOnce(&mut Seen) -> T) -> T {
        let mut seen = self.0.borrow_mut();
        let known = seen.take().filter(|seen| seen.holds(rule, now));
        look(seen.insert(known.unwrap_or_else(|| Seen {
            calendar: Arc::clone(&rule.calendar),
            at_most: rule.at_most,
            since: now,
            next: rule.calendar.next_opening(now),
            full: 0,
            last: None,
        })))
    }
}

impl Seen {
    /// Until the next opening has come; where there is none, until a day more is searched.
    fn holds(&self, rule: &WindowRule, now: Timestamp) -> bool {
        Arc::ptr_eq(&self.calendar, &rule.calendar)
            && self.at_most == rule.at_most
            && self.since <= now
            && match &self.next {
                Some(next) => now < next.start,
                None => self.calendar.day_of(self.since) == self.calendar.day_of(now),
            }
    }
}
