//! `regie stats`: counts.

use std::collections::BTreeMap;
use std::io::{self, Write};

use regie_core::query::Stats;

use super::args::StatsArgs;
use super::exit::{Exit, Failure};
use super::open;
use super::screen::{Look, Screen, Tone, grouped, pieces, plain};

/// How many of a map are listed for people; programs get all.
const LISTED: usize = 8;

/// Prints counts over the events that are meant.
pub(super) fn stats(args: &StatsArgs) -> Result<Exit, Failure> {
    let filter = super::query::filter(&args.filter)?;
    let mut journal = open::read_only(&args.common)?;
    let stats = journal.reader.stats(&filter)?;
    let mut screen = Screen::stdout();
    if args.common.json {
        serde_json::to_writer(&mut screen, &stats).map_err(io::Error::from)?;
        writeln!(screen)?;
    } else {
        let look = screen.look;
        print(&mut screen, look, &stats)?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

fn print(out: &mut dyn Write, look: Look, stats: &Stats) -> io::Result<()> {
    let totals = [
        ("events", stats.events),
        ("correlations", stats.correlations),
        ("entities", stats.entities),
        ("sessions", stats.sessions),
        ("event types", stats.event_types),
        ("distinct actors", stats.distinct_actors),
        ("with a cause", stats.with_causation),
    ];
    for (name, count) in totals {
        writeln!(out, "{name:<16}{:>12}", grouped(count))?;
    }
    for (name, time) in [("first", stats.first_timestamp), ("last", stats.last_timestamp)] {
        let time = time.map_or("-".to_string(), |time| time.to_string());
        writeln!(out, "{name:<16}{time}")?;
    }
    let maps = [
        ("by state", &stats.by_state, false),
        ("by priority", &stats.by_priority, false),
        ("by type", &stats.by_type, false),
        ("by actor", &stats.by_actor, false),
        ("by session", &stats.by_session, false),
        ("by month", &stats.by_month, true),
        ("by hour (UTC)", &stats.by_hour, true),
    ];
    for (title, counts, in_time) in maps {
        bars(out, look, (title, in_time), counts)?;
    }
    Ok(())
}

/// A map as bars: the most first, or in time order, of which the last are shown.
fn bars(out: &mut dyn Write, look: Look, what: (&str, bool), counts: &BTreeMap<String, u64>) -> io::Result<()> {
    let (title, in_time) = what;
    if counts.is_empty() {
        return Ok(());
    }
    let mut rows: Vec<(&String, u64)> = counts.iter().map(|(name, count)| (name, *count)).collect();
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    // Hours are 24 at most: they are shown whole. Months are the last dozen.
    let listed = if in_time { 24 } else { LISTED };
    let left_out = rows.len().saturating_sub(listed);
    if in_time {
        rows.drain(..left_out);
    } else {
        rows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        rows.truncate(listed);
    }
    let rest = if left_out > 0 { format!(" ({} more)", grouped(left_out as u64)) } else { String::new() };
    writeln!(out, "\n{}{}", look.paint(Tone::Strong, title), look.paint(Tone::Faint, &rest))?;
    let room = look.readable();
    let name_width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).clamp(2, room - 34);
    let bar_width = (room - name_width - 16).min(30);
    for (name, count) in rows {
        // The quotient of two counts, as columns: never more than the width.
        let filled = (u128::from(count) * bar_width as u128).div_ceil(u128::from(most)) as usize;
        let bar = look.paint(Tone::Faint, &"▪".repeat(filled));
        // Names of which a part were cut off might read alike: what does not fit stands above its count.
        let mut pieces = pieces(&plain(name), name_width);
        let last = pieces.pop().unwrap_or_default();
        pieces.iter().try_for_each(|piece| writeln!(out, "  {piece}"))?;
        let line = format!("  {last:<name_width$}{:>11}  {bar}", grouped(count));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
