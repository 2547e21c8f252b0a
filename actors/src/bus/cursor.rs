//! A durable subscription's cursor: kept by own events in a correlation of its own.

use std::time::{Duration, Instant};

use regie_core::bus::{ADVANCED, SubscriberName};
use regie_core::event::{Event, EventBuilder, EventResult, Incoming, Principal};
use regie_core::workflow::Command;
use regie_core::{Json, Timestamp};
use regie_journal::{Reader, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::read::received;
use crate::busy::Busy;
use crate::entry::{Entry, Router, Until, Work};
use crate::refused::Reason;

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

/// Submits an own event; comes back once it is durable. One that was recorded before, at another time, is as good.
pub(super) async fn submit(router: &Router, busy: &Busy, event: EventBuilder) -> Result<Option<EventResult>, Reason> {
    let event: Incoming = event.build()?;
    let (reply, answer) = oneshot::channel();
    router.send(Entry {
        correlation: event.event().correlation_id.clone(),
        work: Work::Command(std::sync::Arc::new(Command::Submit { event, emitted: true })),
        as_of: None,
        until: Until::Judged,
        reply: Some(reply),
        since: Instant::now(),
        permit: None, // one cursor or letter of a subscription at a time
        under_way: Some(busy.begin()),
    });
    match answer.await.unwrap_or(Err(Reason::Lost)) {
        Err(Reason::OtherContent { .. }) => Ok(None),
        answer => answer,
    }
}
