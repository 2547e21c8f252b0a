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
    event.check_free()?;
    if whence == Whence::Caller && event.is_own_source() {
        let why = "sources that begin with 'regie:' are the runtime's own, but for 'regie:local'";
        return Err(Reason::Bad(EventError::wrong("source", why)));
    }
    Ok(catalogue.check(event)?)
}
