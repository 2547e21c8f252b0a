//! The local socket: how another process of the same user asks the one that owns a journal.
//!
//! It lies beside the journal, `<journal>-socket`, for its owner's user alone. One connection asks one thing: a line of
//! JSON in, a line of JSON out. `docs/cli.md` tells the form.

#[cfg(all(unix, feature = "cli"))]
mod client;
mod perform;
#[cfg(unix)]
mod place;
mod protocol;
#[cfg(unix)]
mod server;
mod workflow;

#[cfg(all(unix, feature = "cli"))]
pub(crate) use client::{Unheard, ask};
#[cfg(feature = "cli")]
pub(crate) use perform::perform;
#[cfg(feature = "cli")]
pub(crate) use protocol::{Answer, Ask, Decision, UndoAsked};
#[cfg(unix)]
pub(crate) use server::Control;
#[cfg(any(feature = "cli", test))]
pub(crate) use workflow::{Operate, Operating};
