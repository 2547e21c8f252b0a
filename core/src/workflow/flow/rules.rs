//! What the tree says of the steps of its calls.

use super::model::{Call, Kind, Tree};
use crate::Json;
use crate::workflow::step::{Done, StepRule, StepRules, Undo};

impl Tree {
    pub(super) fn call(&self, step: &str) -> Option<&Call> {
        match &self.node(step)?.kind {
            Kind::Call(call) => Some(call),
            _ => None,
        }
    }
}

impl StepRules for Tree {
    fn rule(&self, step: &str) -> StepRule<'_> {
        match self.call(step) {
            Some(call) => StepRule { retry: &call.retry, max_elapsed: call.max_elapsed, never_for: &call.never_for },
            None => StepRule::once(),
        }
    }

    fn can_be_undone(&self, step: &str) -> bool {
        self.call(step).is_some_and(|call| call.undo.is_some())
    }

    fn undo(&self, done: &Done) -> Result<Undo, String> {
        let undo = self.call(&done.step).and_then(|call| call.undo.as_ref());
        let undo =
            undo.ok_or_else(|| format!("the definition does not say any more what puts '{}' back", done.step))?;
        let input = match &undo.input {
            Some(told) => told(done)?,
            None => Json::of(&serde_json::json!({ "step": done.step, "input": done.input, "result": done.result })),
        };
        Ok(Undo { agent: undo.agent.clone(), input, timeout_ms: undo.timeout_ms })
    }

    fn undo_rule(&self, step: &str) -> StepRule<'_> {
        let undo = self.call(step).and_then(|call| call.undo.as_ref());
        undo.map_or_else(StepRule::once, |undo| StepRule { retry: &undo.retry, ..StepRule::once() })
    }
}
