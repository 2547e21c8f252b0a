//! `regie dead-letters list` and `regie dead-letters show`.

use std::io::{self, Write};

use regie_core::Timestamp;
use regie_core::bus::Letter;
use regie_core::event::Event;
use serde::Serialize;

use super::args::{ListArgs, MeantArgs, ShowArgs};
use super::{meant, none};
use crate::bus::{DeadLetter, LetterKind};
use crate::cli::exit::{Exit, Failure};
use crate::cli::open;
use crate::cli::query::short;
use crate::cli::screen::{Screen, Tone, counted, plain};
use crate::cli::table::{Column, Table};

/// Prints those that wait.
pub(super) fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let mut journal = open::read_only(&args.common)?;
    let dead = meant(&mut journal.reader, &args.meant)?;
    let mut screen = Screen::stdout();
    if args.common.json {
        dead.iter().try_for_each(|one| print_json(&mut screen, one))?;
    } else {
        print(&mut screen, &dead)?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

/// Prints one whole.
pub(super) fn show(args: &ShowArgs) -> Result<Exit, Failure> {
    let mut journal = open::read_only(&args.common)?;
    let all = MeantArgs { subscriber: None, kind: None, before: None };
    let found = meant(&mut journal.reader, &all)?.into_iter().find(|one| one.position == args.position);
    let Some(one) = found else {
        return Ok(none(&format!("no dead letter waits at position {}", args.position)));
    };
    let mut screen = Screen::stdout();
    if args.common.json {
        print_json(&mut screen, &one)?
    } else {
        print_whole(&mut screen, &one)?
    }
    screen.finish()?;
    Ok(Exit::Done)
}

fn print(screen: &mut Screen, dead: &[DeadLetter]) -> io::Result<()> {
    let look = screen.look;
    if dead.is_empty() {
        return writeln!(screen, "{}", look.paint(Tone::Faint, "no dead letter waits"));
    }
    let mut table = Table::new([
        Column::id("position", 8),
        Column::id("subscriber", 10),
        Column::id("event", 8),
        Column::tail("type", 6),
        Column::words("since", 19, 10),
        Column::id("tries", 5),
        Column::text("error", 8),
    ]);
    dead.iter().for_each(|one| table.row(cells(one)));
    table.print(screen, look)?;
    let verb = if dead.len() == 1 { "waits" } else { "wait" };
    let told = format!("{} {verb}", counted(dead.len() as u64, "dead letter"));
    writeln!(screen, "{}", look.paint(Tone::Faint, &told))
}

fn cells(one: &DeadLetter) -> [(String, Tone); 7] {
    let letter = letter_of(one);
    let tries = letter.map_or("-".to_string(), |letter| letter.attempts.to_string());
    [
        (one.position.to_string(), Tone::Plain),
        (plain(one.subscriber().unwrap_or("(poison)")), Tone::Strong),
        (plain(letter.map_or(&one.event.event().id, |letter| &letter.id)), Tone::Plain),
        (plain(one.event_type()), Tone::Plain),
        (short(one.since), Tone::Faint),
        (tries, Tone::Plain),
        (plain(&one.error), Tone::Doubtful),
    ]
}

fn letter_of(one: &DeadLetter) -> Option<&Letter> {
    match &one.kind {
        LetterKind::Letter(letter) => Some(letter),
        LetterKind::Poison => None,
    }
}

fn print_whole(screen: &mut Screen, one: &DeadLetter) -> io::Result<()> {
    let event = one.event.event();
    let mut line = |name: &str, text: &str| writeln!(screen, "{name:<12} {}", plain(text));
    line("position", &one.position.to_string())?;
    line("kind", word(one))?;
    if let Some(letter) = letter_of(one) {
        line("subscriber", letter.subscriber.as_str())?;
        line("event", &letter.id)?;
        line("source", &letter.source)?;
        line("correlation", &letter.correlation)?;
        line("type", &letter.kind)?;
        line("delivered at", &format!("position {}", letter.position))?;
        line("tries", &format!("{}, from {} to {}", letter.attempts, letter.first_at, letter.last_at))?;
    } else {
        line("event", &event.id)?;
        line("source", &event.source)?;
        line("correlation", &event.correlation_id)?;
        line("type", &event.kind)?;
    }
    line("since", &one.since.to_string())?;
    line("error", &one.error)
}

fn word(one: &DeadLetter) -> &'static str {
    match one.kind {
        LetterKind::Letter(_) => "letter",
        LetterKind::Poison => "poison",
    }
}

#[derive(Serialize)]
struct Line<'a> {
    position: u64,
    kind: &'static str,
    since: Timestamp,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    letter: Option<&'a Letter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a Event>,
}

fn print_json(out: &mut dyn Write, one: &DeadLetter) -> io::Result<()> {
    let letter = letter_of(one);
    let event = letter.is_none().then(|| one.event.event());
    let line = Line { position: one.position, kind: word(one), since: one.since, error: &one.error, letter, event };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}
