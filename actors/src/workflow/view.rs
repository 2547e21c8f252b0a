//! How a workflow stands, for those who ask.

use regie_core::workflow as core;

use super::messages::{OpenView, RunView, WorkflowView};

/// How a workflow stands by its state.
pub(crate) fn view(state: &core::State) -> WorkflowView {
    let run = state.run().map(|run| RunView {
        definition: run.definition.clone(),
        version: run.version,
        status: run.status.clone(),
        paused: run.paused,
        parked: run.parked.clone(),
        state: None,
    });
    let open = state.open().iter().map(|(sequence, open)| OpenView {
        sequence: *sequence,
        state: open.state,
        until: open.until,
    });
    WorkflowView {
        sequence: state.sequence,
        ended: state.has_ended(),
        run,
        open: open.collect(),
        owed: state.owed().keys().cloned().collect(),
    }
}

/// The same with the handler's own state, where this program has the definition.
pub fn whole_view(state: &core::State, definitions: &core::Definitions) -> WorkflowView {
    let mut whole = view(state);
    if let Some(run) = &mut whole.run {
        run.state = state.told(definitions);
    }
    whole
}
