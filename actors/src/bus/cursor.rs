//! A durable subscription's cursor: kept by own events in a correlation of its own.

use std::time::Duration;

use regie_core::bus::{ADVANCED, SubscriberName};
use regie_core::event::{Event, EventBuilder, Principal};
use regie_core::{Json, Timestamp};
use regie_journal::{Reader, StoreError};
use serde::{Deserialize, Serialize};

use crate::own::received;
pub(super) use crate::own::submit;

/// How long the reading of a cursor waits for the index.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize, Serialize)]
struct Advanced {
    through: u64,
}

/// The cursor as it was last recorded; nothing if there is none yet. `head` is what must be covered.
pub(super) fn recorded(reader: &mut Reader, name: &SubscriberName, head: u64) -> Result<Option<u64>, StoreError> {
    let home = name.cursor();
    reader.caught_up(head, PATIENCE)?;
    let Some(tip) = reader.tip(&home)? else { return Ok(None) };
    let damaged = || StoreError::Damaged { why: format!("the last record of '{home}' is no cursor") };
    let last = reader.load(&home, tip.sequence - 1)?.pop().ok_or_else(damaged)?;
    let incoming = received(&last.record, last.position)?.ok_or_else(damaged)?;
    let advanced: Advanced = incoming.event().payload.to().map_err(|_| damaged())?;
    Ok(Some(advanced.through))
}

/// The event that keeps a cursor.
pub(super) fn advanced(name: &SubscriberName, through: u64, at: Timestamp) -> EventBuilder {
    Event::new(ADVANCED, name.cursor())
        .id(through.to_string())
        .source("regie:bus")
        .actor(Principal::system())
        .timestamp(at)
        .payload(Json::of(&Advanced { through }))
}
