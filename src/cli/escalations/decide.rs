//! `regie escalations approve` and `regie escalations reject`.

use std::io::{self, Write};
use std::path::Path;

use regie_core::event::{ErrorInfo, EventResult, LifeState};
use regie_journal::Reader;

use super::args::DecideArgs;
use super::find;
use crate::Builder;
use crate::cli::exit::{Exit, Failure};
use crate::cli::query::tone_of;
use crate::cli::screen::{Screen, Tone, plain, wrap};
use crate::cli::{ask, open};
use crate::config::Settings;
use crate::control::{Answer, Ask, Decision};
use crate::runtime::Escalation;

/// Takes a person's decision over one event that waits.
pub(super) fn decide(args: &DecideArgs, approved: bool, builder: Builder) -> Result<Exit, Failure> {
    let settings = Settings::resolve(args.layer(), args.common.config.as_deref(), open::variable)?;
    let mut journal = open::read_only(&args.common)?;
    let mut waiting = find::waiting(&mut journal.reader, args)?;
    let Some(one) = waiting.pop() else { return none(args, &mut journal.reader, &settings.db) };
    if !waiting.is_empty() {
        waiting.push(one);
        return several(args, &waiting);
    }
    drop(journal); // whoever owns it may have to rebuild its index
    let ask = Ask::Resolve(decision(args, &one, approved));
    match ask::ask(&settings, &builder, &ask)? {
        Answer::Done(result) => done(args, &result),
        Answer::Refused(error) => refused(args, &one, error),
        _ => Err(Failure::Unreachable("the owner answered another question".into())),
    }
}

fn decision(args: &DecideArgs, one: &Escalation, approved: bool) -> Decision {
    let event = one.event.event();
    Decision {
        position: one.position,
        correlation_id: Some(event.correlation_id.to_string()),
        event_id: Some(event.id.clone()),
        approved,
        by: args.by.clone(),
        why: args.why.clone(),
    }
}

/// Several wait that are called so.
fn several(args: &DecideArgs, waiting: &[Escalation]) -> Result<Exit, Failure> {
    let mut told = format!("{} events that wait are meant by '{}':", waiting.len(), args.id);
    for one in waiting {
        let event = one.event.event();
        let (correlation, source) = (&event.correlation_id, &event.source);
        told.push_str(&format!("\n  position {} in {correlation}, source {source}", one.position));
    }
    told.push_str("\nsay which by its position, by --correlation or by --source");
    Err(Failure::Usage(told))
}

/// None waits that is called so: what became of it may be known.
fn none(args: &DecideArgs, reader: &mut Reader, journal: &Path) -> Result<Exit, Failure> {
    match find::past(reader, args)? {
        Some(life) => over(args, &life),
        None => {
            if args.common.json {
                let mut screen = Screen::stdout();
                writeln!(screen, "null")?;
                screen.finish()?;
            }
            let (id, db) = (&args.id, journal.display());
            open::tell(&format!(
                "regie: no event '{id}' waits in {db}: see 'regie escalations list' for those that do"
            ));
            Ok(Exit::Nothing)
        }
    }
}

/// It does not wait any more.
fn over(args: &DecideArgs, life: &EventResult) -> Result<Exit, Failure> {
    if args.common.json {
        print_json(life)?;
    }
    let told = life.error.as_ref().map_or("it does not wait", |error| error.message.as_str());
    open::tell(&format!("regie: {told}"));
    Ok(Exit::Nothing)
}

fn refused(args: &DecideArgs, one: &Escalation, error: ErrorInfo) -> Result<Exit, Failure> {
    match error.code.as_str() {
        // Somebody was faster.
        "not_escalated" => {
            let mut journal = open::read_only(&args.common)?;
            match find::life(&mut journal.reader, one.position)? {
                Some(life) => over(args, &life),
                None => Err(Failure::Unreachable(error.message)),
            }
        }
        "unsigned" => Err(Failure::Usage(error.message)),
        "no_event" => {
            open::tell(&format!("regie: {}", error.message));
            Ok(Exit::Nothing)
        }
        "journal" | "disk_full" | "latched" | "part_down" | "closing" | "not_allowed" | "version" | "other_event" => {
            Err(Failure::Unreachable(error.message))
        }
        _ => {
            open::tell(&format!("regie: {}; the event still waits", error.message));
            Ok(Exit::Refused)
        }
    }
}

fn done(args: &DecideArgs, result: &EventResult) -> Result<Exit, Failure> {
    if args.common.json {
        print_json(result)?;
    } else {
        print(result)?;
    }
    if result.event_state != Some(LifeState::Escalated) {
        return Ok(Exit::Done);
    }
    let why = result.error.as_ref().map_or("nobody said why", |error| error.message.as_str());
    open::tell(&format!("regie: its handler could not take it ({why}); it still waits"));
    Ok(Exit::Refused)
}

fn print_json(result: &EventResult) -> io::Result<()> {
    let mut screen = Screen::stdout();
    serde_json::to_writer(&mut screen, result)?;
    writeln!(screen)?;
    screen.finish()
}

fn print(result: &EventResult) -> io::Result<()> {
    let mut screen = Screen::stdout();
    let look = screen.look;
    let Some(last) = result.state_transitions.last() else { return Ok(()) };
    let id = look.paint(Tone::Strong, &plain(&result.event_id));
    let state = look.paint(tone_of(last.to), last.to.as_str());
    let at = look.paint(Tone::Faint, &last.at.to_string());
    let position = result.position.unwrap_or_default();
    writeln!(screen, "{id}  {state}  {at}  position {position} in {}", plain(&result.correlation_id))?;
    let by = last.by.as_ref().map(|by| format!("by {by}: ")).unwrap_or_default();
    for line in wrap(&plain(&format!("{by}{}", last.reason)), look.readable() - 2) {
        writeln!(screen, "  {line}")?;
    }
    screen.finish()
}
