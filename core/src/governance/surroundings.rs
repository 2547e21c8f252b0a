//! What conditions see besides the event: its workflow and its entity, as JSON.

use std::collections::BTreeMap;

use serde_json::json;

use crate::Json;
use crate::event::{CorrelationId, EntityRef};
use crate::workflow::State;

/// A workflow: `id`, `definition`, `version`, `status` (`none`, or as [`RunStatus::name`](crate::workflow::RunStatus::name) says), `records`, `open`.
pub fn workflow_seen(correlation: &CorrelationId, state: &State) -> Json {
    let run = state.run();
    let status = run.map_or("none", |run| run.status.name());
    let definition = run.map(|run| (run.definition.as_str(), run.version));
    seen(correlation, definition, status, (state.sequence, state.open().len()))
}

/// A correlation without a run, as far as it has come: a ledger.
pub(super) fn ledger_seen(correlation: &CorrelationId, records: u64, open: usize) -> Json {
    seen(correlation, None, "none", (records, open))
}

fn seen(
    correlation: &CorrelationId,
    definition: Option<(&str, u32)>,
    status: &str,
    (records, open): (u64, usize),
) -> Json {
    let seen = json!({
        "id": correlation,
        "definition": definition.map(|(name, _)| name),
        "version": definition.map(|(_, version)| version),
        "status": status,
        "records": records,
        "open": open,
    });
    seen.into()
}

/// An entity: `type`, `id`, `fields`, and the `position` of the last event that told of it.
pub fn entity_seen(entity: &EntityRef, fields: &BTreeMap<String, Json>, position: u64) -> Json {
    let seen = json!({"type": entity.kind, "id": entity.id, "fields": fields, "position": position});
    seen.into()
}
