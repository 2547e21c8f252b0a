//! The `regie` command with a workflow of your own: `cargo run --example own_command -- run FILE`.

use regie::prelude::*;
use serde::{Deserialize, Serialize};

/// Counts the notes of a correlation, and is done after three.
struct Three;

#[derive(Serialize, Deserialize)]
struct Noted;

impl Handler for Three {
    type State = u32;
    type Fact = Noted;

    fn name(&self) -> &str {
        "three-notes"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse("note.>").expect("a good pattern")
    }

    fn decide(&self, count: &u32, _: Input<'_>, _: &Moment<'_>) -> Result<Reaction<Noted>, HandlerError> {
        let reaction = Reaction::none().note(Noted);
        Ok(if *count == 2 { reaction.complete("three notes") } else { reaction })
    }

    fn evolve(&self, count: &mut u32, _: Noted) {
        *count += 1;
    }
}

fn main() -> std::process::ExitCode {
    regie::cli::main(builder().handler(Three))
}
