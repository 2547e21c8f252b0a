//! Instants, in whole microseconds.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant in UTC, in whole microseconds since 1970; earlier ones are negative.
///
/// Digits of a wire timestamp beyond the microsecond stay in the event's bytes; order and arithmetic do not see them.
/// Printed as RFC 3339 with milliseconds, or with microseconds where there are any.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Default for Timestamp {
    /// The earliest instant: 1970 is one like any other.
    fn default() -> Self {
        Self::MIN
    }
}

/// Why a text is no [`Timestamp`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no RFC 3339 time with a zone, such as 2026-01-31T09:00:00Z ({why})")]
pub struct TimestampError {
    text: String,
    why: String,
}

impl Timestamp {
    /// The earliest instant.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest instant.
    pub const MAX: Timestamp = Timestamp(i64::MAX);
    /// The last instant that is told in a form that all can read: the end of the year 9999.
    pub const LAST: Timestamp = Timestamp(253_402_300_799_999_999);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 time. One without a zone is refused: it would be a guess.
    ///
    /// ```
    /// use regie_core::Timestamp;
    /// assert_eq!(Timestamp::parse("1969-12-31T23:59:59.5Z").unwrap().micros(), -500_000);
    /// assert!(Timestamp::parse("2026-01-01T00:00:00").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let refused = |why: String| TimestampError { text: text.chars().take(64).collect(), why };
        let time = DateTime::parse_from_rfc3339(text).map_err(|error| refused(error.to_string()))?;
        // A leap second, or a zone, may carry it beyond what can be written with four digits.
        let instant = Self(time.timestamp_micros());
        match instant.to_chrono().year() {
            0..=9_999 => Ok(instant),
            year => Err(refused(format!("in UTC it is in the year {year}; 0 to 9999 are taken"))),
        }
    }

    /// This much later, but no later than [`Timestamp::LAST`], unless it is so already: what is owed then is written.
    pub fn after(self, duration: Duration) -> Self {
        let later = self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX));
        Self(later).min(Self::LAST.max(self))
    }

    /// This much earlier, or the earliest instant there is.
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; nothing if it is before.
    pub fn since(self, earlier: Timestamp) -> Duration {
        let micros = i128::from(self.0) - i128::from(earlier.0);
        Duration::from_micros(u64::try_from(micros.max(0)).unwrap_or(u64::MAX))
    }

    /// The same instant as chrono has it; the nearest one that chrono can tell, 262,000 years off.
    pub fn to_chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.0 % 1_000 == 0 { SecondsFormat::Millis } else { SecondsFormat::Micros };
        f.write_str(&self.to_chrono().to_rfc3339_opts(digits, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_printed_and_microseconds_only_where_there_are_any() {
        assert_eq!(Timestamp::parse("2026-01-31T10:00:00+01:00").unwrap().to_string(), "2026-01-31T09:00:00.000Z");
        assert_eq!(Timestamp::parse("2026-01-31T09:00:00.000123Z").unwrap().to_string(), "2026-01-31T09:00:00.000123Z");
    }

    #[test]
    fn what_four_digits_cannot_tell_is_refused() {
        for text in ["9999-12-31T23:59:60Z", "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00"] {
            assert!(Timestamp::parse(text).unwrap_err().to_string().contains("9999"), "{text}");
        }
        assert!(Timestamp::parse("9999-12-31T23:59:59Z").is_ok());
    }

    #[test]
    fn whatever_is_added_to_a_time_can_be_told_and_read() {
        let late = Timestamp::from_millis(0).after(Duration::MAX);
        assert_eq!((Timestamp::parse(&late.to_string()), late), (Ok(Timestamp::LAST), Timestamp::LAST));
        assert_eq!(Timestamp::MAX.after(Duration::MAX), Timestamp::MAX, "what is later stays so");
    }

    #[test]
    fn what_was_before_1970_is_fine_and_what_has_no_zone_is_refused() {
        assert_eq!(Timestamp::parse("1969-12-31T00:00:00Z").unwrap().to_string(), "1969-12-31T00:00:00.000Z");
        assert!(Timestamp::parse("2026-01-31T09:00:00").unwrap_err().to_string().contains("zone"));
    }
}
