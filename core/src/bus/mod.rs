//! What is pure of the bus: which events a subscription means, what becomes of one that finds no room, how soon a failed
//! delivery is tried again, and what is kept of one that was given up.

mod acks;
mod interest;
pub(crate) mod letter;
mod name;
mod queue;

pub use crate::retry::Retry;
pub use acks::Acks;
pub use interest::{Interest, When};
pub use letter::{DEAD_LETTER, Letter};
pub use name::{ADVANCED, NameError, SubscriberName};
pub use queue::{Overflow, Push, Queue};
