//! What trying policies came to, for people.

use std::io::{self, Write};

use regie_core::governance::backtest::{Counts, Fate, PolicyReport, Report, TypeReport};

use super::backtest::{Against, Difference, Outcome};
use crate::cli::screen::{Look, Tone, counted, grouped, plain, wrap};
use crate::cli::table::{Column, Table};

/// What holds an event back, with the colour of each.
const HELD_BACK: [Fate; 3] = [Fate::Deferred, Fate::Discarded, Fate::Escalated];

/// Prints the counts by policy and type, with examples, and what fares otherwise under another set.
pub(super) fn print(out: &mut dyn Write, look: Look, outcome: &Outcome) -> io::Result<()> {
    head(out, look, outcome)?;
    table(out, look, &outcome.report)?;
    outcome.report.policies.iter().try_for_each(|policy| examples(out, look, policy))?;
    match &outcome.against {
        Some(against) => differences(out, look, against),
        None => Ok(()),
    }
}

fn head(out: &mut dyn Write, look: Look, outcome: &Outcome) -> io::Result<()> {
    let report = &outcome.report;
    writeln!(out, "{}{}", counted(report.events, "event"), span(report))?;
    let more = [(report.known, "known"), (report.refused, "refused"), (outcome.unreadable, "unreadable")];
    let more: Vec<String> = more
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", grouped(*count)))
        .collect();
    if !more.is_empty() {
        writeln!(out, "{}", more.join(", "))?;
    }
    let verdicts: Vec<String> =
        report.verdicts.iter().map(|(fate, count)| format!("{} {}", grouped(*count), fate.as_str())).collect();
    writeln!(out, "{}", look.paint(Tone::Strong, &verdicts.join(", ")))?;
    let note = match outcome.signals {
        "journal" => "Reasoners are not asked: signals are those that the journal holds.",
        "none" => "Reasoners are not asked: there are no signals.",
        _ => return Ok(()),
    };
    writeln!(out, "{}", look.paint(Tone::Faint, note))
}

fn span(report: &Report) -> String {
    match (report.first, report.last) {
        (Some(first), Some(last)) => format!(", {first} to {last}"),
        _ => String::new(),
    }
}

fn table(out: &mut dyn Write, look: Look, report: &Report) -> io::Result<()> {
    let mut table = Table::new([
        Column::id("policy", 12),
        Column::id("type", 12),
        Column::words("accepted", 8, 8),
        Column::words("deferred", 8, 8),
        Column::words("discarded", 9, 9),
        Column::words("escalated", 9, 9),
        Column::words("not subject", 11, 11),
    ]);
    let mut none = true;
    for policy in &report.policies {
        let subject = |report: &TypeReport| report.counts.accepted + report.counts.held_back > 0;
        let mut types: Vec<_> = policy.types.iter().filter(|(_, report)| subject(report)).collect();
        types.sort_by_key(|(_, report)| std::cmp::Reverse(report.counts.accepted + report.counts.held_back));
        let rows = types.iter().map(|(kind, report)| (kind.as_str(), &report.counts));
        let whole = [("(no event)", &policy.counts)];
        let whole = whole.into_iter().take(usize::from(types.is_empty()));
        for (kind, counts) in rows.chain(whole) {
            table.row(row(&policy.policy, kind, counts));
            none = false;
        }
    }
    if none {
        return Ok(());
    }
    writeln!(out)?;
    table.print(out, look)
}

fn row(policy: &str, kind: &str, counts: &Counts) -> [(String, Tone); 7] {
    let tinted = |count: u64, tone| (grouped(count), if count > 0 { tone } else { Tone::Faint });
    [
        (plain(policy), Tone::Strong),
        (plain(kind), Tone::Plain),
        tinted(counts.accepted, Tone::Good),
        tinted(counts.deferred, Tone::Doubtful),
        tinted(counts.discarded, Tone::Bad),
        tinted(counts.escalated, Tone::Doubtful),
        (grouped(counts.not_subject), Tone::Faint),
    ]
}

fn examples(out: &mut dyn Write, look: Look, policy: &PolicyReport) -> io::Result<()> {
    if policy.counts.held_back == 0 {
        return Ok(());
    }
    writeln!(out, "\n{}", look.paint(Tone::Strong, &plain(&policy.policy)))?;
    for (kind, report) in policy.types.iter().filter(|(_, report)| report.counts.held_back > 0) {
        for fate in HELD_BACK {
            for example in report.examples.get(&fate).into_iter().flatten() {
                let key = example.key.as_deref().filter(|key| !key.is_empty());
                let key = key.map_or(String::new(), |key| format!(", key {}", plain(key)));
                let left = example.remaining_ms.map_or(String::new(), |left| format!(", {} ms left", grouped(left)));
                let (id, correlation) = (plain(&example.id), plain(&example.correlation_id));
                let what = format!("{} {} of {}", fate.as_str(), plain(kind), correlation);
                let line = format!("{}  {id}: {what}{key}{left}", example.timestamp);
                for (nth, line) in wrap(&line, look.readable() - 4).iter().enumerate() {
                    writeln!(out, "{}{line}", if nth == 0 { "  " } else { "    " })?;
                }
            }
        }
    }
    Ok(())
}

fn differences(out: &mut dyn Write, look: Look, against: &Against) -> io::Result<()> {
    let count = against.differences.len() as u64;
    if count == 0 {
        return writeln!(out, "\nUnder the other set every event fares the same");
    }
    let title = format!(
        "Under the other set {} {} otherwise",
        counted(count, "event"),
        if count == 1 { "fares" } else { "fare" }
    );
    writeln!(out, "\n{}", look.paint(Tone::Strong, &title))?;
    for ((policies, other), count) in against.moves() {
        writeln!(out, "  {:>9} {} -> {}", grouped(count), policies.as_str(), other.as_str())?;
    }
    writeln!(out)?;
    let columns = [
        Column::words("time", 24, 10),
        Column::id("id", 8),
        Column::id("correlation", 8),
        Column::id("here", 12),
        Column::id("there", 12),
    ];
    let mut table = Table::new(columns);
    against.differences.iter().for_each(|difference| table.row(cells(difference)));
    table.print(out, look)
}

fn cells(difference: &Difference) -> [(String, Tone); 5] {
    let said = |first: &regie_core::governance::backtest::First| {
        let by = first.by.as_deref().map_or(String::new(), |by| format!(" by {}", plain(by)));
        let until = first.until.map_or(String::new(), |until| format!(" to {until}"));
        (format!("{}{until}{by}", first.verdict.as_str()), Tone::Plain)
    };
    [
        (difference.timestamp.to_string(), Tone::Faint),
        (plain(&difference.id), Tone::Strong),
        (plain(&difference.correlation_id), Tone::Plain),
        said(&difference.policies),
        said(&difference.against),
    ]
}
