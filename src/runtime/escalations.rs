//! Events that wait for a person: listing them, and deciding.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use regie_actors::entry::{Entry, Until, Work};
use regie_actors::refused::Reason;
use regie_core::Timestamp;
use regie_core::event::{CorrelationId, EventResult, Incoming, LifeState, Principal};
use regie_core::governance::{Lapse, PolicyDecision, Verdict};
use regie_core::query::Filter;
use regie_core::workflow::{Command, Fact, Record};
use regie_journal::{Reader, StoreError, StoredEvent};
use tokio::sync::oneshot;

use super::handle::Handle;

/// How long a listing waits for the index to cover what was committed before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// An event that waits for a person.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Escalation {
    /// The event.
    pub event: Incoming,
    /// The position of the record that received it: what a decision names.
    pub position: u64,
    /// The sequence of that record within its correlation.
    pub sequence: u64,
    /// Since when it waits.
    pub since: Timestamp,
    /// Why: the reason of the policy, or the error of what is poison.
    pub reason: String,
    /// When the policy decides if nobody has, and what.
    pub lapses: Option<(Timestamp, Lapse)>,
    /// What the policies said.
    pub decisions: Vec<PolicyDecision>,
}

impl Handle {
    /// The events that wait for a person, the oldest first: all that a filter means; its state has no say.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn escalations(&self, filter: Filter) -> Result<Vec<Escalation>, StoreError> {
        let least = self.position();
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            escalations(reader, filter)
        });
        read.await
    }

    /// Lets an escalated event go on, to its handler if there is one. No policy is asked: the verdict is this person's.
    /// Comes back, once that is durable, with the event's whole life.
    ///
    /// # Errors
    /// If nothing waits there (any more), if who or why is missing, or if the journal does not take it.
    ///
    /// # Cancellation
    /// Dropping the future does not take the decision back.
    pub async fn approve(&self, position: u64, by: Principal, why: &str) -> Result<EventResult, Reason> {
        self.resolve(position, true, by, why).await
    }

    /// Discards an escalated event.
    ///
    /// # Errors
    /// As [`Handle::approve`].
    pub async fn reject(&self, position: u64, by: Principal, why: &str) -> Result<EventResult, Reason> {
        self.resolve(position, false, by, why).await
    }

    async fn resolve(&self, position: u64, approved: bool, by: Principal, why: &str) -> Result<EventResult, Reason> {
        let record = self.core.readers.run(move |reader| reader.record(position)).await?;
        let received = record.filter(|stored| receives(&stored.record));
        let Some(stored) = received else { return Err(Reason::NoEvent { position }) };
        let command = Command::Resolve { event: stored.record.sequence, approved, by, why: why.to_string() };
        self.command(stored.correlation, command).await?.ok_or(Reason::Lost)
    }

    /// Sends a command that is no event, past admission: people and operators send few.
    pub(super) async fn command(
        &self,
        correlation: CorrelationId,
        command: Command,
    ) -> Result<Option<EventResult>, Reason> {
        let (reply, answer) = oneshot::channel();
        let clock = &self.core.clock;
        self.core.router.send(Entry {
            correlation,
            work: Work::Command(Arc::new(command)),
            as_of: (!clock.fires()).then(|| clock.now()),
            until: Until::Judged,
            reply: Some(reply),
            since: Instant::now(),
            permit: None,
            under_way: Some(self.core.busy.begin()),
        });
        answer.await.unwrap_or(Err(Reason::Lost))
    }
}

fn receives(record: &Record) -> bool {
    record.facts.iter().any(|fact| matches!(fact, Fact::Received { .. }))
}

/// The events that wait for a person, the oldest first.
///
/// # Errors
/// If the journal cannot be read.
pub fn escalations(reader: &mut Reader, filter: Filter) -> Result<Vec<Escalation>, StoreError> {
    let filter = Filter { state: Some(LifeState::Escalated), ..filter };
    let mut waiting: Vec<StoredEvent> = Vec::new();
    reader.events(&filter, &mut |event| {
        waiting.push(event);
        ControlFlow::Continue(())
    })?;
    let mut escalations = Vec::with_capacity(waiting.len());
    for StoredEvent { incoming, position, sequence, .. } in waiting {
        let records = reader.load(&incoming.event().correlation_id, sequence - 1)?;
        let mut found = None;
        for stored in &records {
            found = escalated(&stored.record, sequence).or(found);
        }
        let kept = records.iter().flat_map(|stored| &stored.record.facts);
        let kept = kept.filter(|fact| matches!(fact, Fact::Kept { event } if *event == sequence)).count() > 0;
        // Resolved between the two readings.
        let Some((since, reason, lapses, decisions)) = found else { continue };
        let lapses = lapses.filter(|_| !kept);
        escalations.push(Escalation { event: incoming, position, sequence, since, reason, lapses, decisions });
    }
    Ok(escalations)
}

type Escalated = (Timestamp, String, Option<(Timestamp, Lapse)>, Vec<PolicyDecision>);

/// What the record that escalated an event tells of that.
fn escalated(record: &Record, event: u64) -> Option<Escalated> {
    let reason = record.facts.iter().find_map(|fact| match fact {
        Fact::Moved { event: moved, to: LifeState::Escalated, reason, .. } if *moved == event => Some(reason.clone()),
        _ => None,
    })?;
    let judgement = record.facts.iter().find_map(|fact| match fact {
        Fact::Judged { event: judged, judgement } if *judged == event => Some(judgement),
        _ => None,
    });
    let lapses = match judgement.map(|judgement| &judgement.verdict) {
        Some(Verdict::EscalatedUntil { until, then, .. }) => Some((*until, *then)),
        _ => None,
    };
    Some((record.at, reason, lapses, judgement.map(|judgement| judgement.decisions.clone()).unwrap_or_default()))
}
