//! Whether an event may go on, now, and why.

mod ask;
mod calendar;
mod concurrency;
mod cooldown;
mod debounce;
mod decision;
mod file;
mod kind;
mod policy;
mod rate;
mod set;
mod stateful;
mod window;

pub use ask::{Ask, AskId, Promise, Ruling, Want, Who};
pub use calendar::{Calendar, CalendarError, Days, Hours, Occurrence, OtherHours};
pub use concurrency::{Concurrency, ConcurrencyRuling};
pub use cooldown::{Comer, Cooldown, CooldownRuling};
pub use debounce::{Debounce, DebounceRule, DebounceRuling, Place};
pub use decision::{Booking, Grant, Interval, Judgement, PolicyDecision, PolicyOutcome, Verdict};
pub use file::PolicyFileError;
pub use kind::{CooldownMode, KeyKind, PolicyKind, Predicate};
pub use policy::Policy;
pub use rate::{Arrival, Rate, RateRule, RateRuling};
pub use set::{PolicySet, PolicySetError, Preliminary};
pub use stateful::{Governor, Settled};
pub use window::{Window, WindowRule, WindowRuling};
