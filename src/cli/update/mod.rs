//! `regie update`: an entity is to have these values.

mod args;

use std::io::{self, Write};

use regie_core::event::ErrorInfo;

use super::exit::{Exit, Failure};
use super::query::tone_of;
use super::screen::{Screen, Tone, plain};
use super::{ask, open};
use crate::Builder;
use crate::config::Settings;
use crate::control::{Answer, Ask};
use crate::runtime::{UpdateResult, UpdateStatus};
pub(super) use args::UpdateArgs;

/// Updates an entity: by this process where nobody owns the journal, else by the one that does.
pub(super) fn update(args: &UpdateArgs, builder: Builder) -> Result<Exit, Failure> {
    let settings = Settings::resolve(args.layer(), args.common.config.as_deref(), open::variable)?;
    let update = args.update().map_err(Failure::Usage)?;
    regie_core::entity::check(&update).map_err(|error| Failure::Usage(error.to_string()))?;
    let ask = Ask::Update { update: Box::new(update) };
    match ask::ask(&settings, &builder, &ask)? {
        Answer::Updated(result) => done(args, &result),
        Answer::Refused(error) => refused(&error),
        _ => Err(Failure::Unreachable("the owner answered another question".into())),
    }
}

fn refused(error: &ErrorInfo) -> Result<Exit, Failure> {
    match error.code.as_str() {
        "bad_event" | "bad_update" | "no_time" => Err(Failure::Usage(error.message.clone())),
        "journal" | "disk_full" | "latched" | "part_down" | "closing" | "not_allowed" | "version" | "bad_request" => {
            Err(Failure::Unreachable(error.message.clone()))
        }
        _ => {
            open::tell(&format!("regie: {}", error.message));
            Ok(Exit::Refused)
        }
    }
}

fn done(args: &UpdateArgs, result: &UpdateResult) -> Result<Exit, Failure> {
    let mut screen = Screen::stdout();
    if args.common.json {
        serde_json::to_writer(&mut screen, result).map_err(io::Error::from)?;
        writeln!(screen)?;
    } else {
        print(&mut screen, result)?;
    }
    screen.finish()?;
    if result.status != UpdateStatus::Refused {
        return Ok(Exit::Done);
    }
    let position = result.position().unwrap_or_default();
    let why = plain(result.reason.as_deref().unwrap_or("nobody said why"));
    open::tell(&format!("regie: refused: {why}; position {position} in {} tells it", plain(&result.correlation_id)));
    Ok(Exit::Refused)
}

fn print(screen: &mut Screen, result: &UpdateResult) -> io::Result<()> {
    let look = screen.look;
    let told = match result.status {
        UpdateStatus::Unchanged => "nothing differs: nothing is recorded",
        UpdateStatus::Duplicate => "asked before, and done then",
        UpdateStatus::New | UpdateStatus::Refused => "",
    };
    if !told.is_empty() {
        writeln!(screen, "{told}")?;
    }
    for event in &result.events {
        let state = event.current_state.or(event.event_state);
        let state = state.map_or(String::new(), |state| look.paint(tone_of(state), state.as_str()));
        let id = look.paint(Tone::Strong, &plain(&event.event_id));
        let position = event.position.unwrap_or_default();
        writeln!(screen, "{id}  {state}  position {position} in {}", plain(&event.correlation_id))?;
    }
    Ok(())
}
