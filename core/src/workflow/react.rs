//! Asking the handler, and turning its reaction into facts.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::command::Refusal;
use super::effect::{Effect, EffectKey};
use super::evolve::panic_text;
use super::fact::{Fact, RunEnd};
use super::handler::{HandlerError, Input, Moment, Reaction, Wish};
use super::registry::AnyHandler;
use super::state::State;
use crate::Json;
use crate::entity::Update;
use crate::event::{Event, EventBuilder, emitted_id};
use crate::limits;

/// The source of events that workflows send.
const WORKFLOW_SOURCE: &str = "regie:workflow";

/// A handler's answer: facts, or why it can never take the input.
pub(super) type Answer = Result<Vec<Fact>, HandlerError>;

/// Asks a handler. A panic is a refusal, for the state may have been at fault; an error of its own is an answer.
pub(super) fn ask(
    handler: &dyn AnyHandler,
    state: &State,
    input: Input<'_>,
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
        handler.decide(data, input, moment)
    }));
    match reaction {
        Err(panic) => Err(Refusal::Panicked { message: panic_text(panic.as_ref()) }),
        Ok(Err(error)) => Ok(Err(error)),
        Ok(Ok(reaction)) => Ok(facts_of(reaction, state, input, moment)),
    }
}

fn facts_of(reaction: Reaction<Json>, state: &State, input: Input<'_>, moment: &Moment<'_>) -> Answer {
    let too_many = |what: &str, limit: usize| HandlerError(format!("it asks for more than {limit} {what} at once"));
    if reaction.facts.len() > limits::REACTION_FACTS {
        return Err(too_many("facts", limits::REACTION_FACTS));
    }
    if reaction.wishes.len() > limits::REACTION_EFFECTS {
        return Err(too_many("effects", limits::REACTION_EFFECTS));
    }
    let ended = ended_step(input);
    let still_owed = state.owed().len().saturating_sub(usize::from(ended.is_some()));
    if still_owed + reaction.wishes.len() > limits::OWED_EFFECTS {
        return Err(HandlerError(format!("it would owe more than {} effects", limits::OWED_EFFECTS)));
    }
    let mut facts: Vec<Fact> = reaction.facts.into_iter().map(|data| Fact::Noted { data }).collect();
    let mut asked: Vec<EffectKey> = Vec::new();
    for (step, wish) in reaction.wishes {
        let key = next_key(state, &asked, ended, step)?;
        let effect = match wish {
            Wish::Effect(Effect::Update(update)) => Effect::Update(whole(update, &key, input, moment)),
            Wish::Effect(effect) => effect,
            Wish::Send(event) => send(*event, &key, input, moment)?,
        };
        asked.push(key.clone());
        facts.push(Fact::Owes { key, effect });
    }
    facts.extend(reaction.end.map(|end| Fact::Finished { end }));
    let bytes: usize = facts.iter().map(bytes_of).sum();
    if bytes > limits::REACTION_BYTES {
        let limit = limits::REACTION_BYTES;
        return Err(HandlerError(format!("it would write {bytes} bytes at once; at most {limit} are taken")));
    }
    Ok(facts)
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
                    Effect::Timer { .. } | Effect::Trace => 0,
                }
        }
        Fact::Finished { end: RunEnd::Completed { output } } => output.text().len(),
        Fact::Finished { end: RunEnd::Failed { error } } => error.len(),
        _ => 0,
    }
}

/// The step whose effect has just ended: it is still owed in the state that is asked, and yet its name is free again.
fn ended_step(input: Input<'_>) -> Option<&str> {
    match input {
        Input::Agent { step, .. } | Input::Timer { step } | Input::Sent { step, .. } | Input::Traced { step, .. } => {
            Some(step)
        }
        Input::Event(_) => None,
    }
}

fn next_key(state: &State, asked: &[EffectKey], ended: Option<&str>, step: String) -> Result<EffectKey, HandlerError> {
    let mut owed = state.owed().keys().filter(|key| Some(key.step.as_str()) != ended).chain(asked);
    if owed.any(|key| key.step == step) {
        return Err(HandlerError(format!("step '{step}' is under way already")));
    }
    if step.is_empty() || step.len() > limits::ID_BYTES || step.chars().any(char::is_control) {
        return Err(HandlerError("a step's name has 1 to 255 bytes without control characters".into()));
    }
    let attempts = state.run().and_then(|run| run.attempts.get(&step)).copied();
    Ok(EffectKey { attempt: attempts.unwrap_or(0).saturating_add(1), step })
}

/// An event to another correlation: its id comes from what sent it, so that sending it twice is once.
fn send(event: EventBuilder, key: &EffectKey, input: Input<'_>, moment: &Moment<'_>) -> Result<Effect, HandlerError> {
    let id = emitted_id(moment.correlation, &key.step, key.attempt);
    // What the runtime emits names a cause that the runtime knows, or none.
    let mut event = event.id(id).source(WORKFLOW_SOURCE).timestamp(moment.now).without_cause();
    let mut chain = Vec::new();
    if let Input::Event(cause) = input {
        event = event.cause(full_name(cause));
        chain.extend(cause.correlation_chain.iter().cloned());
    }
    chain.push(moment.correlation.clone());
    let built = event.chain(chain).build();
    let incoming = built.map_err(|error| HandlerError(format!("step '{}' sends a bad event: {error}", key.step)))?;
    Ok(Effect::Send { event: incoming.raw().clone() })
}

/// An update of an entity: what it does not say of itself follows from what asks for it.
fn whole(mut update: Box<Update>, key: &EffectKey, input: Input<'_>, moment: &Moment<'_>) -> Box<Update> {
    update.id.get_or_insert_with(|| emitted_id(moment.correlation, &key.step, key.attempt));
    let cause = if let Input::Event(cause) = input { Some(cause) } else { None };
    update.cause = update.cause.or_else(|| cause.map(full_name));
    if update.chain.is_empty() {
        update.chain.extend(cause.iter().flat_map(|cause| cause.correlation_chain.iter().cloned()));
        update.chain.push(moment.correlation.clone());
    }
    update
}

fn full_name(event: &Event) -> String {
    format!("{}#{}", event.source, event.id)
}
