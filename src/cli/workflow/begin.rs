//! `regie workflow start` and `regie workflow send`: events to workflows.

use std::io::{self, Write};

use regie_core::event::{CorrelationId, EventResult, LifeState};
use uuid::Uuid;

use super::args::{SendArgs, SignedArgs, StartArgs};
use super::meant::{meant, none};
use super::operate::refused;
use super::show;
use crate::Builder;
use crate::cli::exit::{Exit, Failure};
use crate::cli::query::tone_of;
use crate::cli::screen::{Screen, Tone, plain};
use crate::cli::{ask, open};
use crate::config::Settings;
use crate::control::{Answer, Ask};
use crate::runtime::{SendTo, Start, WorkflowReport, workflow_of};

/// Begins a workflow.
pub(super) fn start(args: &StartArgs, builder: Builder) -> Result<Exit, Failure> {
    let (by, why) = (args.signed.by.clone(), args.signed.why.clone());
    let start = Start {
        workflow: args.name.clone(),
        correlation_id: args.id.clone(),
        kind: args.kind.clone(),
        input: args.input.clone(),
        by,
        why,
    };
    put(&args.signed, &Ask::Start { start: Box::new(start) }, &builder)
}

/// Tells a workflow something.
pub(super) fn send(args: &SendArgs, builder: Builder) -> Result<Exit, Failure> {
    let mut journal = open::read_fresh(&args.signed.common)?;
    let Some(workflow) = meant(&mut journal.reader, &args.id)? else {
        return none(&mut journal.reader, &args.id, args.signed.common.json);
    };
    drop(journal); // whoever owns it may have to rebuild its index
    let (by, why) = (args.signed.by.clone(), args.signed.why.clone());
    let send = SendTo {
        correlation_id: workflow.to_string(),
        kind: args.kind.clone(),
        payload: args.payload.clone(),
        id: Some(args.event_id.clone().unwrap_or_else(|| Uuid::now_v7().to_string())),
        by,
        why,
    };
    put(&args.signed, &Ask::Send { send: Box::new(send) }, &builder)
}

fn put(args: &SignedArgs, ask: &Ask, builder: &Builder) -> Result<Exit, Failure> {
    let settings = Settings::resolve(args.layer(), args.common.config.as_deref(), open::variable)?;
    match ask::ask(&settings, builder, ask)? {
        Answer::Done(result) => done(args, &result, builder),
        Answer::Refused(error) => refused(args, &error),
        _ => Err(Failure::Unreachable("the owner answered another question".into())),
    }
}

fn done(args: &SignedArgs, result: &EventResult, builder: &Builder) -> Result<Exit, Failure> {
    let mut screen = Screen::stdout();
    if args.common.json {
        serde_json::to_writer(&mut screen, result).map_err(io::Error::from)?;
        writeln!(screen)?;
    } else {
        print(&mut screen, result)?;
        match stands(args, result, builder) {
            Ok(workflow) => workflow.map_or(Ok(()), |workflow| show::print(&mut screen, &workflow, None))?,
            // It is recorded all the same, and is not to be sent again for this.
            Err(error) => {
                open::tell(&format!("regie: it is recorded; how its workflow stands cannot be read: {error}"))
            }
        }
    }
    screen.finish()?;
    let state = result.current_state.or(result.event_state);
    Ok(if state == Some(LifeState::Discarded) { Exit::Refused } else { Exit::Done })
}

/// What came of it meanwhile: an event may be taken, and the workflow have failed.
fn stands(args: &SignedArgs, result: &EventResult, builder: &Builder) -> Result<Option<WorkflowReport>, Failure> {
    let workflow = CorrelationId::from(result.correlation_id.as_str());
    Ok(workflow_of(&mut open::read_fresh(&args.common)?.reader, &workflow, &builder.definitions())?)
}

fn print(screen: &mut Screen, result: &EventResult) -> io::Result<()> {
    let look = screen.look;
    let state = result.current_state.or(result.event_state).unwrap_or(LifeState::Pending);
    let id = look.paint(Tone::Strong, &plain(&result.correlation_id));
    let state = look.paint(tone_of(state), state.as_str());
    let (event, position) = (plain(&result.event_id), result.position.unwrap_or_default());
    writeln!(screen, "{id}  {state}  event {event}, position {position}")?;
    match result.state_transitions.last() {
        Some(last) => writeln!(screen, "  {}", plain(&last.reason)),
        None => Ok(()),
    }
}
