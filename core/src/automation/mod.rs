//! Rules over committed events: what they watch for, and what follows.

mod run;

pub use run::{Act, Run, Trigger};
