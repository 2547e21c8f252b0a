//! Putting back what a run changed: the events that do it, or why that is refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::acts::{RULE_SOURCE, UNDO};
use crate::event::{Change, EntityRef, Event, EventError, Principal, emitted_id};
use crate::{Json, Timestamp, limits};

/// An event of a run, as the journal has it.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'e> {
    /// The event.
    pub event: &'e Event,
    /// Where.
    pub position: u64,
}

/// A field as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The event that last told it, as `source#id`.
    pub event: String,
    /// Where that is.
    pub position: u64,
    /// Its timestamp.
    pub at: Timestamp,
    /// The value.
    pub value: Json,
}

/// Who wants a run undone, and what is known of it.
#[derive(Clone, Debug)]
pub struct UndoAsk<'a> {
    /// The run's id.
    pub run: &'a str,
    /// Whether there is such a run.
    pub is_known: bool,
    /// Whether it was undone already.
    pub is_undone: bool,
    /// A person.
    pub by: &'a Principal,
    /// Why.
    pub why: &'a str,
    /// Whether later changes are to be overwritten.
    pub force: bool,
    /// The time of the decision.
    pub now: Timestamp,
}

/// What an undo does: recorded whole before any of it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The run that is put back.
    pub run: String,
    /// Who said so.
    pub by: Principal,
    /// Why.
    pub why: String,
    /// Whether later changes are overwritten.
    pub force: bool,
    /// The compensating events: our envelopes.
    pub events: Vec<Json>,
}

/// A change that lies on top of a run's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaterChange {
    /// Whose field.
    pub entity: EntityRef,
    /// The field.
    pub field: String,
    /// The event that changed it, as `source#id`.
    pub event: String,
    /// Where that is.
    pub position: u64,
}

/// Why a run is not undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UndoRefusal {
    /// There is no such run.
    #[error("there is no run '{run}'")]
    Unknown {
        /// The id.
        run: String,
    },
    /// It is undone already, and an undo is not undone.
    #[error("the run '{run}' is undone already; an undo is not undone")]
    Undone {
        /// The id.
        run: String,
    },
    /// It changed no field: what was sent or called cannot be taken back.
    #[error("the run '{run}' changed no field, so there is nothing to put back")]
    Nothing {
        /// The id.
        run: String,
    },
    /// Later changes lie on top.
    #[error("later changes lie on top: {}", listed(.0))]
    Later(Vec<LaterChange>),
    /// The events that would do it are more than are taken at once.
    #[error("putting it back takes {bytes} bytes; at most {} are taken (RUN_BYTES)", limits::RUN_BYTES)]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// An event that would do it is none.
    #[error("no event can put it back: {0}")]
    NoEvent(#[from] EventError),
}

fn listed(later: &[LaterChange]) -> String {
    let mut text = String::new();
    for (nth, change) in later.iter().enumerate() {
        let LaterChange { entity, field, event, position } = change;
        let _ = write!(text, "{}{field} of {entity} by {event} at {position}", if nth > 0 { "; " } else { "" });
    }
    text
}

/// What puts a run back: each field that its events changed gets the value that it had before the first of them. `events` are
/// those of the run, in the journal's order; `now` tells what a field is now.
///
/// # Errors
/// Why it is refused: each later change is named. With `force` they are overwritten.
pub fn undo(
    ask: &UndoAsk<'_>,
    events: &[Recorded<'_>],
    now: impl Fn(&EntityRef, &str) -> Option<Told>,
) -> Result<Undo, UndoRefusal> {
    let run = || ask.run.to_string();
    if !ask.is_known {
        return Err(UndoRefusal::Unknown { run: run() });
    }
    if ask.is_undone {
        return Err(UndoRefusal::Undone { run: run() });
    }
    let mine: Vec<u64> = events.iter().map(|recorded| recorded.position).collect();
    let mut plan = Plan { later: Vec::new(), seen: BTreeMap::new(), events: Vec::new() };
    for recorded in events {
        plan.event(recorded.event, ask, |entity, field| {
            now(entity, field).map(|told| (mine.contains(&told.position), told))
        })?;
    }
    if plan.seen.is_empty() {
        return Err(UndoRefusal::Nothing { run: run() });
    }
    if !plan.later.is_empty() && !ask.force {
        return Err(UndoRefusal::Later(plan.later));
    }
    let undo = Undo { run: run(), by: ask.by.clone(), why: ask.why.to_string(), force: ask.force, events: plan.events };
    let bytes = Json::of(&undo).text().len();
    if bytes > limits::RUN_BYTES { Err(UndoRefusal::TooLarge { bytes }) } else { Ok(undo) }
}

#[derive(Debug)]
struct Plan {
    later: Vec<LaterChange>,
    /// The fields that are put back already: the run's first change of each tells what it was.
    seen: BTreeMap<(EntityRef, String), ()>,
    events: Vec<Json>,
}

impl Plan {
    fn event(
        &mut self,
        event: &Event,
        ask: &UndoAsk<'_>,
        now: impl Fn(&EntityRef, &str) -> Option<(bool, Told)>,
    ) -> Result<(), EventError> {
        let Some(entity) = &event.entity else { return Ok(()) };
        let (mut back, mut at) = (BTreeMap::new(), ask.now.max(event.timestamp));
        for (field, change) in &event.changes {
            if self.seen.insert((entity.clone(), field.clone()), ()).is_some() {
                continue;
            }
            let mut before = change.after.clone();
            if let Some((is_mine, told)) = now(entity, field) {
                // What is put back must be the latest by timestamp too.
                at = at.max(told.at);
                before = told.value;
                if !is_mine {
                    let (entity, field) = (entity.clone(), field.clone());
                    self.later.push(LaterChange { entity, field, event: told.event, position: told.position });
                }
            }
            back.insert(field.clone(), Change { before, after: change.before.clone() });
        }
        if !back.is_empty() {
            let id = emitted_id(ask.run, "undo", u32::try_from(self.events.len()).unwrap_or(u32::MAX));
            self.events.push(put_back(event, back, &PutBack { id, run: ask.run, by: ask.by, at })?);
        }
        Ok(())
    }
}

/// How an event is put back.
pub(super) struct PutBack<'p> {
    pub(super) id: String,
    pub(super) run: &'p str,
    pub(super) by: &'p Principal,
    pub(super) at: Timestamp,
}

/// The event of the same type that puts back what one changed.
pub(super) fn put_back(
    event: &Event,
    changes: BTreeMap<String, Change>,
    how: &PutBack<'_>,
) -> Result<Json, EventError> {
    let mut back = Event::new(&event.kind, event.correlation_id.clone())
        .id(&how.id)
        .source(RULE_SOURCE)
        .schema_version(event.schema_version)
        .timestamp(how.at)
        .cause(format!("{}#{}", event.source, event.id))
        .chain(event.correlation_chain.iter().cloned())
        .actor(how.by.clone())
        .priority(event.priority)
        .payload(event.payload.clone())
        .metadata(UNDO, how.run);
    for (field, change) in changes {
        back = back.change(field, change.before, change.after);
    }
    if let Some(entity) = &event.entity {
        back = back.entity(entity.clone());
    }
    let built = back.build()?;
    Json::parse(built.raw()).map_err(|error| EventError::NotJson { why: error.to_string() })
}

/// The same changes the other way round.
pub(super) fn swapped(event: &Event) -> BTreeMap<String, Change> {
    let swap = |change: &Change| Change { before: change.after.clone(), after: change.before.clone() };
    event.changes.iter().map(|(field, change)| (field.clone(), swap(change))).collect()
}
