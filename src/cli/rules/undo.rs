//! `regie rules undo`.

use std::io::{self, Write};

use regie_core::automation::LaterChange;
use regie_core::event::ErrorInfo;
use regie_core::query::Order;

use super::args::UndoArgs;
use crate::Builder;
use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::{Screen, Tone, counted, plain};
use crate::cli::{ask, open};
use crate::config::Settings;
use crate::control::{Answer, Ask, UndoAsked};
use crate::runtime::{UndoneRun, runs};

/// How much of a run's id has to be said.
const BEGINNING: usize = 4;

/// Puts back what a run changed: by this process where nobody owns the journal, else by the one that does.
pub(super) fn undo(args: &UndoArgs, builder: Builder) -> Result<Exit, Failure> {
    let settings = Settings::resolve(args.layer(), args.common.config.as_deref(), open::variable)?;
    let run = match meant(args)?.as_slice() {
        [run] => run.clone(),
        [] => {
            let why = format!("there is no run '{}': see 'regie rules runs'", args.run);
            return refused(args, &ErrorInfo::new("no_run", why), &[]);
        }
        several => {
            return Err(Failure::Usage(format!(
                "{} runs begin with '{}': {}",
                several.len(),
                args.run,
                several.join(", ")
            )));
        }
    };
    let (by, why) = (args.by.clone(), args.why.clone());
    let ask = Ask::Undo(UndoAsked { run, by, why, force: args.force });
    match ask::ask(&settings, &builder, &ask)? {
        Answer::Undone(undone) => done(args, &undone),
        Answer::Refused(error) => refused(args, &error, &[]),
        Answer::NotUndone(error, later) => refused(args, &error, &later),
        _ => Err(Failure::Unreachable("the owner answered another question".into())),
    }
}

/// It was not put back.
fn refused(args: &UndoArgs, error: &ErrorInfo, later: &[LaterChange]) -> Result<Exit, Failure> {
    if args.common.json {
        let mut screen = Screen::stdout();
        let told = serde_json::json!({ "error": error.code, "message": error.message, "later": later });
        writeln!(screen, "{told}")?;
        screen.finish()?;
    }
    match error.code.as_str() {
        "unsigned" => Err(Failure::Usage(error.message.clone())),
        "journal" | "disk_full" | "latched" | "part_down" | "closing" | "not_allowed" | "version" | "bad_request" => {
            Err(Failure::Unreachable(error.message.clone()))
        }
        code => {
            let hint = if code == "later_changes" { "; --force overwrites them" } else { "" };
            open::tell(&format!("regie: {}{hint}", error.message));
            Ok(if code == "no_run" { Exit::Nothing } else { Exit::Refused })
        }
    }
}

/// The run of that id, or those whose id begins so.
fn meant(args: &UndoArgs) -> Result<Vec<String>, Failure> {
    if args.run.chars().count() < BEGINNING {
        return Err(Failure::Usage(format!("a run is named by its id, or by {BEGINNING} characters of it at least")));
    }
    let mut journal = open::read_only(&args.common)?;
    let all = runs(&mut journal.reader, None, None, Order::default())?;
    let mut ids: Vec<String> =
        all.into_iter().map(|report| report.run.id).filter(|id| id.starts_with(&args.run)).collect();
    if ids.contains(&args.run) {
        ids.retain(|id| *id == args.run);
    }
    Ok(ids)
}

fn done(args: &UndoArgs, undone: &UndoneRun) -> Result<Exit, Failure> {
    let mut screen = Screen::stdout();
    if args.common.json {
        serde_json::to_writer(&mut screen, undone).map_err(io::Error::from)?;
        writeln!(screen)?;
    } else {
        print(&mut screen, undone)?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

fn print(screen: &mut Screen, undone: &UndoneRun) -> io::Result<()> {
    let look = screen.look;
    for event in &undone.events {
        let event = event.value();
        let (kind, correlation) = (&event["type"], &event["correlation_id"]);
        let text = |value: &serde_json::Value| plain(value.as_str().unwrap_or_default());
        writeln!(screen, "{}  in {}", look.paint(Tone::Strong, &text(kind)), text(correlation))?;
        for (field, change) in event["changes"].as_object().into_iter().flatten() {
            writeln!(screen, "  {}: {} → {}", plain(field), change["before"], change["after"])?;
        }
    }
    let told = format!("put back by {}, position {}", counted(undone.events.len() as u64, "event"), undone.position);
    writeln!(screen, "{}", look.paint(Tone::Faint, &told))
}
