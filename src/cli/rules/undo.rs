//! `regie rules undo`.

use std::io::{self, Write};

use regie_core::query::Order;

use super::args::UndoArgs;
use crate::Builder;
use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::{Screen, Tone, counted, plain};
use crate::cli::{ask, open};
use crate::config::Settings;
use crate::control::{Answer, Ask, UndoAsked};
use crate::runtime::{UndoneRun, runs};

/// Puts back what a run changed: by this process where nobody owns the journal, else by the one that does.
pub(super) fn undo(args: &UndoArgs, builder: Builder) -> Result<Exit, Failure> {
    let settings = Settings::resolve(args.layer(), args.common.config.as_deref(), open::variable)?;
    let run = match meant(args)?.as_slice() {
        [run] => run.clone(),
        [] => {
            open::tell(&format!("regie: there is no run '{}': see 'regie rules runs'", args.run));
            return Ok(Exit::Nothing);
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
        Answer::Refused(error) => match error.code.as_str() {
            "unsigned" => Err(Failure::Usage(error.message)),
            "journal" | "disk_full" | "latched" | "part_down" | "closing" | "not_allowed" | "version"
            | "bad_request" => Err(Failure::Unreachable(error.message)),
            _ => {
                let hint = if error.code == "later_changes" { "; --force overwrites them" } else { "" };
                open::tell(&format!("regie: {}{hint}", error.message));
                Ok(Exit::Refused)
            }
        },
        Answer::Done(_) | Answer::Updated(_) => Err(Failure::Unreachable("the owner answered another question".into())),
    }
}

/// The runs whose id begins so.
fn meant(args: &UndoArgs) -> Result<Vec<String>, Failure> {
    let mut journal = open::read_only(&args.common)?;
    let all = runs(&mut journal.reader, None, None, Order::default())?;
    Ok(all.into_iter().map(|report| report.run.id).filter(|id| id.starts_with(&args.run)).collect())
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
