//! Which workflow is meant.

use std::io::Write;

use regie_core::event::CorrelationId;
use regie_core::near;
use regie_journal::Reader;

use crate::cli::exit::{Exit, Failure};
use crate::cli::open;
use crate::cli::screen::Screen;

/// Letters of an id that must be said at least, if not all.
const BEGINNING: usize = 4;
/// Ids that are named where several are meant.
const NAMED: usize = 6;
/// Ids among which a slip of the finger is looked for.
const LOOKED_AT: usize = 10_000;

/// The workflow of an id, or the one whose id begins so; nothing where there is none.
pub(super) fn meant(reader: &mut Reader, id: &str) -> Result<Option<CorrelationId>, Failure> {
    if reader.run(id)?.is_some() {
        return Ok(Some(id.into()));
    }
    if id.chars().count() < BEGINNING {
        return Ok(None);
    }
    let mut found = reader.runs_named(id, NAMED)?;
    match found.len() {
        0 | 1 => Ok(found.pop()),
        many => {
            let names: Vec<&str> = found.iter().map(|name| name.as_str()).collect();
            let more = if many == NAMED { " and perhaps more" } else { "" };
            Err(Failure::Usage(format!("several workflows begin with '{id}': {}{more}", names.join(", "))))
        }
    }
}

/// There is none: what is near is told.
pub(super) fn none(reader: &mut Reader, id: &str, json: bool) -> Result<Exit, Failure> {
    if json {
        let mut screen = Screen::stdout();
        writeln!(screen, "null")?;
        screen.finish()?;
    }
    let others = reader.runs_named("", LOOKED_AT)?;
    let near = near::slip(id, others.iter().map(|name| name.as_str()));
    let hint = match near {
        Some(near) => format!("did you mean '{near}'?"),
        None if id.chars().count() < BEGINNING && others.iter().any(|name| name.starts_with(id)) => {
            format!("of an id its first {BEGINNING} letters are needed at least")
        }
        None if others.is_empty() => "there is none at all".to_string(),
        None => "see 'regie workflow list'".to_string(),
    };
    open::tell(&format!("regie: no workflow runs, or ran, in '{id}'; {hint}"));
    Ok(Exit::Nothing)
}
