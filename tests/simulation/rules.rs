//! The policies that there are, as plain words that the model reads too; the real ones are made of them once.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use regie_core::event::{Event, Pattern};
use regie_core::governance::{
    Calendar, CooldownMode, Days, DebounceRule, FilterRule, Hours, KeyKind, Lapse, OnFailure, Policy, PolicySet,
    RateRule, ReasonRule, When, WindowRule,
};
use regie_core::reasoning::{Confidence, Mode, SignalFilter};
use regie_journal::{SetInForce, SetKind};

/// One policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// The types that it is about, without their first segment; nothing for all.
    pub(crate) about: &'static str,
    pub(crate) does: Does,
}

/// What a policy does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Does {
    Veto(If),
    /// With the milliseconds that a person has, and whether it goes on then.
    Escalate(If, Option<(u64, bool)>),
    /// Asks that reasoner.
    Reason(&'static str, Failure),
    /// Drops signals that are less sure than so many percent, and those of a kind.
    Filter(u32, &'static str),
    /// Waits until it is quiet, for so many milliseconds, at most so long.
    Debounce(u64, Option<u64>, KeyKind),
    /// Open each day from that second to that, for so many.
    Window((u32, u32), Option<u32>, KeyKind, bool),
    /// So many in so many milliseconds, so many at once.
    Rate(u32, u64, u32, KeyKind, bool),
    /// One in so many milliseconds; whether it defers.
    Cooldown(u64, KeyKind, bool),
    Seats(u32, KeyKind),
}

/// A condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum If {
    /// Its metadata bans it; in code, which panics where they tell it to.
    Banned,
    /// Its metadata say so; in CEL, which cannot be told where they say nothing.
    Desk(&'static str),
    /// A signal of a kind is at least half sure; in CEL.
    Signal(&'static str),
}

/// What becomes of an event about which a reasoner says nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Failure {
    Continue,
    Defer(u64),
    Escalate,
}

/// Policies that are in force together.
#[derive(Debug, PartialEq)]
pub(crate) struct Policies {
    id: usize,
    /// In the order in which they are looked at.
    pub(crate) rules: &'static [Rule],
    pub(crate) most_deferrals: u32,
}

const fn rule(name: &'static str, about: &'static str, does: Does) -> Rule {
    Rule { name, about, does }
}

use Does::{Cooldown, Debounce, Escalate, Filter, Rate, Reason, Seats, Veto, Window};
use If::{Banned, Desk, Signal};
use KeyKind::{Actor, All, Correlation, Entity};

const BANS: Rule = rule("bans", "", Veto(Banned));

/// The simulation begins 1,000 seconds into a day.
pub(crate) const USUAL: &Policies = &Policies {
    id: 0,
    rules: &[
        BANS,
        rule("no entry", "desk", Veto(Desk("out"))),
        rule("risky", "wise", Veto(Signal("risk"))),
        rule("by hand", "desk", Escalate(Desk("hand"), None)),
        rule("on in time", "desk", Escalate(Desk("yes"), Some((250, true)))),
        rule("off in time", "desk", Escalate(Desk("no"), Some((250, false)))),
        rule("doubtful", "wise", Escalate(Signal("doubt"), Some((200, false)))),
        rule("advice", "wise", Reason("sage", Failure::Defer(120))),
        rule("second advice", "wise", Reason("oracle", Failure::Continue)),
        rule("sure", "wise", Filter(30, "gossip")),
        rule("quiet", "calm", Debounce(150, Some(400), Entity)),
        rule("quiet first", "many", Debounce(60, None, Correlation)),
        rule("hours", "open", Window((1_001, 1_004), Some(2), Actor, true)),
        rule("closing", "shut", Window((990, 1_002), None, All, false)),
        rule("pace", "fast", Rate(3, 1_000, 2, Actor, true)),
        rule("cap", "many", Rate(7, 1_000, 3, All, false)),
        rule("dropping", "drop", Cooldown(900, Actor, false)),
        rule("waiting", "wait", Cooldown(400, Actor, true)),
        rule("both waiting", "both", Cooldown(500, All, true)),
        rule("both dropping", "both", Cooldown(300, Correlation, false)),
        rule("one of many", "many", Cooldown(200, All, true)),
        rule("seats", "seat", Seats(2, Actor)),
        rule("news", "thing.updated", Cooldown(30, Entity, false)),
        rule("seats of many", "many", Seats(3, All)),
    ],
    most_deferrals: 3,
};

/// Other windows and modes, some policies less and some more.
pub(crate) const OTHER: &Policies = &Policies {
    id: 1,
    rules: &[
        BANS,
        rule("no entry", "desk", Veto(Desk("no"))),
        rule("by hand", "desk", Escalate(Desk("hand"), Some((300, true)))),
        rule("on in time", "desk", Escalate(Desk("yes"), Some((150, true)))),
        rule("advice", "wise", Reason("sage", Failure::Escalate)),
        rule("third advice", "wise", Reason("nobody", Failure::Defer(90))),
        rule("quiet", "calm", Debounce(100, None, Entity)),
        rule("hours", "open", Window((1_002, 1_006), Some(2), Actor, false)),
        rule("pace", "fast", Rate(3, 1_000, 2, Actor, false)),
        rule("cap", "many", Rate(7, 1_000, 3, All, true)),
        rule("dropping", "drop", Cooldown(500, Actor, true)),
        rule("waiting", "wait", Cooldown(700, Actor, true)),
        rule("both waiting", "both", Cooldown(200, All, true)),
        rule("both elsewhere", "both", Cooldown(350, Entity, true)),
        rule("news", "thing.updated", Cooldown(60, Entity, true)),
        rule("one of many", "many", Cooldown(150, All, true)),
        rule("seats of many", "many", Seats(3, All)),
    ],
    most_deferrals: 1,
};

pub(crate) const NONE: &Policies = &Policies { id: 2, rules: &[], most_deferrals: 100 };

/// Policies with what they are in the program.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) policies: &'static Policies,
    pub(crate) set: Arc<PolicySet>,
    /// The set as it is recorded; none where there is no policy.
    pub(crate) record: Option<Arc<SetInForce>>,
}

impl Policies {
    /// The real ones.
    pub(crate) fn in_force(&'static self) -> InForce {
        static MADE: [OnceLock<InForce>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        let make = || {
            let policies = self.rules.iter().map(Rule::policy).collect();
            let set = PolicySet::new(policies).expect("a good set").with_most_deferrals(self.most_deferrals);
            let record = set.digest().map(|digest| {
                Arc::new(SetInForce { kind: SetKind::Policies, digest, text: set.text().into(), by: None })
            });
            InForce { policies: self, set: Arc::new(set), record }
        };
        MADE[self.id].get_or_init(make).clone()
    }

    /// Those that are about events of a type, in their order.
    pub(crate) fn about(&self, about: &str) -> impl Iterator<Item = &'static Rule> {
        let rules: &'static [Rule] = self.rules;
        rules.iter().filter(move |rule| rule.about.is_empty() || rule.about == about)
    }
}

impl Rule {
    /// What it counts by, if it counts.
    pub(crate) fn key(&self) -> Option<KeyKind> {
        match self.does {
            Debounce(.., key) | Window(.., key, _) | Rate(.., key, _) | Cooldown(_, key, _) | Seats(_, key) => {
                Some(key)
            }
            _ => None,
        }
    }

    /// Whether it puts off what may not go on now.
    pub(crate) fn defers(&self) -> bool {
        match self.does {
            Window(.., defers) | Rate(.., defers) | Cooldown(.., defers) => defers,
            _ => true,
        }
    }

    fn policy(&self) -> Policy {
        let on = if self.about.is_empty() { pattern(">") } else { pattern(&format!("*.{}", self.about)) };
        let millis = Duration::from_millis;
        let mode = if self.defers() { CooldownMode::Defer } else { CooldownMode::Discard };
        match self.does {
            Veto(Banned) => Policy::veto(self.name, on, self.name, is_banned),
            Veto(when) => Policy::veto_when(self.name, on, self.name, when.cel()),
            Escalate(when, lapse) => {
                let then = |on| if on { Lapse::Approve } else { Lapse::Reject };
                let lapse = lapse.map(|(after, on)| (millis(after), then(on)));
                Policy::escalate(self.name, on, self.name, when.cel(), lapse)
            }
            Reason(reasoner, failure) => {
                let failure = match failure {
                    Failure::Continue => OnFailure::Continue,
                    Failure::Defer(after) => OnFailure::Defer(millis(after)),
                    Failure::Escalate => OnFailure::Escalate,
                };
                Policy::reason(self.name, on, ReasonRule::new(reasoner, Mode::DEFAULT).on_failure(failure))
            }
            Filter(percent, kind) => {
                let mut filter = SignalFilter::new(self.name, on.clone(), pattern(">"));
                filter.minimum = Some(Confidence::new(f64::from(percent) / 100.0).expect("a confidence"));
                filter.deny = vec![pattern(kind)];
                Policy::filter(self.name, on, FilterRule::new(filter))
            }
            Debounce(wait, max, key) => {
                Policy::debounce(self.name, on, DebounceRule { wait: millis(wait), max: max.map(millis) }, key)
            }
            Window((start, end), at_most, key, _) => {
                // Three hours ahead of Greenwich, for which POSIX has a minus.
                let hours = Hours::parse(&clock(start + 3 * 3_600), &clock(end + 3 * 3_600)).expect("hours");
                let calendar = Arc::new(Calendar::new("Etc/GMT-3", Days::ALL, hours).expect("a calendar"));
                Policy::window(self.name, on, WindowRule { calendar, at_most }, key, mode)
            }
            Rate(rate, per, burst, key, _) => {
                Policy::rate(self.name, on, RateRule { rate, per: millis(per), burst }, key, mode)
            }
            Cooldown(window, key, _) => Policy::cooldown(self.name, on, millis(window), key, mode),
            Seats(limit, key) => Policy::concurrency(self.name, on, limit, key),
        }
    }
}

impl If {
    fn cel(self) -> When {
        let text = match self {
            Banned => panic!("that is code"),
            Desk(what) => format!("event.metadata.desk == '{what}'"),
            Signal(kind) => format!("signals.exists(s, s.kind == '{kind}' && s.confidence >= 0.5)"),
        };
        When::cel(&text).expect("a condition")
    }
}

fn clock(seconds: u32) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn is_banned(event: &Event) -> bool {
    assert!(event.metadata.get("ban").is_none_or(|ban| ban != "panic"), "the condition panics");
    event.metadata.contains_key("ban")
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("a pattern")
}
