//! Taking a run over to another version of its definition: checked against its records first, and recorded with who and why.

use super::command::Refusal;
use super::decide::{Place, check_signed};
use super::evolve::{IllegalFact, evolve};
use super::fact::Fact;
use super::operation::{self, Operation};
use super::record::Record;
use super::registry::Definitions;
use super::state::State;
use crate::Json;
use crate::event::Principal;
use crate::limits;

/// A run that is to go on under another version.
#[derive(Clone, Debug)]
pub struct Migration {
    /// The version that it takes from now on.
    pub to: u32,
    /// The state that its records give under that version, as the handler serialises it.
    pub state: Json,
    /// The sequence of the last of those records: if there are more by now, it is to be read anew.
    pub seen: u64,
    /// Its id: asked twice is done once.
    pub id: String,
    /// Who says so.
    pub by: Principal,
    /// Why.
    pub why: String,
}

/// The state that all records of a correlation give if its run had begun with another version of its definition, as that
/// serialises it.
///
/// # Errors
/// Why that version cannot read them, or has no place for where the run stands.
pub fn replay_under(records: &[Record], to: u32, definitions: &Definitions) -> Result<Json, String> {
    let begun = records.iter().flat_map(|record| &record.facts).find_map(|fact| match fact {
        Fact::Started { definition, version } => Some((definition.as_str(), *version)),
        _ => None,
    });
    let (name, from) = begun.ok_or("there is no run")?;
    let unknown = || format!("this program has no version {to} of '{name}'");
    let under = definitions.standing_in(name, to, from).ok_or_else(unknown)?;
    let mut state = State::default();
    for record in records {
        // An earlier migration has told a state; what the version to come makes of all that was noted is asked here.
        let mut record = record.clone();
        record.facts.retain(|fact| !is_of_a_migration(fact));
        let told = |error: IllegalFact| format!("the record of sequence {}: {}", error.sequence, error.why);
        evolve(&mut state, &record, &under).map_err(told)?;
    }
    let told = state.told(&under).ok_or("its state cannot be serialised")?;
    under.fits(name, from, &told).map_err(|why| format!("version {to} of '{name}' does not fit: {why}"))?;
    Ok(told)
}

fn is_of_a_migration(fact: &Fact) -> bool {
    matches!(fact, Fact::Migrated { .. } | Fact::Operated { operation: Operation::Migrate { .. }, .. })
}

impl Place<'_> {
    /// What follows from a migration.
    pub(super) fn migrate(&self, migration: &Migration) -> Result<Vec<Fact>, Refusal> {
        let Migration { to, state, seen, id, by, why } = migration;
        check_signed(by, why)?;
        operation::check_operation_id(id)?;
        let operation = Operation::Migrate { to: *to };
        let cannot = |why: String| Err(Refusal::NotNow { operation, why });
        let run = self.state.run().ok_or(Refusal::NoRun { operation })?;
        run.check_new(id, operation)?;
        operation::check(operation, run)?;
        let definitions = self.context.definitions;
        if definitions.get(&run.definition, *to).is_none() {
            return Err(Refusal::UnknownDefinition { name: run.definition.clone(), version: *to });
        }
        if self.state.sequence != *seen {
            return cannot(format!("it was read up to sequence {seen}, and is at {} now", self.state.sequence));
        }
        if state.text().len() > limits::REACTION_BYTES {
            let bytes = state.text().len();
            return cannot(format!("its state has {bytes} bytes; at most {} are taken", limits::REACTION_BYTES));
        }
        if let Err(why) = definitions.fits(&run.definition, *to, state) {
            return cannot(format!("version {to} does not fit: {why}"));
        }
        Ok(vec![
            Fact::Operated { operation, id: id.clone(), by: by.clone(), why: why.clone() },
            Fact::Migrated { version: *to, state: state.clone() },
        ])
    }
}
