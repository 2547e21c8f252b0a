//! The calendar of a session window's entry.

use std::sync::Arc;

use chrono::NaiveDate;
use serde::Deserialize;
use toml::Spanned;

use super::Fault;
use super::entry::{At, Entry, count};
use crate::governance::calendar::{self, Calendar, CalendarError, Days, Hours, OtherHours};
use crate::governance::kind::PolicyKind;
use crate::governance::window::WindowRule;

/// A date or a time, in quotes or as TOML has them without.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    Quoted(String),
    Plain(toml::value::Datetime),
}

impl Text {
    fn text(&self) -> String {
        match self {
            Text::Quoted(text) => text.clone(),
            Text::Plain(datetime) => datetime.to_string(),
        }
    }
}

/// Days with other hours.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HoursEntry {
    from: Spanned<Text>,
    to: Option<Spanned<Text>>,
    days: Option<Spanned<Vec<Spanned<String>>>>,
    start: Option<Spanned<Text>>,
    end: Option<Spanned<Text>>,
    closed: Option<Spanned<bool>>,
}

pub(super) fn kind(entry: &Entry, at: &At<'_>) -> Result<PolicyKind, Fault> {
    let zone = at.needed("zone", &entry.zone)?;
    let days = entry.days.as_ref().map_or(Ok(Days::ALL), days)?;
    let hours = hours(&at.needed("start", &entry.start)?, &at.needed("end", &entry.end)?)?;
    let mut calendar = Calendar::new(zone.get_ref(), days, hours).map_err(told_at(zone.span().start))?;
    if let Some(holidays) = &entry.holidays {
        let days: Vec<NaiveDate> = holidays.get_ref().iter().map(date).collect::<Result<_, _>>()?;
        calendar = calendar.holidays(days);
    }
    for other in entry.hours.iter().flat_map(|hours| hours.get_ref()) {
        calendar = calendar.other_hours(other_hours(other)?);
    }
    let place = entry.days.as_ref().map_or(at.start, |days| days.span().start);
    calendar.check().map_err(told_at(place))?;
    let at_most = entry.at_most.as_ref().map(count).transpose()?;
    let rule = WindowRule { calendar: Arc::new(calendar), at_most };
    Ok(PolicyKind::Window { rule, key: entry.key(), mode: entry.mode(at)? })
}

fn other_hours(entry: &Spanned<HoursEntry>) -> Result<OtherHours, Fault> {
    let here = entry.get_ref();
    let from = date(&here.from)?;
    let to = here.to.as_ref().map_or(Ok(from), date)?;
    if to < from {
        let at = here.to.as_ref().map_or(0, |to| to.span().start);
        return Err((at, CalendarError::Backwards { from, to }.to_string()));
    }
    let closed = here.closed.as_ref().is_some_and(|closed| *closed.get_ref());
    let hours = match (closed, &here.start, &here.end) {
        (true, None, None) => None,
        (false, Some(start), Some(end)) => Some(hours(start, end)?),
        _ => return Err((entry.span().start, "other hours need 'start' and 'end', or 'closed = true'".into())),
    };
    Ok(OtherHours { from, to, days: here.days.as_ref().map(days).transpose()?, hours })
}

fn days(field: &Spanned<Vec<Spanned<String>>>) -> Result<Days, Fault> {
    field.get_ref().iter().try_fold(Days::NONE, |all, day| {
        let why = || format!("'{}' is no day such as mon, or mon-fri", day.get_ref());
        Days::parse(day.get_ref()).map(|days| all.and(days)).ok_or_else(|| (day.span().start, why()))
    })
}

fn hours(start: &Spanned<Text>, end: &Spanned<Text>) -> Result<Hours, Fault> {
    let time = |field: &Spanned<Text>| calendar::time(&field.get_ref().text()).map_err(told_at(field.span().start));
    let (start_time, end_time) = (time(start)?, time(end)?);
    let place = if start_time >= calendar::time("24:00").unwrap_or_default() { start } else { end };
    Hours::new(start_time, end_time).map_err(told_at(place.span().start))
}

fn date(field: &Spanned<Text>) -> Result<NaiveDate, Fault> {
    let text = field.get_ref().text();
    let why = || (field.span().start, format!("'{text}' is no date such as 2026-12-24"));
    NaiveDate::parse_from_str(&text, "%Y-%m-%d").map_err(|_| why())
}

fn told_at(at: usize) -> impl Fn(CalendarError) -> Fault {
    move |error| (at, error.to_string())
}
