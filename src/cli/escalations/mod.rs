//! `regie escalations`: the events that wait for a person.

mod args;
mod decide;
mod find;
mod list;

use crate::Builder;

use super::exit::{Exit, Failure};
use args::What;
pub(super) use args::{EscalationsArgs, principal};

/// Lists them, or takes a decision over one.
pub(super) fn escalations(args: &EscalationsArgs, builder: Builder) -> Result<Exit, Failure> {
    match &args.what {
        What::List(args) => list::list(args),
        What::Approve(args) => decide::decide(args, true, builder),
        What::Reject(args) => decide::decide(args, false, builder),
    }
}
