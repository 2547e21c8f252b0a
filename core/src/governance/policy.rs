//! Policies and the set of them that is in force.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ask::Want;
use super::decision::{PolicyDecision, PolicyOutcome, Verdict};
use super::file::{self, PolicyFileError};
use crate::event::{Event, Pattern};
use crate::limits;
use crate::{Digest, Json, Timestamp};

/// A condition over an event, in code. It must be pure: the same event gives the same answer.
pub type Predicate = Arc<dyn Fn(&Event) -> bool + Send + Sync>;

/// What a cooldown counts by. An event that has no such thing is not subject to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// All events of the pattern together.
    All,
    /// Each correlation by itself.
    Correlation,
    /// Each session by itself.
    Session,
    /// Each of those who did it by itself.
    Actor,
    /// Each entity by itself.
    Entity,
}

impl KeyKind {
    /// The key of an event, if it has one.
    pub fn of(self, event: &Event) -> Option<String> {
        match self {
            KeyKind::All => Some(String::new()),
            KeyKind::Correlation => Some(event.correlation_id.to_string()),
            KeyKind::Session => event.session_key.clone(),
            KeyKind::Actor => event.actor.as_ref().map(|actor| pair(&actor.kind, ':', &actor.id)),
            KeyKind::Entity => event.entity.as_ref().map(|entity| pair(&entity.kind, '/', &entity.id)),
        }
    }
}

/// Both as one text that no other pair makes: the first border in it is the one between them.
fn pair(first: &str, border: char, second: &str) -> String {
    let escaped = first.replace('%', "%25").replace(border, &format!("%{:02X}", u32::from(border)));
    format!("{escaped}{border}{second}")
}

/// What a cooldown does with an event within its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CooldownMode {
    /// The event is stopped.
    Discard,
    /// The event books the key's next free slot and comes back then.
    Defer,
}

/// What a policy does.
#[derive(Clone)]
#[non_exhaustive]
pub enum PolicyKind {
    /// Stops an event for good when the condition holds. Holds no state.
    Veto {
        /// The condition.
        when: Predicate,
    },
    /// At most one event of a key goes on within a window.
    Cooldown {
        /// How long after one event the next may go on.
        window: Duration,
        /// What it counts by.
        key: KeyKind,
        /// What becomes of an event within the window.
        mode: CooldownMode,
    },
}

/// One policy.
#[derive(Clone)]
pub struct Policy {
    pub(super) name: String,
    pub(super) pattern: Pattern,
    pub(super) reason: String,
    pub(super) order: i32,
    pub(super) kind: PolicyKind,
    pub(super) version: String,
}

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
    /// A cooldown's window is nothing, or longer than a year.
    #[error("the window of '{name}' is {window:?}; it must be longer than nothing and at most 366 days")]
    Window {
        /// The policy.
        name: String,
        /// Its window.
        window: Duration,
    },
    /// More than [`POLICIES`](limits::POLICIES).
    #[error("{count} policies; at most {} are taken", limits::POLICIES)]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

impl Policy {
    /// A policy that stops every event of a pattern for which a condition holds. `reason` is told to whoever sent it, and
    /// stands for the condition in the set's digest: change one with the other.
    pub fn veto(
        name: &str,
        pattern: Pattern,
        reason: &str,
        when: impl Fn(&Event) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, pattern, reason, PolicyKind::Veto { when: Arc::new(when) })
    }

    /// A policy that lets at most one event of a key go on within a window. An event at time t is accepted if none of its
    /// key was accepted in (t − window, t].
    pub fn cooldown(name: &str, pattern: Pattern, window: Duration, key: KeyKind, mode: CooldownMode) -> Self {
        let reason = format!("at most one in {}", file::duration_text(window));
        Self::new(name, pattern, &reason, PolicyKind::Cooldown { window, key, mode })
    }

    pub(super) fn new(name: &str, pattern: Pattern, reason: &str, kind: PolicyKind) -> Self {
        let mut policy =
            Self { name: name.into(), pattern, reason: reason.into(), order: 0, kind, version: String::new() };
        policy.version = Digest::of(policy.describe().text().as_bytes()).short();
        policy
    }

    /// Policies of one kind are looked at by this order, lower first, then as they were given.
    pub fn order(mut self, order: i32) -> Self {
        self.order = order;
        self.version = Digest::of(self.describe().text().as_bytes()).short();
        self
    }

    /// The policy's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the policy does.
    pub fn kind(&self) -> &PolicyKind {
        &self.kind
    }

    /// Vetoes are looked at before what holds state: a stopped event spends nothing.
    fn rank(&self) -> (u8, i32) {
        let kind = match self.kind {
            PolicyKind::Veto { .. } => 0,
            PolicyKind::Cooldown { .. } => 5,
        };
        (kind, self.order)
    }

    fn describe(&self) -> Json {
        let what = match &self.kind {
            PolicyKind::Veto { .. } => serde_json::json!({"kind": "veto"}),
            PolicyKind::Cooldown { window, key, mode } => serde_json::json!({
                "kind": "cooldown", "window": file::duration_text(*window), "key": key, "mode": mode,
            }),
        };
        let whole = serde_json::json!({
            "name": self.name, "match": self.pattern, "reason": self.reason, "order": self.order, "does": what,
        });
        whole.into()
    }

    pub(super) fn decision(&self, outcome: PolicyOutcome, at: Timestamp) -> PolicyDecision {
        PolicyDecision {
            policy: self.name.clone(),
            version: self.version.clone(),
            outcome,
            reason: self.reason.clone(),
            observed: std::collections::BTreeMap::new(),
            at,
            remaining_ms: None,
            grant: None,
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe().text())
    }
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

    /// The windows of the cooldowns, by name.
    pub fn windows(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.policies.iter().filter_map(|policy| match &policy.kind {
            PolicyKind::Cooldown { window, .. } => Some((policy.name.as_str(), *window)),
            PolicyKind::Veto { .. } => None,
        })
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
                PolicyKind::Veto { .. } => {}
                PolicyKind::Cooldown { .. } => {
                    preliminary.wants.extend(want(policy, event).map(|key| Want { policy: at, key }));
                }
            }
        }
        preliminary
    }
}

fn want(policy: &Policy, event: &Event) -> Option<String> {
    match &policy.kind {
        PolicyKind::Cooldown { key, .. } if policy.pattern.matches(&event.kind) => key.of(event),
        _ => None,
    }
}

fn check(policy: &Policy, before: &[Policy]) -> Result<(), PolicySetError> {
    if before.iter().any(|other| other.name == policy.name) {
        return Err(PolicySetError::NameTwice { name: policy.name.clone() });
    }
    match policy.kind {
        PolicyKind::Cooldown { window, .. } if window.is_zero() || window > limits::COOLDOWN_MAX => {
            Err(PolicySetError::Window { name: policy.name.clone(), window })
        }
        _ => Ok(()),
    }
}
