//! What the policies without state say: vetoes, escalations, what reasoners are asked and what follows if they fail, which
//! signals count. Pure: the same event, surroundings and advice give the same judgement.

use std::sync::OnceLock;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::ask::Want;
use super::condition::{Condition, ENTITY, SIGNAL, SIGNALS, WORKFLOW, filter_scope};
use super::decision::{Lapse, PolicyDecision, PolicyOutcome, Verdict};
use super::file::duration_text;
use super::kind::PolicyKind;
use super::label::LabelRule;
use super::policy::Policy;
use super::set::PolicySet;
use crate::event::Event;
use crate::expr::{ExprError, Program, View};
use crate::reasoning::{Ask, Mode, Outcome, Reasoning, Sieve, Signal, SignalCondition, SignalFilter, sift};
use crate::{Json, Timestamp, limits};

/// What becomes of an event whose condition cannot be told: no such key, types that do not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// As if the condition did not hold; the decision tells the error.
    #[default]
    Pass,
    /// As if it held.
    Stop,
}

/// When a policy stops an event, and what then, if its condition cannot be told.
#[derive(Clone, Debug)]
pub struct When {
    /// The condition.
    pub condition: Condition,
    /// What if it cannot be told.
    pub on_error: OnError,
}

impl When {
    /// A condition; where it cannot be told, the event goes on.
    pub fn of(condition: Condition) -> Self {
        Self { condition, on_error: OnError::Pass }
    }

    /// A condition in CEL.
    ///
    /// # Errors
    /// As [`Condition::cel`].
    pub fn cel(text: &str) -> Result<Self, ExprError> {
        Condition::cel(text).map(Self::of)
    }

    /// What becomes of an event if the condition cannot be told.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }
}

/// As it stands in a set's digest: a condition in code has no text, and its policy's reason stands for it.
impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let on_error = (self.on_error == OnError::Stop).then_some("stop");
        (self.condition.text(), on_error).serialize(serializer)
    }
}

/// Which reasoner is asked about events, and what follows if it does not answer.
#[derive(Clone, Debug)]
pub struct ReasonRule {
    /// Who is asked.
    pub reasoner: String,
    /// What for.
    pub mode: Mode,
    /// How long the answer may take; the reasoner's own limit unless said.
    pub limit: Option<Duration>,
    /// Whether it is asked about this event at all.
    pub when: Condition,
    /// What becomes of the event if there is no answer.
    pub on_failure: OnFailure,
}

impl ReasonRule {
    /// A reasoner that is asked about every event, with its own limit, and without whose answer an event goes on.
    pub fn new(reasoner: impl Into<String>, mode: Mode) -> Self {
        let (reasoner, when) = (reasoner.into(), Condition::Always);
        Self { reasoner, mode, limit: None, when, on_failure: OnFailure::Continue }
    }

    /// How long the answer may take.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// What becomes of an event without an answer.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    pub(super) fn describe(&self) -> serde_json::Value {
        let text = |duration: Duration| duration_text(duration);
        let (failure, after) = match self.on_failure {
            OnFailure::Continue => ("continue", None),
            OnFailure::Defer(after) => ("defer", Some(text(after))),
            OnFailure::Escalate => ("escalate", None),
        };
        serde_json::json!({
            "kind": "reason", "reasoner": self.reasoner, "mode": self.mode, "limit": self.limit.map(text),
            "when": self.when.text(), "on_failure": failure, "retry_after": after,
        })
    }

    /// Why it cannot be, if it cannot.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.limit.is_some_and(|limit| limit.as_millis() == 0) {
            return Err("a limit of no time lets nobody answer".into());
        }
        match self.on_failure {
            OnFailure::Defer(after) if after.is_zero() || after > limits::PERIOD_MAX => {
                Err(format!("it comes back after {after:?}; that is longer than nothing and at most 366 days"))
            }
            _ if self.when.uses(SIGNALS) => Err("who is asked first cannot depend on 'signals'".into()),
            _ => Ok(()),
        }
    }
}

/// What becomes of an event about which a reasoner gave no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It goes on without.
    #[default]
    Continue,
    /// It comes back after that time, and is asked about again.
    Defer(Duration),
    /// A person decides.
    Escalate,
}

/// Which signals count.
#[derive(Clone, Debug)]
pub struct FilterRule {
    /// By kind and confidence.
    pub filter: SignalFilter,
    /// By a condition over the signal.
    pub when: Option<Program>,
}

impl FilterRule {
    /// A filter by kind and confidence.
    pub fn new(filter: SignalFilter) -> Self {
        Self { filter, when: None }
    }

    pub(super) fn describe(&self) -> serde_json::Value {
        let filter = &self.filter;
        serde_json::json!({
            "kind": "signals", "signals": filter.signals, "min_confidence": filter.minimum, "allow": filter.allow,
            "deny": filter.deny, "when": self.when.as_ref().map(Program::text),
        })
    }

    /// A condition in CEL over `signal`, and over the event and its surroundings.
    ///
    /// # Errors
    /// As [`Condition::cel`].
    pub fn condition(text: &str) -> Result<Program, ExprError> {
        Program::condition(text, filter_scope())
    }
}

/// What a judgement looks at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The event.
    pub event: &'a Event,
    /// When it is judged.
    pub now: Timestamp,
    /// Its workflow; needed where [`Needs::workflow`] says so.
    pub workflow: Option<&'a Json>,
    /// Its entity; needed where [`Needs::entity`] says so, null where it has none or nothing is known of it.
    pub entity: Option<&'a Json>,
    /// What reasoners have said of it.
    pub said: &'a [Reasoning],
    /// Whether they have just answered: what was looked at before they were asked is not looked at again.
    pub answered: bool,
    /// Whether it may be put off once more.
    pub may_defer: bool,
}

impl<'a> Seen<'a> {
    /// An event by itself, when nobody has said anything of it.
    pub fn alone(event: &'a Event, now: Timestamp) -> Self {
        Self { event, now, workflow: None, entity: None, said: &[], answered: false, may_defer: true }
    }
}

/// What the conditions over events of a type look at besides the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The workflow.
    pub workflow: bool,
    /// The entity.
    pub entity: bool,
}

/// What the policies without state say, and what those with state must be asked.
#[derive(Clone, Debug, Default)]
pub struct Preliminary {
    /// What was looked at so far.
    pub decisions: Vec<PolicyDecision>,
    /// The verdict, if one of them stops the event, or reasoners are asked first.
    pub stopped: Option<Verdict>,
    /// What the policies with state must be asked; nothing if the event is stopped.
    pub wants: Vec<Want>,
}

impl PolicySet {
    /// Asks the policies without state about an event by itself.
    pub fn preliminary(&self, event: &Event, now: Timestamp) -> Preliminary {
        self.judge(&Seen::alone(event, now))
    }

    /// Asks the policies without state, and says what those with state must be asked. If reasoners are to be asked first,
    /// what depends on them waits for their answer.
    pub fn judge(&self, seen: &Seen<'_>) -> Preliminary {
        let signals = OnceLock::new();
        let mut view = View::new().event(seen.event).now(seen.now);
        for (name, json) in [(WORKFLOW, seen.workflow), (ENTITY, seen.entity)] {
            if let Some(json) = json {
                view = view.json(name, json);
            }
        }
        let names_signals = self.matching(seen.event).any(|(_, policy)| policy.kind.uses(SIGNALS));
        if names_signals {
            view = view.json(SIGNALS, signals.get_or_init(|| signals_of(seen.said)));
        }
        let asks = if seen.answered { Vec::new() } else { self.asks(seen, &view) };
        let mut judging = Judging { seen, view, waits: !asks.is_empty(), preliminary: Preliminary::default() };
        for (at, policy) in self.matching(seen.event) {
            if judging.look(at, policy) {
                judging.preliminary.wants.clear();
                return judging.preliminary;
            }
        }
        if judging.waits {
            judging.preliminary.wants.clear();
            judging.preliminary.stopped = Some(Verdict::Asking { asks });
        }
        judging.preliminary
    }

    /// What the conditions over such an event look at besides it.
    pub fn needs(&self, event: &Event) -> Needs {
        let uses = |name: &str| self.matching(event).any(|(_, policy)| policy.kind.uses(name));
        Needs { workflow: uses(WORKFLOW), entity: uses(ENTITY) }
    }

    /// Sifts what reasoners have just said of an event: which of their signals count.
    pub fn sift(&self, seen: &Seen<'_>, said: Vec<Reasoning>) -> Vec<Reasoning> {
        let rules: Vec<&FilterRule> =
            self.matching(seen.event).filter_map(|(_, policy)| policy.kind.filter()).collect();
        if rules.is_empty() {
            return said;
        }
        let holds = |program: &Program, signal: &Signal| {
            let signal = Json::of(signal);
            let mut view = View::new().event(seen.event).now(seen.now).json(SIGNAL, &signal);
            for (name, json) in [(WORKFLOW, seen.workflow), (ENTITY, seen.entity)] {
                if let Some(json) = json {
                    view = view.json(name, json);
                }
            }
            program.truth(&view).map_err(|error| error.to_string())
        };
        let conditions: Vec<Option<Box<SignalCondition<'_>>>> = rules
            .iter()
            .map(|rule| {
                let program = rule.when.as_ref()?;
                Some(Box::new(move |signal: &Signal| holds(program, signal)) as Box<SignalCondition<'_>>)
            })
            .collect();
        let sieves: Vec<Sieve<'_>> = rules
            .iter()
            .zip(&conditions)
            .map(|(rule, condition)| Sieve { filter: &rule.filter, condition: condition.as_deref() })
            .collect();
        let sifted = said.into_iter().map(|mut reasoning| {
            let sifted = sift(&seen.event.kind, std::mem::take(&mut reasoning.signals), &sieves);
            reasoning.signals = sifted.passed;
            reasoning.filtered.extend(sifted.filtered);
            reasoning
        });
        sifted.collect()
    }

    /// Who is to be asked first: all who have not answered yet, but for those whose silence the event may go on without.
    fn asks(&self, seen: &Seen<'_>, view: &View<'_>) -> Vec<Ask> {
        let mut asks = Vec::new();
        for (_, policy) in self.matching(seen.event) {
            let PolicyKind::Reason(rule) = &policy.kind else { continue };
            let before = seen.said.iter().find(|said| said.policy == policy.name);
            let is_settled = |said: &Reasoning| {
                said.outcome == Outcome::Ok || !matches!(rule.on_failure, OnFailure::Defer(_)) || !seen.may_defer
            };
            if asks.len() == limits::REASONERS_PER_EVENT
                || before.is_some_and(is_settled)
                || !rule.when.holds(seen.event, view).unwrap_or(true)
            {
                continue;
            }
            asks.push(Ask {
                policy: policy.name.clone(),
                reasoner: rule.reasoner.clone(),
                mode: rule.mode.clone(),
                limit_ms: rule.limit.map(|limit| limit.as_millis() as u64),
            });
        }
        asks
    }
}

fn signals_of(said: &[Reasoning]) -> Json {
    Json::of(&said.iter().flat_map(|reasoning| &reasoning.signals).collect::<Vec<_>>())
}

/// One event's judgement under way.
struct Judging<'a> {
    seen: &'a Seen<'a>,
    view: View<'a>,
    /// Whether reasoners are to be asked first.
    waits: bool,
    preliminary: Preliminary,
}

impl Judging<'_> {
    /// Looks at one policy; says whether it stops the event.
    fn look(&mut self, at: usize, policy: &Policy) -> bool {
        match &policy.kind {
            PolicyKind::Veto { when } => {
                let reason = policy.reason.clone();
                self.condition(policy, when, PolicyOutcome::Discarded, || Verdict::Discarded { reason })
            }
            PolicyKind::Escalate { when, lapse } => {
                let (reason, now) = (policy.reason.clone(), self.seen.now);
                self.condition(policy, when, PolicyOutcome::Escalated, || escalated(reason, *lapse, now))
            }
            PolicyKind::Reason(rule) => self.answered(policy, rule),
            PolicyKind::Label(rule) => {
                self.label(policy, rule);
                false
            }
            PolicyKind::Filter(_) => false,
            kind => {
                let key = kind.key().filter(|_| !self.waits).and_then(|key| key.of(self.seen.event));
                self.preliminary.wants.extend(key.map(|key| Want { policy: at, key }));
                false
            }
        }
    }

    /// What an event is given is told once, where its condition holds.
    fn label(&mut self, policy: &Policy, rule: &LabelRule) {
        if !self.seen.answered && rule.when.holds(self.seen.event, &self.view).unwrap_or(false) {
            let mut decision = policy.decision(PolicyOutcome::Passed, self.seen.now);
            let (name, value) = rule.label.told();
            decision.observed.insert(name.into(), Json::of(value));
            self.preliminary.decisions.push(decision);
        }
    }

    fn condition(
        &mut self,
        policy: &Policy,
        when: &When,
        outcome: PolicyOutcome,
        verdict: impl FnOnce() -> Verdict,
    ) -> bool {
        let names_signals = when.condition.uses(SIGNALS);
        // Once in a life: before reasoners are asked, or with what they have said.
        if (names_signals && self.waits) || (!names_signals && self.seen.answered) {
            return false;
        }
        let told = when.condition.holds(self.seen.event, &self.view);
        let stops = told.as_ref().map_or(when.on_error == OnError::Stop, |holds| *holds);
        let mut decision = policy.decision(if stops { outcome } else { PolicyOutcome::Passed }, self.seen.now);
        if let Err(error) = told {
            decision.observed.insert("error".into(), Json::of(&error.to_string()));
        }
        self.preliminary.decisions.push(decision);
        if stops {
            self.preliminary.stopped = Some(verdict());
        }
        stops
    }

    /// What follows from a reasoner's answer, or from its silence.
    fn answered(&mut self, policy: &Policy, rule: &ReasonRule) -> bool {
        let Some(said) = self.seen.said.iter().find(|said| said.policy == policy.name) else { return false };
        if self.waits {
            return false;
        }
        let mut decision = policy.decision(PolicyOutcome::Passed, self.seen.now);
        decision.observed.insert("reasoner".into(), Json::of(&said.reasoner));
        decision.observed.insert("outcome".into(), Json::of(said.outcome.word()));
        decision.observed.insert("signals".into(), Json::of(&said.signals.len()));
        decision.observed.insert("filtered".into(), Json::of(&said.filtered.len()));
        decision.observed.insert("elapsed_ms".into(), Json::of(&said.elapsed_ms));
        let reason = format!("{}: {}", policy.reason, said.outcome);
        let stopped = match rule.on_failure {
            _ if said.outcome == Outcome::Ok => None,
            OnFailure::Continue => None,
            OnFailure::Defer(after) if self.seen.may_defer => {
                decision.outcome = PolicyOutcome::Deferred;
                Some(Verdict::Deferred { until: self.seen.now.after(after), reason })
            }
            OnFailure::Defer(_) | OnFailure::Escalate => {
                decision.outcome = PolicyOutcome::Escalated;
                Some(Verdict::Escalated { reason })
            }
        };
        self.preliminary.decisions.push(decision);
        self.preliminary.stopped = stopped;
        self.preliminary.stopped.is_some()
    }
}

fn escalated(reason: String, lapse: Option<(Duration, Lapse)>, now: Timestamp) -> Verdict {
    match lapse {
        None => Verdict::Escalated { reason },
        Some((after, then)) => Verdict::EscalatedUntil { reason, until: now.after(after), then },
    }
}
