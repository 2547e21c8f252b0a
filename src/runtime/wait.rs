//! Waiting for a workflow's end: by notification, never by polling.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use regie_actors::entry::shard_of;
use regie_actors::orchestrator::{AwaitEnd, Wanted};
use regie_actors::workflow::WorkflowView;
use regie_core::event::CorrelationId;
use regie_core::workflow::{AgentOutcome, EffectEnd, Fact, RunEnd, RunStatus};
use regie_core::{Json, limits};
use regie_journal::StoreError;
use tokio::sync::oneshot;

use super::handle::Handle;

/// How a workflow ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Ending {
    /// As its definition wanted, with what it gave; a correlation without a definition gives nothing.
    Completed(Json),
    /// It failed.
    Failed(String),
    /// It was cancelled.
    Cancelled(String),
    /// It was ended at once, and nothing was put back.
    Terminated(String),
}

impl Ending {
    /// Of a run that stands like that; nothing where it is not over.
    pub(super) fn of(status: &RunStatus) -> Option<Self> {
        Some(match status {
            RunStatus::Failed { error } => Ending::Failed(error.clone()),
            RunStatus::Completed { output } => Ending::Completed(output.clone()),
            RunStatus::Cancelled { reason } => Ending::Cancelled(reason.clone()),
            RunStatus::Terminated { reason } => Ending::Terminated(reason.clone()),
            _ => return None,
        })
    }

    /// Of one that has ended.
    fn of_view(view: &WorkflowView) -> Self {
        let of_run = view.run.as_ref().and_then(|run| Ending::of(&run.status));
        of_run.unwrap_or_else(|| Ending::Completed(Json::null()))
    }
}

/// What a step gave.
#[derive(Clone, Debug, PartialEq)]
pub struct StepOutput {
    /// Its last attempt.
    pub attempt: u32,
    /// How that ended.
    pub end: EffectEnd,
}

/// What waiting for a workflow came to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Waited {
    /// It is over.
    Ended {
        /// How.
        ending: Ending,
        /// What each step gave.
        steps: BTreeMap<String, StepOutput>,
        /// What did not go as it should on the way: inputs that were parked, attempts that failed.
        warnings: Vec<String>,
        /// From its first record to its last.
        took: Duration,
    },
    /// The time is up; this is how it stands.
    TimedOut(WorkflowView),
}

impl Handle {
    /// Waits for a workflow's end, 300 s unless said. One without a definition has ended while nothing of it is pending,
    /// deferred or escalated; one that has not begun has not ended. A time-out is a value, not an error.
    ///
    /// # Errors
    /// If the journal cannot be read, or the runtime is shutting down.
    pub async fn wait(&self, correlation: &CorrelationId, timeout: Option<Duration>) -> Result<Waited, StoreError> {
        match self.ended(correlation, timeout).await? {
            Some(view) => self.ending(correlation, &view).await,
            None => self.look(correlation).await.map(Waited::TimedOut),
        }
    }

    /// Waits for a workflow's end like [`Handle::wait`], and tells that alone, without what its steps gave: nothing is read
    /// for it. Nothing where the time is up before.
    ///
    /// # Errors
    /// As [`Handle::wait`].
    pub async fn await_result(
        &self,
        correlation: &CorrelationId,
        timeout: Option<Duration>,
    ) -> Result<Option<Ending>, StoreError> {
        Ok(self.ended(correlation, timeout).await?.as_ref().map(Ending::of_view))
    }

    /// How a workflow stands at its end; nothing where the time is up before.
    async fn ended(
        &self,
        correlation: &CorrelationId,
        timeout: Option<Duration>,
    ) -> Result<Option<WorkflowView>, StoreError> {
        let ended = self.ask_shard(correlation, Wanted::End);
        match select(ended.boxed(), self.time_is_up(timeout.unwrap_or(limits::WAIT)).boxed()).await {
            Either::Left((Some(view), _)) => Ok(Some(view)),
            Either::Left((None, _)) => Err(StoreError::Failed {
                why: format!("'{correlation}' cannot be told: it cannot be read, or the runtime ends"),
            }),
            Either::Right(_) => Ok(None),
        }
    }

    /// By a timer of our pool, for the caller's executor may not know of time; without a task there, of which most would be
    /// given up. Not to be polled once the shards are gone: the pool is, soon after.
    fn time_is_up(&self, after: Duration) -> impl Future<Output = ()> + Send + use<> {
        let (pool, mut asleep) = (self.core.pool.clone(), self.core.clock.sleep(after));
        poll_fn(move |context| {
            let _within = pool.enter();
            asleep.as_mut().poll(context)
        })
    }

    /// How a workflow stands now, without its definition's own state, which [`Handle::workflow`] has too.
    ///
    /// # Errors
    /// If it cannot be read, or the runtime is shutting down.
    pub async fn look(&self, correlation: &CorrelationId) -> Result<WorkflowView, StoreError> {
        let view = self.ask_shard(correlation, Wanted::Look).await;
        view.ok_or_else(|| StoreError::Failed { why: format!("'{correlation}' cannot be told now") })
    }

    pub(super) async fn ask_shard(&self, correlation: &CorrelationId, wanted: Wanted) -> Option<WorkflowView> {
        let shards = self.core.ends.borrow().clone();
        let (reply, answer) = oneshot::channel();
        let message = AwaitEnd { correlation: correlation.clone(), wanted, reply };
        shards.get(shard_of(correlation, shards.len()))?.as_ref()?.try_send(message).ok()?;
        answer.await.ok()
    }

    async fn ending(&self, correlation: &CorrelationId, view: &WorkflowView) -> Result<Waited, StoreError> {
        let ending = Ending::of_view(view);
        let records = self.records(correlation).await?;
        let took = match (records.first(), records.last()) {
            (Some(first), Some(last)) => last.record.at.since(first.record.at),
            _ => Duration::ZERO,
        };
        let (mut steps, mut warnings) = (BTreeMap::new(), Vec::new());
        for fact in records.iter().flat_map(|stored| &stored.record.facts) {
            note(fact, &mut steps, &mut warnings);
        }
        Ok(Waited::Ended { ending, steps, warnings, took })
    }
}

fn note(fact: &Fact, steps: &mut BTreeMap<String, StepOutput>, warnings: &mut Vec<String>) {
    match fact {
        Fact::Ended { key, end } => {
            match end {
                EffectEnd::Agent(AgentOutcome::Done(_))
                | EffectEnd::Routed { outcome: AgentOutcome::Done(_), .. }
                | EffectEnd::TimerFired
                | EffectEnd::Sent { .. }
                | EffectEnd::Updated { .. }
                | EffectEnd::Traced { .. }
                | EffectEnd::Ran { end: RunEnd::Completed { .. } }
                | EffectEnd::Told => {}
                failed => warnings.push(format!("{key}: {failed:?}")),
            }
            steps.insert(key.step.clone(), StepOutput { attempt: key.attempt, end: end.clone() });
        }
        Fact::Parked { input, error, attempts } => {
            warnings.push(format!("{input} was parked after {attempts} attempts: {error}"));
        }
        Fact::Halted { step, error, attempts } => {
            warnings.push(format!("step {step} waited for a person after {attempts} attempts: {error}"));
        }
        _ => {}
    }
}
