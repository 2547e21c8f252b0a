//! Undoing a run on a person's word: the updates that put it back, or why that is refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::changed::{Changed, PutBack};
use crate::entity::Update;
use crate::event::{EntityRef, EventError, Principal, emitted_id};
use crate::{Json, limits};

/// Who wants a run undone, and what is known of it.
#[derive(Clone, Debug)]
pub struct UndoAsk<'a> {
    /// The run's id.
    pub run: &'a str,
    /// Whether there is such a run.
    pub is_known: bool,
    /// Whether an undo of it was done.
    pub is_undone: bool,
    /// Where an event of the run, or of an undo of it, waits: for its time, or for a person.
    pub waits: Option<u64>,
    /// Which attempt at it, from 1.
    pub attempt: u32,
    /// A person.
    pub by: &'a Principal,
    /// Why.
    pub why: &'a str,
    /// Whether later changes are to be overwritten.
    pub force: bool,
}

/// What an undo does: recorded whole before any of it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The run that is put back.
    pub run: String,
    /// Which attempt at it, from 1: one that failed may be followed by another.
    pub attempt: u32,
    /// Who said so.
    pub by: Principal,
    /// Why.
    pub why: String,
    /// Whether later changes are overwritten.
    pub force: bool,
    /// What puts it back: an update of each entity.
    pub updates: Vec<Update>,
}

/// A change that lies on top of a run's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

impl fmt::Display for LaterChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entity, field, event, position } = self;
        write!(f, "{field} of {entity} by {event} at {position}")
    }
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
    /// It changed no field: what was sent or called cannot be taken back. Or it failed, and put back itself what it changed.
    #[error("the run '{run}' changed no field that is not put back already, so there is nothing to put back")]
    Nothing {
        /// The id.
        run: String,
    },
    /// One of its events, or of an undo of it, is neither processed nor discarded: what comes of it is not known yet.
    #[error(
        "an event of the run '{run}', or of an undo of it, waits at position {position}: let it go on, or reject it, first"
    )]
    Waits {
        /// The id.
        run: String,
        /// Where the event is.
        position: u64,
    },
    /// Later changes lie on top.
    #[error("later changes lie on top: {}", listed(.0))]
    Later(Vec<LaterChange>),
    /// What would do it is more than is taken at once.
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
    later.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What puts a run back: each field that it changed gets the value that was there before, if what the run made of it is there
/// still.
///
/// # Errors
/// Why it is refused: each later change is named. With `force` they are overwritten.
pub fn undo(ask: &UndoAsk<'_>, changed: &[Changed]) -> Result<Undo, UndoRefusal> {
    let run = || ask.run.to_string();
    if !ask.is_known {
        return Err(UndoRefusal::Unknown { run: run() });
    }
    if let Some(position) = ask.waits {
        return Err(UndoRefusal::Waits { run: run(), position });
    }
    // One that was done, but whose events a policy or a person has discarded, has put nothing back.
    match (changed.is_empty(), ask.is_undone) {
        (true, true) => return Err(UndoRefusal::Undone { run: run() }),
        (true, false) => return Err(UndoRefusal::Nothing { run: run() }),
        (false, _) => {}
    }
    let later: Vec<LaterChange> = changed.iter().flat_map(Changed::later).collect();
    if !later.is_empty() && !ask.force {
        return Err(UndoRefusal::Later(later));
    }
    let how = PutBack { run: ask.run, by: ask.by, force: ask.force };
    let step = format!("undo {}", ask.attempt);
    let ids = (0..).map(|nth| emitted_id(ask.run, &step, nth));
    let updates = changed.iter().zip(ids).filter_map(|(changed, id)| changed.back(id, &how)).collect();
    let (by, why) = (ask.by.clone(), ask.why.to_string());
    let undo = Undo { run: run(), attempt: ask.attempt, by, why, force: ask.force, updates };
    let bytes = Json::of(&undo).text().len();
    if bytes > limits::RUN_BYTES { Err(UndoRefusal::TooLarge { bytes }) } else { Ok(undo) }
}
