//! The steps of one workflow, and how they follow from what happened to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::StepError;
use super::log::Log;
use crate::workflow::RunEnd;
use crate::{Json, Timestamp};

/// What happened to a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepFact {
    /// An agent was asked to do it for the first time.
    Began {
        /// Which.
        step: String,
        /// Who was asked.
        agent: String,
        /// What is to be done.
        input: Json,
        /// Its time limit in milliseconds, if it has one of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
        /// Whether something puts it back.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        undoable: bool,
        /// When.
        at: Timestamp,
    },
    /// A try failed.
    Failed {
        /// Which.
        step: String,
        /// Why.
        error: StepError,
        /// When it is tried again; never unless said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<Timestamp>,
    },
    /// The agent was asked again.
    Again {
        /// Which.
        step: String,
    },
    /// The agent gave a result.
    Done {
        /// Which.
        step: String,
        /// What it gave.
        result: Json,
    },
    /// The workflow goes on without it.
    GivenUp {
        /// Which.
        step: String,
        /// Whether it was to be asked in this very turn, and never was.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unasked: bool,
    },
    /// All that was done is put back from now on.
    Unwinding {
        /// How the workflow ends after that.
        then: RunEnd,
    },
    /// What was done last stays as it is: a person said so.
    Skipped {
        /// Which.
        step: String,
    },
}

/// A step that is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnderWay {
    /// Who was asked.
    pub agent: String,
    /// What is to be done.
    pub input: Json,
    /// Its time limit in milliseconds, if it has one of its own.
    pub timeout_ms: Option<u64>,
    /// When it was asked for the first time.
    pub since: Timestamp,
    /// How many tries failed.
    pub tries: u32,
    /// When it is tried again, if it waits for that.
    pub again: Option<Timestamp>,
    /// Whether something puts it back.
    pub(super) undoable: bool,
    /// Whether a try ended so that nobody knows what it did.
    pub(super) unknown: bool,
}

/// A step that can be put back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Which.
    pub step: String,
    /// What was to be done.
    pub input: Json,
    /// What came of it; missing where nobody knows.
    pub result: Option<Json>,
}

/// The steps of one workflow. Copies cost little: the long part is shared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    pub(super) under_way: BTreeMap<String, UnderWay>,
    /// What can be put back, in the order in which it was done.
    pub(super) done: Log<Done>,
    /// How the workflow ends once all is put back; set while that goes on.
    pub(super) unwinding: Option<RunEnd>,
    /// What was not put back, because a person said so.
    pub(super) left: Vec<String>,
}

/// What a step's name is called by while it is put back.
pub(super) const UNDO: &str = "~undo/";

impl Steps {
    /// Those under way, by name; what puts a step back is named `~undo/` and that step.
    pub fn under_way(&self) -> &BTreeMap<String, UnderWay> {
        &self.under_way
    }

    /// What can be put back, the last first.
    pub fn done(&self) -> impl Iterator<Item = &Done> {
        self.done.iter()
    }

    /// How the workflow ends once all is put back, while that goes on.
    pub fn unwinding(&self) -> Option<&RunEnd> {
        self.unwinding.as_ref()
    }

    /// Whether those that are under way are known, and those that were done can be put back.
    pub(in crate::workflow) fn fits(
        &self,
        is_known: impl Fn(&str) -> bool,
        can_be_undone: impl Fn(&str) -> bool,
    ) -> Result<(), String> {
        for step in self.under_way.keys() {
            let step = step.strip_prefix(UNDO).unwrap_or(step);
            if !is_known(step) {
                return Err(format!("there is no step '{step}', which is under way"));
            }
        }
        match self.done().find(|done| !can_be_undone(&done.step)) {
            Some(done) => Err(format!("nothing puts step '{}' back, which was done", done.step)),
            None => Ok(()),
        }
    }

    /// Takes what happened into the state. What does not fit changes nothing: facts come from [`Doing`](super::Doing) alone.
    pub fn follow(&mut self, fact: &StepFact) {
        match fact {
            StepFact::Began { step, agent, input, timeout_ms, undoable, at } => {
                let (agent, input, timeout_ms) = (agent.clone(), input.clone(), *timeout_ms);
                let (undoable, since) = (*undoable, *at);
                let begun =
                    UnderWay { agent, input, timeout_ms, since, tries: 0, again: None, undoable, unknown: false };
                self.under_way.insert(step.clone(), begun);
            }
            StepFact::Failed { step, error, again } => self.failed(step, error, *again),
            StepFact::Again { step } => {
                self.under_way.get_mut(step).into_iter().for_each(|under_way| under_way.again = None);
            }
            StepFact::Done { step, result } => self.was_done(step, result),
            StepFact::GivenUp { step, unasked } => self.given_up(step, *unasked),
            StepFact::Unwinding { then } => self.unwinding = Some(then.clone()),
            StepFact::Skipped { step } => {
                self.done.pop();
                self.left.push(step.clone());
            }
        }
    }

    fn failed(&mut self, step: &str, error: &StepError, again: Option<Timestamp>) {
        let Some(under_way) = self.under_way.get_mut(step) else { return };
        under_way.tries += 1;
        under_way.unknown |= error.kind.is_unknown();
        under_way.again = again;
        if again.is_none() {
            self.over(step, |under_way| under_way.unknown);
        }
    }

    fn given_up(&mut self, step: &str, unasked: bool) {
        self.over(step, |under_way| under_way.unknown || under_way.again.is_none() && !unasked);
    }

    /// A step is over without a result; it can be put back if it may have done something all the same.
    fn over(&mut self, step: &str, may_be_done: impl FnOnce(&UnderWay) -> bool) {
        if let Some(under_way) = self.under_way.remove(step)
            && under_way.undoable
            && may_be_done(&under_way)
        {
            self.done.push(Done { step: step.to_string(), input: under_way.input, result: None });
        }
    }

    fn was_done(&mut self, step: &str, result: &Json) {
        let under_way = self.under_way.remove(step);
        if step.starts_with(UNDO) {
            self.done.pop();
        } else if let Some(under_way) = under_way.filter(|under_way| under_way.undoable) {
            self.done.push(Done { step: step.to_string(), input: under_way.input, result: Some(result.clone()) });
        }
    }
}
