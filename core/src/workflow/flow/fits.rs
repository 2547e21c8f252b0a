//! Whether a run of another version can go on in this tree.

use super::handler::Flow;
use super::model::{Kind, below};
use super::state::{FlowState, Where};
use crate::workflow::step::StepRules;

impl Flow {
    /// Each task that is under way is here, and does the same kind of thing; what was done can be put back.
    pub(super) fn fits(&self, state: &FlowState) -> Result<(), String> {
        state.steps.fits(|step| self.tree.call(step).is_some(), |step| self.tree.can_be_undone(step))?;
        // While what was done is put back, nothing else counts.
        if state.steps.unwinding().is_some() {
            return Ok(());
        }
        for (path, frame) in &state.frames {
            let node = self.tree.node(path).ok_or_else(|| format!("there is no task '{path}', which is under way"))?;
            if !is_of_kind(&node.kind, &frame.at) {
                return Err(format!("task '{path}', which is under way, is of another kind"));
            }
            if let Where::Sequence { child } = &frame.at
                && self.tree.at(&below(path, child)).is_none()
            {
                return Err(format!("there is no task '{}', at which it stands", below(path, child)));
            }
        }
        Ok(())
    }
}

fn is_of_kind(kind: &Kind, at: &Where) -> bool {
    match (kind, at) {
        (Kind::Fork { children, .. }, Where::Fork { left, ends }) => children.len() == left + ends.len(),
        (Kind::Steps(dots), Where::Steps { left }) => *left <= dots.len(),
        (Kind::Listen { on, .. }, Where::Listening { got }) => got.keys().all(|place| *place < on.len()),
        (Kind::Call(_), Where::Calling)
        | (Kind::Emit(_), Where::Sending)
        | (Kind::Run(_), Where::Running { .. })
        | (Kind::Wait(_), Where::Waiting { .. })
        | (Kind::Sequence(_) | Kind::Choose(_), Where::Sequence { .. })
        | (Kind::Each { .. }, Where::Each { .. })
        | (Kind::Try { .. }, Where::Trying { .. }) => true,
        _ => false,
    }
}
