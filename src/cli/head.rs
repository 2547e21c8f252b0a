//! `regie head`: the journal's last position and digest.

use std::io::Write;

use serde_json::json;

use super::args::PlainArgs;
use super::exit::{Exit, Failure};
use super::open;
use super::screen::{Screen, Tone, grouped};

/// Prints the end of the journal's chain: two journals with one head hold the same.
pub(super) fn head(args: &PlainArgs) -> Result<Exit, Failure> {
    let mut journal = open::read_only(&args.common)?;
    let head = journal.reader.head()?;
    let mut screen = Screen::stdout();
    if args.common.json {
        writeln!(screen, "{}", json!({"position": head.position, "digest": head.digest}))?;
    } else {
        let digest = screen.look.paint(Tone::Strong, &head.digest.to_string());
        writeln!(screen, "{}  {digest}", grouped(head.position))?;
    }
    screen.finish()?;
    Ok(Exit::Done)
}
