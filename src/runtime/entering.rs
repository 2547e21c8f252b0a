//! What may come in from outside.

use regie_actors::refused::Reason;
use regie_core::event::{Catalogue, Event, EventError};

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whence {
    /// A caller, who speaks for itself.
    Caller,
    /// A file, which may hold what a runtime has emitted elsewhere: it is taken as that was told.
    #[cfg_attr(not(feature = "cli"), allow(dead_code))]
    File,
}

/// Whether an event may come in: names of the runtime's own are not others' to use, and one of a known type is what that says.
///
/// # Errors
/// Why it may not.
pub(crate) fn may_enter(event: &Event, whence: Whence, catalogue: &Catalogue) -> Result<(), Reason> {
    let reserved = |field: &str, why: &str| Err(Reason::Bad(EventError::wrong(field, why)));
    if event.correlation_id.is_own() {
        return reserved("correlation_id", "names that begin with 'regie/' are the runtime's own");
    }
    if event.is_own_kind() {
        return reserved("type", "types that begin with 'regie.' are the runtime's own");
    }
    if whence == Whence::Caller && event.is_own_source() {
        return reserved("source", "sources that begin with 'regie:' are the runtime's own, but for 'regie:local'");
    }
    Ok(catalogue.check(event)?)
}
