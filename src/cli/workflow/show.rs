//! `regie workflow show`, and how a workflow stands as others print it.

use std::io::{self, Write};

use regie_core::workflow::RunBrief;

use super::args::ShowArgs;
use super::list::tone_of;
use super::meant::{meant, none};
use crate::Builder;
use crate::cli::exit::{Exit, Failure};
use crate::cli::open;
use crate::cli::query::short;
use crate::cli::screen::{Screen, Tone, counted, plain, wrap};
use crate::cli::show::print_last;
use crate::runtime::{WorkflowReport, owed_steps, workflow_of};

/// Columns of the words that stand before what is told.
const LABEL: usize = 10;

/// Prints how a workflow stands, and its last records.
pub(super) fn show(args: &ShowArgs, builder: &Builder) -> Result<Exit, Failure> {
    let mut journal = open::read_fresh(&args.common)?;
    let reader = &mut journal.reader;
    let Some(workflow) = meant(reader, &args.id)? else { return none(reader, &args.id, args.common.json) };
    let report = workflow_of(reader, &workflow, &builder.definitions())?;
    let (Some(report), Some(stored)) = (report, reader.run(&workflow)?) else {
        return none(reader, &args.id, args.common.json);
    };
    let mut screen = Screen::stdout();
    if args.common.json {
        print_json(&mut screen, &report)?;
    } else {
        print(&mut screen, &report, Some(&stored.run))?;
        let records = reader.load(&workflow, 0)?;
        print_last(&mut screen, &records, args.last)?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

/// How a workflow stands, on a line.
pub(super) fn print_json(out: &mut dyn Write, report: &WorkflowReport) -> io::Result<()> {
    serde_json::to_writer(&mut *out, report)?;
    writeln!(out)
}

/// How a workflow stands; with when it began and ended, where that is known.
pub(super) fn print(screen: &mut Screen, report: &WorkflowReport, run: Option<&RunBrief>) -> io::Result<()> {
    let look = screen.look;
    let id = look.paint(Tone::Strong, &plain(&report.correlation_id));
    let status = look.paint(tone_of(report.status), report.status.as_str());
    let paused = if report.paused { look.paint(Tone::Doubtful, ", paused") } else { String::new() };
    let definition = plain(&format!("{} version {}", report.definition, report.version));
    writeln!(screen, "{id}  {status}{paused}  {definition}")?;
    if let Some(run) = run {
        line(screen, "began", Tone::Faint, &short(run.started_at))?;
        if let Some(ended) = run.ended_at {
            let took = ended.since(run.started_at).as_secs_f64();
            line(screen, "ended", Tone::Faint, &format!("{}, after {took:.3} s", short(ended)))?;
        }
    }
    if let Some(then) = report.then {
        line(screen, "then", Tone::Doubtful, &format!("{then}, once what it did is put back"))?;
    }
    if let Some(error) = &report.error {
        line(screen, "why", Tone::Bad, error)?;
    }
    if let Some(output) = &report.output {
        line(screen, "output", Tone::Plain, output.text())?;
    }
    for parked in &report.parked {
        let attempts = counted(parked.attempts.into(), "attempt");
        line(screen, "waits", Tone::Doubtful, &format!("{}, after {attempts}: {}", parked.what, parked.error))?;
    }
    if !report.parked.is_empty() {
        let id = &report.correlation_id;
        line(
            screen,
            "",
            Tone::Faint,
            &format!("regie workflow unpark {id} --retry|--skip|--abandon --by WHO --why TEXT"),
        )?;
    }
    for (step, attempt) in owed_steps(report) {
        line(screen, "owes", Tone::Plain, &format!("{step}, attempt {attempt}"))?;
    }
    match &report.state {
        Some(state) => line(screen, "state", Tone::Plain, state.text()),
        None => Ok(()),
    }
}

fn line(screen: &mut Screen, label: &str, tone: Tone, text: &str) -> io::Result<()> {
    let look = screen.look;
    for (nth, piece) in wrap(&plain(text), look.readable() - LABEL).into_iter().enumerate() {
        let label = look.paint(Tone::Faint, &format!("  {:<8}", if nth == 0 { label } else { "" }));
        writeln!(screen, "{}", format!("{label}{}", look.paint(tone, &piece)).trim_end())?;
    }
    Ok(())
}
