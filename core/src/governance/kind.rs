//! What a policy does, and what it counts by.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::debounce::DebounceRule;
use super::decision::Lapse;
use super::file;
use super::label::LabelRule;
use super::rate::RateRule;
use super::stateless::{FilterRule, ReasonRule, When};
use super::window::WindowRule;
use crate::event::Event;
use crate::limits;

/// What a policy counts by. An event that has no such thing is not subject to it.
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
    /// Its word in a policy file.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyKind::All => "all",
            KeyKind::Correlation => "correlation",
            KeyKind::Session => "session",
            KeyKind::Actor => "actor",
            KeyKind::Entity => "entity",
        }
    }

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

/// What a cooldown, a session window or a rate does with an event that may not go on now.
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
        when: When,
    },
    /// Has a person decide when the condition holds. Holds no state.
    Escalate {
        /// The condition.
        when: When,
        /// What becomes of it if nobody has decided after that time; without end unless said.
        lapse: Option<(Duration, Lapse)>,
    },
    /// Asks a reasoner before the event is handled.
    Reason(ReasonRule),
    /// Says which signals of reasoners count.
    Filter(FilterRule),
    /// Gives events a priority, or a class of retention.
    Label(LabelRule),
    /// At most one event of a key goes on within a window.
    Cooldown {
        /// How long after one event the next may go on.
        window: Duration,
        /// What it counts by.
        key: KeyKind,
        /// What becomes of an event within the window.
        mode: CooldownMode,
    },
    /// Events go on while a session is open, and no more of a key than have a place in it.
    Window {
        /// When it is open, and how many places there are.
        rule: WindowRule,
        /// What it counts by.
        key: KeyKind,
        /// What becomes of an event that finds it closed, or full.
        mode: CooldownMode,
    },
    /// So many events of a key go on in a period, and so many at once.
    Rate {
        /// How many.
        rule: RateRule,
        /// What it counts by.
        key: KeyKind,
        /// What becomes of an event beyond the rate.
        mode: CooldownMode,
    },
    /// Of a burst of events of a key the last goes on, once it has been quiet.
    Debounce {
        /// How long.
        rule: DebounceRule,
        /// What it counts by.
        key: KeyKind,
    },
    /// So many events of a key are under way at once; who comes over it waits for a place.
    Concurrency {
        /// How many.
        limit: u32,
        /// What it counts by.
        key: KeyKind,
    },
}

impl std::fmt::Debug for PolicyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.describe())
    }
}

impl PolicyKind {
    /// What it is called in a policy file.
    pub fn word(&self) -> &'static str {
        match self {
            PolicyKind::Veto { .. } => "veto",
            PolicyKind::Escalate { .. } => "escalate",
            PolicyKind::Reason(_) => "reason",
            PolicyKind::Filter(_) => "signals",
            PolicyKind::Label(rule) => rule.label.told().0,
            PolicyKind::Cooldown { .. } => "cooldown",
            PolicyKind::Window { .. } => "window",
            PolicyKind::Rate { .. } => "rate",
            PolicyKind::Debounce { .. } => "debounce",
            PolicyKind::Concurrency { .. } => "concurrency",
        }
    }

    /// The order in which the kinds are looked at: a stopped event spends nothing of those after it.
    pub(super) fn rank(&self) -> u8 {
        match self {
            PolicyKind::Label(_) => 0,
            PolicyKind::Veto { .. } => 1,
            PolicyKind::Escalate { .. } => 2,
            PolicyKind::Reason(_) => 3,
            PolicyKind::Filter(_) => 4,
            PolicyKind::Debounce { .. } => 5,
            PolicyKind::Window { .. } => 6,
            PolicyKind::Rate { .. } => 7,
            PolicyKind::Cooldown { .. } => 8,
            PolicyKind::Concurrency { .. } => 9,
        }
    }

    /// Its conditions.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let condition = match self {
            PolicyKind::Veto { when } | PolicyKind::Escalate { when, .. } => Some(&when.condition),
            PolicyKind::Reason(rule) => Some(&rule.when),
            PolicyKind::Label(rule) => Some(&rule.when),
            _ => None,
        };
        condition.into_iter()
    }

    /// The rule by which it filters signals, if it does.
    pub(super) fn filter(&self) -> Option<&FilterRule> {
        match self {
            PolicyKind::Filter(rule) => Some(rule),
            _ => None,
        }
    }

    /// Whether it looks at something by that name.
    pub(super) fn uses(&self, name: &str) -> bool {
        let filter = self.filter().and_then(|rule| rule.when.as_ref());
        self.conditions().any(|condition| condition.uses(name)) || filter.is_some_and(|program| program.uses(name))
    }

    /// What it counts by, if it holds state.
    pub fn key(&self) -> Option<KeyKind> {
        match self {
            PolicyKind::Veto { .. }
            | PolicyKind::Escalate { .. }
            | PolicyKind::Reason(_)
            | PolicyKind::Filter(_)
            | PolicyKind::Label(_) => None,
            PolicyKind::Cooldown { key, .. }
            | PolicyKind::Window { key, .. }
            | PolicyKind::Rate { key, .. }
            | PolicyKind::Debounce { key, .. }
            | PolicyKind::Concurrency { key, .. } => Some(*key),
        }
    }

    pub(super) fn describe(&self) -> serde_json::Value {
        let text = |duration: Duration| file::duration_text(duration);
        match self {
            PolicyKind::Veto { when } => serde_json::json!({"kind": "veto", "when": when}),
            PolicyKind::Escalate { when, lapse } => serde_json::json!({
                "kind": "escalate", "when": when, "timeout": lapse.map(|(after, _)| text(after)),
                "then": lapse.map(|(_, then)| then),
            }),
            PolicyKind::Reason(rule) => rule.describe(),
            PolicyKind::Filter(rule) => rule.describe(),
            PolicyKind::Label(rule) => rule.describe(),
            PolicyKind::Cooldown { window, key, mode } => {
                serde_json::json!({"kind": "cooldown", "window": text(*window), "key": key, "mode": mode})
            }
            PolicyKind::Window { rule, key, mode } => serde_json::json!({
                "kind": "window", "open": rule.calendar.describe(), "at_most": rule.at_most, "key": key, "mode": mode,
            }),
            PolicyKind::Rate { rule, key, mode } => serde_json::json!({
                "kind": "rate", "rate": rule.rate, "per": text(rule.per), "burst": rule.burst, "key": key, "mode": mode,
            }),
            PolicyKind::Debounce { rule, key } => serde_json::json!({
                "kind": "debounce", "wait": text(rule.wait), "max": rule.max.map(text), "key": key,
            }),
            PolicyKind::Concurrency { limit, key } => {
                serde_json::json!({"kind": "concurrency", "limit": limit, "key": key})
            }
        }
    }

    /// Why it cannot be, if it cannot.
    pub(super) fn check(&self) -> Result<(), String> {
        let length = |what: &str, length: Duration, most: Duration| match length.is_zero() || length > most {
            true => Err(format!("{what} is {length:?}; it must be longer than nothing and at most 366 days")),
            false => Ok(()),
        };
        match self {
            PolicyKind::Veto { .. } | PolicyKind::Filter(_) => Ok(()),
            PolicyKind::Label(rule) => rule.check(),
            PolicyKind::Escalate { lapse, .. } => {
                lapse.map_or(Ok(()), |(after, _)| length("the time to decide", after, limits::PERIOD_MAX))
            }
            PolicyKind::Reason(rule) => rule.check(),
            PolicyKind::Cooldown { window, .. } => length("the window", *window, limits::COOLDOWN_MAX),
            PolicyKind::Window { rule, .. } if rule.at_most == Some(0) => Err("at most nothing may go on".into()),
            PolicyKind::Window { rule, .. } => rule.calendar.check().map_err(|error| error.to_string()),
            PolicyKind::Rate { rule: RateRule { rate: 0, .. }, .. } => Err("a rate of 0 lets nothing go on".into()),
            PolicyKind::Rate { rule: RateRule { burst: 0, .. }, .. } => Err("a burst of 0 lets nothing go on".into()),
            PolicyKind::Rate { rule, .. } if u128::from(rule.rate) > rule.per.as_micros() => {
                Err("the rate is more than one in a microsecond".into())
            }
            PolicyKind::Rate { rule, .. } => length("the period", rule.per, limits::PERIOD_MAX),
            PolicyKind::Debounce { rule, .. } if rule.max.is_some_and(|max| max < rule.wait) => {
                Err("its longest wait is shorter than its wait".into())
            }
            PolicyKind::Debounce { rule, .. } => {
                length("the wait", rule.wait, limits::PERIOD_MAX)?;
                rule.max.map_or(Ok(()), |max| length("the longest wait", max, limits::PERIOD_MAX))
            }
            PolicyKind::Concurrency { limit, .. } if *limit == 0 => Err("a limit of 0 lets nothing go on".into()),
            PolicyKind::Concurrency { .. } => Ok(()),
        }
    }

    /// What it says to people unless they are told something else.
    pub(super) fn reason(&self) -> String {
        let text = |duration: Duration| file::duration_text(duration);
        match self {
            PolicyKind::Veto { .. } => "vetoed".into(),
            PolicyKind::Escalate { .. } => "a person decides".into(),
            PolicyKind::Reason(rule) => format!("'{}' is asked first", rule.reasoner),
            PolicyKind::Filter(_) => "signals are filtered".into(),
            PolicyKind::Label(rule) => rule.reason(),
            PolicyKind::Cooldown { window, .. } => format!("at most one in {}", text(*window)),
            PolicyKind::Window { rule, .. } => match rule.at_most {
                None => format!("open {}", rule.calendar.in_short()),
                Some(most) => format!("open {}, at most {most}", rule.calendar.in_short()),
            },
            PolicyKind::Rate { rule, .. } => format!("at most {} in {}", rule.rate, text(rule.per)),
            PolicyKind::Debounce { rule, .. } => format!("the last once it has been quiet for {}", text(rule.wait)),
            PolicyKind::Concurrency { limit, .. } => format!("at most {limit} at once"),
        }
    }
}
