//! `regie dead-letters`: what could not be handled.

mod args;
mod list;
mod resolve;

use regie_journal::Reader;

use super::exit::{Exit, Failure};
use crate::Builder;
use crate::bus::{DeadLetter, LetterFilter, dead_letters};
use crate::cli::open;
pub(super) use args::LettersArgs;
use args::{MeantArgs, What};

/// Lists them, shows one, or has some tried again or discarded.
pub(super) fn letters(args: &LettersArgs, builder: Builder) -> Result<Exit, Failure> {
    match &args.what {
        What::List(args) => list::list(args),
        What::Show(args) => list::show(args),
        What::Retry(args) => resolve::resolve(args, true, builder),
        What::Discard(args) => resolve::resolve(args, false, builder),
    }
}

fn meant(reader: &mut Reader, args: &MeantArgs) -> Result<Vec<DeadLetter>, Failure> {
    let (subscriber, kind, before) = (args.subscriber.clone(), args.kind.clone(), args.before);
    Ok(dead_letters(reader, &LetterFilter { subscriber, kind, before })?)
}

fn none(what: &str) -> Exit {
    open::tell(&format!("regie: {what}: see 'regie dead-letters list' for those that wait"));
    Exit::Nothing
}
