//! An update within a turn: the commands that it comes to, all of them or none.

use super::command::{Command, Refusal};
use super::state::State;
use crate::entity::{Found, Update, plan_found, refusal};
use crate::event::{Catalogue, Incoming};
use crate::{Timestamp, limits};

/// The commands that an update comes to, for an entity that was found like this: an event each, or the one that tells that it is
/// refused. None where nothing differs. Bounds are checked first, so that no part of it is taken alone.
///
/// # Errors
/// If the correlation has no room for them, or no event can tell what the update asks.
pub fn expand(
    state: &State,
    update: &Update,
    found: &Found,
    catalogue: &Catalogue,
    at: Timestamp,
) -> Result<Vec<Incoming>, Refusal> {
    let events = match plan_found(update, found, catalogue, at) {
        Ok(events) => events,
        Err(unfit) => vec![refusal(update, &unfit, at).map_err(Refusal::NoUpdate)?],
    };
    let open = state.open().len() + events.len().saturating_sub(1);
    if open >= limits::OPEN_EVENTS {
        return Err(Refusal::TooManyOpen { open: state.open().len(), limit: limits::OPEN_EVENTS });
    }
    let bytes = state.open_bytes + events.iter().skip(1).map(|event| event.raw().len()).sum::<usize>();
    if bytes > limits::OPEN_BYTES {
        return Err(Refusal::OpenTooLarge { bytes, limit: limits::OPEN_BYTES });
    }
    Ok(events)
}

/// The command that one of these events is.
pub fn emitted(event: Incoming) -> Command {
    Command::Submit { event, emitted: true }
}
