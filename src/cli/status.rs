//! `regie status`: how all workflows stand, and the process that runs them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use regie_core::histogram::Spread;
use regie_core::query::RunCounts;

use super::exit::{Exit, Failure};
use super::query::short;
use super::screen::{Look, Screen, Tone, grouped, plain};
use super::table::{Column, Table};
use super::workflow::{StatusArgs, cells, columns};
use super::{ask, open};
use crate::runtime::{Live, Status, WorkflowLine, status as status_of};

/// Prints the status: from the journal, and from the process that owns it if there is one.
pub(super) fn status(args: &StatusArgs) -> Result<Exit, Failure> {
    let settings = open::settings(&args.common)?;
    let mut journal = open::read_fresh(&args.common)?;
    let status = Status { live: ask::live(&settings), ..status_of(&mut journal.reader)? };
    let mut screen = Screen::stdout();
    if args.common.json {
        serde_json::to_writer(&mut screen, &status).map_err(io::Error::from)?;
        writeln!(screen)?;
    } else {
        print(&mut screen, &status)?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

fn print(screen: &mut Screen, status: &Status) -> io::Result<()> {
    let look = screen.look;
    let (all, counts) = (&status.counts.all, &status.counts);
    let rate = all.success_rate.map(|rate| format!(", success rate {}", rounded(rate))).unwrap_or_default();
    let told = if all.workflows == 0 { "no workflow".to_string() } else { format!("{}{rate}", by_status(all)) };
    row(screen, "workflows", &told)?;
    if let Some(took) = &all.took {
        row(screen, "took", &spread(took))?;
    }
    let per_hour = rounded(counts.ended_per_hour);
    let ended = grouped(counts.ended_last_day);
    let up_to = status.as_of.map(|at| format!(" in the day up to {}", short(at))).unwrap_or_default();
    row(screen, "ended", &format!("{per_hour} an hour: {ended}{up_to}"))?;
    definitions(screen, look, &counts.by_definition)?;
    lines(screen, "oldest that run", &status.oldest_running)?;
    lines(screen, "waiting for a person", &status.waiting)?;
    match &status.live {
        Some(owner) => live(screen, owner),
        None => writeln!(screen, "\n{}", look.paint(Tone::Faint, "no process runs them now, or it cannot be asked")),
    }
}

fn row(screen: &mut Screen, name: &str, told: &str) -> io::Result<()> {
    writeln!(screen, "{name:<12}{told}")
}

/// `1 completed, 1 failed`, with what is held among those that run.
fn by_status(counts: &RunCounts) -> String {
    let mut told: Vec<String> =
        counts.by_status.iter().map(|(status, count)| format!("{} {status}", grouped(*count))).collect();
    let held = [("paused", counts.paused), ("parked", counts.parked)];
    told.extend(
        held.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{} {name}", grouped(count))),
    );
    told.join(", ")
}

fn definitions(screen: &mut Screen, look: Look, all: &BTreeMap<String, RunCounts>) -> io::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        Column::id("definition", 10),
        Column::words("workflows", 20, 12),
        Column::text("success", 7),
        Column::words("took", 16, 12),
    ]);
    for (name, counts) in all {
        let rate = counts.success_rate.map_or("-".to_string(), rounded);
        let took = counts.took.as_ref().map_or("-".to_string(), spread);
        let cells =
            [(plain(name), Tone::Strong), (by_status(counts), Tone::Plain), (rate, Tone::Plain), (took, Tone::Faint)];
        table.row(cells);
    }
    writeln!(screen)?;
    table.print(screen, look)
}

fn lines(screen: &mut Screen, title: &str, lines: &[WorkflowLine]) -> io::Result<()> {
    let look = screen.look;
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(screen, "\n{}", look.paint(Tone::Strong, title))?;
    let mut table = Table::new(columns());
    lines.iter().for_each(|line| table.row(cells(line)));
    table.print(screen, look)
}

fn live(screen: &mut Screen, live: &Live) -> io::Result<()> {
    let look = screen.look;
    writeln!(screen, "\n{}", look.paint(Tone::Strong, "the process that runs them"))?;
    let ready = if live.health.ready { look.paint(Tone::Good, "yes") } else { look.paint(Tone::Bad, "no") };
    row(screen, "ready", &ready)?;
    for part in &live.health.parts {
        if let Some(trouble) = &part.trouble {
            row(screen, &plain(&part.name), &look.paint(Tone::Bad, &plain(trouble)))?;
        }
    }
    let (memory, results) = (grouped(live.in_memory), grouped(live.results));
    row(
        screen,
        "in memory",
        &format!("{memory} workflows, {results} results of {} bytes", grouped(live.result_bytes)),
    )?;
    row(screen, "under way", &grouped(live.under_way))?;
    for (definition, times) in &live.handlers {
        let decided = format!("{} decided {} times, {}", plain(definition), grouped(times.count), spread(times));
        row(screen, "handler", &decided)?;
    }
    Ok(())
}

fn spread(spread: &Spread) -> String {
    let [p50, p95, max] = [spread.p50_ms, spread.p95_ms, spread.max_ms].map(duration);
    format!("p50 {p50}, p95 {p95}, at most {max}")
}

/// Milliseconds in the unit that people would say them in.
fn duration(millis: f64) -> String {
    match millis {
        less if less < 1.0 => format!("{:.0} µs", less * 1_000.0),
        less if less < 1_000.0 => format!("{} ms", rounded(less)),
        less if less < 120_000.0 => format!("{} s", rounded(less / 1_000.0)),
        less if less < 7_200_000.0 => format!("{} min", rounded(less / 60_000.0)),
        more => format!("{} h", rounded(more / 3_600_000.0)),
    }
}

/// A number with three figures, as people say it.
fn rounded(number: f64) -> String {
    let decimals = if number >= 100.0 {
        0
    } else if number >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{number:.decimals$}");
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    short.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_are_said_as_people_say_them() {
        assert_eq!([0.5, 0.0, 1.0, 12.34, 250.0].map(rounded), ["0.5", "0", "1", "12.3", "250"]);
        let told = [0.25, 3.0, 1_500.0, 180_000.0, 36_000_000.0].map(duration);
        assert_eq!(told, ["250 µs", "3 ms", "1.5 s", "3 min", "10 h"]);
    }
}
