//! The steps of a machine: who does them, how they are tried again, what puts them back.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Json;
use crate::retry::Retry;
use crate::workflow::step::{Done, StepRule, StepRules, Undo};

/// What is said of a step.
pub(super) struct StepPlan {
    pub(super) agent: String,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Retry,
    pub(super) max_elapsed: Option<Duration>,
    pub(super) never_for: Vec<String>,
    pub(super) undo: Option<UndoPlan>,
}

/// What puts a step back.
pub(super) struct UndoPlan {
    pub(super) agent: String,
    pub(super) input: Box<dyn Fn(&Done) -> Json + Send + Sync>,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Retry,
}

/// A step, as it is written: tried once, with its agent's own time limit, and nothing puts it back, unless said.
#[must_use]
pub struct StepBuilder {
    pub(super) plan: StepPlan,
}

impl StepBuilder {
    pub(super) fn new(agent: String) -> Self {
        let (timeout, max_elapsed, never_for, undo) = (None, None, Vec::new(), None);
        Self { plan: StepPlan { agent, timeout, retry: Retry::never(), max_elapsed, never_for, undo } }
    }

    /// How long one try may take.
    pub fn within(mut self, limit: Duration) -> Self {
        self.plan.timeout = Some(limit);
        self
    }

    /// How it is tried again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.plan.retry = retry;
        self
    }

    /// How long it may take with all its tries: none begins later.
    pub fn at_most(mut self, elapsed: Duration) -> Self {
        self.plan.max_elapsed = Some(elapsed);
        self
    }

    /// Errors that are not tried again: codes of agents, or kinds by name (`timeout`).
    pub fn never_for(mut self, errors: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.plan.never_for.extend(errors.into_iter().map(Into::into));
        self
    }

    /// What puts it back, should the machine fail or be cancelled: that agent, with that task. It is tried again with waits
    /// that grow; after five tries a person is asked.
    pub fn undo<J: Into<Json>>(
        mut self,
        agent: impl Into<String>,
        input: impl Fn(&Done) -> J + Send + Sync + 'static,
    ) -> Self {
        let input = Box::new(move |done: &Done| input(done).into());
        self.plan.undo = Some(UndoPlan { agent: agent.into(), input, timeout: None, retry: Retry::default() });
        self
    }

    /// How what puts it back is tried again, and how long each try may take. Comes after [`undo`](Self::undo).
    pub fn undo_with(mut self, retry: Retry, limit: Option<Duration>) -> Self {
        if let Some(undo) = &mut self.plan.undo {
            (undo.retry, undo.timeout) = (retry, limit);
        }
        self
    }
}

pub(super) fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}

impl StepRules for BTreeMap<String, StepPlan> {
    fn rule(&self, step: &str) -> StepRule<'_> {
        match self.get(step) {
            Some(plan) => StepRule { retry: &plan.retry, max_elapsed: plan.max_elapsed, never_for: &plan.never_for },
            None => StepRule::once(),
        }
    }

    fn can_be_undone(&self, step: &str) -> bool {
        self.get(step).is_some_and(|plan| plan.undo.is_some())
    }

    fn undo(&self, done: &Done) -> Result<Undo, String> {
        let undo = self.get(&done.step).and_then(|plan| plan.undo.as_ref());
        let undo = undo.ok_or_else(|| format!("nothing is said of how step '{}' is put back", done.step))?;
        let (agent, input) = (undo.agent.clone(), (undo.input)(done));
        Ok(Undo { agent, input, timeout_ms: undo.timeout.map(millis) })
    }

    fn undo_rule(&self, step: &str) -> StepRule<'_> {
        let undo = self.get(step).and_then(|plan| plan.undo.as_ref());
        undo.map_or_else(StepRule::once, |undo| StepRule { retry: &undo.retry, ..StepRule::once() })
    }
}
