//! Regie's rules, as pure functions.
//!
//! Nothing here waits, reads a clock, draws a random number or touches a file: time, randomness and policy come in as
//! arguments, so that the same input gives the same facts wherever it runs, be it live, in replay or in a simulation.
//!
//! The loop that everything else carries:
//!
//! ```text
//! decide(state, command, context) → facts      what happens, and what is refused
//! evolve(state, fact) → state                  the only way state changes
//! pending(state) → effects                     what is still owed to the outside
//! ```
//!
//! The rooms: [`event`] what comes in, [`expr`] conditions in CEL, [`governance`] whether it may go on, [`reasoning`] who
//! advises on that, [`workflow`] the loop, [`entity`] the state of the user's things, [`automation`] rules over what was
//! committed, [`agents`] what they may say and which of them is asked, [`bus`] who is told of what was committed, [`query`]
//! what may be asked of a journal.

pub mod agents;
pub mod automation;
pub mod bus;
pub mod digest;
pub mod entity;
pub mod event;
pub mod expr;
mod fault;
pub mod governance;
pub mod histogram;
pub mod json;
pub mod limits;
pub mod near;
pub mod query;
pub mod reasoning;
pub mod retry;
pub mod time;
pub mod workflow;

pub use digest::Digest;
pub use json::Json;
pub use time::Timestamp;
