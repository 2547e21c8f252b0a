//! One policy.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::condition::Condition;
use super::debounce::DebounceRule;
use super::decision::{Lapse, PolicyDecision, PolicyOutcome};
use super::kind::{CooldownMode, KeyKind, PolicyKind};
use super::label::LabelRule;
use super::rate::RateRule;
use super::stateless::{FilterRule, ReasonRule, When};
use super::window::WindowRule;
use crate::event::{Event, Pattern};
use crate::{Digest, Json, Timestamp};

/// One policy.
#[derive(Clone)]
pub struct Policy {
    pub(super) name: String,
    pub(super) pattern: Pattern,
    /// Where it is an override: the pattern of the policy that it is one of.
    pub(super) within: Option<Pattern>,
    /// Types that overrides are about.
    pub(super) except: Vec<Pattern>,
    pub(super) reason: String,
    pub(super) order: i32,
    pub(super) kind: PolicyKind,
    pub(super) version: String,
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
        Self::new(name, pattern, reason, PolicyKind::Veto { when: When::of(Condition::Code(Arc::new(when))) })
    }

    /// The same with any condition.
    pub fn veto_when(name: &str, pattern: Pattern, reason: &str, when: When) -> Self {
        Self::new(name, pattern, reason, PolicyKind::Veto { when })
    }

    /// A policy that has a person decide of every event of a pattern for which a condition holds. If nobody has after a
    /// time, the policy decides.
    pub fn escalate(name: &str, pattern: Pattern, reason: &str, when: When, lapse: Option<(Duration, Lapse)>) -> Self {
        Self::new(name, pattern, reason, PolicyKind::Escalate { when, lapse })
    }

    /// A policy that has a reasoner asked about every event of a pattern, before it is handled.
    pub fn reason(name: &str, pattern: Pattern, rule: ReasonRule) -> Self {
        Self::with_its_reason(name, pattern, PolicyKind::Reason(rule))
    }

    /// A policy that says which signals about events of a pattern count.
    pub fn filter(name: &str, pattern: Pattern, rule: FilterRule) -> Self {
        Self::with_its_reason(name, pattern, PolicyKind::Filter(rule))
    }

    /// A policy that lets at most one event of a key go on within a window. An event at time t is accepted if none of its
    /// key was accepted in (t − window, t].
    pub fn cooldown(name: &str, pattern: Pattern, window: Duration, key: KeyKind, mode: CooldownMode) -> Self {
        Self::with_its_reason(name, pattern, PolicyKind::Cooldown { window, key, mode })
    }

    /// A policy that lets events go on while a session is open, and at most so many of a key in each.
    pub fn window(name: &str, pattern: Pattern, rule: WindowRule, key: KeyKind, mode: CooldownMode) -> Self {
        Self::with_its_reason(name, pattern, PolicyKind::Window { rule, key, mode })
    }

    /// A policy that lets so many events of a key go on in a period, and so many at once.
    pub fn rate(name: &str, pattern: Pattern, rule: RateRule, key: KeyKind, mode: CooldownMode) -> Self {
        Self::with_its_reason(name, pattern, PolicyKind::Rate { rule, key, mode })
    }

    /// A policy that lets the last of a burst go on, once it has been quiet.
    pub fn debounce(name: &str, pattern: Pattern, rule: DebounceRule, key: KeyKind) -> Self {
        Self::with_its_reason(name, pattern, PolicyKind::Debounce { rule, key })
    }

    /// A policy that lets so many events of a key be under way at once.
    pub fn concurrency(name: &str, pattern: Pattern, limit: u32, key: KeyKind) -> Self {
        Self::with_its_reason(name, pattern, PolicyKind::Concurrency { limit, key })
    }

    /// A policy that gives events of a pattern a priority or a class of retention.
    pub fn label(name: &str, pattern: Pattern, rule: LabelRule) -> Self {
        Self::with_its_reason(name, pattern, PolicyKind::Label(rule))
    }

    fn with_its_reason(name: &str, pattern: Pattern, kind: PolicyKind) -> Self {
        let reason = kind.reason();
        Self::new(name, pattern, &reason, kind)
    }

    pub(super) fn new(name: &str, pattern: Pattern, reason: &str, kind: PolicyKind) -> Self {
        let mut policy = Self {
            name: name.into(),
            pattern,
            within: None,
            except: Vec::new(),
            reason: reason.into(),
            order: 0,
            kind,
            version: String::new(),
        };
        policy.version = Digest::of(policy.describe().text().as_bytes()).short();
        policy
    }

    /// Policies of one kind are looked at by this order, lower first, then as they were given.
    pub fn order(mut self, order: i32) -> Self {
        self.order = order;
        self.version = Digest::of(self.describe().text().as_bytes()).short();
        self
    }

    /// The same for some of its types: about those of `within` alone, and not about those of `except`.
    pub(super) fn narrowed(mut self, within: Option<Pattern>, except: Vec<Pattern>) -> Self {
        (self.within, self.except) = (within, except);
        self.version = Digest::of(self.describe().text().as_bytes()).short();
        self
    }

    /// Whether it is about events of a type.
    pub fn is_about(&self, kind: &str) -> bool {
        let within = self.within.as_ref().is_none_or(|within| within.matches(kind));
        self.pattern.matches(kind) && within && !self.except.iter().any(|except| except.matches(kind))
    }

    /// The policy's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the policy does.
    pub fn kind(&self) -> &PolicyKind {
        &self.kind
    }

    /// The types of events that it is about.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// What it tells whoever sent an event that it stops.
    pub fn why(&self) -> &str {
        &self.reason
    }

    /// The short digest of its own text.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// By kind, and within a kind by its order.
    pub(super) fn rank(&self) -> (u8, i32) {
        (self.kind.rank(), self.order)
    }

    /// Its own text: what its version is the digest of.
    pub fn describe(&self) -> Json {
        let what = self.kind.describe();
        let whole = serde_json::json!({
            "name": self.name, "match": self.pattern, "reason": self.reason, "order": self.order, "does": what,
        });
        let mut whole: serde_json::Value = whole;
        if self.within.is_some() || !self.except.is_empty() {
            whole["within"] = serde_json::json!(self.within);
            whole["except"] = serde_json::json!(self.except);
        }
        whole.into()
    }

    /// Whether its name and reason are lines that may be shown anywhere.
    pub(super) fn reads_plainly(&self) -> bool {
        !self.name.contains(char::is_control) && !self.reason.contains(char::is_control)
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
