//! Putting back what a run did.

use std::collections::BTreeMap;

use regie_actors::refused::Reason;
use regie_core::Timestamp;
use regie_core::automation::{
    RULE_SOURCE, RULE_UNDONE, RUN, Recorded, Told, Undo, UndoAsk, UndoRefusal, run_correlation, undo, undo_correlation,
};
use regie_core::event::{EntityRef, Event, EventError, Incoming, Principal, emitted_id};
use regie_core::workflow::{Command, EffectEnd, Fact};
use regie_core::{Json, limits};
use regie_journal::{Reader, StoreError};
use serde::{Deserialize, Serialize};

use super::PATIENCE;
use super::runs::{event_of, undone};
use crate::Handle;

/// Why a run was not put back.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// Somebody puts it back without a name, or without a reason.
    #[error(
        "who puts a run back, and why, is kept: each has 1 to {} bytes without control characters",
        limits::REASON_BYTES
    )]
    Unsigned,
    /// It cannot be put back, or not without force.
    #[error(transparent)]
    Refused(#[from] UndoRefusal),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] StoreError),
    /// The undo was not taken.
    #[error(transparent)]
    NotTaken(#[from] Reason),
}

/// A run that was put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoneRun {
    /// The position of the record that tells it.
    pub position: u64,
    /// The events that put it back, as they were sent.
    pub events: Vec<Json>,
}

impl UndoError {
    /// A short name for it.
    pub fn code(&self) -> &'static str {
        match self {
            UndoError::Unsigned => "unsigned",
            UndoError::Refused(UndoRefusal::Unknown { .. }) => "no_run",
            UndoError::Refused(UndoRefusal::Later(_)) => "later_changes",
            UndoError::Refused(_) => "not_undone",
            UndoError::Journal(_) => "journal",
            UndoError::NotTaken(reason) => reason.code(),
        }
    }
}

impl Handle {
    /// Puts back what a run changed: each field gets the value that it had before, by compensating events, which fire no rule
    /// again. What was sent or called cannot be taken back. Comes back once that is recorded; the events follow: see
    /// [`Handle::settle`].
    ///
    /// # Errors
    /// If there is no such run, it changed nothing or was put back before; if later changes lie on top, each of which is named,
    /// and `force` does not overwrite them.
    ///
    /// # Cancellation
    /// Dropping the future does not take the undo back.
    pub async fn undo(&self, run: &str, by: Principal, why: &str, force: bool) -> Result<UndoneRun, UndoError> {
        if ![by.kind.as_str(), by.id.as_str(), why].iter().all(|text| is_signed(text)) {
            return Err(UndoError::Unsigned);
        }
        self.rules_looked().await;
        let (least, now, wanted) = (self.position(), self.now(), (run.to_string(), by.clone(), why.to_string()));
        let planned = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            planned(reader, &wanted, force, now)
        });
        let undo = planned.await??;
        let event = recorded(&undo).map_err(UndoRefusal::NoEvent)?;
        let correlation = event.event().correlation_id.clone();
        let answer = self.command(correlation, Command::Submit { event, emitted: true }).await?;
        let position = answer.and_then(|answer| answer.position).ok_or(Reason::Lost)?;
        Ok(UndoneRun { position, events: undo.events })
    }
}

fn is_signed(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= limits::REASON_BYTES && !text.contains(char::is_control)
}

/// The event that an undo is recorded as: its id is made from the run's, so that a run is put back once.
fn recorded(undo: &Undo) -> Result<Incoming, EventError> {
    Event::new(RULE_UNDONE, undo_correlation(&undo.run))
        .id(emitted_id(&undo.run, "undo", 1))
        .source(RULE_SOURCE)
        .actor(undo.by.clone())
        .payload(Json::of(undo))
        .build()
}

type Wanted = (String, Principal, String);

fn planned(
    reader: &mut Reader,
    (run, by, why): &Wanted,
    force: bool,
    now: Timestamp,
) -> Result<Result<Undo, UndoRefusal>, StoreError> {
    let (is_known, found) = events_of(reader, run)?;
    let events: Vec<Recorded<'_>> =
        found.iter().map(|(incoming, position)| Recorded { event: incoming.event(), position: *position }).collect();
    let entities = events.iter().filter_map(|recorded| recorded.event.entity.clone());
    let mut fields = BTreeMap::new();
    for entity in entities {
        let told = told(reader, &entity)?;
        fields.insert(entity, told);
    }
    let is_undone = undone(reader, run)?.is_some();
    let ask = UndoAsk { run, is_known, is_undone, by, why, force, now };
    Ok(undo(&ask, &events, |entity, field| fields.get(entity)?.get(field).cloned()))
}

/// The events of a run, in the journal's order; and whether there is such a run.
fn events_of(reader: &mut Reader, run: &str) -> Result<(bool, Vec<(Incoming, u64)>), StoreError> {
    let records = reader.load(&run_correlation(run), 0)?;
    let mut found = BTreeMap::new();
    for fact in records.iter().flat_map(|stored| &stored.record.facts) {
        let (first, count) = match fact {
            Fact::Ended { end: EffectEnd::Sent { position, .. }, .. } => (*position, 1),
            Fact::Ended { end: EffectEnd::Updated { first, events, .. }, .. } => (*first, *events),
            _ => continue,
        };
        for (incoming, position) in from(reader, first, run, count)? {
            found.insert(position, incoming);
        }
    }
    Ok((!records.is_empty(), found.into_iter().map(|(position, incoming)| (incoming, position)).collect()))
}

/// So many events of a run, from the one at that position on: those of an update may have others between them.
fn from(reader: &mut Reader, first: u64, run: &str, count: u32) -> Result<Vec<(Incoming, u64)>, StoreError> {
    let Some(stored) = reader.record(first)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for stored in reader.load(&stored.correlation, stored.record.sequence - 1)? {
        let event = stored.record.facts.iter().find_map(|fact| event_of(fact, &stored));
        found.extend(
            event.filter(|it| it.event().metadata.get(RUN).is_some_and(|of| of == run)).map(|it| (it, stored.position)),
        );
        if found.len() >= count as usize {
            break;
        }
    }
    Ok(found)
}

/// Each field of an entity as it is now, and who told it.
fn told(reader: &mut Reader, entity: &EntityRef) -> Result<BTreeMap<String, Told>, StoreError> {
    let mut fields: BTreeMap<String, Told> = BTreeMap::new();
    for stored in reader.touches_after(entity, 0)? {
        let event = stored.incoming.event();
        if event.entity.as_ref() != Some(entity) {
            continue;
        }
        for (field, change) in &event.changes {
            let at = (event.timestamp, stored.position);
            if fields.get(field).is_some_and(|known| (known.at, known.position) > at) {
                continue;
            }
            let name = format!("{}#{}", event.source, event.id);
            let told =
                Told { event: name, position: stored.position, at: event.timestamp, value: change.after.clone() };
            fields.insert(field.clone(), told);
        }
    }
    Ok(fields)
}
