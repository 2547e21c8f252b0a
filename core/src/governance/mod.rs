//! Whether an event may go on, now, and why.

mod ask;
pub mod backtest;
mod calendar;
mod concurrency;
mod condition;
mod cooldown;
mod debounce;
mod decision;
mod file;
mod kind;
mod policy;
mod rate;
mod set;
mod stateful;
mod stateless;
mod surroundings;
mod window;

pub use ask::{Ask, AskId, Promise, Ruling, Want, Who};
pub use calendar::{Calendar, CalendarError, Days, Hours, Occurrence, OtherHours};
pub use concurrency::{Concurrency, ConcurrencyRuling};
pub use condition::{Condition, Predicate};
pub use cooldown::{Comer, Cooldown, CooldownRuling};
pub use debounce::{Debounce, DebounceRule, DebounceRuling, Place};
pub use decision::{Booking, Grant, Interval, Judgement, Lapse, PolicyDecision, PolicyOutcome, Verdict};
pub use file::PolicyFileError;
pub use kind::{CooldownMode, KeyKind, PolicyKind};
pub use policy::Policy;
pub use rate::{Arrival, Rate, RateRule, RateRuling};
pub use set::{PolicySet, PolicySetError};
pub use stateful::{Governor, Settled};
pub use stateless::{FilterRule, Needs, OnError, OnFailure, Preliminary, ReasonRule, Seen, When};
pub use surroundings::{entity_seen, workflow_seen};
pub use window::{Window, WindowRule, WindowRuling};
