//! The steps of a workflow: one step is one task for an agent, with its time limit, its retries and what puts it back.
//!
//! Machines and flows stand on this, and each keeps a [`Steps`] in its state. What happens to a step is a [`StepFact`] that
//! [`Steps::follow`] takes into the state; the moves that lead there are those of [`Doing`]:
//!
//! | What comes | Facts | What is asked |
//! |---|---|---|
//! | a step begins | `Began` | the call |
//! | its agent gave a result | `Done` | |
//! | it failed, and may be tried again | `Failed`, with when | a timer |
//! | that instant | `Again` | the call, as the next attempt |
//! | it failed for good | `Failed` | |
//! | the workflow goes on without it, and says whether it was asked at all | `GivenUp` | that it is given up |
//! | all of it is to be put back | `Unwinding` | all is given up |
//! | the last thing done, while there is one | `Began` of `~undo/` and its step | the call that puts it back |
//! | that is done, or passed over | `Done`, `Skipped` | |
//!
//! A step whose outcome nobody knows is put back too: it was stopped at its time limit, its agent panicked, or it was under
//! way when the rest was given up.

mod doing;
mod error;
pub(in crate::workflow) mod log;
mod rule;
mod steps;
mod unwind;

pub(in crate::workflow) use doing::seed;
pub use doing::{Act, Doing, Happened};
pub use error::{StepError, StepErrorKind};
pub(in crate::workflow) use rule::{BAD_LIMIT, UNDO_FAULT, faults_of, is_a_wait};
pub use rule::{StepRule, StepRules, Undo};
pub use steps::{Done, StepFact, Steps, UnderWay};
