//! Which event is meant, and what became of one that does not wait any more.

use std::ops::ControlFlow;

use regie_core::event::{CorrelationId, ErrorInfo, Event, EventResult, Incoming, LifeState, Status};
use regie_core::query::{Filter, Order};
use regie_core::workflow::{Fact, Record, whole_life};
use regie_journal::{Reader, StoreError, StoredRecord};

use super::args::DecideArgs;
use crate::runtime::{Escalation, escalations};

/// Events that are looked through, the newest first, for one that does not wait any more.
const LOOKED_BACK: usize = 100_000;
/// Those of them that are looked into.
const LIVES: usize = 100;

/// The events that wait and may be meant.
pub(super) fn waiting(reader: &mut Reader, args: &DecideArgs) -> Result<Vec<Escalation>, StoreError> {
    let mut waiting = escalations(reader, filter(args))?;
    waiting.retain(|one| means(args, one.event.event(), one.position));
    Ok(waiting)
}

/// What became of the event that is meant, if it is known at all: the latest of several, and rather one that has waited.
pub(super) fn past(reader: &mut Reader, args: &DecideArgs) -> Result<Option<EventResult>, StoreError> {
    // By its position it is found however old it is.
    let mut found: Vec<u64> = args.id.parse().into_iter().collect();
    let filter = Filter { limit: Some(LOOKED_BACK), order: Order::Newest, ..filter(args) };
    reader.events(&filter, &mut |stored| {
        if means(args, stored.incoming.event(), stored.position) {
            found.push(stored.position);
        }
        if found.len() < LIVES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let mut lives = Vec::new();
    for position in found {
        let meant = |life: &EventResult| args.correlation.as_ref().is_none_or(|it| *it == life.correlation_id);
        lives.extend(life(reader, position)?.filter(meant));
    }
    let waited = lives.iter().position(|life| resolution(life).is_some()).unwrap_or(0);
    Ok((!lives.is_empty()).then(|| lives.swap_remove(waited)))
}

/// The life of the event at a position, as the answer to somebody who wanted to decide of it and cannot.
pub(super) fn life(reader: &mut Reader, position: u64) -> Result<Option<EventResult>, StoreError> {
    let Some(StoredRecord { correlation, record, .. }) = reader.record(position)? else { return Ok(None) };
    let Some(incoming) = received(&record) else { return Ok(None) };
    let later = later(reader, &correlation, record.sequence)?;
    let mut life = whole_life(incoming.event(), &record, position, &later);
    life.status = Status::Refused;
    life.current_state = life.event_state;
    life.error = Some(ErrorInfo::new("not_escalated", told(&life)));
    Ok(Some(life))
}

/// What became of it, in words.
fn told(life: &EventResult) -> String {
    let (id, state) = (&life.event_id, life.event_state.unwrap_or(LifeState::Pending));
    match resolution(life) {
        Some((at, Some(by), why)) => format!("'{id}' was already {state} by {by} at {at}: {why}"),
        Some((at, None, why)) => format!("'{id}' was already {state} at {at}: {why}"),
        None => format!("'{id}' does not wait for a decision: it is {state}"),
    }
}

/// When an event stopped waiting, by whom, and why.
fn resolution(life: &EventResult) -> Option<(String, Option<String>, String)> {
    let resolved = life.state_transitions.iter().rev().find(|step| step.from == Some(LifeState::Escalated))?;
    Some((resolved.at.to_string(), resolved.by.as_ref().map(ToString::to_string), resolved.reason.clone()))
}

fn later(reader: &mut Reader, correlation: &CorrelationId, sequence: u64) -> Result<Vec<Record>, StoreError> {
    Ok(reader.load(correlation, sequence)?.into_iter().map(|stored| stored.record).collect())
}

fn received(record: &Record) -> Option<Incoming> {
    record.facts.iter().find_map(|fact| match fact {
        Fact::Received { format, raw, made_id, .. } => {
            Incoming::recover(*format, raw.clone(), made_id.as_deref(), record.at).ok()
        }
        _ => None,
    })
}

fn filter(args: &DecideArgs) -> Filter {
    Filter { correlation: args.correlation.as_deref().map(Into::into), ..Filter::default() }
}

fn means(args: &DecideArgs, event: &Event, position: u64) -> bool {
    let named = event.id == args.id
        || position.to_string() == args.id
        || args.id.strip_suffix(event.id.as_str()).is_some_and(|rest| rest.strip_suffix('#') == Some(&event.source));
    named && args.source.as_ref().is_none_or(|source| *source == event.source)
}
