//! When a stretch of a zone's wall clock is, in UTC.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::Timestamp;

/// No zone's clock has ever been farther from UTC.
const FARTHEST: TimeDelta = TimeDelta::hours(16);
/// No zone has changed its clock and changed it back within this.
const STEP: i64 = 6 * 3_600;

/// What the wall clock of a zone shows.
pub(super) fn local(zone: Tz, instant: Timestamp) -> NaiveDateTime {
    let utc = instant.to_chrono().naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix().local_minus_utc();
    utc.checked_add_signed(TimeDelta::seconds(offset.into())).unwrap_or(utc)
}

/// The instants at which the wall clock shows something in [from, to), as intervals in their order. Where the clock is put
/// back it may show a time twice: then there may be two. Where it is put forward there may be none.
pub(super) fn instants(zone: Tz, from: NaiveDateTime, to: NaiveDateTime) -> Vec<(Timestamp, Timestamp)> {
    let [from, to] = [from, to].map(|local| local.and_utc().timestamp());
    let end = to.saturating_add(FARTHEST.num_seconds());
    let mut found: Vec<(i64, i64)> = Vec::with_capacity(2);
    let mut begin = from.saturating_sub(FARTHEST.num_seconds());
    while begin < end {
        let offset = offset_at(zone, begin);
        let change = next_change(zone, begin, end);
        let (start, stop) = (begin.max(from.saturating_sub(offset)), change.min(to.saturating_sub(offset)));
        match found.last_mut() {
            _ if start >= stop => {}
            Some(last) if last.1 == start => last.1 = stop,
            _ => found.push((start, stop)),
        }
        begin = change;
    }
    let instant = |seconds: i64| Timestamp::from_micros(seconds.saturating_mul(1_000_000));
    found.into_iter().map(|(start, stop)| (instant(start), instant(stop))).collect()
}

/// The first second after `begin` with another offset, or the end.
fn next_change(zone: Tz, begin: i64, end: i64) -> i64 {
    let offset = offset_at(zone, begin);
    let mut same = begin;
    while same < end {
        let mut other = same.saturating_add(STEP);
        if offset_at(zone, other) == offset {
            same = other;
            continue;
        }
        while other - same > 1 {
            let middle = same + (other - same) / 2;
            if offset_at(zone, middle) == offset { same = middle } else { other = middle }
        }
        return other.min(end);
    }
    end
}

fn offset_at(zone: Tz, seconds: i64) -> i64 {
    let utc = DateTime::from_timestamp(seconds, 0).unwrap_or_default().naive_utc();
    zone.offset_from_utc_datetime(&utc).fix().local_minus_utc().into()
}
