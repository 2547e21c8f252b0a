//! Entries of policies that hold no state: veto, escalate, reason, signals.

use toml::Spanned;

use super::Fault;
use super::entry::{At, Entry, length};
use crate::event::{Pattern, Priority};
use crate::fault::inside;
use crate::governance::condition::Condition;
use crate::governance::decision::Lapse;
use crate::governance::kind::PolicyKind;
use crate::governance::label::{Label, LabelRule};
use crate::governance::stateless::{FilterRule, OnError, OnFailure, ReasonRule, When};
use crate::limits;
use crate::reasoning::{Confidence, Mode, SignalFilter};

pub(super) fn veto(entry: &Entry, at: &At<'_>) -> Result<PolicyKind, Fault> {
    Ok(PolicyKind::Veto { when: when(entry, at)? })
}

pub(super) fn escalate(entry: &Entry, at: &At<'_>) -> Result<PolicyKind, Fault> {
    let lapse = match (&entry.timeout, &entry.then) {
        (None, None) => None,
        (None, Some(then)) => return Err((then.span().start, "'then' needs a 'timeout'".into())),
        (Some(timeout), then) => {
            let then = then.as_ref().map_or(Ok(Lapse::Reject), |then| match then.get_ref().as_str() {
                "approve" => Ok(Lapse::Approve),
                "reject" => Ok(Lapse::Reject),
                other => Err((then.span().start, format!("'{other}' is neither 'approve' nor 'reject'"))),
            })?;
            Some((length("a time to decide", timeout, limits::PERIOD_MAX)?, then))
        }
    };
    Ok(PolicyKind::Escalate { when: when(entry, at)?, lapse })
}

pub(super) fn reason(entry: &Entry, at: &At<'_>) -> Result<PolicyKind, Fault> {
    let reasoner = at.needed("reasoner", &entry.reasoner)?;
    if reasoner.get_ref().trim().is_empty() {
        return Err((reasoner.span().start, "a reasoner has a name".into()));
    }
    let mode = match &entry.mode {
        None => Mode::DEFAULT,
        Some(mode) => Mode::named(mode.get_ref()).map_err(|error| (mode.span().start, error.to_string()))?,
    };
    let time = |what, field: &Option<Spanned<String>>| {
        field.as_ref().map(|field| length(what, field, limits::PERIOD_MAX)).transpose()
    };
    let limit = match &entry.limit {
        None => None,
        Some(limit) => match limit.get_ref() {
            super::entry::Limit::Text(text) => {
                let text = Spanned::new(limit.span(), text.clone());
                Some(length("a limit", &text, limits::PERIOD_MAX)?)
            }
            super::entry::Limit::Number(_) => {
                return Err((limit.span().start, "a reasoner's limit is a duration such as 500ms".into()));
            }
        },
    };
    let after = time("the time to be asked again", &entry.retry_after)?;
    let on_failure = match entry.on_failure.as_ref().map(|it| (it.get_ref().as_str(), it.span().start)) {
        None | Some(("continue", _)) => OnFailure::Continue,
        Some(("escalate", _)) => OnFailure::Escalate,
        Some(("defer", place)) => {
            let why =
                || (place, "'defer' needs 'retry_after': when it comes back, and is asked about again".to_string());
            OnFailure::Defer(after.ok_or_else(why)?)
        }
        Some((other, place)) => {
            return Err((place, format!("'{other}' is none of 'continue', 'defer' and 'escalate'")));
        }
    };
    if let (Some(after), false) = (&entry.retry_after, matches!(on_failure, OnFailure::Defer(_))) {
        return Err((after.span().start, "'retry_after' goes with on_failure = \"defer\" alone".into()));
    }
    let when = match &entry.when {
        None => Condition::Always,
        Some(text) => Condition::cel(text.get_ref()).map_err(|error| inside(text, "condition", &error))?,
    };
    Ok(PolicyKind::Reason(ReasonRule { reasoner: reasoner.into_inner(), mode, limit, when, on_failure }))
}

pub(super) fn signals(entry: &Entry, events: &Pattern) -> Result<PolicyKind, Fault> {
    let pattern =
        |text: &Spanned<String>| Pattern::parse(text.get_ref()).map_err(|error| (text.span().start, error.to_string()));
    let patterns = |list: &Option<Vec<Spanned<String>>>| list.iter().flatten().map(pattern).collect::<Result<_, _>>();
    let of = match &entry.signals {
        None => Pattern::parse(">").map_err(|error| (0, error.to_string()))?,
        Some(text) => pattern(text)?,
    };
    let mut filter = SignalFilter::new(entry.name.get_ref(), events.clone(), of);
    if let Some(least) = &entry.min_confidence {
        let least_is = Confidence::new(*least.get_ref()).map_err(|error| (least.span().start, error.to_string()))?;
        filter.minimum = Some(least_is);
    }
    filter.allow = patterns(&entry.allow)?;
    filter.deny = patterns(&entry.deny)?;
    let condition = |text: &Spanned<String>| {
        FilterRule::condition(text.get_ref()).map_err(|error| inside(text, "condition", &error))
    };
    let when = entry.when.as_ref().map(condition).transpose()?;
    Ok(PolicyKind::Filter(FilterRule { filter, when }))
}

pub(super) fn label(entry: &Entry, at: &At<'_>) -> Result<PolicyKind, Fault> {
    let when = match &entry.when {
        None => Condition::Always,
        Some(text) => Condition::cel(text.get_ref()).map_err(|error| inside(text, "condition", &error))?,
    };
    let label = match &entry.class {
        Some(class) => Label::Retention(class.get_ref().clone()),
        None => {
            let priority = at.needed("priority", &entry.priority)?;
            let known = Priority::ALL.into_iter().find(|known| known.as_str() == priority.get_ref());
            let why = || (priority.span().start, format!("'{}' is none of P0, P1, P2 and P3", priority.get_ref()));
            Label::Priority(known.ok_or_else(why)?)
        }
    };
    Ok(PolicyKind::Label(LabelRule { label, when }))
}

fn when(entry: &Entry, at: &At<'_>) -> Result<When, Fault> {
    let text = at.needed("when", &entry.when)?;
    let when = When::cel(text.get_ref()).map_err(|error| inside(&text, "condition", &error))?;
    let on_error = entry.on_error.as_ref().map_or(Ok(OnError::Pass), |it| match it.get_ref().as_str() {
        "pass" => Ok(OnError::Pass),
        "stop" => Ok(OnError::Stop),
        other => Err((it.span().start, format!("'{other}' is neither 'pass' nor 'stop'"))),
    })?;
    Ok(when.on_error(on_error))
}
