//! Regie's shell: the actors that carry messages, time and I/O for the rules in `regie-core`.
//!
//! One actor a file, its messages beside it. An actor names only actors below it in this list; upward goes a reply, or a
//! recipient that was given at construction.
//!
//! ```text
//! system        starts and stops everything
//! orchestrator  the root supervises all parts, among them a shard per core; each of those supervises its workflows
//! workflow      one per live correlation: runs the loop
//! automation    lets the rules look at what was committed, and has their runs recorded
//! timers        durable timers
//! bus           tells subscribers what was committed
//! agent         one per registered agent: a gate in front of its work
//! reasoner      one per registered reasoner: the same, and what it says is checked
//! gate          what both are: it bounds and limits work that runs elsewhere
//! policy        owns the state of cooldowns
//! lane          one per shard: carries its appends and asks over the thread boundary
//! journal       one thread owns the store's write side; group commit
//! index         one thread follows behind
//! metrics       counts what was committed
//! projections   tells users' views of the journal what is processed
//! following     how those who follow the journal read it
//! processed     which event is processed by what was read
//! clock         system, manual and event time
//! life, post    how a part's death is told, and where the next one is found
//! ```

pub mod agent;
pub mod automation;
mod awaited;
pub mod bus;
pub mod busy;
pub mod by_name;
pub mod clock;
pub mod door;
pub mod entities;
pub mod entry;
pub mod faults;
mod following;
pub mod gate;
pub mod in_force;
pub mod index;
pub mod journal;
pub mod lane;
pub mod life;
pub mod meter;
pub mod metrics;
pub mod orchestrator;
mod own;
mod parts;
pub mod policy;
pub mod pool;
pub mod post;
pub mod processed;
pub mod projections;
pub mod reasoner;
pub mod refused;
pub mod system;
pub mod tally;
pub mod timers;
pub mod traced;
pub mod updated;
pub mod watchdog;
pub mod workflow;
