//! Which event a task was waiting for.

use std::collections::BTreeMap;

use super::cells::Cells;
use super::enter::{Stop, expression};
use super::fact::{FlowError, FlowFact};
use super::model::{Awaited, Kind, Then};
use super::state::{Frame, Where};
use super::walk::{Move, Walk};
use crate::workflow::HandlerError;
use crate::{Json, limits};

impl Walk<'_> {
    /// An event came: the first task that waits for it takes it; one that somebody may wait for later is kept.
    pub(super) fn event(&mut self, kind: &str, payload: &Json) -> Result<(), HandlerError> {
        let waits = |frame: &Frame| matches!(frame.at, Where::Listening { .. });
        let listening = self.frames.iter().filter(|(_, frame)| waits(frame)).map(|(path, _)| path.clone());
        let mut listening: Vec<String> = listening.collect();
        listening.sort();
        for path in listening {
            match self.place_for(&path, kind, payload) {
                Ok(None) => {}
                Ok(Some(place)) => {
                    self.took(&path, place, payload.clone(), None);
                    return self.run();
                }
                Err(why) => {
                    let value = self.frames.get(&path).map(|frame| frame.value.clone()).unwrap_or_default();
                    self.fails(FlowError::new(&path, "expression", why), value)?;
                    return self.run();
                }
            }
        }
        self.keep(kind, payload)
    }

    fn keep(&mut self, kind: &str, payload: &Json) -> Result<(), HandlerError> {
        let may_wait = |awaited: &Awaited| awaited.kind.matches(kind);
        let somebody = self.tree.nodes.iter().any(|node| match &node.kind {
            Kind::Listen { on, .. } => on.iter().any(may_wait),
            _ => false,
        });
        if !somebody {
            return Ok(()); // recorded, and that is all
        }
        if self.base.kept.len() >= limits::FLOW_KEPT {
            return Err(HandlerError(format!("{} events wait already until somebody listens", limits::FLOW_KEPT)));
        }
        let number = self.base.kept_ever + 1;
        self.happens(FlowFact::Kept { number, kind: kind.to_string(), payload: payload.clone() });
        Ok(())
    }

    /// A task that begins to listen takes what has come before, in its order.
    pub(super) fn listen_to_kept(&mut self, path: &str) -> Result<(), Stop> {
        let base = self.base;
        for (number, (kind, payload)) in &base.kept {
            if self.taken.contains(number) {
                continue;
            }
            if let Some(place) = self.place_for(path, kind, payload).map_err(expression)? {
                self.taken.insert(*number);
                if self.took(path, place, payload.clone(), Some(*number)) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Which of those that a task waits for an event is, if any.
    fn place_for(&self, path: &str, kind: &str, payload: &Json) -> Result<Option<usize>, String> {
        let Some(Frame { value, at: Where::Listening { got } }) = self.frames.get(path) else { return Ok(None) };
        let Some(Kind::Listen { on, .. }) = self.tree.node(path).map(|node| &node.kind) else { return Ok(None) };
        for (place, awaited) in on.iter().enumerate() {
            if got.contains_key(&place) || !awaited.kind.matches(kind) {
                continue;
            }
            let mut scope = self.scope(path, value);
            scope.event = Some(payload);
            if awaited.test.as_ref().map_or(Ok(true), |test| test(&scope))? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// A task takes an event; says whether that was all that it waited for.
    fn took(&mut self, path: &str, place: usize, payload: Json, kept: Option<u64>) -> bool {
        self.happens(FlowFact::Took { path: path.to_string(), place, payload: payload.clone(), kept });
        let Some(Kind::Listen { on, all }) = self.tree.node(path).map(|node| &node.kind) else { return true };
        let output = match self.frames.get(path) {
            Some(Frame { at: Where::Listening { got }, .. }) if *all => {
                if got.len() < on.len() {
                    return false;
                }
                let got: BTreeMap<usize, Json> = got.clone();
                Json::of(&got.into_values().collect::<Vec<Json>>())
            }
            _ => payload,
        };
        self.todo.push(Move::Leave { path: path.to_string(), output, then: Then::Next });
        true
    }
}
