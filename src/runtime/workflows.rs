//! Workflows: listed, looked at, begun, sent to, and how they ended.

use std::sync::Arc;
use std::time::Duration;

use regie_actors::orchestrator::Wanted;
use regie_actors::refused::Reason;
use regie_actors::workflow::{Body, RunView, WorkflowView, whole_view};
use regie_core::Json;
use regie_core::event::{CorrelationId, Event, EventBuilder, EventResult, Principal};
use regie_core::query::RunFilter;
use regie_core::workflow::{Definitions, EffectKey, Fact, RunBrief, RunStatus, Standing, check_signed};
use regie_journal::{Reader, StoreError, StoredRun};
use serde::{Deserialize, Serialize};

use super::handle::Handle;
use super::wait::Ending;

/// How long a listing waits for the index to cover what was committed before it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Under which name of its metadata an event says why somebody sent it.
pub(crate) const WHY: &str = "why";

/// How a workflow stands, for people and programs. All keys are documented in `docs/cli.md` and stable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowReport {
    /// Its correlation.
    pub correlation_id: String,
    /// Its definition's name.
    pub definition: String,
    /// The version that it keeps.
    pub version: u32,
    /// How it stands.
    pub status: Standing,
    /// How it ends once what it did is put back.
    pub then: Option<Standing>,
    /// Why it did not end as its definition wanted, or is being put back.
    pub error: Option<String>,
    /// What it gave.
    pub output: Option<Json>,
    /// Whether nothing of it goes out for now.
    pub paused: bool,
    /// What of it waits for a person, since longest first.
    pub parked: Vec<ParkedReport>,
    /// What it owes to the outside: the last attempt at each step.
    pub owed: Vec<EffectKey>,
    /// Its definition's own state, where this program has that.
    pub state: Option<Json>,
    /// The sequence of its last record.
    pub sequence: u64,
}

/// Something of a workflow that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedReport {
    /// What: a step, or the end of an effect that the definition could not take.
    pub what: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong at last.
    pub error: String,
}

impl WorkflowReport {
    /// Of a workflow that stands like that; nothing where none runs or ran.
    pub fn of(correlation: &CorrelationId, view: &WorkflowView) -> Option<Self> {
        let run = view.run.as_ref()?;
        let then = match &run.status {
            RunStatus::Compensating { then } => Some(RunStatus::from(then)),
            _ => None,
        };
        let (error, output) = told(then.as_ref().unwrap_or(&run.status));
        let parked = run.parked.iter().map(|it| ParkedReport {
            what: it.what.clone(),
            attempts: it.attempts,
            error: it.error.clone(),
        });
        let RunView { definition, version, paused, state, .. } = run.clone();
        Some(Self {
            correlation_id: correlation.to_string(),
            definition,
            version,
            status: Standing::from(&run.status),
            then: then.as_ref().map(Standing::from),
            error,
            output: output.filter(|_| then.is_none()),
            paused,
            parked: parked.collect(),
            owed: view.owed.clone(),
            state,
            sequence: view.sequence,
        })
    }
}

fn told(status: &RunStatus) -> (Option<String>, Option<Json>) {
    match status {
        RunStatus::Completed { output } => (None, Some(output.clone())),
        RunStatus::Failed { error: why }
        | RunStatus::Cancelled { reason: why }
        | RunStatus::Terminated { reason: why } => (Some(why.clone()), None),
        _ => (None, None),
    }
}

/// A line of a list of workflows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowLine {
    /// Its correlation.
    pub correlation_id: String,
    /// How it stands, in brief.
    #[serde(flatten)]
    pub run: RunBrief,
    /// The position of the record that changed it last.
    pub position: u64,
    /// Its place in the list, by which the next page is asked for.
    pub cursor: String,
}

impl From<&StoredRun> for WorkflowLine {
    fn from(stored: &StoredRun) -> Self {
        Self {
            correlation_id: stored.correlation.to_string(),
            run: stored.run.clone(),
            position: stored.position,
            cursor: stored.cursor().to_string(),
        }
    }
}

/// A workflow to be begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Its definition's name.
    pub workflow: String,
    /// The correlation in which it is to run.
    pub correlation_id: String,
    /// The type of the event that begins it; needed where the definition begins on several.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The payload of that event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Json>,
    /// Who begins it.
    pub by: Principal,
    /// Why.
    pub why: String,
}

/// Something to be told to a workflow that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SendTo {
    /// Its correlation.
    pub correlation_id: String,
    /// The type of the event that tells it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Json>,
    /// The event's id: sent twice under one it is sent once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who sends it.
    pub by: Principal,
    /// Why.
    pub why: String,
}

/// Why nothing was done to a workflow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError {
    /// This program has no such workflow, or it does not begin on such events.
    #[error("{0}")]
    NoSuch(String),
    /// It begins on many types of events: which is to be said.
    #[error("the workflow '{workflow}' begins on '{begins_on}': say by which type of event")]
    WhichType {
        /// Its name.
        workflow: String,
        /// On which events it begins.
        begins_on: String,
    },
    /// A workflow runs there, or has run.
    #[error("'{correlation}' runs '{definition}' already: {status}")]
    RunsAlready {
        /// The correlation.
        correlation: String,
        /// What runs there.
        definition: String,
        /// How that stands.
        status: String,
    },
    /// No workflow runs there, or ever did.
    #[error("no workflow runs in '{correlation}'")]
    NoRun {
        /// The correlation.
        correlation: String,
    },
    /// This program does not have the version of the definition that is meant.
    #[error("this program does not have version {version} of '{definition}'; it has: {known}")]
    NoVersion {
        /// The definition.
        definition: String,
        /// The version.
        version: u32,
        /// Those that it has.
        known: String,
    },
    /// Another version of its definition cannot go on from its records.
    #[error("it cannot go on under version {to}: {why}")]
    Misfit {
        /// The version.
        to: u32,
        /// Why not.
        why: String,
    },
    /// It was not taken.
    #[error(transparent)]
    Refused(#[from] Reason),
}

impl WorkflowError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            WorkflowError::NoSuch(_) => "no_workflow",
            WorkflowError::WhichType { .. } => "which_type",
            WorkflowError::RunsAlready { .. } => "runs_already",
            WorkflowError::NoRun { .. } => "no_run",
            WorkflowError::NoVersion { .. } => "unknown_definition",
            WorkflowError::Misfit { .. } => "misfit",
            WorkflowError::Refused(reason) => reason.code(),
        }
    }
}

impl From<StoreError> for WorkflowError {
    fn from(error: StoreError) -> Self {
        WorkflowError::Refused(error.into())
    }
}

impl Handle {
    /// The workflows that a filter means, the oldest first.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn workflows(&self, filter: RunFilter) -> Result<Vec<StoredRun>, StoreError> {
        let least = self.position();
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            reader.runs(&filter)
        });
        read.await
    }

    /// How a workflow ended: from memory for a while after its end, then from the journal. Nothing where it has not ended.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn result(&self, workflow: &CorrelationId) -> Result<Option<Ending>, StoreError> {
        if let Some(view) = self.ask_shard(workflow, Wanted::Kept).await {
            return Ok(view.run.as_ref().and_then(|run| Ending::of(&run.status)));
        }
        let (workflow, least) = (workflow.clone(), self.position());
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            ended(reader, &workflow)
        });
        read.await
    }

    /// Lets go of how a workflow ended, as far as that is in memory; the journal keeps it. Whether there was any.
    pub async fn forget(&self, workflow: &CorrelationId) -> bool {
        self.ask_shard(workflow, Wanted::Forget).await.is_some()
    }

    /// How a workflow stands, with its definition's own state. Nothing where none runs or ran.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn workflow(&self, workflow: &CorrelationId) -> Result<Option<WorkflowReport>, StoreError> {
        let view = self.ask_shard(workflow, Wanted::Whole).await;
        let view = view.ok_or_else(|| StoreError::Failed { why: format!("'{workflow}' cannot be told now") })?;
        Ok(WorkflowReport::of(workflow, &view))
    }

    /// Begins a workflow: an event of a type on which it begins, with the input as payload. Comes back with what became of
    /// that event, which tells who began it and why.
    ///
    /// # Errors
    /// If it is not said who and why, there is no such workflow, it begins on other events, one runs there already, or the event
    /// is refused.
    pub async fn start(&self, start: Start) -> Result<EventResult, WorkflowError> {
        check_signed(&start.by, &start.why).map_err(Reason::from)?;
        let definitions = Arc::clone(&self.core.definitions);
        let kind = start_type(&start, &definitions)?;
        let correlation = CorrelationId::from(start.correlation_id.as_str());
        if let Some(run) = self.look(&correlation).await?.run {
            let (correlation, status) = (correlation.to_string(), run.status.to_string());
            return Err(WorkflowError::RunsAlready { correlation, definition: run.definition, status });
        }
        // Of a name of its own: asked again while it waits for a policy, say, it is the same event.
        let event = Event::new(kind, correlation).id("start").payload(start.input.unwrap_or_default());
        self.submit_signed(event, start.by, start.why).await
    }

    /// Tells a workflow that runs something: an event with that payload, which tells who sent it and why. One to a workflow that
    /// is over is recorded, and skipped unless it completed.
    ///
    /// # Errors
    /// If it is not said who and why, none runs there or ever did, or the event is refused.
    pub async fn send_to(&self, send: SendTo) -> Result<EventResult, WorkflowError> {
        check_signed(&send.by, &send.why).map_err(Reason::from)?;
        let correlation = CorrelationId::from(send.correlation_id.as_str());
        if self.look(&correlation).await?.run.is_none() {
            return Err(WorkflowError::NoRun { correlation: send.correlation_id });
        }
        let mut event = Event::new(send.kind, correlation).payload(send.payload.unwrap_or_default());
        if let Some(id) = send.id {
            event = event.id(id);
        }
        self.submit_signed(event, send.by, send.why).await
    }

    async fn submit_signed(
        &self,
        event: EventBuilder,
        by: Principal,
        why: String,
    ) -> Result<EventResult, WorkflowError> {
        let event = event.actor(by).metadata(WHY, why).build().map_err(Reason::from)?;
        self.submit(event).await.map_err(|refused| refused.reason.into())
    }
}

/// The type of the event by which a workflow begins.
fn start_type(start: &Start, definitions: &Definitions) -> Result<String, WorkflowError> {
    let kind = match (&start.kind, definitions.begins_on(&start.workflow)) {
        (Some(kind), _) => kind.clone(),
        (None, Some(pattern)) if pattern.is_literal() => pattern.as_str().to_string(),
        (None, Some(pattern)) => {
            let (workflow, begins_on) = (start.workflow.clone(), pattern.as_str().to_string());
            return Err(WorkflowError::WhichType { workflow, begins_on });
        }
        (None, None) => String::new(), // there is none: told below
    };
    match definitions.begins(&start.workflow, &kind) {
        Ok(()) => Ok(kind),
        Err(why) => Err(WorkflowError::NoSuch(why)),
    }
}

/// How a workflow ended, by the journal.
fn ended(reader: &mut Reader, workflow: &CorrelationId) -> Result<Option<Ending>, StoreError> {
    if !reader.run(workflow)?.is_some_and(|stored| stored.run.status.is_over()) {
        return Ok(None);
    }
    let records = reader.load(workflow, 0)?;
    let mut facts = records.iter().rev().flat_map(|stored| stored.record.facts.iter().rev());
    Ok(facts.find_map(|fact| match fact {
        Fact::Finished { end } => Ending::of(&RunStatus::from(end)),
        _ => None,
    }))
}

/// How a workflow stands, by the journal as far as the index covers it. Nothing where none runs or ran.
///
/// # Errors
/// If the journal cannot be read, or what is there does not hold.
pub fn workflow_of(
    reader: &mut Reader,
    workflow: &CorrelationId,
    definitions: &Definitions,
) -> Result<Option<WorkflowReport>, StoreError> {
    let body = Body::read(reader, workflow, definitions)?;
    Ok(WorkflowReport::of(workflow, &whole_view(&body.state, definitions)))
}

/// The attempts at each step that is owed.
#[cfg(feature = "cli")]
pub(crate) fn owed_steps(report: &WorkflowReport) -> std::collections::BTreeMap<&str, u32> {
    report.owed.iter().map(|key| (key.step.as_str(), key.attempt)).collect()
}
