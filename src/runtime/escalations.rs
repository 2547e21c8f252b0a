//! Events that wait for a person: listing them, and deciding.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use regie_actors::entry::{Entry, Until, Work};
use regie_actors::refused::Reason;
use regie_core::Timestamp;
use regie_core::bus::Letter;
use regie_core::event::{CorrelationId, EventResult, Incoming, LifeState, Principal};
use regie_core::governance::{Lapse, PolicyDecision, Verdict};
use regie_core::query::Filter;
use regie_core::workflow::{Command, Fact, Record};
use regie_journal::{Reader, StoreError, StoredEvent, StoredRecord};
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
        let stored = self.received_at(position).await?;
        if approved && let Some(name) = self.gone_subscriber(&stored.correlation) {
            return Err(Reason::SubscriberGone { name });
        }
        let command = Command::Resolve { event: stored.record.sequence, approved, by, why: why.to_string() };
        self.command(stored.correlation, command).await?.ok_or(Reason::Lost)
    }

    /// Whom a dead letter is for, if this program has no such subscriber.
    fn gone_subscriber(&self, correlation: &CorrelationId) -> Option<String> {
        let name = Letter::addressee(correlation)?;
        self.core.agents.gate(&name.agent()).is_none().then(|| name.to_string())
    }

    /// The record at a position, which received an event.
    pub(crate) async fn received_at(&self, position: u64) -> Result<StoredRecord, Reason> {
        let record = self.core.readers.run(move |reader| reader.record(position)).await?;
        record.filter(|stored| receives(&stored.record)).ok_or(Reason::NoEvent { position })
    }

    /// Sends a command that is no event, past admission: people and operators send few.
    pub(super) async fn command(
        &self,
        correlation: CorrelationId,
        command: Command,
    ) -> Result<Option<EventResult>, Reason> {
        let clock = &self.core.clock;
        if !clock.has_begun() {
            return Err(Reason::NoTime);
        }
        let (reply, answer) = oneshot::channel();
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
    let mut told = BTreeMap::new();
    for (correlation, sequences) in by_correlation(&waiting) {
        told.extend(waits_in(reader, &correlation, &sequences)?);
    }
    // Who is not told of was resolved between the two readings.
    let told_of = |StoredEvent { incoming, position, sequence, .. }: StoredEvent| {
        let Escalated { since, reason, lapses, decisions } = told.remove(&position)?;
        Some(Escalation { event: incoming, position, sequence, since, reason, lapses, decisions })
    };
    Ok(waiting.into_iter().filter_map(told_of).collect())
}

/// The sequences and positions of events, by correlation: the records of one are read once, however many of it wait.
fn by_correlation(waiting: &[StoredEvent]) -> BTreeMap<CorrelationId, BTreeMap<u64, u64>> {
    let mut sequences: BTreeMap<_, BTreeMap<u64, u64>> = BTreeMap::new();
    for stored in waiting {
        let correlation = stored.incoming.event().correlation_id.clone();
        sequences.entry(correlation).or_default().insert(stored.sequence, stored.position);
    }
    sequences
}

struct Escalated {
    since: Timestamp,
    reason: String,
    lapses: Option<(Timestamp, Lapse)>,
    decisions: Vec<PolicyDecision>,
}

/// What the records of a correlation tell of those of its events that wait, by position.
fn waits_in(
    reader: &mut Reader,
    correlation: &str,
    sequences: &BTreeMap<u64, u64>,
) -> Result<BTreeMap<u64, Escalated>, StoreError> {
    let first = sequences.keys().next().copied().unwrap_or(1);
    let mut waits = BTreeMap::new();
    for stored in reader.load(correlation, first.saturating_sub(1))? {
        for fact in &stored.record.facts {
            match fact {
                Fact::Moved { event, to: LifeState::Escalated, reason, .. } => {
                    if let Some(position) = sequences.get(event) {
                        waits.insert(*position, escalated(&stored.record, *event, reason));
                    }
                }
                Fact::Moved { event, .. } => {
                    sequences.get(event).map(|position| waits.remove(position));
                }
                // Its time is up, and it still waits.
                Fact::Kept { event } => {
                    let kept = sequences.get(event).and_then(|position| waits.get_mut(position));
                    kept.into_iter().for_each(|kept| kept.lapses = None);
                }
                _ => {}
            }
        }
    }
    Ok(waits)
}

/// What the record that escalated an event tells of that.
fn escalated(record: &Record, event: u64, reason: &str) -> Escalated {
    let judgement = record.facts.iter().find_map(|fact| match fact {
        Fact::Judged { event: judged, judgement } if *judged == event => Some(judgement),
        _ => None,
    });
    let lapses = match judgement.map(|judgement| &judgement.verdict) {
        Some(Verdict::EscalatedUntil { until, then, .. }) => Some((*until, *then)),
        _ => None,
    };
    let decisions = judgement.map(|judgement| judgement.decisions.clone()).unwrap_or_default();
    Escalated { since: record.at, reason: reason.to_string(), lapses, decisions }
}
