//! `regie rules`: what follows from what has happened.

mod args;
mod dry_run;
mod list;
mod runs;
mod undo;

use regie_actors::automation::recorded_rules;
use regie_core::automation::RuleSet;
use regie_journal::Reader;

use super::exit::{Exit, Failure};
use crate::Builder;
use crate::config::Settings;
pub(super) use args::RulesArgs;
use args::What;

/// Does what a command of `regie rules` says.
pub(super) fn rules(args: &RulesArgs, builder: Builder) -> Result<Exit, Failure> {
    match &args.what {
        What::List(args) => list::list(args),
        What::Check(args) => list::check(args),
        What::Runs(args) => runs::runs(args),
        What::DryRun(args) => dry_run::dry_run(args),
        What::Undo(args) => undo::undo(args, builder),
    }
}

/// The rules that are meant: those of the file that flags, environment or config file name; else those that the journal
/// recorded last; else the shipped ones. And which of these they are.
fn meant(settings: &Settings, reader: Option<&mut Reader>) -> Result<(RuleSet, &'static str), Failure> {
    let catalogue = settings.event_types()?.unwrap_or_else(regie_core::event::Catalogue::shipped);
    let relating =
        |set: RuleSet| set.relating(catalogue.relations()).map_err(|error| Failure::Usage(error.to_string()));
    if let Some(set) = settings.rule_set()? {
        return Ok((relating(set)?, "of the rules file"));
    }
    match reader.map(recorded_rules).transpose()?.flatten() {
        Some(recorded) => Ok((recorded, "as the journal recorded them last")),
        None => Ok((relating(RuleSet::shipped())?, "shipped")),
    }
}
