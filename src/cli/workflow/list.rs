//! `regie workflow list`.

use std::io::{self, Write};

use regie_core::query::RunFilter;
use regie_core::workflow::{RunBrief, Standing};

use super::args::ListArgs;
use crate::cli::exit::{Exit, Failure};
use crate::cli::open;
use crate::cli::query::short;
use crate::cli::screen::{Screen, Tone, counted, plain};
use crate::cli::table::{Column, Table};
use crate::runtime::WorkflowLine;

/// Prints the workflows that are meant.
pub(super) fn list(args: &ListArgs) -> Result<Exit, Failure> {
    if let (Some(since), Some(until)) = (args.since, args.until)
        && since > until
    {
        return Err(Failure::Usage(format!("--since {since} is after --until {until}: nothing can be between")));
    }
    let filter = RunFilter {
        definition: args.definition.clone(),
        version: None,
        condition: args.status.map(Into::into),
        started_from: args.since,
        started_to: args.until,
        own: args.own,
        limit: args.limit,
        after: args.after,
    };
    let mut journal = open::read_fresh(&args.common)?;
    let found = journal.reader.runs(&filter)?;
    let lines: Vec<WorkflowLine> = found.iter().map(WorkflowLine::from).collect();
    let mut screen = Screen::stdout();
    if args.common.json {
        for line in &lines {
            serde_json::to_writer(&mut screen, line).map_err(io::Error::from)?;
            writeln!(screen)?;
        }
    } else {
        print(&mut screen, &lines)?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

fn print(screen: &mut Screen, lines: &[WorkflowLine]) -> io::Result<()> {
    let look = screen.look;
    if lines.is_empty() {
        return writeln!(screen, "{}", look.paint(Tone::Faint, "no workflow fits"));
    }
    let mut table = Table::new(columns());
    lines.iter().for_each(|line| table.row(cells(line)));
    table.print(screen, look)?;
    writeln!(screen, "{}", look.paint(Tone::Faint, &counted(lines.len() as u64, "workflow")))
}

/// The columns of a list of workflows.
pub(in crate::cli) fn columns() -> [Column; 6] {
    [
        Column::id("id", 10),
        Column::id("definition", 8),
        Column::words("status", 9, 9),
        Column::words("began", 19, 10),
        Column::words("ended", 10, 10),
        Column::text("why", 6),
    ]
}

/// One of them.
pub(in crate::cli) fn cells(line: &WorkflowLine) -> [(String, Tone); 6] {
    let run = &line.run;
    let (status, tone) = standing(run);
    [
        (plain(&line.correlation_id), Tone::Strong),
        (plain(&format!("{} v{}", run.definition, run.version)), Tone::Plain),
        (status, tone),
        (short(run.started_at), Tone::Faint),
        (run.ended_at.map_or("-".to_string(), short), Tone::Faint),
        (plain(run.error.as_deref().unwrap_or("")), Tone::Plain),
    ]
}

fn standing(run: &RunBrief) -> (String, Tone) {
    let mut text = run.status.to_string();
    if run.paused {
        text.push_str(", paused");
    }
    if run.parked > 0 {
        text.push_str(&format!(", {} parked", run.parked));
    }
    let held = run.paused || run.parked > 0;
    (text, if held { Tone::Doubtful } else { tone_of(run.status) })
}

/// The tone of a status.
pub(super) fn tone_of(status: Standing) -> Tone {
    match status {
        Standing::Running => Tone::Plain,
        Standing::Completed => Tone::Good,
        Standing::Compensating | Standing::Cancelled => Tone::Doubtful,
        Standing::Failed | Standing::Terminated => Tone::Bad,
    }
}
