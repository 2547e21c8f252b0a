//! Assertions that say what is there instead.

use regie_core::Json;
use regie_core::event::{EntityRef, EventResult, LifeState};
use regie_core::workflow::RunStatus;

use super::{ScriptedAgent, Stage};

/// Asserts that an answer tells this state, and no error.
///
/// # Panics
/// If not.
#[track_caller]
pub fn assert_state(answer: &EventResult, state: LifeState) {
    let found = (answer.event_state, answer.error.as_ref().map(|error| error.message.as_str()));
    assert_eq!(found, (Some(state), None), "event {} of {}", answer.event_id, answer.correlation_id);
}

/// Asserts that an agent was asked these tasks, as compact JSON, in this order, and nothing else.
///
/// # Panics
/// If not.
#[track_caller]
pub fn assert_calls(agent: &ScriptedAgent, tasks: &[&str]) {
    let asked = agent.calls();
    let asked: Vec<&str> = asked.iter().map(|call| call.task.text()).collect();
    assert_eq!(asked, tasks, "what the agent was asked");
}

/// Asserts that the events of a correlation have these types, in the order in which they were recorded.
///
/// # Panics
/// If not, or if the journal cannot be read.
pub async fn assert_types(stage: &Stage, correlation: &str, types: &[&str]) {
    let filter = regie_core::query::Filter { correlation: Some(correlation.into()), ..Default::default() };
    let events = stage.handle.events(filter).await;
    let mut events = events.unwrap_or_else(|error| panic!("the journal cannot be read: {error}"));
    events.sort_by_key(|stored| stored.position);
    let found: Vec<&str> = events.iter().map(|stored| stored.incoming.event().kind.as_str()).collect();
    assert_eq!(found, types, "the events of {correlation}");
}

/// Asserts that an entity has this value in a field; `null` for one that it has not.
///
/// # Panics
/// If not, or if the journal cannot be read.
pub async fn assert_entity(stage: &Stage, entity: &EntityRef, field: &str, value: &serde_json::Value) {
    let state = stage.handle.state(entity, None).await;
    let state = state.unwrap_or_else(|error| panic!("the journal cannot be read: {error}"));
    let found = state.and_then(|state| state.fields.get(field).cloned()).unwrap_or_else(Json::null);
    assert!(found.same(&Json::of(value)), "{field} of {} {} is {found:?}, not {value}", entity.kind, entity.id);
}

/// Asserts that a workflow has completed with this output, as compact JSON.
///
/// # Panics
/// If not.
pub async fn assert_ended(stage: &Stage, correlation: &str, output: &str) {
    let found = status(stage, correlation).await;
    let wanted = matches!(&found, Some(RunStatus::Completed { output: given }) if given.text() == output);
    assert!(wanted, "{correlation} has not completed with {output}: {found:?}");
}

/// Asserts that a workflow has failed with an error that holds this text.
///
/// # Panics
/// If not.
pub async fn assert_failed(stage: &Stage, correlation: &str, error: &str) {
    let found = status(stage, correlation).await;
    let wanted = matches!(&found, Some(RunStatus::Failed { error: given }) if given.contains(error));
    assert!(wanted, "{correlation} has not failed with '{error}': {found:?}");
}

async fn status(stage: &Stage, correlation: &str) -> Option<RunStatus> {
    let view = stage.handle.look(&correlation.into()).await;
    view.unwrap_or_else(|error| panic!("{correlation} cannot be looked at: {error}")).run.map(|run| run.status)
}
