//! The loop: what happens to a command, how state follows from facts, what is still owed.

mod answer;
mod command;
mod decide;
mod effect;
mod evolve;
mod expand;
mod fact;
mod handler;
mod known;
mod operate;
mod operation;
mod own;
mod pending;
mod react;
mod record;
mod registry;
mod run;
mod state;
pub mod step;
mod waiting;

pub use answer::{first_answer, is_judged_in, judged_later, moves_in, whole_life};
pub use command::{Command, Context, Poison, Refusal};
pub use decide::{Turn, decide, is_governed, take};
pub use effect::{AgentOutcome, Effect, EffectEnd, EffectKey};
pub use evolve::{IllegalFact, evolve, panic_text};
pub use expand::{emitted, expand};
pub use fact::{Fact, RunEnd};
pub use handler::{Handler, HandlerError, Input, Moment, Reaction, Request};
pub use known::{Known, KnownEvent};
pub use operation::{Operation, Unpark};
pub use own::own_definitions;
pub use pending::{Owed, next_due, pending};
pub use record::{DecodeError, EncodedRecord, Record};
pub use registry::Definitions;
pub use run::{Parked, Run, RunStatus};
pub use state::{Awaits, HeldPlace, OpenEvent, State};
