//! The runtime's own events: of correlations `regie/…`. No policy has a say over them, own handlers alone take them, and
//! some wait for a person by what they are.

use super::registry::Definitions;
use crate::automation::{RunHandler, UndoHandler};
use crate::bus::letter::{Letters, short};
use crate::bus::{DEAD_LETTER, Letter};
use crate::event::Event;

/// What names of own handlers begin with.
const OWN: &str = "regie.";

/// Whether a handler of that name is the runtime's own.
pub fn is_own_name(name: &str) -> bool {
    name.starts_with(OWN)
}

/// The handlers of the runtime's own events.
pub fn own_definitions() -> Definitions {
    let mut own = Definitions::default();
    own.add(Letters);
    own.add(RunHandler);
    own.add(UndoHandler);
    own
}

/// Why an own event waits for a person, if it does.
pub(super) fn escalation(event: &Event) -> Option<String> {
    if !event.correlation_id.is_own() || event.kind != DEAD_LETTER {
        return None;
    }
    let unread = || "a dead letter that cannot be read".to_string();
    let error = Letter::read(event).map_or_else(unread, |letter| short(&letter.error));
    Some(if error.is_empty() { "it could not be handled".into() } else { error })
}
