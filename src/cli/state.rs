//! `regie state`: an entity's fields, now or at an instant.

use std::collections::BTreeMap;
use std::io::{self, Write};

use regie_actors::entities::touches;
use regie_core::entity::{EntityState, fold};
use regie_core::event::{Catalogue, EntityRef, Event};

use super::args::StateArgs;
use super::exit::{Exit, Failure};
use super::open;
use super::screen::{Screen, Tone, counted, plain};
use super::table::{Column, Table};
use crate::Builder;

/// Prints the fold of everything that changed the entity up to then; nothing had touched it: `null`, and its exit code.
pub(super) fn state(args: &StateArgs, builder: &Builder) -> Result<Exit, Failure> {
    let entity = EntityRef::new(&args.kind, &args.id);
    let mut journal = open::read_only(&args.common)?;
    let given = open::settings(&args.common)?.event_types()?.or_else(|| builder.event_types());
    let events = touches(&mut journal.reader, &entity, args.at, &given.unwrap_or_else(Catalogue::shipped))?;
    let folded = fold(events.iter().map(|touch| (&*touch.event, touch.position, touch.is_about)));
    let mut screen = Screen::stdout();
    let Some(state) = folded else {
        if args.common.json {
            writeln!(screen, "null")?;
        } else {
            let by_then = args.at.map(|at| format!(" up to {at}")).unwrap_or_default();
            open::tell(&format!("regie: nothing has touched {entity}{by_then} in {}", journal.path.display()));
        }
        screen.finish()?;
        return Ok(Exit::Nothing);
    };
    if args.common.json {
        serde_json::to_writer(&mut screen, &state.fields).map_err(io::Error::from)?;
        writeln!(screen)?;
    } else {
        let about: Vec<&Event> = events.iter().filter(|touch| touch.is_about).map(|touch| &*touch.event).collect();
        print(&mut screen, args, &state, &about)?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

fn print(screen: &mut Screen, args: &StateArgs, state: &EntityState, about: &[&Event]) -> io::Result<()> {
    let look = screen.look;
    let name = look.paint(Tone::Strong, &plain(&format!("{}/{}", args.kind, args.id)));
    let at = args.at.map(|at| format!(" at {at}")).unwrap_or_default();
    writeln!(screen, "{name}{at}, by {}", counted(state.events, "event"))?;
    if state.fields.is_empty() {
        return writeln!(screen, "touched, but without a field of its own");
    }
    let mut changed_by = BTreeMap::new();
    for event in about {
        changed_by.extend(event.changes.keys().map(|field| (field, *event)));
    }
    let columns =
        [Column::id("field", 8), Column::text("value", 16), Column::words("since", 24, 24), Column::id("by", 6)];
    let mut table = Table::new(columns);
    for (field, value) in &state.fields {
        let last = changed_by.get(field).copied();
        let by = last.and_then(|event| event.actor.as_ref()).map_or("-".to_string(), |actor| plain(&actor.id));
        table.row([
            (plain(field), Tone::Plain),
            (plain(value.text()), Tone::Strong),
            (last.map_or("-".to_string(), |event| event.timestamp.to_string()), Tone::Faint),
            (by, Tone::Plain),
        ]);
    }
    table.print(screen, look)?;
    match state.mismatches.len() as u64 {
        0 => Ok(()),
        mismatches => {
            let told = format!("{} about an old value did not fit", counted(mismatches, "claim"));
            writeln!(screen, "{}", look.paint(Tone::Doubtful, &told))
        }
    }
}
