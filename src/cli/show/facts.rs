//! Each fact of a record, for people and for programs.

use regie_core::agents::Choice;
use regie_core::entity::Update;
use regie_core::event::{CorrelationId, LifeState, Pattern, Principal};
use regie_core::governance::{Booking, Judgement};
use regie_core::reasoning::Reasoning;
use regie_core::workflow::{AgentOutcome, Effect, EffectEnd, EffectKey, Fact, RunEnd};
use regie_core::{Digest, Json, Timestamp};
use serde::Serialize;

use super::story::Story;

/// A fact as JSON: its kind in `fact`, and what it tells.
#[derive(Serialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub(super) enum FactJson<'a> {
    Opened { correlation_id: &'a CorrelationId },
    Received { event_id: String, emitted: bool },
    Judged { event_sequence: u64, judgement: &'a Judgement },
    Released { booking: &'a Booking },
    Freed { policy: &'a str, key: &'a str, event_sequence: u64 },
    Moved { event_sequence: u64, to: LifeState, reason: &'a str, by: Option<&'a Principal> },
    Started { definition: &'a str, version: u32 },
    Noted { data: &'a Json },
    Owes { step: &'a str, attempt: u32, effect: EffectJson<'a> },
    Ended { step: &'a str, attempt: u32, end: EndJson<'a> },
    Parked { input: &'a str, attempts: u32, error: &'a str },
    Finished { status: &'static str, output: Option<&'a Json>, error: Option<&'a str> },
    PolicySet { digest: Digest, text: &'a str, by: Option<&'a Principal> },
    RuleSet { digest: Digest, text: &'a str, by: Option<&'a Principal> },
    Reasoned { event_sequence: u64, reasonings: &'a [Reasoning] },
    Kept { event_sequence: u64 },
    Awaits { event_sequence: u64, event_type: &'a str, queued: bool },
    Recalled { event_types: &'a [Pattern] },
    Operated { operation: String, id: &'a str, by: &'a Principal, why: &'a str },
    Compensating { then: &'static str, error: Option<&'a str> },
    GivenUp { step: &'a str, attempt: u32 },
    RunsFor { workflow: &'a CorrelationId, step: &'a str, attempt: u32 },
    Halted { step: &'a str, attempts: u32, error: &'a str },
    Migrated { version: u32, state: &'a Json },
    Unwanted { event_sequence: u64, by: &'a Principal, why: &'a str },
    Other { text: String },
}

/// An effect as JSON.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum EffectJson<'a> {
    Call { agent: &'a str, task: &'a Json, timeout_ms: Option<u64> },
    Timer { due: Timestamp },
    Send { event: Json },
    Update { update: &'a Update },
    Trace {},
    Run { event: Json },
    Report { to: &'a CorrelationId, step: &'a str, attempt: u32 },
    Operate { on: &'a CorrelationId, operation: String, why: &'a str },
    Other { text: String },
}

/// The end of an effect as JSON.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum EndJson<'a> {
    Done { result: &'a Json },
    Failed { error: &'a str },
    TimedOut { after_ms: u64 },
    Panicked { error: &'a str },
    Refused { error: &'a str },
    Rejected { error: &'a str, code: Option<&'a str>, is_final: bool },
    TimerFired {},
    Sent { position: u64, state: LifeState },
    NotSent { reason: &'a str },
    Updated { first: u64, events: u32 },
    Traced { changed: &'a Json },
    Ran { status: &'static str, output: Option<&'a Json>, error: Option<&'a str> },
    Told {},
    Routed { choice: &'a Choice, end: Box<EndJson<'a>> },
    Other { text: String },
}

impl<'a> FactJson<'a> {
    /// A fact of the record with that sequence.
    pub(super) fn of(fact: &'a Fact, sequence: u64, story: &Story<'_>) -> Self {
        match fact {
            Fact::Opened { correlation } => Self::Opened { correlation_id: correlation },
            Fact::Received { emitted, .. } => Self::Received { event_id: story.name_of(sequence), emitted: *emitted },
            Fact::Judged { event, judgement } => Self::Judged { event_sequence: *event, judgement },
            Fact::Released { booking } => Self::Released { booking },
            Fact::Freed { policy, key, event } => Self::Freed { policy, key, event_sequence: *event },
            Fact::Moved { event, to, reason, by } => {
                Self::Moved { event_sequence: *event, to: *to, reason, by: by.as_ref() }
            }
            Fact::PolicySet { digest, text, by } => Self::PolicySet { digest: *digest, text, by: by.as_ref() },
            Fact::RuleSet { digest, text, by } => Self::RuleSet { digest: *digest, text, by: by.as_ref() },
            Fact::Reasoned { event, reasonings } => Self::Reasoned { event_sequence: *event, reasonings },
            Fact::Kept { event } => Self::Kept { event_sequence: *event },
            Fact::Awaits { event, kind, queued } => {
                Self::Awaits { event_sequence: *event, event_type: kind, queued: *queued }
            }
            Fact::Recalled { kinds } => Self::Recalled { event_types: kinds },
            Fact::Unwanted { event, by, why } => Self::Unwanted { event_sequence: *event, by, why },
            other => Self::of_run(other),
        }
    }

    fn of_run(fact: &'a Fact) -> Self {
        match fact {
            Fact::Started { definition, version } => Self::Started { definition, version: *version },
            Fact::Noted { data } => Self::Noted { data },
            Fact::Owes { key: EffectKey { step, attempt }, effect } => {
                Self::Owes { step, attempt: *attempt, effect: EffectJson::of(effect) }
            }
            Fact::Ended { key: EffectKey { step, attempt }, end } => {
                Self::Ended { step, attempt: *attempt, end: EndJson::of(end) }
            }
            Fact::Parked { input, attempts, error } => Self::Parked { input, attempts: *attempts, error },
            Fact::Finished { end } => {
                let (status, output, error) = ended(end);
                Self::Finished { status, output, error }
            }
            Fact::Compensating { then } => {
                let (then, _, error) = ended(then);
                Self::Compensating { then, error }
            }
            Fact::Operated { operation, id, by, why } => {
                Self::Operated { operation: operation.to_string(), id, by, why }
            }
            Fact::GivenUp { key: EffectKey { step, attempt } } => Self::GivenUp { step, attempt: *attempt },
            Fact::RunsFor { workflow, key: EffectKey { step, attempt } } => {
                Self::RunsFor { workflow, step, attempt: *attempt }
            }
            Fact::Halted { step, attempts, error } => Self::Halted { step, attempts: *attempts, error },
            Fact::Migrated { version, state } => Self::Migrated { version: *version, state },
            other => Self::Other { text: format!("{other:?}") },
        }
    }
}

/// How a run ended: its status, what it gave, why it did not go well.
pub(super) fn ended(end: &RunEnd) -> (&'static str, Option<&Json>, Option<&str>) {
    match end {
        RunEnd::Completed { output } => ("completed", Some(output), None),
        RunEnd::Failed { error } => ("failed", None, Some(error)),
        RunEnd::Cancelled { reason } => ("cancelled", None, Some(reason)),
        RunEnd::Terminated { reason } => ("terminated", None, Some(reason)),
        _ => ("ended", None, None),
    }
}

impl<'a> EffectJson<'a> {
    fn of(effect: &'a Effect) -> Self {
        match effect {
            Effect::Call { agent, task, timeout_ms } => Self::Call { agent, task, timeout_ms: *timeout_ms },
            Effect::Timer { due } => Self::Timer { due: *due },
            Effect::Send { event } => Self::Send { event: Json::parse(event).unwrap_or_default() },
            Effect::Update(update) => Self::Update { update },
            Effect::Trace => Self::Trace {},
            Effect::Run { event } => Self::Run { event: Json::parse(event).unwrap_or_default() },
            Effect::Report { to, key, .. } => Self::Report { to, step: &key.step, attempt: key.attempt },
            Effect::Operate { on, operation, why } => Self::Operate { on, operation: operation.to_string(), why },
            other => Self::Other { text: format!("{other:?}") },
        }
    }
}

impl<'a> EndJson<'a> {
    fn of(end: &'a EffectEnd) -> Self {
        match end {
            EffectEnd::Agent(outcome) => Self::of_outcome(outcome),
            EffectEnd::Routed { choice, outcome } => Self::Routed { choice, end: Box::new(Self::of_outcome(outcome)) },
            EffectEnd::TimerFired => Self::TimerFired {},
            EffectEnd::Sent { position, state } => Self::Sent { position: *position, state: *state },
            EffectEnd::NotSent { reason } => Self::NotSent { reason },
            EffectEnd::Updated { first, events } => Self::Updated { first: *first, events: *events },
            EffectEnd::Traced { changed } => Self::Traced { changed },
            EffectEnd::Ran { end } => {
                let (status, output, error) = ended(end);
                Self::Ran { status, output, error }
            }
            EffectEnd::Told => Self::Told {},
            other => Self::Other { text: format!("{other:?}") },
        }
    }

    fn of_outcome(outcome: &'a AgentOutcome) -> Self {
        match outcome {
            AgentOutcome::Done(result) => Self::Done { result },
            AgentOutcome::Failed(error) => Self::Failed { error },
            AgentOutcome::TimedOut { after_ms } => Self::TimedOut { after_ms: *after_ms },
            AgentOutcome::Panicked(error) => Self::Panicked { error },
            AgentOutcome::Refused(error) => Self::Refused { error },
            AgentOutcome::Rejected { code, message, is_final } => {
                Self::Rejected { error: message, code: code.as_deref(), is_final: *is_final }
            }
            other => Self::Other { text: format!("{other:?}") },
        }
    }
}

/// What an effect asks for, in a few words.
pub(super) fn effect_text(effect: &Effect) -> String {
    match effect {
        Effect::Call { agent, task, timeout_ms } => {
            let within = timeout_ms.map(|it| format!(" within {it} ms")).unwrap_or_default();
            format!("asks agent {agent}{within}: {task}")
        }
        Effect::Timer { due } => format!("sets a timer for {due}"),
        Effect::Send { event } => format!("sends {}", addressed(event)),
        Effect::Run { event } => format!("has a workflow run by {}", addressed(event)),
        Effect::Report { to, .. } => format!("tells {to} how it ended"),
        Effect::Operate { on, operation, why } => format!("does {operation} to {on}: {why}"),
        Effect::Update(update) => format!("updates {}", update.entity),
        Effect::Trace => "asks what it has changed".into(),
        other => format!("{other:?}"),
    }
}

fn addressed(event: &str) -> String {
    let event: std::collections::BTreeMap<String, Json> = serde_json::from_str(event).unwrap_or_default();
    let field = |name: &str| event.get(name).and_then(|it| it.to::<String>().ok()).unwrap_or_else(|| "?".into());
    format!("{} to {}", field("type"), field("correlation_id"))
}

/// How an effect ended, in a few words, and whether well.
pub(super) fn end_text(end: &EffectEnd) -> (String, bool) {
    match end {
        EffectEnd::Agent(outcome) => outcome_text(outcome),
        EffectEnd::Routed { choice, outcome } => {
            let (told, well) = outcome_text(outcome);
            (format!("{}: {told}", choice_text(choice)), well)
        }
        EffectEnd::TimerFired => ("the timer ran".into(), true),
        EffectEnd::Sent { position, state } => (format!("recorded at position {position}, {state}"), true),
        EffectEnd::NotSent { reason } => (format!("not sent: {reason}"), false),
        EffectEnd::Updated { events: 0, .. } => ("nothing differed".into(), true),
        EffectEnd::Updated { first, events } => (format!("updated by {events} events from position {first}"), true),
        EffectEnd::Traced { .. } => ("what it has changed is known".into(), true),
        EffectEnd::Ran { end } => match ended(end) {
            (status, Some(output), _) => (format!("{status}: {output}"), true),
            (status, None, error) => (format!("{status}: {}", error.unwrap_or_default()), false),
        },
        EffectEnd::Told => ("told".into(), true),
        other => (format!("{other:?}"), true),
    }
}

/// How a call ended, in a few words, and whether well.
fn outcome_text(outcome: &AgentOutcome) -> (String, bool) {
    let told = match outcome {
        AgentOutcome::Done(result) => return (format!("the agent gave {result}"), true),
        AgentOutcome::Failed(error) => format!("the agent failed: {error}"),
        AgentOutcome::TimedOut { after_ms } => format!("stopped after {after_ms} ms"),
        AgentOutcome::Panicked(error) => format!("the agent panicked: {error}"),
        AgentOutcome::Refused(error) => format!("never called: {error}"),
        AgentOutcome::Rejected { is_final, .. } => {
            let how = if *is_final { " for good" } else { "" };
            format!("the agent rejected it{how}: {}", outcome.failure().unwrap_or_default())
        }
        other => format!("{other:?}"),
    };
    (told, false)
}

/// Who a route found, and why not the others.
fn choice_text(choice: &Choice) -> String {
    let Choice { route, agent, why, passed_over } = choice;
    let who = agent.as_ref().map_or("nobody".into(), |agent| format!("agent {agent}"));
    let others: Vec<String> = passed_over.iter().map(|it| format!("not {}: {}", it.agent, it.why)).collect();
    let others = if others.is_empty() { String::new() } else { format!("; {}", others.join("; ")) };
    format!("route {route} found {who} ({why}{others})")
}
