//! Carrying out an undo: its compensating events go out, as many at a time as a reaction takes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::undo::Undo;
use crate::event::Pattern;
use crate::limits;
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
    /// Of each event where it is, or why it was refused.
    ended: BTreeMap<usize, Result<u64, String>>,
}

/// What is noted of an undo.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoNoted {
    /// It begins.
    Began(Box<Undo>),
    /// An event has been recorded, or was refused.
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
                let reaction = batch(&undo, 0).note(UndoNoted::Began(Box::new(undo)));
                Ok(reaction)
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

const STEP: &str = "event-";

fn sent(progress: &UndoProgress, undo: &Undo, fact: UndoNoted) -> Reaction<UndoNoted> {
    let mut after = progress.clone();
    after.follow(fact.clone());
    let ended = after.ended.len();
    if ended < undo.events.len() {
        let is_batch = ended.is_multiple_of(limits::REACTION_EFFECTS);
        return if is_batch { batch(undo, ended) } else { Reaction::none() }.note(fact);
    }
    let refused: Vec<&String> = after.ended.values().filter_map(|ended| ended.as_ref().err()).collect();
    let reaction = Reaction::none().note(fact);
    match refused.first() {
        None => {
            let positions: Vec<_> = after.ended.values().filter_map(|ended| ended.as_ref().ok()).collect();
            reaction.complete(&json!({ "positions": positions }))
        }
        Some(why) => {
            let (count, all) = (refused.len(), undo.events.len());
            reaction.fail(format!("{count} of {all} events were refused, the first: {why}"))
        }
    }
}

fn batch(undo: &Undo, from: usize) -> Reaction<UndoNoted> {
    let events = undo.events.iter().enumerate().skip(from).take(limits::REACTION_EFFECTS);
    events.fold(Reaction::none(), |reaction, (nth, event)| reaction.send_whole(&format!("{STEP}{nth}"), event))
}

impl UndoProgress {
    fn follow(&mut self, fact: UndoNoted) {
        match fact {
            UndoNoted::Began(undo) => self.undo = Some(*undo),
            UndoNoted::Sent(nth, ended) => drop(self.ended.insert(nth, ended)),
        }
    }
}
