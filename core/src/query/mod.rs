//! What may be asked of a journal.

mod filter;
mod projection;
mod runs;
mod stats;

pub use filter::{Filter, Order};
pub use projection::{AnyProjection, Committed, Projected, Projection};
pub use runs::{RunCondition, RunCounts, RunCursor, RunFilter, RunStats, RunTally};
pub use stats::Stats;
