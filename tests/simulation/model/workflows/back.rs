//! What was done is put back: that alone, the last first, one at a time, each once; and all of it, unless a person said so.

use std::collections::{BTreeMap, BTreeSet};

use regie_core::workflow::{AgentOutcome, EffectEnd, EffectKey, RunEnd};

use super::moves::Status;
use super::{AGAIN, UNDO};
use crate::simulation::tally::Tally;
use crate::simulation::workflows::words::step_of;

#[derive(Debug, Default)]
pub(super) struct Back {
    /// What is to be put back, by the record since which that is so; and whether nobody knows what came of it.
    done: BTreeMap<(u64, String), bool>,
    /// Steps of which a try ended so that nobody knows what it did.
    unknown: BTreeSet<String>,
    /// Steps whose end could not be taken: their workflow takes them to be under way.
    limbo: BTreeSet<String>,
    /// What is being put back.
    under_way: Option<String>,
}

fn is_undoable(workflow: &str, step: &str) -> bool {
    !step.starts_with('~') && !is_no_call(workflow, step) && step_of(workflow, step).undo.is_some()
}

/// Whether a name is that of a task which is no agent's.
fn is_no_call(workflow: &str, step: &str) -> bool {
    use crate::simulation::workflows::words::STEPS;
    !STEPS.iter().any(|it| it.workflow == workflow && it.name == step)
}

impl Back {
    pub(super) fn owes(&mut self, step: &str, status: Status, tally: &mut Tally) {
        let undone = step.strip_prefix(AGAIN).unwrap_or(step).strip_prefix(UNDO);
        let Some(undone) = undone else {
            return assert_eq!(status, Status::Running, "{step} is begun by one that is put back");
        };
        assert_eq!(status, Status::Compensating, "{undone} is put back by one that goes on");
        if step.starts_with(AGAIN) {
            return;
        }
        assert!(self.under_way.as_deref().is_none_or(|other| other == undone), "two are put back at once");
        self.under_way = Some(undone.to_string());
        let last = self.done.keys().map(|(since, _)| *since).max();
        let found = self.done.iter().find(|((since, step), _)| Some(*since) == last && step == undone);
        let (_, unknown) =
            found.unwrap_or_else(|| panic!("{undone} is put back, and is not the last: {:?}", self.done));
        tally.count(if *unknown {
            "workflow: put back, though nobody knows whether it was done"
        } else {
            "workflow: put back"
        });
    }

    /// An end that the workflow takes; whether it is tried again.
    pub(super) fn ended(
        &mut self,
        workflow: &str,
        (key, end): (&EffectKey, &EffectEnd),
        (sequence, again): (u64, bool),
    ) {
        let EffectEnd::Agent(outcome) = end else { return };
        let step = key.step.as_str();
        if let Some(undone) = step.strip_prefix(UNDO) {
            if outcome.is_done() {
                self.is_put_back(undone);
            }
            return;
        }
        if !is_undoable(workflow, step) {
            return;
        }
        if matches!(outcome, AgentOutcome::TimedOut { .. } | AgentOutcome::Panicked(_)) {
            self.unknown.insert(step.to_string());
        }
        if outcome.is_done() {
            self.done.insert((sequence, step.to_string()), false);
        } else if !again && self.unknown.contains(step) {
            self.done.insert((sequence, step.to_string()), true);
        }
        if !again {
            self.unknown.remove(step);
        }
    }

    fn is_put_back(&mut self, undone: &str) {
        let last = self.done.keys().filter(|(_, step)| step == undone).max().cloned();
        self.done.remove(&last.unwrap_or_else(|| panic!("{undone} is put back twice")));
        self.under_way = None;
    }

    /// The workflow goes on without a step: nobody knows what it did, if it was asked.
    pub(super) fn given_up(&mut self, workflow: &str, step: &str, sequence: u64) {
        let waits = step.strip_prefix(AGAIN);
        let step = waits.unwrap_or(step);
        if is_undoable(workflow, step) && (waits.is_none() || self.unknown.contains(step)) {
            self.done.insert((sequence, step.to_string()), true);
        }
        self.unknown.remove(step);
    }

    pub(super) fn in_limbo(&mut self, workflow: &str, step: &str) {
        if is_undoable(workflow, step) {
            self.limbo.insert(step.to_string());
        }
    }

    pub(super) fn out_of_limbo(&mut self, step: &str) {
        self.limbo.remove(step);
    }

    pub(super) fn gives_up_limbo(&mut self, step: &str, sequence: u64) {
        if self.limbo.remove(step) {
            self.done.insert((sequence, step.to_string()), true);
        }
    }

    pub(super) fn limbo_ends(&mut self, sequence: u64) {
        self.done.extend(std::mem::take(&mut self.limbo).into_iter().map(|step| ((sequence, step), true)));
    }

    pub(super) fn halts(&mut self, step: &str) {
        assert!(self.done.keys().any(|(_, done)| done == step), "{step} cannot be put back, and was not done");
    }

    /// A person says that the last stays as it is.
    pub(super) fn skips(&mut self) {
        if let Some(step) = self.under_way.clone() {
            self.is_put_back(&step);
        }
    }

    pub(super) fn ends(&mut self, (status, end, abandoned): (Status, &RunEnd, bool), _: &mut Tally) {
        let puts_back = matches!(end, RunEnd::Failed { .. } | RunEnd::Cancelled { .. });
        if puts_back && !abandoned {
            assert!(self.done.is_empty(), "it ends as {end:?}, {status:?}, and left {:?}", self.done);
        }
        self.done.clear();
        self.under_way = None;
    }
}
