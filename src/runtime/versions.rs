//! Versions of a definition: whether runs of one could go on under another, and taking one over.

use std::sync::Arc;

use regie_actors::refused::Reason;
use regie_core::event::{CorrelationId, Principal};
use regie_core::query::{RunCondition, RunFilter};
use regie_core::workflow::{
    Command, Definitions, Fact, Migration, Operation, Refusal, Standing, check_operation_id, check_signed, replay_under,
};
use regie_journal::{Reader, StoreError, StoredRecord};
use serde::Serialize;
use uuid::Uuid;

use super::handle::Handle;
use super::workflows::{PATIENCE, WorkflowError, WorkflowReport};

/// How often a workflow that goes on meanwhile is read anew.
const ATTEMPTS: u32 = 5;

/// Whether the running workflows of one version could go on under another. Nothing is changed by asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MigrationCheck {
    /// The definition.
    pub definition: String,
    /// The version that they run.
    pub from: u32,
    /// The one that they would take.
    pub to: u32,
    /// Workflows that were looked at.
    pub checked: u64,
    /// Those that could not go on.
    pub misfits: Vec<Misfit>,
}

/// A workflow that could not go on under another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Misfit {
    /// Its correlation.
    pub correlation_id: String,
    /// Why not.
    pub why: String,
}

impl Handle {
    /// Whether the workflows of a definition that run one version could go on under another: their records are read under
    /// that. Nothing is changed.
    ///
    /// # Errors
    /// If this program does not have the version that they would take, or the journal cannot be read.
    pub async fn check_migration(&self, definition: &str, from: u32, to: u32) -> Result<MigrationCheck, WorkflowError> {
        let (definition, least) = (definition.to_string(), self.position());
        let definitions = Arc::clone(&self.core.definitions);
        has_version(&definitions, &definition, to)?;
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            check_migration(reader, &definitions, &definition, (from, to))
        });
        Ok(read.await?)
    }

    /// Has a running workflow go on under another version of its definition, if its records can be read under that: recorded
    /// with who and why. What it owes stays owed.
    ///
    /// # Errors
    /// If no workflow runs there, it is over, its records do not fit, or the journal does not take it.
    pub async fn migrate(
        &self,
        workflow: &CorrelationId,
        to: u32,
        by: Principal,
        why: &str,
    ) -> Result<WorkflowReport, WorkflowError> {
        self.migrate_once(workflow, (to, &Uuid::new_v4().to_string()), by, why).await
    }

    /// The same under an id of yours: asked again under it, because its answer was lost, it is done once, and how the workflow
    /// stands is told, whatever became of it since.
    ///
    /// # Errors
    /// As [`Handle::migrate`], and if the id is no name of 1 to 255 bytes, or was used for another operation on it.
    pub async fn migrate_once(
        &self,
        workflow: &CorrelationId,
        (to, id): (u32, &str),
        by: Principal,
        why: &str,
    ) -> Result<WorkflowReport, WorkflowError> {
        let operation = Operation::Migrate { to };
        check_signed(&by, why).and_then(|()| check_operation_id(id)).map_err(Reason::from)?;
        for attempt in 1.. {
            let run = self.look(workflow).await?.run.ok_or(Refusal::NoRun { operation }).map_err(Reason::from)?;
            let records = self.records(workflow).await?;
            match done_under(&records, id) {
                Some(done) if done == operation => break,
                Some(done) => {
                    return Err(Reason::from(Refusal::OtherOperation { id: id.into(), done, asked: operation }).into());
                }
                None => has_version(&self.core.definitions, &run.definition, to)?,
            }
            let seen = records.last().map_or(0, |last| last.record.sequence);
            let state = under(&records, to, &self.core.definitions);
            let state = state.map_err(|why| WorkflowError::Misfit { to, why })?;
            let migration = Migration { to, state, seen, id: id.to_string(), by: by.clone(), why: why.to_string() };
            match self.command(workflow.clone(), Command::Migrate(Box::new(migration))).await {
                Ok(_) => break,
                // It may have gone on since it was read.
                Err(Reason::Workflow(Refusal::NotNow { .. })) if attempt < ATTEMPTS => {}
                Err(reason) => return Err(reason.into()),
            }
        }
        let no_run = || WorkflowError::NoRun { correlation: workflow.to_string() };
        self.workflow(workflow).await?.ok_or_else(no_run)
    }
}

pub(crate) fn has_version(definitions: &Definitions, definition: &str, version: u32) -> Result<(), WorkflowError> {
    if definitions.has(definition, version) {
        return Ok(());
    }
    let known: Vec<String> =
        definitions.names().filter(|(name, _)| *name == definition).map(|(_, version)| version.to_string()).collect();
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    Err(WorkflowError::NoVersion { definition: definition.to_string(), version, known })
}

/// The operation that was done under an id.
fn done_under(records: &[StoredRecord], wanted: &str) -> Option<Operation> {
    let mut facts = records.iter().flat_map(|stored| &stored.record.facts);
    facts.find_map(|fact| match fact {
        Fact::Operated { operation, id, .. } if id == wanted => Some(*operation),
        _ => None,
    })
}

fn under(records: &[StoredRecord], to: u32, definitions: &Definitions) -> Result<regie_core::Json, String> {
    let records: Vec<_> = records.iter().map(|stored| stored.record.clone()).collect();
    replay_under(&records, to, definitions)
}

/// Whether the running workflows of a definition's version could go on under another, as far as the index covers them.
///
/// # Errors
/// If the journal cannot be read.
pub fn check_migration(
    reader: &mut Reader,
    definitions: &Definitions,
    definition: &str,
    (from, to): (u32, u32),
) -> Result<MigrationCheck, StoreError> {
    let (mut checked, mut misfits) = (0, Vec::new());
    for status in [Standing::Running, Standing::Compensating] {
        let (name, condition) = (Some(definition.to_string()), Some(RunCondition::Status(status)));
        let filter = RunFilter { definition: name, version: Some(from), condition, ..RunFilter::default() };
        for stored in reader.runs(&filter)? {
            checked += 1;
            let records = reader.load(&stored.correlation, 0)?;
            if let Err(why) = under(&records, to, definitions) {
                misfits.push(Misfit { correlation_id: stored.correlation.to_string(), why });
            }
        }
    }
    Ok(MigrationCheck { definition: definition.to_string(), from, to, checked, misfits })
}
