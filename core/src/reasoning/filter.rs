//! Which signals count: by kind, confidence and condition, as policies say.

use serde::{Deserialize, Serialize};

use super::signal::{Confidence, Signal};
use crate::event::Pattern;

/// What a policy says of some signals about some events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalFilter {
    /// The policy.
    pub policy: String,
    /// The events it is about.
    pub events: Pattern,
    /// The signals it is about, by kind.
    pub signals: Pattern,
    /// The least confidence that passes; any unless said.
    pub minimum: Option<Confidence>,
    /// The kinds that may pass; any unless some are named.
    pub allow: Vec<Pattern>,
    /// The kinds that do not pass, allowed or not.
    pub deny: Vec<Pattern>,
}

impl SignalFilter {
    /// A filter that lets everything pass yet.
    pub fn new(policy: impl Into<String>, events: Pattern, signals: Pattern) -> Self {
        Self { policy: policy.into(), events, signals, minimum: None, allow: Vec::new(), deny: Vec::new() }
    }

    /// Why it drops a signal, if it does. What is in a list is looked at before what has to be compared.
    fn drops(&self, signal: &Signal) -> Option<String> {
        let named = |patterns: &[Pattern]| patterns.iter().find(|pattern| pattern.matches(&signal.kind)).cloned();
        if let Some(pattern) = named(&self.deny) {
            return Some(format!("denied by '{pattern}'"));
        }
        if !self.allow.is_empty() && named(&self.allow).is_none() {
            return Some("not among the kinds that are allowed".into());
        }
        let minimum = self.minimum.filter(|minimum| signal.confidence < *minimum)?;
        Some(format!("confidence {} is below {minimum}", signal.confidence))
    }
}

/// Whether a signal passes, or why that cannot be said.
pub type SignalCondition<'a> = dyn Fn(&Signal) -> Result<bool, String> + 'a;

/// A filter as it is applied to the signals of one event.
#[derive(Clone, Copy)]
pub struct Sieve<'a> {
    /// What the policy says.
    pub filter: &'a SignalFilter,
    /// Its condition, over this event.
    pub condition: Option<&'a SignalCondition<'a>>,
}

impl<'a> Sieve<'a> {
    /// One without a condition.
    pub fn new(filter: &'a SignalFilter) -> Self {
        Self { filter, condition: None }
    }

    fn drops(&self, event_type: &str, signal: &Signal) -> Option<String> {
        if !self.filter.events.matches(event_type) || !self.filter.signals.matches(&signal.kind) {
            return None;
        }
        let by_condition = || match self.condition?(signal) {
            Ok(true) => None,
            Ok(false) => Some("its condition does not hold".to_string()),
            // What cannot be told to be fine is not let pass.
            Err(why) => Some(format!("its condition cannot be told: {why}")),
        };
        self.filter.drops(signal).or_else(by_condition)
    }
}

/// A signal that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filtered {
    /// The signal.
    pub signal: Signal,
    /// The policy that dropped it.
    pub policy: String,
    /// Why.
    pub why: String,
}

/// Signals that count, and those that do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sifted {
    /// Those that count.
    pub passed: Vec<Signal>,
    /// Those that do not.
    pub filtered: Vec<Filtered>,
}

/// Sifts the signals about an event of that type. Of several filters the first that drops a signal is the one named.
pub fn sift(event_type: &str, signals: Vec<Signal>, sieves: &[Sieve<'_>]) -> Sifted {
    let mut sifted = Sifted::default();
    for signal in signals {
        let dropped = |sieve: &Sieve<'_>| Some((sieve.filter.policy.clone(), sieve.drops(event_type, &signal)?));
        match sieves.iter().find_map(dropped) {
            None => sifted.passed.push(signal),
            Some((policy, why)) => sifted.filtered.push(Filtered { signal, policy, why }),
        }
    }
    sifted
}
