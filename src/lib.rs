//! Regie: an embeddable, actor-based, event-driven workflow orchestration runtime.
//!
#![doc = include_str!("../README.md")]
//!
//! # The rooms
//!
//! - [`runtime`]: builder, runtime, handle.
//! - [`core`]: the rules, as pure functions: events, governance, the loop.
//! - [`journal`]: the store trait, SQLite and memory, readers, `verify`.
//! - [`actors`]: the actix shell, for those who look inside.
//! - [`reasoning`]: bounded reasoning: reasoners, their limits, what they may answer.
//! - [`bus`]: who is told of what was committed: subscriptions, subscribers, dead letters.
//! - [`workflows`]: notification, reconciliation, recovery.
//! - [`config`]: the configuration file.
//! - [`testing`]: a clock that stands still, scripted agents, assertions; for tests of your own.
//! - `cli`: the `regie` command, for binaries of your own (feature `cli`).

pub mod bus;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
mod control;
pub mod prelude;
pub mod reasoning;
pub mod runtime;
pub mod testing;
pub mod workflows;

pub use regie_actors as actors;
pub use regie_actors::entry::Until;
pub use regie_actors::refused::{Reason, Refused};
pub use regie_actors::system::{Shutdown, StartError};
pub use regie_core as core;
pub use regie_journal as journal;
pub use runtime::{Answer, Builder, ClockKind, Foreseen, Handle, JournalConfig, Metrics, Runtime};

/// Starts to build a runtime.
///
/// ```
/// # futures::executor::block_on(async {
/// let runtime = regie::builder().start().await?;
/// let shutdown = runtime.shutdown().await;
/// assert_eq!(shutdown.left_owed, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub fn builder() -> Builder {
    Builder::new()
}

/// The code of the page is run.
#[cfg(doctest)]
#[doc = include_str!("../docs/catalogue.md")]
struct CataloguePage;

/// The code of the page is run.
#[cfg(doctest)]
#[doc = include_str!("../docs/agents.md")]
struct AgentsPage;
