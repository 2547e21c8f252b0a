//! Carrying out an undo: the updates that put a run back are owed, each until it has ended. The run is undone once all of
//! them are done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::undo::Undo;
use crate::event::Pattern;
use crate::workflow::{Handler, HandlerError, Input, Moment, Reaction};

/// The type of the event that an undo is recorded as: its payload is the [`Undo`].
pub const RULE_UNDONE: &str = "regie.rule.undone";

/// The handler of `regie/undo/<run id>`.
#[derive(Clone, Copy, Debug, Default)]
pub struct UndoHandler;

/// How far an undo has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UndoProgress {
    undo: Option<Undo>,
    /// Of each update where its first event is, 0 where nothing differed; or why it was refused.
    ended: BTreeMap<usize, Result<u64, String>>,
}

/// What is noted of an undo.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoNoted {
    /// It begins.
    Began(Box<Undo>),
    /// An update has been recorded, or was refused.
    Sent(usize, Result<u64, String>),
}

impl Handler for UndoHandler {
    type State = UndoProgress;
    type Fact = UndoNoted;

    fn name(&self) -> &str {
        "regie.undo"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::literal(RULE_UNDONE)
    }

    fn decide(
        &self,
        progress: &UndoProgress,
        input: Input<'_>,
        _: &Moment<'_>,
    ) -> Result<Reaction<UndoNoted>, HandlerError> {
        match (&progress.undo, input) {
            (None, Input::Event(event)) => {
                let undo: Undo =
                    event.payload.to().map_err(|error| HandlerError(format!("the payload is no undo: {error}")))?;
                Ok(begin(undo))
            }
            (Some(undo), Input::Sent { step, refused, position }) => {
                let Some(nth) = step.strip_prefix(STEP).and_then(|nth| nth.parse().ok()) else {
                    return Ok(Reaction::none());
                };
                let ended = refused.map_or(Ok(position.unwrap_or_default()), |why| Err(why.to_string()));
                Ok(sent(progress, undo, UndoNoted::Sent(nth, ended)))
            }
            _ => Ok(Reaction::none()),
        }
    }

    fn evolve(&self, progress: &mut UndoProgress, fact: UndoNoted) {
        progress.follow(fact);
    }
}

const STEP: &str = "put-";

/// There is one for each entity, and so no more than a run has acts.
fn begin(undo: Undo) -> Reaction<UndoNoted> {
    let owed = undo
        .updates
        .iter()
        .enumerate()
        .fold(Reaction::none(), |reaction, (nth, update)| reaction.update(&format!("{STEP}{nth}"), update.clone()));
    let is_over = undo.updates.is_empty();
    let reaction = owed.note(UndoNoted::Began(Box::new(undo)));
    if is_over { reaction.complete(&json!({ "positions": [] })) } else { reaction }
}

fn sent(progress: &UndoProgress, undo: &Undo, fact: UndoNoted) -> Reaction<UndoNoted> {
    let mut after = progress.clone();
    after.follow(fact.clone());
    let reaction = Reaction::none().note(fact);
    if after.ended.len() < undo.updates.len() {
        return reaction;
    }
    if after.ended.values().all(Result::is_ok) {
        let positions: Vec<_> = after.ended.values().filter_map(|ended| ended.as_ref().ok()).collect();
        return reaction.complete(&json!({ "positions": positions }));
    }
    let told = after.ended.iter().filter_map(|(nth, ended)| {
        let entity = &undo.updates.get(*nth)?.entity;
        Some(match ended {
            Ok(_) => format!("{entity} was put back"),
            Err(why) => format!("{entity} was not put back: {why}"),
        })
    });
    reaction.fail(told.collect::<Vec<_>>().join("; "))
}

impl UndoProgress {
    fn follow(&mut self, fact: UndoNoted) {
        match fact {
            UndoNoted::Began(undo) => self.undo = Some(*undo),
            UndoNoted::Sent(nth, ended) => drop(self.ended.insert(nth, ended)),
        }
    }
}
