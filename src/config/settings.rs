//! The settings in force: all layers laid over each other.

use std::path::{Path, PathBuf};

use regie_core::automation::RuleSet;
use regie_core::event::{Catalogue, CatalogueFileError};
use regie_core::governance::PolicySet;
use regie_journal::Durability;

use super::fault::{Fault, Faults, Place};
use super::file;
use super::keys::{Clock, Given, KEYS, Layer};

/// The journal unless said.
pub const DEFAULT_DB: &str = "./regie.db";
/// Events that `regie run` keeps under way unless said.
pub const DEFAULT_IN_FLIGHT: usize = 1_024;

/// The settings in force.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The journal.
    pub db: PathBuf,
    /// The policy file, if one is named.
    pub policies: Option<PathBuf>,
    /// Where a config file names it, if one does.
    pub policies_at: Option<Place>,
    /// The file of event types, if one is named.
    pub catalogue: Option<PathBuf>,
    /// The rules file, if one is named.
    pub rules: Option<PathBuf>,
    /// The clock.
    pub clock: Clock,
    /// What an answer means; strict unless said.
    pub durability: Option<Durability>,
    /// Shards; as many as cores unless said.
    pub shards: Option<usize>,
    /// Events that the runtime takes at once; as many as it can unless said.
    pub admission: Option<usize>,
    /// Events that `regie run` keeps under way.
    pub in_flight: usize,
    /// A cap on the journal's size, in bytes.
    pub max_bytes: Option<u64>,
}

impl Settings {
    /// Lays flags over environment over file. The file is the one given, else the one that `REGIE_CONFIG` names, if any.
    /// `variable` gives the environment; a variable that is empty counts as not set.
    pub fn resolve(
        flags: Layer,
        config: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Settings, Faults> {
        let variable = |name: &str| variable(name).filter(|text| !text.is_empty());
        let config = config.map(Path::to_path_buf).or_else(|| variable("REGIE_CONFIG").map(PathBuf::from));
        let (below, mut faults) = config.map(|path| file::read(&path)).unwrap_or_default();
        let mut environment = Layer::default();
        for key in KEYS {
            let name = key.variable();
            let Some(text) = variable(&name) else { continue };
            if let Err(why) = key.fill(&mut environment, Given::Word(&text)) {
                faults.push(Fault::new(Place::Variable(name), why));
            }
        }
        let layer = flags.over(environment).over(below);
        // Policies and rules are looked at even when the rest is at fault, so that everything is told at once.
        if !faults.is_empty() {
            let policies = layer.policies.as_deref().and_then(|path| policies_of(path, &layer.policies_at).err());
            let rules = layer.rules.as_deref().and_then(|path| rules_of(path).err());
            faults.extend(policies.into_iter().chain(rules).flatten());
        }
        Faults(faults).none()?;
        Ok(Settings {
            db: layer.db.unwrap_or_else(|| DEFAULT_DB.into()),
            policies: layer.policies,
            policies_at: layer.policies_at,
            catalogue: layer.catalogue,
            rules: layer.rules,
            clock: layer.clock.unwrap_or_default(),
            durability: layer.durability,
            shards: layer.shards,
            admission: layer.admission,
            in_flight: layer.in_flight.unwrap_or(DEFAULT_IN_FLIGHT),
            max_bytes: layer.max_bytes,
        })
    }

    /// Reads the policy file, if one is named: whole, or not at all.
    pub fn policy_set(&self) -> Result<Option<PolicySet>, Faults> {
        let read = self.policies.as_deref().map(|path| policies_of(path, &self.policies_at));
        read.transpose().map_err(Faults)
    }
}

impl Settings {
    /// Reads the file of event types, if one is named: whole, or not at all.
    pub fn event_types(&self) -> Result<Option<Catalogue>, Faults> {
        let Some(path) = self.catalogue.as_deref() else { return Ok(None) };
        let text = file::text_of(path).map_err(|fault| Faults(vec![fault]))?;
        let wrong = |error: CatalogueFileError| {
            let place = Place::In { path: path.into(), line: error.line, column: error.column };
            Faults(vec![Fault::new(place, error.why)])
        };
        Catalogue::from_toml(&text).map(Some).map_err(wrong)
    }
}

impl Settings {
    /// Reads the rules file, if one is named: whole, or not at all.
    pub fn rule_set(&self) -> Result<Option<RuleSet>, Faults> {
        self.rules.as_deref().map(rules_of).transpose().map_err(Faults)
    }
}

/// Reads a policy file: whole, or every fault of it that can be told.
#[cfg(feature = "cli")]
pub(crate) fn policies_in(path: &Path) -> Result<PolicySet, Faults> {
    policies_of(path, &None).map_err(Faults)
}

fn rules_of(path: &Path) -> Result<RuleSet, Vec<Fault>> {
    let text = file::text_of(path).map_err(|fault| vec![fault])?;
    RuleSet::parse(&text).map_err(|_| {
        let told = RuleSet::faults(&text, None).into_iter();
        told.map(|error| {
            let place = Place::In { path: path.into(), line: error.line, column: error.column };
            Fault::new(place, error.why)
        })
        .collect()
    })
}

fn policies_of(path: &Path, named_at: &Option<Place>) -> Result<PolicySet, Vec<Fault>> {
    let text = file::text_of(path).map_err(|fault| match (named_at, &fault.place) {
        // What is wrong with the file as a whole is told where it was named.
        (Some(place), Place::File(_)) => vec![Fault::new(place.clone(), format!("policies: {fault}"))],
        _ => vec![fault],
    })?;
    PolicySet::parse(&text).map_err(|_| {
        let told = PolicySet::faults(&text).into_iter();
        told.map(|error| {
            let place = Place::In { path: path.into(), line: error.line, column: error.column };
            Fault::new(place, error.why)
        })
        .collect()
    })
}
