//! `regie rules dry-run`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::io::{self, Write};

use regie_actors::processed::ProcessedEvents;
use regie_actors::updated::received;
use regie_core::automation::{DryRun, Evaluator, RuleSet, dry_run as tried};
use regie_core::entity::{Update, plan};
use regie_core::event::{Catalogue, Incoming};
use regie_core::{Json, Timestamp};
use regie_journal::{Journal, Reader, Readers};
use serde::Serialize;
use serde_json::json;

use super::args::DryRunArgs;
use super::meant;
use super::runs::does;
use crate::cli::exit::{Exit, Failure};
use crate::cli::open;
use crate::cli::policy::history;
use crate::cli::screen::{Screen, Tone, counted, plain};
use crate::cli::table::{Column, Table};
use crate::config::Settings;
use crate::runtime::{Whence, may_enter};

/// Turns of the journal that are taken in at once.
const PORTION: usize = 1_024;

/// Tells what rules would do with events that come after all that the journal holds.
pub(super) fn dry_run(args: &DryRunArgs) -> Result<Exit, Failure> {
    let settings = Settings::resolve(args.layer(), args.common.config.as_deref(), open::variable)?;
    let catalogue = settings.event_types()?.unwrap_or_else(Catalogue::shipped);
    let (mut evaluator, mut events) = (None, Vec::new());
    let mut journal = None;
    if settings.db.exists() {
        let (readers, _) = Journal::open_read_only(&settings.db)?;
        let mut reader = readers.open()?;
        let set = meant(&settings, Some(&mut reader))?.0;
        evaluator = Some(learnt(&readers, set, &catalogue)?);
        journal = Some(reader);
    }
    let evaluator = match evaluator {
        Some(evaluator) => evaluator,
        None => Evaluator::new(meant(&settings, None)?.0),
    };
    let unreadable = history::of_files(&args.events, &mut |event, _| events.push(event.clone()))?;
    let (events, known, refused) = new_ones(events, journal.as_mut(), &catalogue)?;
    let updates = |update: &Update, fields: &BTreeMap<String, Json>, at: Timestamp| {
        plan(update, fields, &catalogue, at).map_err(|unfit| unfit.to_string())
    };
    let come = events.iter().map(|event| (event.event(), event.event().timestamp));
    let told = tried(&evaluator, come, &updates);
    let mut screen = Screen::stdout();
    if args.common.json {
        refused.iter().try_for_each(|refused| writeln!(screen, "{}", json!({ "refused": refused })))?;
        print_json(&mut screen, &told)?;
    } else {
        print(&mut screen, &told, events.len(), known)?;
        for RefusedEvent { event, correlation, why } in &refused {
            writeln!(screen, "{}", plain(&format!("{event} of {correlation} would be refused: {why}")))?;
        }
    }
    screen.finish()?;
    Ok(if unreadable > 0 || !refused.is_empty() { Exit::Partly } else { Exit::Done })
}

/// The rules with all that the journal holds, as if they had been in force from its beginning.
fn learnt(readers: &Readers, set: RuleSet, catalogue: &Catalogue) -> Result<Evaluator, Failure> {
    let (mut evaluator, mut events) = (Evaluator::new(set), ProcessedEvents::new(readers.clone()));
    let mut follow = readers.follow(0)?;
    while let Some(found) = follow.next(PORTION)? {
        for followed in found {
            if let Some(processed) = events.of(followed)? {
                let event = processed.event(catalogue);
                evaluator.take(&processed.committed(&event));
            }
        }
    }
    Ok(evaluator)
}

/// An event that would not come in.
#[derive(Serialize)]
struct RefusedEvent {
    event: String,
    correlation: String,
    why: String,
}

impl RefusedEvent {
    fn of(event: &Incoming, why: &dyn Display) -> Self {
        let (event, why) = (event.event(), why.to_string());
        Self { event: event.id.clone(), correlation: event.correlation_id.to_string(), why }
    }
}

/// Those that would come in, how many are known by then, and what would be refused of the others.
fn new_ones(
    events: Vec<Incoming>,
    mut reader: Option<&mut Reader>,
    catalogue: &Catalogue,
) -> Result<(Vec<Incoming>, usize, Vec<RefusedEvent>), Failure> {
    let (mut new, mut known, mut refused) = (Vec::with_capacity(events.len()), 0, Vec::new());
    let mut came = HashMap::new();
    for event in events {
        if let Err(why) = may_enter(event.event(), Whence::File, catalogue) {
            refused.push(RefusedEvent::of(&event, &why));
            continue;
        }
        let name = (event.event().correlation_id.clone(), event.identity());
        let is_same = match came.get(&name) {
            Some(digest) => Some(*digest == event.digest()),
            None => is_recorded(reader.as_deref_mut(), &event)?,
        };
        match is_same {
            None => {
                came.insert(name, event.digest());
                new.push(event);
            }
            Some(true) => known += 1,
            Some(false) => refused.push(RefusedEvent::of(&event, &"its id was used before with other content")),
        }
    }
    Ok((new, known, refused))
}

/// Whether it is this event that the journal holds under its identity; nothing if it holds none there.
fn is_recorded(reader: Option<&mut Reader>, event: &Incoming) -> Result<Option<bool>, Failure> {
    let Some(reader) = reader else { return Ok(None) };
    let Some(position) = reader.find(&event.event().correlation_id, event.identity())? else { return Ok(None) };
    let stored = reader.record(position)?.and_then(|stored| received(&stored.record));
    Ok(Some(stored.is_some_and(|stored| stored.digest() == event.digest())))
}

fn print_json(out: &mut dyn Write, told: &DryRun) -> io::Result<()> {
    told.runs.iter().try_for_each(|run| writeln!(out, "{}", json!({ "run": run })))?;
    told.refused.iter().try_for_each(|(run, why)| writeln!(out, "{}", json!({"refused": {"run": run, "why": why}})))?;
    let errors = told.errors.iter().map(ToString::to_string);
    errors.into_iter().try_for_each(|error| writeln!(out, "{}", json!({ "error": error })))
}

fn print(screen: &mut Screen, told: &DryRun, events: usize, known: usize) -> io::Result<()> {
    let look = screen.look;
    let mut table = Table::new([
        Column::id("rule", 8),
        Column::id("about", 8),
        Column::id("fires on", 8),
        Column::words("would do", 12, 10),
    ]);
    for run in &told.runs {
        let about = run.subject.as_ref().map_or("-".to_string(), |subject| plain(&subject.to_string()));
        let (does, tone) = match &run.error {
            Some(error) => (format!("nothing: {error}"), Tone::Doubtful),
            None => (does(&run.acts), Tone::Plain),
        };
        table.row([
            (plain(&run.rule), Tone::Strong),
            (about, Tone::Plain),
            (plain(&format!("{} {}", run.trigger.kind, run.trigger.id)), Tone::Plain),
            (plain(&does), tone),
        ]);
    }
    if !told.runs.is_empty() {
        table.print(screen, look)?;
    }
    for (run, why) in &told.refused {
        writeln!(screen, "{}", look.paint(Tone::Doubtful, &plain(&format!("run {run}: {why}"))))?;
    }
    for error in &told.errors {
        writeln!(screen, "{}", look.paint(Tone::Doubtful, &plain(&error.to_string())))?;
    }
    let known = if known > 0 { format!(" ({known} more are known)") } else { String::new() };
    let events = counted(events as u64, "event");
    let told =
        format!("{} would follow from {events}{known}; nothing was done", counted(told.runs.len() as u64, "run"));
    writeln!(screen, "{}", look.paint(Tone::Faint, &told))
}
