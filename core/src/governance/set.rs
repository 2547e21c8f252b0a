//! The policies that are in force together.

use super::ask::Want;
use super::decision::{PolicyDecision, PolicyOutcome, Verdict};
use super::file::{self, PolicyFileError};
use super::kind::PolicyKind;
use super::policy::Policy;
use crate::event::Event;
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
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    policies: Vec<Policy>,
    text: String,
    digest: Option<Digest>,
}

/// What the policies without state say, and what those with state must be asked.
#[derive(Clone, Debug, Default)]
pub struct Preliminary {
    /// What was looked at so far.
    pub decisions: Vec<PolicyDecision>,
    /// The verdict, if one of them stops the event.
    pub stopped: Option<Verdict>,
    /// What the policies with state must be asked; nothing if the event is stopped.
    pub wants: Vec<Want>,
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

    pub(super) fn with_text(mut policies: Vec<Policy>, text: String) -> Result<Self, PolicySetError> {
        if policies.len() > limits::POLICIES {
            return Err(PolicySetError::TooMany { count: policies.len() });
        }
        for (at, policy) in policies.iter().enumerate() {
            check(policy, &policies[..at])?;
        }
        policies.sort_by_key(Policy::rank); // stable: what was given first stays first
        let digest = (!policies.is_empty()).then(|| Digest::of(text.as_bytes()));
        Ok(Self { policies, text, digest })
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

    /// Whether conditions in code have a say: foreign code, which sees the whole event.
    pub fn has_conditions(&self) -> bool {
        self.policies.iter().any(|policy| matches!(policy.kind, PolicyKind::Veto { .. }))
    }

    /// Asks the policies without state, and says what those with state must be asked.
    pub fn preliminary(&self, event: &Event, now: Timestamp) -> Preliminary {
        let mut preliminary = Preliminary::default();
        for (at, policy) in self.policies.iter().enumerate() {
            match &policy.kind {
                PolicyKind::Veto { when } if policy.pattern.matches(&event.kind) => {
                    if when(event) {
                        preliminary.decisions.push(policy.decision(PolicyOutcome::Discarded, now));
                        preliminary.stopped = Some(Verdict::Discarded { reason: policy.reason.clone() });
                        preliminary.wants.clear();
                        break;
                    }
                    preliminary.decisions.push(policy.decision(PolicyOutcome::Passed, now));
                }
                _ => preliminary.wants.extend(want(policy, event).map(|key| Want { policy: at, key })),
            }
        }
        preliminary
    }
}

fn want(policy: &Policy, event: &Event) -> Option<String> {
    let key = policy.kind.key()?;
    if policy.pattern.matches(&event.kind) { key.of(event) } else { None }
}

fn check(policy: &Policy, before: &[Policy]) -> Result<(), PolicySetError> {
    if before.iter().any(|other| other.name == policy.name) {
        return Err(PolicySetError::NameTwice { name: policy.name.clone() });
    }
    policy.kind.check().map_err(|why| PolicySetError::Senseless { name: policy.name.clone(), why })
}
