//! One entry of the policy file.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::Fault;
use super::duration::duration;
use super::stateless;
use super::window::{self, HoursEntry, Text};
use crate::event::Pattern;
use crate::governance::debounce::DebounceRule;
use crate::governance::kind::{CooldownMode, KeyKind, PolicyKind};
use crate::governance::policy::Policy;
use crate::governance::rate::RateRule;
use crate::limits;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: Spanned<String>,
    kind: Spanned<String>,
    #[serde(rename = "match")]
    pattern: Spanned<String>,
    key: Option<Spanned<KeyKind>>,
    reason: Option<String>,
    order: Option<i32>,
    pub(super) mode: Option<Spanned<String>>,
    window: Option<Spanned<String>>,
    pub(super) zone: Option<Spanned<String>>,
    pub(super) days: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) start: Option<Spanned<Text>>,
    pub(super) end: Option<Spanned<Text>>,
    pub(super) at_most: Option<Spanned<i64>>,
    pub(super) holidays: Option<Spanned<Vec<Spanned<Text>>>>,
    pub(super) hours: Option<Spanned<Vec<Spanned<HoursEntry>>>>,
    rate: Option<Spanned<i64>>,
    per: Option<Spanned<String>>,
    burst: Option<Spanned<i64>>,
    wait: Option<Spanned<String>>,
    max: Option<Spanned<String>>,
    pub(super) limit: Option<Spanned<Limit>>,
    pub(super) when: Option<Spanned<String>>,
    pub(super) on_error: Option<Spanned<String>>,
    pub(super) timeout: Option<Spanned<String>>,
    pub(super) then: Option<Spanned<String>>,
    pub(super) reasoner: Option<Spanned<String>>,
    pub(super) on_failure: Option<Spanned<String>>,
    pub(super) retry_after: Option<Spanned<String>>,
    pub(super) signals: Option<Spanned<String>>,
    pub(super) min_confidence: Option<Spanned<f64>>,
    pub(super) allow: Option<Vec<Spanned<String>>>,
    pub(super) deny: Option<Vec<Spanned<String>>>,
    pub(super) priority: Option<Spanned<String>>,
    pub(super) class: Option<Spanned<String>>,
    #[serde(rename = "override")]
    overrides: Option<Vec<Spanned<Override>>>,
}

/// What is otherwise for some types of a policy's pattern.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Override {
    #[serde(rename = "match")]
    pattern: Spanned<String>,
    /// The policy is not about these types at all.
    #[serde(default)]
    off: bool,
    reason: Option<String>,
    mode: Option<Spanned<String>>,
    window: Option<Spanned<String>>,
    at_most: Option<Spanned<i64>>,
    rate: Option<Spanned<i64>>,
    per: Option<Spanned<String>>,
    burst: Option<Spanned<i64>>,
    wait: Option<Spanned<String>>,
    max: Option<Spanned<String>>,
    limit: Option<Spanned<Limit>>,
    when: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
    then: Option<Spanned<String>>,
    min_confidence: Option<Spanned<f64>>,
}

/// How many at once, or how long an answer may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Limit {
    Number(i64),
    Text(String),
}

/// The kinds that a file can hold, and what each takes besides what all take.
const KINDS: [(&str, &[&str]); 11] = [
    ("priority", &["priority", "when"]),
    ("retention", &["class", "when"]),
    ("veto", &["when", "on_error"]),
    ("escalate", &["when", "on_error", "timeout", "then"]),
    ("reason", &["reasoner", "mode", "limit", "when", "on_failure", "retry_after"]),
    ("signals", &["signals", "min_confidence", "allow", "deny", "when"]),
    ("cooldown", &["key", "window", "mode"]),
    ("window", &["key", "zone", "days", "start", "end", "at_most", "holidays", "hours", "mode"]),
    ("rate", &["key", "rate", "per", "burst", "mode"]),
    ("debounce", &["key", "wait", "max"]),
    ("concurrency", &["key", "limit"]),
];

/// The policies of an entry: itself, and one for each of its overrides. Of several overrides that are about a type the first
/// counts.
pub(super) fn policies(entry: &Spanned<Entry>) -> Result<Vec<Policy>, Fault> {
    let Some(overrides) = &entry.get_ref().overrides else { return Ok(vec![policy(entry)?]) };
    let within = pattern_of(&entry.get_ref().pattern)?;
    let (mut policies, mut except) = (Vec::new(), Vec::new());
    for other in overrides {
        let pattern = pattern_of(&other.get_ref().pattern)?;
        if !other.get_ref().off {
            let narrowed = policy(&Spanned::new(other.span(), other.get_ref().over(entry.get_ref())))?;
            policies.push(narrowed.narrowed(Some(within.clone()), except.clone()));
        }
        except.push(pattern);
    }
    policies.insert(0, policy(entry)?.narrowed(None, except));
    Ok(policies)
}

impl Override {
    /// The entry with what is otherwise.
    fn over(&self, entry: &Entry) -> Entry {
        let mut over = entry.clone();
        let name = format!("{}@{}", entry.name.get_ref(), self.pattern.get_ref());
        over.name = Spanned::new(entry.name.span(), name);
        over.pattern.clone_from(&self.pattern);
        over.reason = self.reason.clone().or(over.reason);
        over.mode = self.mode.clone().or(over.mode);
        over.window = self.window.clone().or(over.window);
        over.at_most = self.at_most.clone().or(over.at_most);
        over.rate = self.rate.clone().or(over.rate);
        over.per = self.per.clone().or(over.per);
        over.burst = self.burst.clone().or(over.burst);
        over.wait = self.wait.clone().or(over.wait);
        over.max = self.max.clone().or(over.max);
        over.limit = self.limit.clone().or(over.limit);
        over.when = self.when.clone().or(over.when);
        over.timeout = self.timeout.clone().or(over.timeout);
        over.then = self.then.clone().or(over.then);
        over.min_confidence = self.min_confidence.clone().or(over.min_confidence);
        over
    }
}

fn pattern_of(text: &Spanned<String>) -> Result<Pattern, Fault> {
    Pattern::parse(text.get_ref()).map_err(|error| (text.span().start, error.to_string()))
}

fn policy(entry: &Spanned<Entry>) -> Result<Policy, Fault> {
    let here = entry.get_ref();
    let pattern = pattern_of(&here.pattern)?;
    let kind = here.kind.get_ref().as_str();
    let Some((_, takes)) = KINDS.iter().find(|(name, _)| *name == kind) else {
        let known = KINDS.map(|(name, _)| format!("'{name}'")).join(", ");
        let why = format!("'{kind}' is no kind of policy that a file can hold; this version knows {known}");
        return Err((here.kind.span().start, why));
    };
    if let Some((name, at)) = here.given().into_iter().find(|(name, _)| !takes.contains(name)) {
        return Err((at, format!("a {kind} takes no '{name}'")));
    }
    let at = At { start: entry.span().start, kind };
    let does = match kind {
        "veto" => stateless::veto(here, &at)?,
        "escalate" => stateless::escalate(here, &at)?,
        "reason" => stateless::reason(here, &at)?,
        "signals" => stateless::signals(here, &pattern)?,
        "priority" => stateless::label(here, &at)?,
        "retention" => at.needed("class", &here.class).and_then(|_| stateless::label(here, &at))?,
        "cooldown" => here.cooldown(&at)?,
        "window" => window::kind(here, &at)?,
        "rate" => here.rate(&at)?,
        "debounce" => here.debounce(&at)?,
        _ => here.concurrency(&at)?,
    };
    does.check().map_err(|why| (at.start, why))?;
    let reason = here.reason.clone().unwrap_or_else(|| does.reason());
    let policy = Policy::new(here.name.get_ref(), pattern, &reason, does).order(here.order.unwrap_or(0));
    match policy.reads_plainly() {
        true => Ok(policy),
        false => Err((here.name.span().start, "a name and a reason have no control characters".into())),
    }
}

/// Where an entry stands, and of what kind it is.
pub(super) struct At<'a> {
    pub(super) start: usize,
    kind: &'a str,
}

impl At<'_> {
    pub(super) fn needed<T: Clone>(&self, name: &str, field: &Option<Spanned<T>>) -> Result<Spanned<T>, Fault> {
        field.clone().ok_or_else(|| (self.start, format!("a {} needs '{name}'", self.kind)))
    }
}

impl Entry {
    pub(super) fn key(&self) -> KeyKind {
        self.key.as_ref().map_or(KeyKind::All, |key| *key.get_ref())
    }

    pub(super) fn mode(&self, at: &At<'_>) -> Result<CooldownMode, Fault> {
        let mode = at.needed("mode", &self.mode)?;
        match mode.get_ref().as_str() {
            "discard" => Ok(CooldownMode::Discard),
            "defer" => Ok(CooldownMode::Defer),
            other => Err((mode.span().start, format!("'{other}' is neither 'discard' nor 'defer'"))),
        }
    }

    fn cooldown(&self, at: &At<'_>) -> Result<PolicyKind, Fault> {
        let window = length("a window", &at.needed("window", &self.window)?, limits::COOLDOWN_MAX)?;
        Ok(PolicyKind::Cooldown { window, key: self.key(), mode: self.mode(at)? })
    }

    fn rate(&self, at: &At<'_>) -> Result<PolicyKind, Fault> {
        let rate = at.needed("rate", &self.rate)?;
        let per = length("a period", &at.needed("per", &self.per)?, limits::PERIOD_MAX)?;
        let burst = self.burst.as_ref().map_or(Ok(1), count)?;
        let rule = RateRule { rate: count(&rate)?, per, burst };
        let kind = PolicyKind::Rate { rule, key: self.key(), mode: self.mode(at)? };
        kind.check().map_err(|why| (rate.span().start, why))?;
        Ok(kind)
    }

    fn concurrency(&self, at: &At<'_>) -> Result<PolicyKind, Fault> {
        let limit = at.needed("limit", &self.limit)?;
        let Limit::Number(number) = limit.get_ref() else {
            return Err((limit.span().start, "a limit is a number".into()));
        };
        Ok(PolicyKind::Concurrency { limit: count(&Spanned::new(limit.span(), *number))?, key: self.key() })
    }

    fn debounce(&self, at: &At<'_>) -> Result<PolicyKind, Fault> {
        let wait = length("a wait", &at.needed("wait", &self.wait)?, limits::PERIOD_MAX)?;
        let max = self.max.as_ref().map(|max| length("a longest wait", max, limits::PERIOD_MAX)).transpose()?;
        let kind = PolicyKind::Debounce { rule: DebounceRule { wait, max }, key: self.key() };
        let place = self.max.as_ref().map_or(at.start, |max| max.span().start);
        kind.check().map_err(|why| (place, why))?;
        Ok(kind)
    }

    /// What is given that not every kind takes, and where.
    fn given(&self) -> Vec<(&'static str, usize)> {
        fn start<T>(field: &Option<Spanned<T>>) -> Option<usize> {
            field.as_ref().map(|field| field.span().start)
        }
        fn first(field: &Option<Vec<Spanned<String>>>) -> Option<usize> {
            field.as_ref().map(|field| field.first().map_or(0, |first| first.span().start))
        }
        let all = [
            ("key", start(&self.key)),
            ("mode", start(&self.mode)),
            ("window", start(&self.window)),
            ("zone", start(&self.zone)),
            ("days", start(&self.days)),
            ("start", start(&self.start)),
            ("end", start(&self.end)),
            ("at_most", start(&self.at_most)),
            ("holidays", start(&self.holidays)),
            ("hours", start(&self.hours)),
            ("rate", start(&self.rate)),
            ("per", start(&self.per)),
            ("burst", start(&self.burst)),
            ("wait", start(&self.wait)),
            ("max", start(&self.max)),
            ("limit", start(&self.limit)),
            ("when", start(&self.when)),
            ("on_error", start(&self.on_error)),
            ("timeout", start(&self.timeout)),
            ("then", start(&self.then)),
            ("reasoner", start(&self.reasoner)),
            ("on_failure", start(&self.on_failure)),
            ("retry_after", start(&self.retry_after)),
            ("signals", start(&self.signals)),
            ("min_confidence", start(&self.min_confidence)),
            ("allow", first(&self.allow)),
            ("deny", first(&self.deny)),
            ("priority", start(&self.priority)),
            ("class", start(&self.class)),
        ];
        all.into_iter().filter_map(|(name, at)| Some((name, at?))).collect()
    }
}

/// A duration that is longer than nothing and not beyond all reason.
pub(super) fn length(what: &str, field: &Spanned<String>, most: Duration) -> Result<Duration, Fault> {
    let at = field.span().start;
    match duration(field.get_ref()).map_err(|why| (at, why))? {
        length if length.is_zero() || length > most => {
            Err((at, format!("{what} is longer than nothing and at most 366 days")))
        }
        length => Ok(length),
    }
}

/// How many: at least one.
pub(super) fn count(field: &Spanned<i64>) -> Result<u32, Fault> {
    let known = u32::try_from(*field.get_ref()).ok().filter(|count| *count > 0);
    known.ok_or_else(|| (field.span().start, format!("{} is no number from 1 to {}", field.get_ref(), u32::MAX)))
}
