//! What conditions see besides the event: its workflow and its entity, as JSON.

use serde_json::json;

use crate::Json;
use crate::entity::EntityState;
use crate::event::{CorrelationId, EntityRef};
use crate::workflow::{RunStatus, State};

/// A workflow: `id`, `definition`, `version`, `status` (`none`, `running`, `completed`, `failed`), `records`, `open`.
pub fn workflow_seen(correlation: &CorrelationId, state: &State) -> Json {
    let run = state.run();
    let status = match run.map(|run| &run.status) {
        None => "none",
        Some(RunStatus::Running) => "running",
        Some(RunStatus::Completed { .. }) => "completed",
        Some(RunStatus::Failed { .. }) => "failed",
    };
    let seen = json!({
        "id": correlation,
        "definition": run.map(|run| run.definition.as_str()),
        "version": run.map(|run| run.version),
        "status": status,
        "records": state.sequence,
        "open": state.open().len(),
    });
    seen.into()
}

/// An entity: `type`, `id`, `fields`, and the `position` of the last event that told of it.
pub fn entity_seen(entity: &EntityRef, state: &EntityState, position: u64) -> Json {
    let seen = json!({"type": entity.kind, "id": entity.id, "fields": state.fields, "position": position});
    seen.into()
}
