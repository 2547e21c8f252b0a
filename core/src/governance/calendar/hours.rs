//! Days of the week, hours of a day, and days with other hours.

use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeDelta, Weekday};

use super::CalendarError;

/// Seconds of a day.
const DAY: u32 = 86_400;

/// Some days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(u8);

const NAMES: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

impl Days {
    /// All seven.
    pub const ALL: Days = Days(0b111_1111);
    /// Monday to Friday.
    pub const MON_TO_FRI: Days = Days(0b001_1111);
    /// None: open on days with other hours alone.
    pub const NONE: Days = Days(0);

    /// These days.
    pub fn of(days: &[Weekday]) -> Self {
        Self(days.iter().fold(0, |bits, day| bits | bit(*day)))
    }

    /// Reads `mon`, or `mon-fri`.
    pub fn parse(text: &str) -> Option<Self> {
        let day = |name: &str| NAMES.iter().position(|(known, _)| *known == name.trim());
        let (first, last) = text.split_once('-').map_or((text, text), |pair| pair);
        let (first, last) = (day(first)?, day(last)?);
        let span = (last + 7 - first) % 7; // `fri-mon` goes over the week's end
        Some((0..=span).fold(Self::NONE, |days, nth| days.and(Self::of(&[NAMES[(first + nth) % 7].1]))))
    }

    /// These and those.
    pub fn and(self, other: Days) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn has(self, date: NaiveDate) -> bool {
        self.0 & bit(date.weekday()) != 0
    }

    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(super) fn names(self) -> Vec<&'static str> {
        NAMES.iter().filter(|(_, day)| self.0 & bit(*day) != 0).map(|(name, _)| *name).collect()
    }
}

fn bit(day: Weekday) -> u8 {
    1 << day.num_days_from_monday()
}

/// The hours of one session by the clock on the wall: from the start on, the end excluded. One whose end is not after its
/// start ends on the next day, and belongs to the day on which it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    start: u32,
    end: u32,
}

impl Hours {
    /// From `09:00` to `17:00`; seconds may be told; `24:00` is the end of the day.
    pub fn parse(start: &str, end: &str) -> Result<Self, CalendarError> {
        Self::new(time(start)?, time(end)?)
    }

    pub(in crate::governance) fn new(start: u32, end: u32) -> Result<Self, CalendarError> {
        match () {
            () if start >= DAY => Err(CalendarError::Time { text: "24:00".into() }),
            () if start == end => Err(CalendarError::NoLength),
            () => Ok(Self { start, end }),
        }
    }

    /// What the clock shows at the start and at the end of the session of a day.
    pub(super) fn on(self, date: NaiveDate) -> (NaiveDateTime, NaiveDateTime) {
        let midnight = date.and_time(chrono::NaiveTime::MIN);
        let over_midnight = if self.end < self.start { DAY } else { 0 };
        let at = |seconds: u32| midnight.checked_add_signed(TimeDelta::seconds(seconds.into())).unwrap_or(midnight);
        (at(self.start), at(self.end + over_midnight))
    }

    /// As text, such as `09:00-17:00`.
    pub fn text(self) -> String {
        let clock = |seconds: u32| match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
            (hour, minute, 0) => format!("{hour:02}:{minute:02}"),
            (hour, minute, second) => format!("{hour:02}:{minute:02}:{second:02}"),
        };
        format!("{}-{}", clock(self.start), clock(self.end))
    }
}

/// A time of day in seconds.
pub(in crate::governance) fn time(text: &str) -> Result<u32, CalendarError> {
    let refused = || CalendarError::Time { text: text.chars().take(64).collect() };
    let part = |part: &str| -> Option<u32> {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let parts: Option<Vec<u32>> = text.split(':').map(part).collect();
    match parts.as_deref() {
        Some([24, 0] | [24, 0, 0]) => Ok(DAY),
        Some([hour @ 0..24, minute @ 0..60]) => Ok(hour * 3_600 + minute * 60),
        Some([hour @ 0..24, minute @ 0..60, second @ 0..60]) => Ok(hour * 3_600 + minute * 60 + second),
        _ => Err(refused()),
    }
}

/// Days with other hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherHours {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Which days of the week among them; without, those of the calendar.
    pub days: Option<Days>,
    /// Their hours; none where they are closed.
    pub hours: Option<Hours>,
}
