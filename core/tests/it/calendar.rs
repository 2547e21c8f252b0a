//! Calendars against brute force over minutes, where the clock is changed too, and against the true sessions of exchanges.

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeZone, Timelike};
use chrono_tz::Tz;
use proptest::prelude::*;
use regie_core::Timestamp;
use regie_core::governance::{Calendar, CalendarError, Days, Hours, OtherHours};

use super::helpers::shared;

fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn utc(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

fn calendar(zone: &str, start: &str, end: &str) -> Calendar {
    Calendar::new(zone, Days::ALL, Hours::parse(start, end).expect("hours")).expect("a calendar")
}

fn other(from: &str, to: &str, hours: Option<(&str, &str)>) -> OtherHours {
    let hours = hours.map(|(start, end)| Hours::parse(start, end).expect("hours"));
    OtherHours { from: date(from), to: date(to), days: None, hours }
}

/// The stretches that begin on a day by UTC, or on the day before it.
fn stretches(calendar: &Calendar, from: &str, to: &str) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), utc(from));
    while let Some(next) = calendar.next_opening(after).filter(|next| next.start < utc(to)) {
        let clock = |at: Timestamp| at.to_chrono().format("%d %H:%M").to_string();
        found.push(format!("{} - {}", clock(next.start), clock(next.end)));
        after = next.start;
    }
    found
}

#[test]
fn an_hour_that_does_not_exist_is_left_out_and_one_that_comes_twice_is_open_twice() {
    let berlin = calendar("Europe/Berlin", "01:30", "02:30");
    // At 02:00 the clock shows 03:00.
    assert_eq!(stretches(&berlin, "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z"), ["29 00:30 - 29 01:00"]);
    // At 03:00 the clock shows 02:00.
    let twice = ["24 23:30 - 25 00:30", "25 01:00 - 25 01:30"];
    assert_eq!(stretches(&berlin, "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"), twice);
    let york = calendar("America/New_York", "01:30", "02:30");
    assert_eq!(stretches(&york, "2026-03-08T00:00:00Z", "2026-03-09T00:00:00Z"), ["08 06:30 - 08 07:00"]);
    // At 02:00 the clock shows 01:00: from half past one to two, and from half past one to half past two.
    let twice = ["01 05:30 - 01 06:00", "01 06:30 - 01 07:30"];
    assert_eq!(stretches(&york, "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"), twice);
}

#[test]
fn a_session_that_is_broken_in_two_is_one_session() {
    let berlin = calendar("Europe/Berlin", "01:30", "02:30");
    let second = berlin.is_open(utc("2026-10-25T01:10:00Z")).expect("open");
    assert_eq!((second.start, second.session), (utc("2026-10-25T01:00:00Z"), utc("2026-10-24T23:30:00Z")));
    assert_eq!(berlin.is_open(utc("2026-10-25T00:45:00Z")), None);
}

#[test]
fn a_start_in_the_gap_is_the_first_instant_after_it_and_a_session_within_the_gap_is_none() {
    let from = |start: &str, end: &str| {
        stretches(&calendar("Europe/Berlin", start, end), "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z")
    };
    assert_eq!(from("02:30", "05:00"), ["29 01:00 - 29 03:00"]);
    assert_eq!(from("02:10", "02:40"), Vec::<String>::new());
}

#[test]
fn a_session_over_midnight_belongs_to_the_day_on_which_it_starts() {
    let nights = calendar("Asia/Kathmandu", "22:00", "06:00").holidays([date("2026-01-02")]);
    let open = |text: &str| nights.is_open(utc(text)).is_some();
    // Kathmandu is 5:45 ahead. The night of the first goes on into the holiday, that of the holiday is none.
    assert_eq!([open("2026-01-01T16:15:00Z"), open("2026-01-02T00:14:59Z")], [true, true]);
    assert_eq!([open("2026-01-02T00:15:00Z"), open("2026-01-02T16:15:00Z")], [false, false]);
}

#[test]
fn where_two_sessions_overlap_the_later_one_begins_when_it_begins() {
    let early = other("2026-01-02", "2026-01-02", Some(("05:00", "09:00")));
    let nights = calendar("UTC", "22:00", "06:00").other_hours(early);
    let found = stretches(&nights, "2026-01-01T12:00:00Z", "2026-01-03T12:00:00Z");
    assert_eq!(found, ["01 22:00 - 02 05:00", "02 05:00 - 02 09:00"]);
}

#[test]
fn the_last_of_other_hours_is_right_and_a_holiday_before_all() {
    let days = calendar("UTC", "09:00", "17:00")
        .other_hours(other("2026-12-01", "2026-12-31", Some(("10:00", "12:00"))))
        .other_hours(other("2026-12-24", "2026-12-24", None))
        .holidays([date("2026-12-25")]);
    let found = stretches(&days, "2026-12-22T12:00:00Z", "2026-12-26T12:00:00Z");
    assert_eq!(found, ["23 10:00 - 23 12:00", "26 10:00 - 26 12:00"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert_eq!(Hours::parse("09:00", "09:00"), Err(CalendarError::NoLength));
    assert!(Hours::parse("00:00", "24:00").is_ok() && Hours::parse("24:00", "09:00").is_err());
    let hours = Hours::parse("09:00", "17:00").expect("hours");
    assert!(matches!(Calendar::new("Europe/Berlyn", Days::ALL, hours), Err(CalendarError::Zone { .. })));
    let never = Calendar::new("UTC", Days::NONE, hours).expect("a calendar");
    assert_eq!(never.check(), Err(CalendarError::NeverOpens));
    let once = OtherHours { days: Some(Days::ALL), ..other("2026-01-01", "2026-01-01", Some(("09:00", "10:00"))) };
    let once = never.other_hours(once);
    assert_eq!(once.check(), Ok(()));
    assert_eq!(once.next_opening(utc("2026-01-01T09:00:00Z")), None, "it does not open again");
}

/// The one rule, tried out: what the wall clock shows, and on which day that session began.
fn session_by_hand(zone: Tz, (days, start, end): (Days, u32, u32), at: Timestamp) -> Option<NaiveDate> {
    let shows: NaiveDateTime = zone.from_utc_datetime(&at.to_chrono().naive_utc()).naive_local();
    let (today, clock) = (shows.date(), shows.hour() * 60 + shows.minute());
    let opens = |day: NaiveDate| days == days.and(Days::of(&[day.weekday()]));
    let yesterday = today.pred_opt().expect("a day");
    match start < end {
        true => (opens(today) && start <= clock && clock < end).then_some(today),
        false if opens(today) && clock >= start => Some(today),
        false => (opens(yesterday) && clock < end).then_some(yesterday),
    }
}

const CHANGES: [(&str, &str); 8] = [
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Pacific/Chatham", "2026-04-04T14:00:00Z"),
    ("Pacific/Chatham", "2026-09-26T14:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("America/Havana", "2026-11-01T05:00:00Z"), // 01:00 becomes 00:00
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_calendar_is_what_the_clock_on_the_wall_shows_each_minute(
        change in 0_usize..CHANGES.len(),
        near in any::<bool>(),
        (start, end) in (0_u32..1_440, 0_u32..1_440),
        days in proptest::sample::subsequence(vec!["mon", "tue", "wed", "thu", "fri", "sat", "sun"], 1..=7),
    ) {
        let (zone, at) = CHANGES[change];
        // Half of them within some hours of the change.
        let (start, end) = if near { (start % 300, end % 300) } else { (start, end) };
        prop_assume!(start != end);
        let days = days.iter().fold(Days::NONE, |days, day| days.and(Days::parse(day).expect("a day")));
        let clock = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let hours = Hours::parse(&clock(start), &clock(end)).expect("hours");
        let calendar = Calendar::new(zone, days, hours).expect("a calendar");
        let tz: Tz = zone.parse().expect("a zone");
        let minute = |nth: i64| Timestamp::from_micros(utc(at).micros() + nth * 60_000_000);
        let by_hand: Vec<Option<NaiveDate>> =
            (-2_880..2_880).map(|nth| session_by_hand(tz, (days, start, end), minute(nth))).collect();
        let mut seen = BTreeSet::new();
        for (nth, expected) in (-2_880_i64..).zip(&by_hand) {
            let found = calendar.is_open(minute(nth));
            prop_assert_eq!(found.is_some(), expected.is_some(), "{} in {}", minute(nth), zone);
            if let (Some(found), Some(day)) = (found, expected) {
                seen.insert((found.session, *day));
                prop_assert!(found.start <= minute(nth) && minute(nth) < found.end);
            }
        }
        let names: BTreeSet<_> = seen.iter().map(|(session, _)| session).collect();
        let dates: BTreeSet<_> = seen.iter().map(|(_, day)| day).collect();
        prop_assert_eq!((names.len(), dates.len()), (seen.len(), seen.len()), "each day has one session, and each its day");
        // Openings, where the day is followed by enough others to tell.
        let opens = |at: &usize| by_hand[*at].is_some() && by_hand[*at - 1] != by_hand[*at];
        for nth in (1..by_hand.len() - 1).step_by(7) {
            let Some(next) = (nth + 1..by_hand.len()).find(opens) else { break };
            let found = calendar.next_opening(minute(nth as i64 - 2_880)).map(|found| found.start);
            prop_assert_eq!(found, Some(minute(next as i64 - 2_880)));
        }
    }
}

struct Row {
    exchange: String,
    day: NaiveDate,
    open: Timestamp,
    close: Timestamp,
    early: bool,
}

fn rows(text: &str) -> Vec<Row> {
    let row = |line: &str| {
        let [exchange, _, day, open, close, early] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        Row { exchange: exchange.into(), day: date(day), open: utc(open), close: utc(close), early: early == "1" }
    };
    text.lines().skip(1).map(row).collect()
}

/// Regular hours, days with other hours, and the weekdays that are absent.
fn exchange(rows: &[Row]) -> Calendar {
    let tokyo = rows[0].exchange == "XTKS";
    let (zone, start, end) =
        if tokyo { ("Asia/Tokyo", "09:00", "15:00") } else { ("America/New_York", "09:30", "16:00") };
    let hours = Hours::parse(start, end).expect("hours");
    let present: BTreeSet<NaiveDate> = rows.iter().map(|row| row.day).collect();
    let all = rows[0].day.iter_days().take_while(|day| *day <= rows[rows.len() - 1].day);
    let absent = all.filter(|day| day.weekday().num_days_from_monday() < 5 && !present.contains(day));
    let mut calendar = Calendar::new(zone, Days::MON_TO_FRI, hours).expect("a calendar").holidays(absent);
    if tokyo {
        calendar = calendar.other_hours(other("2024-11-05", "2026-12-31", Some(("09:00", "15:30"))));
    }
    for row in rows.iter().filter(|row| row.early) {
        let day = row.day.to_string();
        calendar = calendar.other_hours(other(&day, &day, Some((start, "13:00"))));
    }
    calendar
}

#[test]
fn each_session_of_the_exchanges_opens_and_closes_when_it_did() {
    let Some(text) = shared("sessions/dev.csv") else { return };
    let rows = rows(&text);
    assert_eq!(rows.len(), 990);
    let millisecond = std::time::Duration::from_millis(1);
    for rows in rows.chunk_by(|one, next| one.exchange == next.exchange) {
        let calendar = exchange(rows);
        assert_eq!(calendar.check(), Ok(()));
        for Row { open, close, day, .. } in rows {
            let instants = [open.before(millisecond), *open, close.before(millisecond), *close];
            let found = instants.map(|at| calendar.is_open(at).is_some());
            assert_eq!(found, [false, true, true, false], "{day}");
            let next = calendar.next_opening(open.before(millisecond)).expect("an opening");
            assert_eq!((next.start, next.end), (*open, *close), "{day}");
        }
        for pair in rows.windows(2) {
            assert_eq!(calendar.next_opening(pair[0].open).expect("an opening").start, pair[1].open, "no day between");
        }
    }
}
