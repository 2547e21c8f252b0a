//! What may be asked of a journal.

mod filter;
mod stats;

pub use filter::{Filter, Order};
pub use stats::Stats;
