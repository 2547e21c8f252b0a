//! Bounded reasoning: what a reasoner is asked, what it may answer, and which of its signals count.
//!
//! A reasoner only ever advises. Whatever becomes of asking one, its panic and its silence too, is a value: an [`Advice`].

mod advice;
mod budget;
mod filter;
mod mode;
mod outcome;
mod request;
mod rules;
mod signal;

pub use advice::{Advice, Asked, Reasoning};
pub use budget::{BudgetError, TokenBucket};
pub use filter::{Filtered, Sieve, Sifted, SignalCondition, SignalFilter, sift};
pub use mode::{Mode, ModeError};
pub use outcome::{Outcome, ReasonError, Refused};
pub use request::{Ask, Request, Sight, SightError, time_limit};
pub use rules::{Rule, RuleCondition, RuleError, Rules};
pub use signal::{Confidence, ConfidenceError, Signal, SignalDraft};
