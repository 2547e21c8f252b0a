//! Whether an event may go on, now, and why.

mod ask;
mod cooldown;
mod decision;
mod file;
mod policy;
mod stateful;

pub use ask::{Ask, AskId, Ruling, Want};
pub use cooldown::{Comer, Cooldown, CooldownRuling};
pub use decision::{Booking, Grant, Judgement, Lapse, PolicyDecision, PolicyOutcome, Verdict};
pub use file::PolicyFileError;
pub use policy::{CooldownMode, KeyKind, Policy, PolicyKind, PolicySet, PolicySetError, Predicate, Preliminary};
pub use stateful::{Governor, Settled};
