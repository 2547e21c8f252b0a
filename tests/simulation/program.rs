//! The program that a process runs: its handlers and its policies. A restart may bring another.

use std::sync::Arc;
use std::time::Duration;

use regie_core::event::Pattern;
use regie_core::governance::{CooldownMode, KeyKind, Policy, PolicySet};
use regie_core::workflow::Definitions;
use regie_journal::SetInForce;

use crate::simulation::script::Puppet;

/// A cooldown as the model sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cooldown {
    pub(crate) name: &'static str,
    /// The last segment of the types that it is about.
    pub(crate) about: &'static str,
    pub(crate) window_ms: u64,
    pub(crate) key: KeyKind,
    pub(crate) defers: bool,
}

/// Which handlers and which policies there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kind {
    /// The newest version of the definition `puppet`.
    pub(crate) puppet: u32,
    /// Whether there is the definition `guest`.
    pub(crate) guest: bool,
    /// None at all, or one of several sets.
    pub(crate) policies: &'static [Cooldown],
}

const fn cooldown(name: &'static str, about: &'static str, window_ms: u64, key: KeyKind, defers: bool) -> Cooldown {
    Cooldown { name, about, window_ms, key, defers }
}

const USUAL: &[Cooldown] = &[
    cooldown("dropping", "drop", 900, KeyKind::Actor, false),
    cooldown("waiting", "wait", 400, KeyKind::Actor, true),
    cooldown("both waiting", "both", 500, KeyKind::All, true),
    cooldown("both dropping", "both", 300, KeyKind::Correlation, false),
];

/// Other windows, another mode, one policy less and one more.
const OTHER: &[Cooldown] = &[
    cooldown("dropping", "drop", 500, KeyKind::Actor, true),
    cooldown("waiting", "wait", 700, KeyKind::Actor, true),
    cooldown("both waiting", "both", 200, KeyKind::All, true),
    cooldown("both elsewhere", "both", 350, KeyKind::Entity, true),
];

/// The program that has everything, and those that a restart may bring.
pub(crate) const WHOLE: Kind = Kind { puppet: 2, guest: true, policies: USUAL };
pub(crate) const KINDS: &[Kind] = &[
    Kind { puppet: 1, guest: true, policies: USUAL },
    Kind { puppet: 2, guest: false, policies: USUAL },
    Kind { puppet: 2, guest: true, policies: OTHER },
    Kind { puppet: 1, guest: true, policies: &[] },
    WHOLE,
];

/// A program that can run.
pub(crate) struct Program {
    pub(crate) kind: Kind,
    pub(crate) definitions: Definitions,
    pub(crate) set: Arc<PolicySet>,
    /// The set as it is recorded; none where there is no policy.
    pub(crate) in_force: Option<Arc<SetInForce>>,
}

impl Program {
    pub(crate) fn new(kind: Kind) -> Self {
        let mut definitions = Definitions::default();
        (1..=kind.puppet).for_each(|version| assert!(definitions.add(Puppet { name: "puppet", version })));
        if kind.guest {
            assert!(definitions.add(Puppet { name: "guest", version: 1 }));
        }
        let mut policies: Vec<Policy> = kind.policies.iter().map(Cooldown::policy).collect();
        if !policies.is_empty() {
            policies.push(Policy::veto("bans", pattern(">"), "banned", |event| {
                assert!(event.metadata.get("ban").is_none_or(|ban| ban != "panic"), "the condition panics");
                event.metadata.contains_key("ban")
            }));
        }
        let set = PolicySet::new(policies).expect("a good set");
        let in_force = set.digest().map(|digest| Arc::new(SetInForce { digest, text: set.text().into(), by: None }));
        Self { kind, definitions, set: Arc::new(set), in_force }
    }
}

impl Cooldown {
    pub(crate) fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    fn policy(&self) -> Policy {
        let mode = if self.defers { CooldownMode::Defer } else { CooldownMode::Discard };
        Policy::cooldown(self.name, pattern(&format!("*.{}", self.about)), self.window(), self.key, mode)
    }
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("a pattern")
}
