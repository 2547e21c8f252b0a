//! What may be asked of a journal.

mod filter;
mod projection;
mod stats;

pub use filter::{Filter, Order};
pub use projection::{AnyProjection, Committed, Projected, Projection};
pub use stats::Stats;
