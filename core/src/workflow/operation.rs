//! What a person or a program may do to a run, besides sending it events, and when.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::command::Refusal;
use super::run::{Run, RunStatus};
use crate::event::check_name;

/// What is done to a run. Each is recorded with who did it and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Operation {
    /// It is to stop: what is under way is given up, what was done is put back, and it ends as cancelled. While it is paused nothing
    /// of that goes out. Another workflow cancels what runs for it alone; what is yet to begin for it then never does.
    Cancel,
    /// Nothing goes out any more: no call, no timer, no event. What comes in is taken.
    Pause,
    /// What is owed goes out again.
    Resume,
    /// A failed run goes on at the step that failed.
    Retry,
    /// What waits for a person since longest is taken on.
    Unpark(Unpark),
    /// It ends now. Nothing is put back, and workflows that run for it go on.
    Terminate,
    /// It goes on under another version of its definition. Asked for by [`Command::Migrate`](super::Command::Migrate) alone,
    /// which brings the state that its records give there.
    Migrate {
        /// The version.
        to: u32,
    },
}

/// How what waits for a person is taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unpark {
    /// It is tried again, with all its attempts.
    Retry,
    /// It is passed over: a step that is put back stays as it is; the end of an effect that the definition could not take is a failure
    /// for good to it, and what follows from that is its own. A timer cannot fail.
    Skip,
    /// The run ends: what is not put back yet stays.
    Abandon,
}

/// The id under which an operation is asked for is a name of 1 to 255 bytes.
///
/// # Errors
/// What of it is wrong.
pub fn check_operation_id(id: &str) -> Result<(), Refusal> {
    check_name("operation_id", id).map_err(Refusal::BadId)
}

/// The moves: what may be done to a run as it stands. What a definition makes of it is asked afterwards.
pub(super) fn check(operation: Operation, run: &Run) -> Result<(), Refusal> {
    use Operation as Op;
    use RunStatus as Is;
    let cannot = |why: &str| Err(Refusal::NotNow { operation, why: why.to_string() });
    match (operation, &run.status) {
        (Op::Retry, Is::Failed { .. }) => Ok(()),
        (Op::Retry, Is::Running | Is::Compensating { .. }) => cannot("it has not failed"),
        (_, status) if status.is_over() => cannot(&format!("it is over: {status}")),
        (Op::Cancel, Is::Compensating { .. }) => cannot("what it did is being put back already"),
        (Op::Migrate { to }, _) if run.version == to => cannot("it has that version already"),
        (Op::Pause, _) if run.paused => cannot("it is paused already"),
        (Op::Resume, _) if !run.paused => cannot("it is not paused"),
        (Op::Unpark(_), _) if run.parked.is_empty() => cannot("nothing of it waits for a person"),
        _ => Ok(()),
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Cancel => "cancel",
            Operation::Pause => "pause",
            Operation::Resume => "resume",
            Operation::Retry => "retry",
            Operation::Unpark(Unpark::Retry) => "unpark --retry",
            Operation::Unpark(Unpark::Skip) => "unpark --skip",
            Operation::Unpark(Unpark::Abandon) => "unpark --abandon",
            Operation::Terminate => "terminate",
            Operation::Migrate { to } => return write!(f, "migrate to version {to}"),
        })
    }
}
