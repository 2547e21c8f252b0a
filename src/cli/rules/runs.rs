//! `regie rules runs`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::num::NonZeroUsize;

use regie_core::automation::Act;
use regie_core::query::Order;
use serde_json::json;

use super::args::RunsArgs;
use crate::cli::exit::{Exit, Failure};
use crate::cli::open;
use crate::cli::query::short;
use crate::cli::screen::{Screen, Tone, counted, plain};
use crate::cli::table::{Column, Table};
use crate::runtime::{RunReport, RunState, runs as runs_of};

/// Prints the runs of rules, the newest first.
pub(super) fn runs(args: &RunsArgs) -> Result<Exit, Failure> {
    let mut journal = open::read_only(&args.common)?;
    let limit = args.limit.map(NonZeroUsize::get);
    let reports = runs_of(&mut journal.reader, args.rule.as_deref(), limit, Order::Newest)?;
    if let (Some(rule), true) = (&args.rule, reports.is_empty()) {
        return Ok(none_of(rule, &runs_of(&mut journal.reader, None, None, Order::default())?));
    }
    let mut screen = Screen::stdout();
    if args.common.json {
        reports.iter().try_for_each(|report| writeln!(screen, "{}", as_json(report)))?;
    } else {
        print(&mut screen, &reports)?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

/// No rule of that name has run: those that have are named.
fn none_of(rule: &str, all: &[RunReport]) -> Exit {
    let names: BTreeSet<&str> = all.iter().map(|report| report.run.rule.as_str()).collect();
    let others = match names.is_empty() {
        true => "no rule has run".to_string(),
        false => format!("those that have: {}", names.into_iter().collect::<Vec<_>>().join(", ")),
    };
    open::tell(&format!("regie: no rule of the name '{rule}' has run; {others}"));
    Exit::Nothing
}

fn as_json(report: &RunReport) -> serde_json::Value {
    let error = match &report.state {
        RunState::Failed { error } => Some(error),
        _ => None,
    };
    let undone = report.undone.as_ref().map(|it| json!({"by": it.by, "why": it.why, "at": it.at}));
    json!({
        "run": report.run, "position": report.position, "recorded_at": report.recorded_at,
        "state": report.state.as_str().replace(' ', "_"), "error": error, "undone": undone,
    })
}

fn print(screen: &mut Screen, reports: &[RunReport]) -> io::Result<()> {
    let look = screen.look;
    if reports.is_empty() {
        return writeln!(screen, "{}", look.paint(Tone::Faint, "no rule has run"));
    }
    let mut table = Table::new([
        Column::words("time", 19, 10),
        Column::id("run", 8),
        Column::id("rule", 8),
        Column::id("about", 8),
        Column::id("fired on", 8),
        Column::words("does", 12, 10),
        Column::words("state", 6, 6),
    ]);
    for report in reports {
        table.row(cells(report));
    }
    table.print(screen, look)?;
    writeln!(screen, "{}", look.paint(Tone::Faint, &counted(reports.len() as u64, "run")))
}

fn cells(report: &RunReport) -> [(String, Tone); 7] {
    let run = &report.run;
    let about = run.subject.as_ref().map_or("-".to_string(), |subject| plain(&subject.to_string()));
    let (state, tone) = match (&report.undone, &report.state) {
        (Some(undone), _) => (format!("undone by {}: {}", undone.by, undone.why), Tone::Doubtful),
        (None, RunState::Failed { error }) => (format!("failed: {error}"), Tone::Doubtful),
        (None, state) => (state.as_str().to_string(), Tone::Plain),
    };
    [
        (short(report.recorded_at), Tone::Faint),
        (plain(&run.id), Tone::Strong),
        (plain(&run.rule), Tone::Plain),
        (about, Tone::Plain),
        (plain(&format!("{} {}", run.trigger.kind, run.trigger.id)), Tone::Plain),
        (plain(&does(&run.acts)), Tone::Plain),
        (plain(&state), tone),
    ]
}

/// What acts do, in a few words each.
pub(super) fn does(acts: &[Act]) -> String {
    let told = acts.iter().map(|act| match act {
        Act::Emit(event) => event.value()["type"].as_str().unwrap_or("an event").to_string(),
        Act::Update(update) => {
            let fields = update.fields.iter().map(|(field, value)| format!("{field}={}", value.text()));
            format!("update {} {}", update.entity, fields.collect::<Vec<_>>().join(" "))
        }
        Act::Call { agent, .. } => format!("call {agent}"),
        _ => "something that this version does not know".to_string(),
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { "nothing".into() } else { told.join(", ") }
}
