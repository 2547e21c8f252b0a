//! Which reasoners there are: what a set of policies asks that is not among them would fail open or shut, one event after
//! the other; so it does not come into force.

use std::collections::BTreeMap;
use std::sync::Arc;

use regie_core::governance::PolicySet;

use super::{ReasonerLimits, ReasonerSpec};

/// The reasoners of a runtime, by name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<BTreeMap<String, ReasonerLimits>>);

/// A policy asks what there is not, or more than it may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy '{policy}' asks the reasoner '{reasoner}': {why}")]
pub struct Unaskable {
    /// Which policy.
    pub policy: String,
    /// Which reasoner.
    pub reasoner: String,
    /// What stands in the way.
    pub why: String,
}

impl Known {
    /// Those of these specifications.
    pub fn of(specs: &[ReasonerSpec]) -> Self {
        Self(Arc::new(specs.iter().map(|spec| (spec.name.clone(), spec.limits)).collect()))
    }

    /// Whether all that a set asks is here, and may take the time that it is given.
    ///
    /// # Errors
    /// The first policy of which that is not so.
    pub fn check(&self, set: &PolicySet) -> Result<(), Unaskable> {
        for (policy, rule) in set.reasons() {
            let why = match self.0.get(&rule.reasoner) {
                None => self.lacks(),
                Some(limits) => match limits.granted(rule.limit) {
                    Ok(_) => continue,
                    Err(refused) => refused.to_string(),
                },
            };
            return Err(Unaskable { policy: policy.into(), reasoner: rule.reasoner.clone(), why });
        }
        Ok(())
    }

    fn lacks(&self) -> String {
        let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        match names.is_empty() {
            true => "this runtime has no reasoners; a program that embeds it gives it some".into(),
            false => format!("there is none of that name; there are: {}", names.join(", ")),
        }
    }
}
