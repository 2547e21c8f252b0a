//! Settings: from a file, the environment and flags, checked whole before anything starts.
//!
//! A setting that is given in several places is taken from the flag, else the environment, else the file, else its
//! default. Every fault is told at once, each with its place.
//!
//! ```toml
//! db = "work.db"             # the journal; a path in a file is relative to that file
//! policies = "policies.toml" # the policy set
//! clock = "system"           # system | event
//! durability = "strict"      # strict | relaxed
//! shards = 2                 # as many as cores unless said
//! admission = 4096           # events that the runtime takes at once
//! in_flight = 1024           # events that `regie run` keeps under way
//! max_bytes = 10000000000    # a cap on the journal's size
//! ```
//!
//! In the environment the same settings are `REGIE_DB`, `REGIE_POLICIES` and so on.

mod fault;
mod file;
mod keys;
mod settings;

pub use fault::{Fault, Faults, Place};
pub use keys::{Clock, Layer};
pub use settings::{DEFAULT_DB, DEFAULT_IN_FLIGHT, Settings};

#[cfg(feature = "cli")]
pub(crate) use keys::SHARDS_MAX;
#[cfg(feature = "cli")]
pub(crate) use settings::policies_in;
