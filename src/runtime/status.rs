//! Status over all workflows: what the journal tells of them, and what this process adds to that while it lives.

use std::collections::BTreeMap;

use regie_core::Timestamp;
use regie_core::histogram::Spread;
use regie_core::query::{RunCondition, RunFilter, RunStats};
use regie_core::workflow::Standing;
use regie_journal::{Reader, StoreError};
use serde::{Deserialize, Serialize};

use super::handle::Handle;
use super::metrics::Health;
use super::workflows::{PATIENCE, WorkflowLine};

/// Workflows that are named one by one.
const NAMED: usize = 5;

/// Status over all workflows but the runtime's own. All keys are documented in `docs/cli.md` and stable.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// When the journal's last record was decided: the last day is the one before that. None where it is empty.
    pub as_of: Option<Timestamp>,
    /// Counts.
    #[serde(flatten)]
    pub counts: RunStats,
    /// The oldest of those that run or are being put back.
    pub oldest_running: Vec<WorkflowLine>,
    /// The oldest of those of which something waits for a person.
    pub waiting: Vec<WorkflowLine>,
    /// What the process that owns the journal adds; nothing where nobody owns it.
    pub live: Option<Live>,
}

/// What a process tells of itself while it lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// How its parts are.
    pub health: Health,
    /// How long each definition took to decide a command, since the start.
    pub handlers: BTreeMap<String, Spread>,
    /// Workflows in memory now.
    pub in_memory: u64,
    /// What is under way now.
    pub under_way: u64,
    /// Results in memory now.
    pub results: u64,
    /// Their bytes.
    pub result_bytes: u64,
}

impl Handle {
    /// Status over all workflows.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let least = self.position();
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            status(reader)
        });
        Ok(Status { live: Some(self.live().await), ..read.await? })
    }

    /// What this process tells of itself.
    pub(crate) async fn live(&self) -> Live {
        let metrics = self.metrics().await;
        let spreads =
            self.decision_times().into_iter().filter_map(|(definition, times)| Some((definition, times.spread()?)));
        Live {
            health: self.health(),
            handlers: spreads.collect(),
            in_memory: metrics.live,
            under_way: metrics.under_way,
            results: metrics.results,
            result_bytes: metrics.result_bytes,
        }
    }
}

/// What the journal tells, as far as the index covers it.
///
/// # Errors
/// If the journal cannot be read.
pub fn status(reader: &mut Reader) -> Result<Status, StoreError> {
    let head = reader.head()?.position;
    let last = if head == 0 { None } else { reader.record(head)? };
    let as_of = last.map(|stored| stored.record.at);
    let counts = reader.run_stats(&RunFilter::default(), as_of.unwrap_or_default())?;
    let mut named = |condition| -> Result<Vec<WorkflowLine>, StoreError> {
        let filter = RunFilter { condition: Some(condition), limit: Some(NAMED), ..RunFilter::default() };
        Ok(reader.runs(&filter)?.iter().map(WorkflowLine::from).collect())
    };
    let mut oldest_running = named(RunCondition::Status(Standing::Running))?;
    oldest_running.extend(named(RunCondition::Status(Standing::Compensating))?);
    oldest_running.sort_by_key(|line| line.run.started_at);
    oldest_running.truncate(NAMED);
    let waiting = named(RunCondition::Parked)?;
    Ok(Status { as_of, counts, oldest_running, waiting, live: None })
}
