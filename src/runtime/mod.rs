//! Embedding: a builder makes a runtime, a runtime gives handles.

mod agents;
mod builder;
mod diagrams;
mod entering;
mod escalations;
mod foresee;
mod handle;
mod metrics;

mod module;
mod operations;
mod policies;
mod projections;
mod queries;
mod rules;
mod status;
mod time;
mod update;
mod versions;
mod wait;
mod workflows;

pub use agents::{AgentStatus, InstanceStatus, NoAgent};
pub use builder::{Builder, ClockKind, JournalConfig, Runtime, Setup};
pub use diagrams::{NoDiagram, diagram_of};
#[cfg(feature = "cli")]
pub(crate) use entering::{Whence, may_enter};
pub use escalations::{Escalation, escalations};
pub use foresee::Foreseen;
#[cfg(feature = "cli")]
pub(crate) use foresee::{Prospect, prospect};
pub use handle::{Answer, Handle};
pub use metrics::{
    AgentMetrics, AgentTimes, Health, Metrics, Part, PolicyMetrics, ReasonerMetrics, TypeMetrics, WorkflowMetrics,
};
pub use module::{Brought, Module, ModuleError};
#[cfg(feature = "cli")]
pub(crate) use rules::undone_in;
pub use rules::{AutomationView, RunReport, RunState, UndoError, Undone, UndoneRun, runs};
pub use status::{Live, Status, status};
pub use time::Drained;
pub use update::{UpdateResult, UpdateStatus};
#[cfg(feature = "cli")]
pub(crate) use versions::has_version;
pub use versions::{MigrationCheck, Misfit, check_migration};
pub use wait::{Ending, StepOutput, Waited};
pub use workflows::{ParkedReport, SendTo, Start, WorkflowError, WorkflowLine, WorkflowReport, workflow_of};
#[cfg(feature = "cli")]
pub(crate) use workflows::{WHY, owed_steps};
