//! When something is open: days of the week, hours by the clock on a wall somewhere, holidays, days with other hours.
//!
//! The one rule: an instant is inside the session of a day exactly if what the wall clock shows then, date and time, is in
//! [start, end) of that day's session. All the rest follows from it, the days on which the clock is changed too.

mod hours;
mod zone;

use std::collections::BTreeSet;

use chrono::{Days as DayCount, NaiveDate, NaiveDateTime};
use chrono_tz::Tz;

pub(in crate::governance) use hours::time;
pub use hours::{Days, Hours, OtherHours};

use crate::{Timestamp, limits};

/// Sessions: when something is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    zone: Tz,
    days: Days,
    hours: Hours,
    holidays: BTreeSet<NaiveDate>,
    others: Vec<OtherHours>,
}

/// A stretch of time without a break in which a session is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// From this instant on.
    pub start: Timestamp,
    /// Up to this instant, which is excluded.
    pub end: Timestamp,
    /// When its session began: the same instant, but where the clock is put back within the session and breaks it in two.
    pub session: Timestamp,
    /// When its session is over.
    pub session_end: Timestamp,
}

/// Why something is no calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    /// No such zone.
    #[error("'{zone}' is no time zone such as Europe/Berlin")]
    Zone {
        /// What was given.
        zone: String,
    },
    /// No time of day.
    #[error("'{text}' is no time of day such as 09:00 (24:00 is an end alone)")]
    Time {
        /// What was given.
        text: String,
    },
    /// It would end as it starts.
    #[error("a session that ends when it starts has no length; a whole day is 00:00 to 24:00")]
    NoLength,
    /// Days with other hours of which the last is before the first.
    #[error("{to} is before {from}")]
    Backwards {
        /// The first day.
        from: NaiveDate,
        /// The last day.
        to: NaiveDate,
    },
    /// It has no day.
    #[error("it never opens")]
    NeverOpens,
    /// More holidays, or days with other hours, than are taken.
    #[error("{count} holidays and other hours; at most {} are taken", limits::CALENDAR_ENTRIES)]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

impl Calendar {
    /// These days at these hours by the clock of an IANA zone.
    pub fn new(zone: &str, days: Days, hours: Hours) -> Result<Self, CalendarError> {
        let refused = || CalendarError::Zone { zone: zone.chars().take(64).collect() };
        let zone = zone.parse().map_err(|_| refused())?;
        Ok(Self { zone, days, hours, holidays: BTreeSet::new(), others: Vec::new() })
    }

    /// Closed on these days, whatever else is said.
    pub fn holidays(mut self, days: impl IntoIterator<Item = NaiveDate>) -> Self {
        self.holidays.extend(days);
        self
    }

    /// Some days have other hours, or none. Where several are about a day, the last one that was given is right.
    pub fn other_hours(mut self, other: OtherHours) -> Self {
        self.others.push(other);
        self
    }

    /// Whether it is one.
    pub fn check(&self) -> Result<(), CalendarError> {
        let count = self.holidays.len() + self.others.len();
        if count > limits::CALENDAR_ENTRIES {
            return Err(CalendarError::TooMany { count });
        }
        if let Some(OtherHours { from, to, .. }) = self.others.iter().find(|other| other.to < other.from) {
            return Err(CalendarError::Backwards { from: *from, to: *to });
        }
        // What closes days ends some day, and then the days of the week count again.
        let opens = |other: &OtherHours| {
            let mut days = other.from.iter_days().take_while(|day| *day <= other.to).take(DAYS_AHEAD);
            other.hours.is_some() && days.any(|day| self.shown_on(day).is_some())
        };
        match self.days.is_none() && !self.others.iter().any(opens) {
            true => Err(CalendarError::NeverOpens),
            false => Ok(()),
        }
    }

    /// The stretch in which an instant is, if something is open then.
    pub fn is_open(&self, instant: Timestamp) -> Option<Occurrence> {
        let shows = zone::local(self.zone, instant);
        let today = shows.date();
        let day = [Some(today), today.pred_opt()].into_iter().flatten().find(|day| {
            let session = self.session_of(*day);
            session.is_some_and(|(start, end)| start <= shows && shows < end)
        })?;
        self.stretches(day).into_iter().find(|stretch| stretch.start <= instant && instant < stretch.end)
    }

    /// The day that its clock shows at an instant.
    pub(in crate::governance) fn day_of(&self, instant: Timestamp) -> NaiveDate {
        zone::local(self.zone, instant).date()
    }

    /// The first stretch that starts after an instant; none if there is none within ten years.
    pub fn next_opening(&self, after: Timestamp) -> Option<Occurrence> {
        let today = zone::local(self.zone, after).date();
        let days = today.pred_opt().unwrap_or(today).iter_days().take(DAYS_AHEAD);
        let first = |day: NaiveDate| self.stretches(day).into_iter().find(|stretch| stretch.start > after);
        days.into_iter().find_map(|day| {
            let found = first(day)?;
            // Where the clock is put back over midnight, the next day may begin before this one goes on.
            let next = day.succ_opt().and_then(first);
            Some(next.filter(|next| next.start < found.start).unwrap_or(found))
        })
    }

    /// The session of a day, as stretches without a break.
    fn stretches(&self, day: NaiveDate) -> Vec<Occurrence> {
        let Some((start, end)) = self.session_of(day) else { return Vec::new() };
        let found = zone::instants(self.zone, start, end);
        let (Some(first), Some(last)) = (found.first(), found.last()) else { return Vec::new() };
        let (session, session_end) = (first.0, last.1);
        found.iter().map(|(start, end)| Occurrence { start: *start, end: *end, session, session_end }).collect()
    }

    /// What the clock shows when the session of a day starts and ends: at the latest with the start of the next day's.
    fn session_of(&self, day: NaiveDate) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let (start, end) = self.shown_on(day)?;
        let next = day.checked_add_days(DayCount::new(1)).and_then(|next| self.shown_on(next));
        Some((start, next.map_or(end, |(next, _)| end.min(next))))
    }

    fn shown_on(&self, day: NaiveDate) -> Option<(NaiveDateTime, NaiveDateTime)> {
        if self.holidays.contains(&day) {
            return None;
        }
        let is_about =
            |other: &&OtherHours| other.from <= day && day <= other.to && other.days.unwrap_or(self.days).has(day);
        let hours = match self.others.iter().rev().find(is_about) {
            Some(other) => other.hours,
            None => self.days.has(day).then_some(self.hours),
        };
        hours.map(|hours| hours.on(day))
    }

    /// All of it, as text.
    pub(super) fn describe(&self) -> serde_json::Value {
        let other = |other: &OtherHours| {
            serde_json::json!({
                "from": other.from.to_string(), "to": other.to.to_string(),
                "days": other.days.map(Days::names), "hours": other.hours.map(Hours::text),
            })
        };
        serde_json::json!({
            "zone": self.zone.name(), "days": self.days.names(), "hours": self.hours.text(),
            "holidays": self.holidays.iter().map(NaiveDate::to_string).collect::<Vec<_>>(),
            "other_hours": self.others.iter().map(other).collect::<Vec<_>>(),
        })
    }

    /// In short, for people.
    pub(super) fn in_short(&self) -> String {
        format!("{} {}", self.hours.text(), self.zone.name())
    }
}

/// How far ahead an opening is searched for.
const DAYS_AHEAD: usize = 3_660;
