//! The store in SQLite: the file of truth, its lock, its checkpoints.

mod checkpoint;
pub(crate) mod connection;
pub(crate) mod errors;
pub(crate) mod files;
pub(crate) mod lock;
pub(crate) mod reader;
mod renew;
mod schema;
pub(crate) mod soundness;
mod tips;
pub(crate) mod wakes;
pub(crate) mod writer;
