//! Asking the handler, and turning its reaction into facts.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::command::Refusal;
use super::effect::{Effect, EffectKey};
use super::evolve::panic_text;
use super::fact::{Fact, RunEnd};
use super::handler::{Fate, HandlerError, Input, Moment, Reaction, Request, Wish};
use super::parent::{AFTER_END, Parent, goes_out_after_the_end, key_after_end};
use super::registry::{AnyHandler, Noted};
use super::state::State;
use crate::Json;
use crate::entity::Update;
use crate::event::{Event, EventBuilder, Pattern, emitted_id};
use crate::limits;

/// The source of events that workflows send.
pub(super) const WORKFLOW_SOURCE: &str = "regie:workflow";

/// What becomes of the event that a handler was asked about, if it was one, and what else follows.
pub(super) struct Answered {
    pub(super) fate: Fate,
    pub(super) facts: Vec<Fact>,
    /// What it noted, for whoever takes it into the state.
    pub(super) kept: Vec<Kept>,
}

/// A fact that was noted in this very turn, as it is written and as it was.
pub(super) type Kept = (Json, Box<dyn Any>);

/// A handler's answer, or why it can never take the input.
pub(super) type Answer = Result<Answered, HandlerError>;

/// What a handler is asked.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    Input(Input<'a>),
    Operation(Request<'a>),
}

/// Asks a handler. A panic is a refusal, for the state may have been at fault; an error of its own is an answer.
pub(super) fn ask(
    handler: &dyn AnyHandler,
    (state, ended): (&State, Option<&EffectKey>),
    asked: Asked<'_>,
    moment: &Moment<'_>,
) -> Result<Answer, Refusal> {
    let reaction = catch_unwind(AssertUnwindSafe(|| {
        let fresh;
        let data = match state.run().and_then(|run| run.data.as_deref()) {
            Some(data) => data,
            None => {
                fresh = handler.initial();
                &*fresh
            }
        };
        match &asked {
            Asked::Input(input) => handler.decide(data, *input, moment),
            Asked::Operation(request) => handler.operate(data, request, moment),
        }
    }));
    match reaction {
        Err(panic) => Err(Refusal::Panicked { message: panic_text(panic.as_ref()) }),
        Ok(Err(error)) => Ok(Err(error)),
        Ok(Ok(reaction)) => Ok(facts_of(reaction, (state, ended), asked, moment)),
    }
}

fn facts_of(
    reaction: Reaction<Noted>,
    (state, ended): (&State, Option<&EffectKey>),
    asked: Asked<'_>,
    moment: &Moment<'_>,
) -> Answer {
    let too_many = |what: &str, limit: usize| HandlerError(format!("it asks for more than {limit} {what} at once"));
    if reaction.facts.len() > limits::REACTION_FACTS {
        return Err(too_many("facts", limits::REACTION_FACTS));
    }
    if reaction.wishes.len() > limits::REACTION_EFFECTS {
        return Err(too_many("effects", limits::REACTION_EFFECTS));
    }
    // What has just ended is still owed in the state, and yet its name is free again.
    let mut owed: Vec<&EffectKey> = state.owed().keys().filter(|key| Some(*key) != ended).collect();
    let (mut facts, mut kept) = (Vec::with_capacity(reaction.facts.len() + 4), Vec::new());
    for Noted { data, kept: as_it_was } in reaction.facts {
        kept.extend(as_it_was.map(|fact| (data.clone(), fact)));
        facts.push(Fact::Noted { data });
    }
    if !matches!(reaction.fate, Fate::Kept(_)) {
        facts.extend(recalled(state, reaction.recalled)); // or it would come back for ever
    }
    for step in reaction.given_up {
        let key = owed.iter().position(|key| key.step == step).map(|at| owed.remove(at).clone());
        facts.extend(key.map(|key| Fact::GivenUp { key })); // what has just ended needs no giving up
    }
    let stops = reaction.compensating.is_some() || reaction.end.is_some();
    if let Some(then) = reaction.compensating {
        owed.retain(|key| goes_out_after_the_end(key));
        facts.push(Fact::Compensating { then });
    }
    // What an end still owes does not hold it up.
    if !stops && owed.len() + reaction.wishes.len() + reaction.farewells.len() > limits::OWED_EFFECTS {
        return Err(HandlerError(format!("it would owe more than {} effects", limits::OWED_EFFECTS)));
    }
    let mut taken: BTreeSet<String> = owed.into_iter().map(|key| key.step.clone()).collect();
    for (step, wish) in reaction.wishes {
        let key = next_key(state, &mut taken, step)?;
        let effect = match wish {
            Wish::Effect(Effect::Update(update)) => Effect::Update(whole(update, &key, asked, moment)),
            Wish::Effect(effect) => effect,
            Wish::Send(event) => Effect::Send { event: sent(*event, &key, cause_of(asked), moment)? },
            Wish::Run(event) => run(*event, &key, cause_of(asked), moment)?,
        };
        facts.push(Fact::Owes { key, effect });
    }
    let halted = |(step, attempts, error)| Fact::Halted { step, attempts, error };
    facts.extend(reaction.halts.into_iter().map(halted));
    facts.extend(reaction.end.map(|end| Fact::Finished { end }));
    for (step, effect) in reaction.farewells {
        let key = key_after_end(state, &facts, &step);
        check_name(&key.step)?;
        facts.push(Fact::Owes { key, effect });
    }
    check_bytes(&facts)?;
    Ok(Answered { fate: reaction.fate, facts, kept })
}

fn check_bytes(facts: &[Fact]) -> Result<(), HandlerError> {
    let (bytes, limit): (usize, _) = (facts.iter().map(bytes_of).sum(), limits::REACTION_BYTES);
    let too_many = || HandlerError(format!("it would write {bytes} bytes at once; at most {limit} are taken"));
    if bytes > limit { Err(too_many()) } else { Ok(()) }
}

/// Without one that waits there is nothing to say.
fn recalled(state: &State, kinds: Vec<Pattern>) -> Option<Fact> {
    let one_waits = !kinds.is_empty() && state.open().values().any(|open| open.awaits.is_some());
    one_waits.then_some(Fact::Recalled { kinds })
}

/// Adds what a definition wants sent once its run is over to the facts by which it is. It is over all the same: what cannot be
/// told or sent is noted beside it.
pub(super) fn farewell(
    handler: &dyn AnyHandler,
    state: &State,
    (end, cause): (&RunEnd, Option<&Event>),
    moment: &Moment<'_>,
    facts: &mut Vec<Fact>,
) {
    let noted = |fact: &Fact| if let Fact::Noted { data } = fact { Some(data.clone()) } else { None };
    let noted: Vec<Json> = facts.iter().filter_map(noted).collect();
    let events = catch_unwind(AssertUnwindSafe(|| {
        let fresh;
        let data = match state.run().and_then(|run| run.data.as_deref()) {
            Some(data) => data,
            None => {
                fresh = handler.initial();
                &*fresh
            }
        };
        handler.farewell(data, (end, &noted), moment)
    }));
    let unsaid = |error: String| Fact::Parked { input: "what is sent at its end".into(), attempts: 1, error };
    let events = match events {
        Ok(events) => events,
        Err(panic) => return facts.push(unsaid(panic_text(panic.as_ref()))),
    };
    for (step, event) in events.into_iter().take(limits::REACTION_EFFECTS) {
        let key = key_after_end(state, facts, &step);
        let event = check_name(&key.step).and_then(|()| sent(event, &key, cause, moment));
        facts.push(match event {
            Ok(event) => Fact::Owes { key, effect: Effect::Send { event } },
            Err(error) => unsaid(error.0),
        });
    }
}

/// The bytes of a fact that its handler decides.
fn bytes_of(fact: &Fact) -> usize {
    match fact {
        Fact::Noted { data } => data.text().len(),
        Fact::Owes { key, effect } => {
            key.step.len()
                + match effect {
                    Effect::Call { agent, task, .. } => agent.len() + task.text().len(),
                    Effect::Send { event } => event.len(),
                    Effect::Update(update) => Json::of(update).text().len(),
                    Effect::Run { event } => event.len(),
                    Effect::Operate { why, .. } => why.len(),
                    Effect::Timer { .. } | Effect::Trace | Effect::Report { .. } => 0,
                }
        }
        Fact::Finished { end } | Fact::Compensating { then: end } => match end {
            RunEnd::Completed { output } => output.text().len(),
            RunEnd::Failed { error: text }
            | RunEnd::Cancelled { reason: text }
            | RunEnd::Terminated { reason: text } => text.len(),
        },
        Fact::Halted { step, error, .. } => step.len() + error.len(),
        Fact::Recalled { kinds } => kinds.iter().map(|kind| kind.as_str().len()).sum(),
        _ => 0,
    }
}

fn check_name(step: &str) -> Result<(), HandlerError> {
    match step.is_empty() || step.len() > limits::ID_BYTES || step.chars().any(char::is_control) {
        true => Err(HandlerError("a step's name has 1 to 255 bytes without control characters".into())),
        false => Ok(()),
    }
}

fn next_key(state: &State, taken: &mut BTreeSet<String>, step: String) -> Result<EffectKey, HandlerError> {
    check_name(&step)?;
    if step.starts_with(AFTER_END) {
        return Err(HandlerError(format!("a step's name does not begin with '{AFTER_END}'")));
    }
    if !taken.insert(step.clone()) {
        return Err(HandlerError(format!("step '{step}' is under way already")));
    }
    Ok(EffectKey { attempt: attempts(state, &step).saturating_add(1), step })
}

/// The last attempt at a step.
fn attempts(state: &State, step: &str) -> u32 {
    state.run().and_then(|run| run.attempts.get(step)).copied().unwrap_or(0)
}

/// An event to another correlation: its id comes from what sent it, so that sending it twice is once.
pub(super) fn written(
    event: EventBuilder,
    key: &EffectKey,
    cause: Option<&Event>,
    moment: &Moment<'_>,
) -> Result<Arc<str>, HandlerError> {
    let id = emitted_id(moment.correlation, &key.step, key.attempt);
    // What the runtime emits names a cause that the runtime knows, or none.
    let mut event = event.id(id).source(WORKFLOW_SOURCE).timestamp(moment.now).without_cause();
    let mut chain = Vec::new();
    if let Some(cause) = cause {
        event = event.cause(full_name(cause));
        chain.extend(cause.correlation_chain.iter().cloned());
    }
    chain.push(moment.correlation.clone());
    let built = event.chain(chain).build();
    let incoming = built.map_err(|error| HandlerError(format!("step '{}' sends a bad event: {error}", key.step)))?;
    Ok(incoming.raw().clone())
}

/// What is the runtime's own is not others' to send.
fn allowed(event: EventBuilder, moment: &Moment<'_>) -> Result<EventBuilder, HandlerError> {
    let may = if moment.correlation.is_own() { Ok(()) } else { event.may_be_sent() };
    may.map(|()| event).map_err(HandlerError)
}

/// An event that a definition sends.
fn sent(
    event: EventBuilder,
    key: &EffectKey,
    cause: Option<&Event>,
    moment: &Moment<'_>,
) -> Result<Arc<str>, HandlerError> {
    written(allowed(event, moment)?, key, cause, moment)
}

/// An event that begins a workflow, which is to tell this one how it ends.
fn run(
    event: EventBuilder,
    key: &EffectKey,
    cause: Option<&Event>,
    moment: &Moment<'_>,
) -> Result<Effect, HandlerError> {
    let event = Parent { workflow: moment.correlation.clone(), key: key.clone() }.told_to(event);
    Ok(Effect::Run { event: sent(event, key, cause, moment)? })
}

/// An update of an entity: what it does not say of itself follows from what asks for it.
fn whole(mut update: Box<Update>, key: &EffectKey, asked: Asked<'_>, moment: &Moment<'_>) -> Box<Update> {
    update.id.get_or_insert_with(|| emitted_id(moment.correlation, &key.step, key.attempt));
    let cause = cause_of(asked);
    update.cause = update.cause.or_else(|| cause.map(full_name));
    if update.chain.is_empty() {
        update.chain.extend(cause.iter().flat_map(|cause| cause.correlation_chain.iter().cloned()));
        update.chain.push(moment.correlation.clone());
    }
    update
}

fn cause_of(asked: Asked<'_>) -> Option<&Event> {
    if let Asked::Input(Input::Event(cause)) = asked { Some(cause) } else { None }
}

fn full_name(event: &Event) -> String {
    format!("{}#{}", event.source, event.id)
}
