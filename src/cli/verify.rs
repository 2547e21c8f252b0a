//! `regie verify`: every chain of the journal, from its first record.

use std::io::{IsTerminal, Write};

use regie_journal::{StoreError, VerifyReport};
use serde_json::json;

use super::args::PlainArgs;
use super::exit::{Exit, Failure};
use super::open;
use super::run::progress;
use super::screen::{Screen, Tone, counted, grouped, plain, wrap};

/// Checks the whole journal and names the first bad place. Bytes that the store itself cannot read are a break too.
pub(super) fn verify(args: &PlainArgs) -> Result<Exit, Failure> {
    let settings = open::settings(&args.common)?;
    // SQLite calls some reads that fail damage: what is damaged is so when it is read again.
    let holds = |checked: &Result<VerifyReport, StoreError>| match checked {
        Ok(report) => report.first_break.is_none(),
        Err(error) => !matches!(error, StoreError::Damaged { .. }),
    };
    let checked = Some(check(&settings.db)).filter(holds);
    let report = match checked.unwrap_or_else(|| check(&settings.db)) {
        Err(StoreError::Damaged { why }) => return damaged(args, &why),
        other => other?,
    };
    let mut screen = Screen::stdout();
    let holds = report.first_break.is_none();
    if args.common.json {
        let first_break = report.first_break.as_ref().map(|it| {
            json!({"correlation": it.correlation, "sequence": it.sequence, "position": it.position,
                "kind": it.kind.to_string(), "detail": it.detail})
        });
        let whole = json!({"holds": holds, "records": report.records, "correlations": report.correlations,
            "head": {"position": report.head.position, "digest": report.head.digest}, "first_break": first_break});
        writeln!(screen, "{whole}")?;
    } else {
        print(&mut screen, &report)?;
    }
    screen.finish()?;
    Ok(if holds { Exit::Done } else { Exit::Broken })
}

fn check(path: &std::path::Path) -> Result<VerifyReport, StoreError> {
    // What the index is like does not matter here: the journal alone is read.
    let (readers, _) = regie_journal::Journal::open_read_only(path)?;
    let mut truth = readers.truth()?;
    let records = truth.head().map_or(0, |head| head.position);
    let bar = std::io::stderr().is_terminal().then(|| progress::of_records(records));
    let report = regie_journal::verify(&mut *truth, &mut |position| {
        if let Some(bar) = &bar {
            bar.set_position(position);
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    report
}

fn print(screen: &mut Screen, report: &VerifyReport) -> std::io::Result<()> {
    let look = screen.look;
    let (records, correlations) = (counted(report.records, "record"), counted(report.correlations, "correlation"));
    let what = format!("{records} of {correlations}");
    let Some(found) = &report.first_break else {
        writeln!(screen, "{}: {what}, every chain closes", look.paint(Tone::Good, "the journal holds"))?;
        return writeln!(screen, "head {}  {}", grouped(report.head.position), report.head.digest);
    };
    writeln!(screen, "{}; all of it was looked at, {what}", look.paint(Tone::Bad, "the journal is broken"))?;
    let kind = look.paint(Tone::Strong, &found.kind.to_string());
    if found.correlation.is_empty() {
        writeln!(screen, "first bad place: {kind}")?;
    } else {
        writeln!(screen, "first bad place: {kind} in {}", plain(&found.correlation))?;
        writeln!(screen, "  sequence {}, position {}", found.sequence, found.position)?;
    }
    indented(screen, &found.detail)?;
    indented(screen, "Restore a whole copy of the journal if there is one; see 'regie verify' in docs/cli.md.")
}

fn damaged(args: &PlainArgs, why: &str) -> Result<Exit, Failure> {
    let mut screen = Screen::stdout();
    if args.common.json {
        writeln!(screen, "{}", json!({"holds": false, "first_break": null, "error": why}))?;
    } else {
        writeln!(screen, "{}", screen.look.paint(Tone::Bad, "the journal is damaged"))?;
        indented(&mut screen, why)?;
    }
    screen.finish()?;
    Ok(Exit::Broken)
}

/// A text of any length, below what it belongs to.
fn indented(screen: &mut Screen, text: &str) -> std::io::Result<()> {
    for line in wrap(&plain(text), screen.look.readable() - 2) {
        writeln!(screen, "  {line}")?;
    }
    Ok(())
}
