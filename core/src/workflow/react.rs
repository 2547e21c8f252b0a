//! Asking the handler, and turning its reaction into facts.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::command::Refusal;
use super::effect::{Effect, EffectKey};
use super::evolve::panic_text;
use super::fact::{Fact, RunEnd};
use super::handler::{Fate, HandlerError, Input, Moment, Reaction, Request, Wish};
use super::parent::{AFTER_END, Parent};
use super::registry::AnyHandler;
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
}

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
    reaction: Reaction<Json>,
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
    let mut facts: Vec<Fact> = reaction.facts.into_iter().map(|data| Fact::Noted { data }).collect();
    if !matches!(reaction.fate, Fate::Kept(_)) {
        facts.extend(recalled(state, reaction.recalled)); // or it would come back for ever
    }
    for step in reaction.given_up {
        let key = owed.iter().position(|key| key.step == step).map(|at| owed.remove(at).clone());
        facts.extend(key.map(|key| Fact::GivenUp { key })); // what has just ended needs no giving up
    }
    if let Some(then) = reaction.compensating {
        owed.clear();
        facts.push(Fact::Compensating { then });
    }
    if owed.len() + reaction.wishes.len() > limits::OWED_EFFECTS {
        return Err(HandlerError(format!("it would owe more than {} effects", limits::OWED_EFFECTS)));
    }
    let mut taken: BTreeSet<String> = owed.into_iter().map(|key| key.step.clone()).collect();
    for (step, wish) in reaction.wishes {
        let key = next_key(state, &mut taken, step)?;
        let effect = match wish {
            Wish::Effect(Effect::Update(update)) => Effect::Update(whole(update, &key, asked, moment)),
            Wish::Effect(effect) => effect,
            Wish::Send(event) => Effect::Send { event: written(*event, &key, cause_of(asked), moment)? },
            Wish::Run(event) => run(*event, &key, cause_of(asked), moment)?,
        };
        facts.push(Fact::Owes { key, effect });
    }
    let halted = |(step, attempts, error)| Fact::Halted { step, attempts, error };
    facts.extend(reaction.halts.into_iter().map(halted));
    facts.extend(reaction.end.map(|end| Fact::Finished { end }));
    for (step, effect) in reaction.farewells {
        facts.push(Fact::Owes { key: key_after_end(state, &facts, &step)?, effect });
    }
    let bytes: usize = facts.iter().map(bytes_of).sum();
    if bytes > limits::REACTION_BYTES {
        let limit = limits::REACTION_BYTES;
        return Err(HandlerError(format!("it would write {bytes} bytes at once; at most {limit} are taken")));
    }
    Ok(Answered { fate: reaction.fate, facts })
}

/// Without one that waits there is nothing to say.
fn recalled(state: &State, kinds: Vec<Pattern>) -> Option<Fact> {
    let one_waits = !kinds.is_empty() && state.open().values().any(|open| open.awaits.is_some());
    one_waits.then_some(Fact::Recalled { kinds })
}

/// What a definition wants sent once its run is over.
pub(super) fn farewell(
    handler: &dyn AnyHandler,
    state: &State,
    (end, facts, cause): (&RunEnd, &[Fact], Option<&Event>),
    moment: &Moment<'_>,
) -> Result<Vec<Fact>, Refusal> {
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
    let events = events.map_err(|panic| Refusal::Panicked { message: panic_text(panic.as_ref()) })?;
    let mut all = facts.to_vec();
    for (step, event) in events.into_iter().take(limits::REACTION_EFFECTS) {
        let owed = key_after_end(state, &all, &step).and_then(|key| {
            let effect = Effect::Send { event: written(event, &key, cause, moment)? };
            Ok(Fact::Owes { key, effect })
        });
        // The run is over all the same: what cannot be sent is told beside it.
        all.push(owed.unwrap_or_else(|error| Fact::Parked {
            input: "what is sent at its end".into(),
            attempts: 1,
            error: error.0,
        }));
    }
    Ok(all.split_off(facts.len()))
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

fn next_key(state: &State, taken: &mut BTreeSet<String>, step: String) -> Result<EffectKey, HandlerError> {
    check_name(&step)?;
    if !taken.insert(step.clone()) {
        return Err(HandlerError(format!("step '{step}' is under way already")));
    }
    Ok(EffectKey { attempt: attempts(state, &step).saturating_add(1), step })
}

/// The key of what goes out even after the end. Nobody is called back by its name: one name may be owed several times, each
/// as an attempt of its own.
fn key_after_end(state: &State, facts: &[Fact], step: &str) -> Result<EffectKey, HandlerError> {
    let step = format!("{AFTER_END}{step}");
    check_name(&step)?;
    let of_this = |fact: &Fact| {
        if let Fact::Owes { key, .. } = fact { Some(key.attempt).filter(|_| key.step == step) } else { None }
    };
    let last = facts.iter().rev().find_map(of_this).unwrap_or_else(|| attempts(state, &step));
    Ok(EffectKey { attempt: last.saturating_add(1), step })
}

fn check_name(step: &str) -> Result<(), HandlerError> {
    match step.is_empty() || step.len() > limits::ID_BYTES || step.chars().any(char::is_control) {
        true => Err(HandlerError("a step's name has 1 to 255 bytes without control characters".into())),
        false => Ok(()),
    }
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

/// An event that begins a workflow, which is to tell this one how it ends.
fn run(
    event: EventBuilder,
    key: &EffectKey,
    cause: Option<&Event>,
    moment: &Moment<'_>,
) -> Result<Effect, HandlerError> {
    let event = Parent { workflow: moment.correlation.clone(), key: key.clone() }.told_to(event);
    Ok(Effect::Run { event: written(event, key, cause, moment)? })
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
