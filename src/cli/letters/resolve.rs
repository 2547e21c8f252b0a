//! `regie dead-letters retry` and `regie dead-letters discard`.

use std::io::{self, Write};

use regie_core::event::{ErrorInfo, EventResult};
use serde::Serialize;

use super::args::ResolveArgs;
use super::{meant, none};
use crate::Builder;
use crate::bus::DeadLetter;
use crate::cli::ask;
use crate::cli::exit::{Exit, Failure};
use crate::cli::open;
use crate::cli::screen::{Screen, plain};
use crate::config::Settings;
use crate::control::{Answer, Ask, Decision};

/// Has those that are meant tried again, or discards them, one after another.
pub(super) fn resolve(args: &ResolveArgs, again: bool, builder: Builder) -> Result<Exit, Failure> {
    if args.positions.is_empty() && !args.all && !args.meant.is_said() {
        return Err(Failure::Usage("say which: by position, --subscriber, --type, --before or --all".into()));
    }
    if !args.positions.is_empty() && (args.all || args.meant.is_said()) {
        return Err(Failure::Usage(
            "say which by their positions, or by what they have in common, but not both".into(),
        ));
    }
    let settings = Settings::resolve(args.layer(), args.common.config.as_deref(), open::variable)?;
    let mut journal = open::read_only(&args.common)?;
    let mut dead = meant(&mut journal.reader, &args.meant)?;
    if !args.positions.is_empty() {
        dead.retain(|one| args.positions.contains(&one.position));
        let missing = args.positions.iter().find(|position| dead.iter().all(|one| one.position != **position));
        if let Some(position) = missing {
            return Ok(none(&format!("no dead letter waits at position {position}; nothing was done")));
        }
    }
    drop(journal); // whoever owns it may have to rebuild its index
    if dead.is_empty() {
        return Ok(none("no dead letter is meant"));
    }
    let mut exit = Exit::Done;
    for one in &dead {
        let said = Ask::Resolve(decision(args, one, again));
        let answer = ask::ask(&settings, &builder, &said)?;
        let is_done = matches!(answer, Answer::Done(_));
        tell(args, one, answer)?;
        if !is_done {
            exit = Exit::Refused;
        }
    }
    Ok(exit)
}

fn decision(args: &ResolveArgs, one: &DeadLetter, approved: bool) -> Decision {
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

#[derive(Serialize)]
struct Line<'a> {
    position: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a EventResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ErrorInfo>,
}

fn tell(args: &ResolveArgs, one: &DeadLetter, answer: Answer) -> io::Result<()> {
    let position = one.position;
    let (result, error) = match answer {
        Answer::Done(result) => (Some(*result), None),
        Answer::Refused(error) => (None, Some(error)),
        _ => (None, Some(ErrorInfo::new("bad_answer", "another answer came than was asked for"))),
    };
    let mut screen = Screen::stdout();
    if args.common.json {
        serde_json::to_writer(&mut screen, &Line { position, result: result.as_ref(), error: error.as_ref() })?;
        writeln!(screen)?;
    } else if let Some(state) = result.as_ref().and_then(|result| result.event_state) {
        let what = if state.is_end() { state.as_str() } else { "still waits" };
        writeln!(screen, "position {position}: {} {what}", plain(one.subscriber().unwrap_or("(poison)")))?;
    }
    if let Some(error) = &error {
        open::tell(&format!("regie: position {position}: {}; it still waits", error.message));
    }
    screen.finish()
}
