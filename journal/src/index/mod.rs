//! The index: a view of the journal in SQLite that can be built from it at any time.

mod apply;
mod batch;
mod bulk;
pub(crate) mod dictionary;
mod granted;
mod identities;
mod indexer;
pub(crate) mod kept;
pub(crate) mod lookup;
pub(crate) mod open;
pub(crate) mod query;
pub(crate) mod runs;
mod schema;
pub(crate) mod stats;
pub(crate) mod witness;

pub use indexer::Indexer;
