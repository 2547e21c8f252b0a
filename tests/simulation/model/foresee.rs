//! What the policies without state must say, by the bare words of their rules, and who else must be asked.

use regie_core::Timestamp;
use regie_core::governance::{Judgement, Lapse, PolicyOutcome, Verdict};
use regie_core::reasoning::{Outcome, Reasoning};

use super::event::Seen;
use crate::simulation::rules::{Does, Failure, If, Policies, Rule};

/// An event that is judged.
pub(super) struct Look<'a> {
    pub(super) seen: &'a Seen,
    /// What reasoners have said of it, and whether they just have.
    pub(super) said: &'a [Reasoning],
    pub(super) answered: bool,
    /// Whether it may be put off once more.
    pub(super) may_defer: bool,
    pub(super) poisoned: bool,
}

/// What must be said.
#[derive(Debug, Default)]
pub(super) struct Foreseen {
    pub(super) decisions: Vec<(&'static str, PolicyOutcome)>,
    pub(super) stop: Option<Stop>,
    /// Policies with state and the event's key at each; none if it is stopped.
    pub(super) wants: Vec<(&'static Rule, String)>,
    pub(super) may_defer: bool,
}

#[derive(Debug, PartialEq)]
pub(super) enum Stop {
    /// A condition panics, and has killed the workflow often enough.
    Poison,
    Discarded(&'static str),
    Escalated,
    /// For so many milliseconds, and whether it goes on then.
    EscalatedFor(u64, bool),
    DeferredFor(u64),
    Asking(Vec<&'static str>),
}

/// What must be said of an event.
pub(super) fn foresee(policies: &Policies, look: &Look<'_>) -> Foreseen {
    let about = || policies.about(look.seen.parts().1);
    let asks: Vec<&str> = about().filter(|rule| !look.answered && must_ask(rule, look)).map(|rule| rule.name).collect();
    let waits = !asks.is_empty();
    let mut foreseen = Foreseen { may_defer: look.may_defer, ..Foreseen::default() };
    for rule in about() {
        let (outcome, stop) = match rule.does {
            Does::Veto(when) if is_looked_at(when, look, waits) => {
                if when == If::Banned && look.seen.metadata.get("ban").is_some_and(|ban| ban == "panic") {
                    assert!(look.poisoned, "a condition that panics says something");
                    return Foreseen { stop: Some(Stop::Poison), ..Foreseen::default() };
                }
                (PolicyOutcome::Discarded, holds(when, look).then_some(Stop::Discarded(rule.name)))
            }
            Does::Escalate(when, lapse) if is_looked_at(when, look, waits) => {
                let stop = lapse.map_or(Stop::Escalated, |(after, on)| Stop::EscalatedFor(after, on));
                (PolicyOutcome::Escalated, holds(when, look).then_some(stop))
            }
            Does::Reason(_, failure) if !waits => match said_by(rule, look) {
                Some(said) => after_words(said, failure, look.may_defer),
                None => continue,
            },
            _ => {
                let key = rule.key().filter(|_| !waits).and_then(|key| look.seen.key(key));
                foreseen.wants.extend(key.map(|key| (rule, key)));
                continue;
            }
        };
        let outcome = if stop.is_some() { outcome } else { PolicyOutcome::Passed };
        foreseen.decisions.push((rule.name, outcome));
        if stop.is_some() {
            foreseen.stop = stop;
            foreseen.wants.clear();
            return foreseen;
        }
    }
    foreseen.stop = waits.then_some(Stop::Asking(asks));
    foreseen
}

fn said_by<'a>(rule: &Rule, look: &Look<'a>) -> Option<&'a Reasoning> {
    look.said.iter().find(|said| said.policy == rule.name)
}

/// Whoever has not answered, or was silent and is to be asked again.
fn must_ask(rule: &Rule, look: &Look<'_>) -> bool {
    let Does::Reason(_, failure) = rule.does else { return false };
    said_by(rule, look)
        .is_none_or(|said| said.outcome != Outcome::Ok && matches!(failure, Failure::Defer(_)) && look.may_defer)
}

/// Once in a life: before reasoners are asked, or with what they have said.
fn is_looked_at(when: If, look: &Look<'_>, waits: bool) -> bool {
    if let If::Signal(_) = when { !waits } else { !look.answered }
}

fn holds(when: If, look: &Look<'_>) -> bool {
    match when {
        If::Banned => look.seen.metadata.contains_key("ban"),
        If::Desk(what) => look.seen.metadata.get("desk").is_some_and(|desk| desk == what),
        If::Signal(kind) => {
            let mut signals = look.said.iter().flat_map(|said| &said.signals);
            signals.any(|signal| signal.kind == kind && signal.confidence.get() >= 0.5)
        }
    }
}

fn after_words(said: &Reasoning, failure: Failure, may_defer: bool) -> (PolicyOutcome, Option<Stop>) {
    match failure {
        _ if said.outcome == Outcome::Ok => (PolicyOutcome::Passed, None),
        Failure::Continue => (PolicyOutcome::Passed, None),
        Failure::Defer(after) if may_defer => (PolicyOutcome::Deferred, Some(Stop::DeferredFor(after))),
        Failure::Defer(_) | Failure::Escalate => (PolicyOutcome::Escalated, Some(Stop::Escalated)),
    }
}

impl Foreseen {
    /// Whether there is anything to be recorded of it.
    pub(super) fn is_judged(&self) -> bool {
        !self.decisions.is_empty() || self.stop.is_some() || !self.wants.is_empty()
    }

    /// Holds a judgement against it, as far as policies without state have a say.
    pub(super) fn assert(&self, judgement: &Judgement) {
        let said = judgement.decisions.iter().map(|it| (it.policy.as_str(), it.outcome)).take(self.decisions.len());
        assert_eq!(said.collect::<Vec<_>>(), self.decisions, "what policies without state say");
        let Some(stop) = &self.stop else { return };
        assert_eq!(judgement.decisions.len(), self.decisions.len(), "one that is stopped asks and spends nothing");
        let after = |until: Timestamp| until.since(judgement.at).as_millis() as u64;
        let fits = match (stop, &judgement.verdict) {
            (Stop::Poison | Stop::Escalated, Verdict::Escalated { .. }) => true,
            (Stop::Discarded(by), Verdict::Discarded { reason }) => reason == by,
            (Stop::EscalatedFor(time, on), Verdict::EscalatedUntil { until, then, .. }) => {
                after(*until) == *time && (*then == Lapse::Approve) == *on
            }
            (Stop::DeferredFor(time), Verdict::Deferred { until, .. }) => after(*until) == *time,
            (Stop::Asking(names), Verdict::Asking { asks }) => {
                asks.iter().map(|ask| ask.policy.as_str()).eq(names.iter().copied())
            }
            _ => false,
        };
        assert!(fits, "{stop:?} is not {:?}", judgement.verdict);
    }
}

/// What counts of reasoners' words, by the filters of some policies.
pub(super) fn sift(policies: &Policies, about: &str, said: &[Reasoning]) -> Vec<(Outcome, Vec<String>, Vec<String>)> {
    let filters: Vec<(u32, &str)> = policies
        .about(about)
        .filter_map(|rule| if let Does::Filter(percent, kind) = rule.does { Some((percent, kind)) } else { None })
        .collect();
    let passes = |kind: &str, sure: f64| {
        filters.iter().all(|(percent, deny)| kind != *deny && sure >= f64::from(*percent) / 100.0)
    };
    let sifted = said.iter().map(|said| {
        let told =
            said.signals.iter().map(|signal| (format!("{signal:?}"), passes(&signal.kind, signal.confidence.get())));
        let (passed, dropped): (Vec<_>, Vec<_>) = told.partition(|(_, passes)| *passes);
        let texts = |all: Vec<(String, bool)>| all.into_iter().map(|(text, _)| text);
        // What did not count before does not count now.
        let before = said.filtered.iter().map(|filtered| format!("{:?}", filtered.signal));
        (said.outcome.clone(), texts(passed).collect(), before.chain(texts(dropped)).collect())
    });
    sifted.collect()
}

/// The same of words as they were recorded.
pub(super) fn as_recorded(said: &[Reasoning]) -> Vec<(Outcome, Vec<String>, Vec<String>)> {
    let recorded = said.iter().map(|said| {
        let passed = said.signals.iter().map(|signal| format!("{signal:?}")).collect();
        let dropped = said.filtered.iter().map(|filtered| format!("{:?}", filtered.signal)).collect();
        (said.outcome.clone(), passed, dropped)
    });
    recorded.collect()
}
