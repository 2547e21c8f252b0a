//! `regie escalations list`.

use std::io::{self, Write};

use regie_core::Timestamp;
use regie_core::event::Event;
use regie_core::governance::{Lapse, PolicyDecision};
use regie_core::query::Filter;
use serde::Serialize;

use super::args::ListArgs;
use crate::cli::exit::{Exit, Failure};
use crate::cli::open;
use crate::cli::query::{short, which};
use crate::cli::screen::{Screen, Tone, counted, plain};
use crate::cli::table::{Column, Table};
use crate::runtime::{Escalation, escalations};

/// Prints the events that wait.
pub(super) fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let filter = Filter { limit: args.limit, ..which(&args.which)? };
    let mut journal = open::read_only(&args.common)?;
    let waiting = escalations(&mut journal.reader, filter)?;
    let mut screen = Screen::stdout();
    if args.common.json {
        waiting.iter().try_for_each(|one| print_json(&mut screen, one))?;
    } else {
        print(&mut screen, &waiting)?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

/// A table of events that wait, and how many they are.
pub(super) fn print(screen: &mut Screen, waiting: &[Escalation]) -> io::Result<()> {
    let look = screen.look;
    if waiting.is_empty() {
        return writeln!(screen, "{}", look.paint(Tone::Faint, "nothing waits for a decision"));
    }
    let mut table = Table::new([
        Column::id("position", 8),
        Column::id("id", 8),
        Column::id("correlation", 12),
        Column::tail("type", 6),
        Column::text("who", 3),
        Column::words("since", 19, 10),
        Column::text("why", 8),
        Column::words("lapses", 6, 10),
    ]);
    waiting.iter().for_each(|one| table.row(cells(one)));
    table.print(screen, look)?;
    let count = counted(waiting.len() as u64, "event");
    let verb = if waiting.len() == 1 { "waits" } else { "wait" };
    writeln!(screen, "{}", look.paint(Tone::Faint, &format!("{count} {verb} for a decision")))
}

fn cells(one: &Escalation) -> [(String, Tone); 8] {
    let event = one.event.event();
    let who = event.actor.as_ref().map_or("-".to_string(), |actor| plain(&actor.id));
    let lapses = one.lapses.map(|(at, then)| format!("{} {}", short(at), word(then)));
    [
        (one.position.to_string(), Tone::Plain),
        (plain(&event.id), Tone::Strong),
        (plain(&event.correlation_id), Tone::Plain),
        (plain(&event.kind), Tone::Plain),
        (who, Tone::Plain),
        (short(one.since), Tone::Faint),
        (plain(&one.reason), Tone::Doubtful),
        (lapses.unwrap_or_else(|| "never".into()), Tone::Plain),
    ]
}

fn word(lapse: Lapse) -> &'static str {
    match lapse {
        Lapse::Approve => "approved",
        Lapse::Reject => "rejected",
    }
}

#[derive(Serialize)]
struct Line<'a> {
    position: u64,
    sequence: u64,
    since: Timestamp,
    reason: &'a str,
    lapses: Option<Lapses>,
    policy_decisions: &'a [PolicyDecision],
    event: &'a Event,
}

#[derive(Serialize)]
struct Lapses {
    at: Timestamp,
    then: Lapse,
}

/// One event that waits, on a line.
fn print_json(out: &mut dyn Write, one: &Escalation) -> io::Result<()> {
    let line = Line {
        position: one.position,
        sequence: one.sequence,
        since: one.since,
        reason: &one.reason,
        lapses: one.lapses.map(|(at, then)| Lapses { at, then }),
        policy_decisions: &one.decisions,
        event: one.event.event(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}
