//! What a definition says of its steps: retries, time limits, what puts them back.

use std::time::Duration;

use super::error::StepError;
use super::steps::Done;
use crate::retry::Retry;
use crate::{Json, limits};

/// What a definition says of a step.
#[derive(Clone, Copy, Debug)]
pub struct StepRule<'a> {
    /// How it is tried again.
    pub retry: &'a Retry,
    /// How long it may take with all its tries, from the first on; no bound unless said.
    pub max_elapsed: Option<Duration>,
    /// Errors that are not tried again: codes of agents, or kinds by name (`timeout`).
    pub never_for: &'a [String],
}

/// Whether a definition may wait so long, or have something take so long.
pub(in crate::workflow) fn is_a_wait(wait: Duration) -> bool {
    wait >= Duration::from_millis(1) && wait <= limits::PERIOD_MAX
}

/// What is wrong with what a definition says of a task: its time limit, and its tries.
pub(in crate::workflow) fn faults_of(limit: Option<Duration>, retry: &Retry) -> impl Iterator<Item = &'static str> {
    let bad_limit = (!limit.is_none_or(is_a_wait)).then_some(BAD_LIMIT);
    bad_limit.into_iter().chain((retry.attempts == 0).then_some("it is tried once at least"))
}

/// What a fault of what puts a step back begins with.
pub(in crate::workflow) const UNDO_FAULT: &str = "what puts it back: ";
pub(in crate::workflow) const BAD_LIMIT: &str = "a time limit has at least 1 ms and at most a year";

/// What is said of a step that the definition does not know.
const ONCE: Retry = Retry::once();

impl StepRule<'_> {
    /// It is tried once, and never again.
    pub fn once() -> Self {
        Self { retry: &ONCE, max_elapsed: None, never_for: &[] }
    }

    /// How long to wait before it is tried again, after so many tries and so long; nothing if that was the last.
    pub fn wait(&self, error: &StepError, tries: u32, gone: Duration, seed: u64) -> Option<Duration> {
        let is_named = |name: &String| Some(name) == error.code.as_ref() || name == error.kind.name();
        if error.is_final || self.never_for.iter().any(is_named) {
            return None;
        }
        self.wait_after(tries, gone, seed)
    }

    /// The same, whatever the error was.
    pub fn wait_after(&self, tries: u32, gone: Duration, seed: u64) -> Option<Duration> {
        let wait = self.retry.wait(tries, seed)?;
        self.max_elapsed.is_none_or(|most| gone.saturating_add(wait) <= most).then_some(wait)
    }
}

/// A task that puts a step back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// Who does it.
    pub agent: String,
    /// What is to be done.
    pub input: Json,
    /// Its time limit in milliseconds; the agent's own unless said.
    pub timeout_ms: Option<u64>,
}

/// The rules of a definition, by the names of its steps.
pub trait StepRules {
    /// What is said of a step.
    fn rule(&self, step: &str) -> StepRule<'_>;

    /// Whether something puts a step back.
    fn can_be_undone(&self, step: &str) -> bool;

    /// What puts a step back; `done.result` is missing where nobody knows what came of it.
    ///
    /// # Errors
    /// Why the task cannot be told: the run then waits for a person.
    fn undo(&self, done: &Done) -> Result<Undo, String>;

    /// What is said of the task that puts a step back.
    fn undo_rule(&self, step: &str) -> StepRule<'_>;
}
