//! `regie query`: events, listed or counted.

use std::io::{self, Write};
use std::ops::ControlFlow;

use regie_core::Timestamp;
use regie_core::event::{EntityRef, Event, LifeState};
use regie_core::query::{Filter, Order};
use regie_journal::{Reader, StoredEvent};
use serde::Serialize;
use serde_json::json;

use super::args::{FilterArgs, QueryArgs, WhichArgs};
use super::exit::{Exit, Failure};
use super::open;
use super::screen::{Screen, Tone, counted, plain};
use super::table::{Column, Table};

/// Rows by which a table finds its widths.
const PAGE: usize = 500;

/// Prints the events that are meant.
pub(super) fn query(args: &QueryArgs) -> Result<Exit, Failure> {
    let filter = Filter {
        limit: args.limit,
        order: if args.newest { Order::Newest } else { Order::Oldest },
        ..filter(&args.filter)?
    };
    let mut journal = open::read_only(&args.common)?;
    let mut screen = Screen::stdout();
    if args.count {
        let count = journal.reader.count(&filter)?;
        if args.common.json {
            writeln!(screen, "{}", json!({"count": count}))?;
        } else {
            writeln!(screen, "{count}")?;
        }
    } else if args.raw {
        each(&mut journal.reader, &filter, |event| writeln!(screen, "{}", event.incoming.raw()))?;
    } else if args.common.json {
        each(&mut journal.reader, &filter, |event| print_json(&mut screen, event))?;
    } else {
        list(&mut journal.reader, &filter, &mut screen)?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

/// The filter that the flags give.
pub(super) fn filter(args: &FilterArgs) -> Result<Filter, Failure> {
    Ok(Filter { state: args.state.map(Into::into), own: args.own, ..which(&args.which)? })
}

/// The same without the flags that not every command has.
pub(super) fn which(args: &WhichArgs) -> Result<Filter, Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Failure::Usage(format!("--from {from} is after --to {to}: nothing can be between")));
    }
    let entity = args.entity.as_deref().and_then(|both| match both {
        [kind, id] => Some(EntityRef::new(kind, id)),
        _ => None,
    });
    Ok(Filter {
        correlation: args.correlation.as_deref().map(Into::into),
        actor: args.actor.clone(),
        kind: args.kind.clone(),
        session: args.session.clone(),
        entity,
        from: args.from,
        to: args.to,
        ..Filter::default()
    })
}

/// Hands over each event until one cannot be printed.
fn each(
    reader: &mut Reader,
    filter: &Filter,
    mut print: impl FnMut(&StoredEvent) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut done = Ok(());
    reader.events(filter, &mut |event| {
        done = print(&event);
        if done.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(done?)
}

/// The place of an event in the journal, beside its envelope.
#[derive(Serialize)]
struct Place {
    position: u64,
    sequence: u64,
    state: LifeState,
    recorded_at: Timestamp,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event,
    record: Place,
}

/// The event in our envelope with a `record` beside it. An extension of that name gives way; `--raw` still shows it.
fn print_json(out: &mut dyn Write, stored: &StoredEvent) -> io::Result<()> {
    let record = Place {
        position: stored.position,
        sequence: stored.sequence,
        state: stored.state,
        recorded_at: stored.recorded_at,
    };
    let event = stored.incoming.event();
    let mut without;
    let event = if event.extensions.contains_key("record") {
        without = event.clone();
        without.extensions.remove("record");
        &without
    } else {
        event
    };
    serde_json::to_writer(&mut *out, &Line { event, record })?;
    writeln!(out)
}

fn list(reader: &mut Reader, filter: &Filter, screen: &mut Screen) -> Result<(), Failure> {
    let look = screen.look;
    let mut table = Table::new([
        Column::words("time", 19, 10),
        Column::tail("type", 14),
        Column::id("id", 8),
        Column::id("correlation", 12),
        Column::id("actor", 6),
        Column::words("state", 9, 9),
    ]);
    let mut total = 0;
    each(reader, filter, |stored| {
        total += 1;
        table.row(cells(stored));
        if table.waiting() == PAGE { table.print(screen, look) } else { Ok(()) }
    })?;
    if total > 0 {
        table.print(screen, look)?;
    }
    let told = if total == 0 { "no event fits".to_string() } else { counted(total, "event") };
    writeln!(screen, "{}", look.paint(Tone::Faint, &told))?;
    Ok(())
}

fn cells(stored: &StoredEvent) -> [(String, Tone); 6] {
    let event = stored.incoming.event();
    let actor = event.actor.as_ref().map_or("-".to_string(), |actor| plain(&actor.id));
    [
        (short(event.timestamp), Tone::Faint),
        (plain(&event.kind), Tone::Plain),
        (plain(&event.id), Tone::Strong),
        (plain(&event.correlation_id), Tone::Plain),
        (actor, Tone::Plain),
        (stored.state.to_string(), tone_of(stored.state)),
    ]
}

/// A time to the second, in UTC: the rest is in `--json`.
pub(super) fn short(time: Timestamp) -> String {
    time.to_chrono().format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The tone of a state.
pub(super) fn tone_of(state: LifeState) -> Tone {
    match state {
        LifeState::Processed => Tone::Good,
        LifeState::Pending => Tone::Plain,
        LifeState::Deferred | LifeState::Escalated => Tone::Doubtful,
        LifeState::Discarded => Tone::Bad,
    }
}
