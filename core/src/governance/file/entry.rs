//! One entry of the policy file.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::Fault;
use super::duration::duration;
use super::window::{self, HoursEntry, Text};
use crate::event::Pattern;
use crate::governance::debounce::DebounceRule;
use crate::governance::kind::{CooldownMode, KeyKind, PolicyKind};
use crate::governance::policy::Policy;
use crate::governance::rate::RateRule;
use crate::limits;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: Spanned<String>,
    kind: Spanned<String>,
    #[serde(rename = "match")]
    pattern: Spanned<String>,
    key: Option<KeyKind>,
    reason: Option<String>,
    order: Option<i32>,
    mode: Option<Spanned<CooldownMode>>,
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
    limit: Option<Spanned<i64>>,
}

/// The kinds that a file can hold, and what each takes besides what all take.
const KINDS: [(&str, &[&str]); 5] = [
    ("cooldown", &["window", "mode"]),
    ("window", &["zone", "days", "start", "end", "at_most", "holidays", "hours", "mode"]),
    ("rate", &["rate", "per", "burst", "mode"]),
    ("debounce", &["wait", "max"]),
    ("concurrency", &["limit"]),
];

pub(super) fn policy(entry: &Spanned<Entry>) -> Result<Policy, Fault> {
    let here = entry.get_ref();
    let pattern =
        Pattern::parse(here.pattern.get_ref()).map_err(|error| (here.pattern.span().start, error.to_string()))?;
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
        "cooldown" => here.cooldown(&at)?,
        "window" => window::kind(here, &at)?,
        "rate" => here.rate(&at)?,
        "debounce" => here.debounce(&at)?,
        _ => PolicyKind::Concurrency { limit: count(&at.needed("limit", &here.limit)?)?, key: here.key() },
    };
    does.check().map_err(|why| (at.start, why))?;
    let reason = here.reason.clone().unwrap_or_else(|| does.reason());
    Ok(Policy::new(here.name.get_ref(), pattern, &reason, does).order(here.order.unwrap_or(0)))
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
        self.key.unwrap_or(KeyKind::All)
    }

    pub(super) fn mode(&self, at: &At<'_>) -> Result<CooldownMode, Fault> {
        at.needed("mode", &self.mode).map(Spanned::into_inner)
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
        let all = [
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
        ];
        all.into_iter().filter_map(|(name, at)| Some((name, at?))).collect()
    }
}

/// A duration that is longer than nothing and not beyond all reason.
fn length(what: &str, field: &Spanned<String>, most: Duration) -> Result<Duration, Fault> {
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
