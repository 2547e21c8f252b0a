//! The saga: what was done is put back, the last first, one at a time.

use super::doing::{Doing, Happened};
use super::steps::{StepFact, UNDO};
use crate::workflow::RunEnd;

/// How many steps are named that were not put back.
const NAMED_AT_MOST: usize = 20;

impl Doing<'_> {
    /// All is put back from now on; what is under way is given up, and put back too: nobody knows what came of it.
    pub fn unwind(&mut self, then: RunEnd) -> Happened {
        if self.steps.unwinding.is_some() {
            return Happened::Nothing;
        }
        self.give_up_all();
        self.happens(StepFact::Unwinding { then });
        self.undo_next()
    }

    /// The workflow ends now, and what is not put back yet stays; so does what is under way, which is given up.
    pub fn abandon(&mut self, why: &str) -> RunEnd {
        match self.steps.unwinding.clone() {
            Some(then) => self.told(then),
            None => {
                self.give_up_all();
                self.told(RunEnd::Failed { error: format!("abandoned: {why}") })
            }
        }
    }

    fn give_up_all(&mut self) {
        let mut under_way: Vec<_> =
            self.steps.under_way.iter().map(|(step, under_way)| (under_way.since, step.clone())).collect();
        under_way.sort();
        under_way.into_iter().for_each(|(_, step)| self.give_up(&step));
    }

    /// What could not be put back is tried again, with all its tries.
    pub fn retry_undo(&mut self) -> Happened {
        self.undo_next()
    }

    /// What could not be put back stays as it is.
    pub fn skip_undo(&mut self) -> Happened {
        if let Some(done) = self.steps.done.last() {
            let step = done.step.clone();
            self.happens(StepFact::Skipped { step });
        }
        self.undo_next()
    }

    /// How the workflow ends; what was not put back is told.
    pub fn ending(&self) -> RunEnd {
        let none = || RunEnd::Failed { error: "it was given up".into() };
        self.told(self.steps.unwinding.clone().unwrap_or_else(none))
    }

    fn told(&self, end: RunEnd) -> RunEnd {
        let count = self.left().count();
        if count == 0 {
            return end;
        }
        let named: Vec<&str> = self.left().take(NAMED_AT_MOST).collect();
        let more = if count > named.len() { format!(" and {} more", count - named.len()) } else { String::new() };
        let told = |text: String| format!("{text}; not put back: {}{more}", named.join(", "));
        match end {
            RunEnd::Failed { error } => RunEnd::Failed { error: told(error) },
            RunEnd::Cancelled { reason } => RunEnd::Cancelled { reason: told(reason) },
            RunEnd::Terminated { reason } => RunEnd::Terminated { reason: told(reason) },
            completed => completed,
        }
    }

    /// What stays as it is: what a person passed over, and what is not put back yet.
    fn left(&self) -> impl Iterator<Item = &str> {
        let passed_over = self.steps.left.iter().map(String::as_str);
        passed_over.chain(self.steps.done.iter().map(|done| done.step.as_str()))
    }

    pub(super) fn undo_next(&mut self) -> Happened {
        let Some(done) = self.steps.done.last() else { return Happened::Unwound };
        match self.rules.undo(done) {
            Ok(undo) => {
                let step = format!("{UNDO}{}", done.step);
                self.begin(&step, &undo.agent, undo.input, undo.timeout_ms)
            }
            Err(error) => Happened::Stuck { step: done.step.clone(), attempts: 0, error },
        }
    }
}
