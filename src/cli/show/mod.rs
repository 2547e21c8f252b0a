//! `regie show`: what happened to one correlation, and why.

mod facts;
mod json;
mod render;
pub(in crate::cli) mod story;

use std::io::{self, Write};

use regie_journal::StoredRecord;

use super::args::ShowArgs;
use super::exit::{Exit, Failure};
use super::open;
use super::screen::Screen;
use crate::Builder;
use crate::runtime::{NoDiagram, diagram_of, undone_in};
use story::Story;

/// Prints the last of a correlation's records.
pub(super) fn print_last(screen: &mut Screen, records: &[StoredRecord], many: usize) -> io::Result<()> {
    let look = screen.look;
    Story::of(records).map_or(Ok(()), |story| render::print_last(screen, look, &story, many))
}

/// Prints the story of a correlation, record by record.
pub(super) fn show(args: &ShowArgs, builder: &Builder) -> Result<Exit, Failure> {
    if args.diagram {
        return diagram(args, builder);
    }
    let mut journal = open::read_only(&args.common)?;
    let records = journal.reader.load(&args.correlation, 0)?;
    let mut screen = Screen::stdout();
    let undone = undone_in(&mut journal.reader, &args.correlation.as_str().into())?;
    let Some(story) = Story::of(&records) else {
        if args.common.json {
            writeln!(screen, "null")?;
        } else {
            open::tell(&format!("regie: nothing is known of '{}' in {}", args.correlation, journal.path.display()));
        }
        screen.finish()?;
        return Ok(Exit::Nothing);
    };
    if args.common.json {
        serde_json::to_writer(&mut screen, &json::of(&story, undone.as_ref())).map_err(io::Error::from)?;
        writeln!(screen)?;
    } else {
        let look = screen.look;
        render::print(&mut screen, look, &story, undone.as_ref())?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}

/// Prints the workflow of a correlation as a diagram.
fn diagram(args: &ShowArgs, builder: &Builder) -> Result<Exit, Failure> {
    let mut journal = open::read_fresh(&args.common)?;
    match diagram_of(&mut journal.reader, &args.correlation.as_str().into(), &builder.definitions()) {
        Ok(diagram) => {
            let mut screen = Screen::stdout();
            write!(screen, "{diagram}")?;
            screen.finish()?;
            Ok(Exit::Done)
        }
        Err(NoDiagram::Store(error)) => Err(error.into()),
        Err(none) => {
            open::tell(&format!("regie: {none}"));
            Ok(Exit::Nothing)
        }
    }
}
