//! The runtime's own events: recording one, and reading back what was recorded last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regie_core::event::{CorrelationId, EventBuilder, EventResult, Incoming};
use regie_core::workflow::{Command, Fact, Record};
use regie_journal::{Reader, StoreError};
use tokio::sync::oneshot;

use crate::busy::Busy;
use crate::entry::{Entry, Router, Until, Work};
use crate::refused::Reason;

/// How long a look waits for the index.
const PATIENCE: Duration = Duration::from_secs(10);

/// Submits an own event; comes back once it is durable. One that was recorded before, at another time, is as good.
pub(crate) async fn submit(router: &Router, busy: &Busy, event: EventBuilder) -> Result<Option<EventResult>, Reason> {
    let event: Incoming = event.build()?;
    let (reply, answer) = oneshot::channel();
    router.send(Entry {
        correlation: event.event().correlation_id.clone(),
        work: Work::Command(Arc::new(Command::Submit { event, emitted: true })),
        as_of: None,
        until: Until::Judged,
        reply: Some(reply),
        since: Instant::now(),
        permit: None, // whoever comes here has one at a time under way
        under_way: Some(busy.begin()),
    });
    match answer.await.unwrap_or(Err(Reason::Lost)) {
        Err(Reason::OtherContent { .. }) => Ok(None),
        answer => answer,
    }
}

/// The last event of an own correlation, by all that is committed now; nothing if it has none.
pub(crate) fn last(reader: &mut Reader, home: &CorrelationId) -> Result<Option<Incoming>, StoreError> {
    let head = reader.head()?.position;
    reader.caught_up(head, PATIENCE)?;
    latest(reader, home)
}

/// The same by what the index covers now.
pub(crate) fn latest(reader: &mut Reader, home: &CorrelationId) -> Result<Option<Incoming>, StoreError> {
    let Some(tip) = reader.tip(home)? else { return Ok(None) };
    match reader.load(home, tip.sequence - 1)?.pop() {
        Some(last) => received(&last.record, last.position),
        None => Ok(None),
    }
}

/// The event that a record received.
pub(crate) fn received(record: &Record, position: u64) -> Result<Option<Incoming>, StoreError> {
    let found = record.facts.iter().find_map(|fact| match fact {
        Fact::Received { format, raw, made_id, .. } => Some((*format, Arc::clone(raw), made_id.as_deref())),
        _ => None,
    });
    let Some((format, raw, made_id)) = found else { return Ok(None) };
    let incoming = Incoming::recover(format, raw, made_id, record.at);
    incoming.map(Some).map_err(|error| StoreError::Damaged { why: format!("position {position}: {error}") })
}
