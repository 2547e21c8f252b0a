//! The policies that are in force together.

use super::condition::{Condition, ENTITY};
use super::file::{self, PolicyFileError};
use super::kind::PolicyKind;
use super::label::{Label, LabelRule};
use super::policy::Policy;
use super::stateless::ReasonRule;
use crate::event::{Event, Priority};
use crate::expr::View;
use crate::limits;
use crate::{Digest, Timestamp};

/// Why some policies make no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicySetError {
    /// Two policies of one name.
    #[error("two policies have the name '{name}'")]
    NameTwice {
        /// The name.
        name: String,
    },
    /// One of them makes no sense.
    #[error("'{name}' cannot be: {why}")]
    Senseless {
        /// The policy.
        name: String,
        /// Why.
        why: String,
    },
    /// More than [`POLICIES`](limits::POLICIES).
    #[error("{count} policies; at most {} are taken", limits::POLICIES)]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

/// The policies that are in force together, in the order in which they are looked at.
#[derive(Clone, Debug)]
pub struct PolicySet {
    policies: Vec<Policy>,
    text: String,
    digest: Option<Digest>,
    most_deferrals: u32,
}

impl Default for PolicySet {
    fn default() -> Self {
        let (policies, text) = (Vec::new(), String::new());
        Self { policies, text, digest: None, most_deferrals: limits::DEFERRALS }
    }
}

impl PolicySet {
    /// A set of policies given in code.
    pub fn new(policies: Vec<Policy>) -> Result<Self, PolicySetError> {
        let lines: Vec<String> = policies.iter().map(|policy| policy.describe().to_string()).collect();
        Self::with_text(policies, lines.join("\n"))
    }

    /// Reads a policy file (TOML); see `docs/governance.md`. A bad one is refused whole, with line and column.
    ///
    /// ```
    /// use regie_core::governance::PolicySet;
    /// let set = PolicySet::parse(r#"
    /// [[policy]]
    /// name = "one-a-minute"
    /// kind = "cooldown"
    /// match = "agent.note"
    /// window = "60s"
    /// key = "actor"
    /// mode = "discard"
    /// "#).unwrap();
    /// assert_eq!(set.len(), 1);
    /// ```
    pub fn parse(text: &str) -> Result<Self, PolicyFileError> {
        file::parse(text)
    }

    /// Every fault of a policy file that can be told at once, by line and column; none if it is good.
    pub fn faults(text: &str) -> Vec<PolicyFileError> {
        file::faults(text)
    }

    pub(super) fn with_text(mut policies: Vec<Policy>, text: String) -> Result<Self, PolicySetError> {
        if policies.len() > limits::POLICIES {
            return Err(PolicySetError::TooMany { count: policies.len() });
        }
        for (at, policy) in policies.iter().enumerate() {
            check(policy, &policies[..at])?;
        }
        policies.sort_by_key(Policy::rank); // stable: what was given first stays first
        let digest = (!policies.is_empty()).then(|| Digest::of(text.as_bytes()));
        Ok(Self { policies, text, digest, most_deferrals: limits::DEFERRALS })
    }

    /// How many policies there are.
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// The digest of the set's text; none for the empty set.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The set as it is recorded.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The policies, in the order in which they are looked at.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.iter()
    }

    /// The policy at a place.
    pub(super) fn policy(&self, at: usize) -> Option<&Policy> {
        self.policies.get(at)
    }

    /// Whether a policy of the set holds state.
    pub fn holds_state(&self) -> bool {
        self.stateful().next().is_some()
    }

    /// The policies that hold state, by name.
    pub(super) fn stateful(&self) -> impl Iterator<Item = (&str, &PolicyKind)> {
        let stateful = self.policies.iter().filter(|policy| policy.kind.key().is_some());
        stateful.map(|policy| (policy.name.as_str(), &policy.kind))
    }

    /// Whether a policy with state has a say over this event.
    pub fn is_stateful_for(&self, event: &Event) -> bool {
        self.policies.iter().any(|policy| want(policy, event).is_some())
    }

    /// In event time: whether such an event must be answered before the next one enters, for what is said of it depends on
    /// what was said of others before, or takes time.
    pub fn needs_order(&self, event: &Event) -> bool {
        let waits = |policy: &Policy| match &policy.kind {
            PolicyKind::Reason(_) | PolicyKind::Escalate { lapse: Some(_), .. } => true,
            kind => kind.uses(ENTITY),
        };
        self.is_stateful_for(event) || self.matching(event).any(|(_, policy)| waits(policy))
    }

    /// Whether conditions have a say: they see when an event was.
    pub fn has_conditions(&self) -> bool {
        self.policies.iter().any(|policy| policy.kind.conditions().next().is_some())
    }

    /// Whether some of them are in code: foreign code, which may hold its thread.
    pub fn has_code(&self) -> bool {
        self.policies.iter().any(|policy| policy.kind.conditions().any(Condition::is_code))
    }

    /// The policies that are about events of such a type, in the order in which they are looked at.
    pub(super) fn matching<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = (usize, &'a Policy)> {
        self.policies.iter().enumerate().filter(|(_, policy)| policy.is_about(&event.kind))
    }

    /// How often an event may be put off without a promised place, before a person decides.
    pub fn most_deferrals(&self) -> u32 {
        self.most_deferrals
    }

    /// The same with another limit.
    #[must_use]
    pub fn with_most_deferrals(mut self, most: u32) -> Self {
        self.most_deferrals = most;
        self.text = format!("{}\nmax_deferrals = {most}", self.text);
        self.digest = self.digest.map(|_| Digest::of(self.text.as_bytes()));
        self
    }

    /// The same with the limit that its text tells, if it tells one.
    pub(super) fn deferring(mut self, most: Option<u32>) -> Self {
        self.most_deferrals = most.unwrap_or(self.most_deferrals);
        self
    }

    /// How pressing an event is: as the first policy says that gives it a priority, else as it says itself.
    pub fn priority_of(&self, event: &Event, now: Timestamp) -> Priority {
        let given = self.matching(event).find_map(|(_, policy)| match &policy.kind {
            PolicyKind::Label(LabelRule { label: Label::Priority(priority), when }) => {
                let view = View::new().event(event).now(now);
                when.holds(event, &view).unwrap_or(false).then_some(*priority)
            }
            _ => None,
        });
        given.unwrap_or(event.priority)
    }

    /// The policies that ask reasoners: their names, and what they ask.
    pub fn reasons(&self) -> impl Iterator<Item = (&str, &ReasonRule)> {
        self.policies.iter().filter_map(|policy| match &policy.kind {
            PolicyKind::Reason(rule) => Some((policy.name.as_str(), rule)),
            _ => None,
        })
    }
}

fn want(policy: &Policy, event: &Event) -> Option<String> {
    let key = policy.kind.key()?;
    if policy.is_about(&event.kind) { key.of(event) } else { None }
}

fn check(policy: &Policy, before: &[Policy]) -> Result<(), PolicySetError> {
    if before.iter().any(|other| other.name == policy.name) {
        return Err(PolicySetError::NameTwice { name: policy.name.clone() });
    }
    if !policy.reads_plainly() {
        let why = "its name or its reason has control characters".into();
        return Err(PolicySetError::Senseless { name: policy.name.escape_debug().to_string(), why });
    }
    policy.kind.check().map_err(|why| PolicySetError::Senseless { name: policy.name.clone(), why })
}
