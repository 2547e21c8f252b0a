//! Out of a task, and what its holder makes of that.

use super::cells::Cells;
use super::enter::not_too_large;
use super::fact::{FlowError, FlowFact};
use super::join::Joined;
use super::model::{Dot, Kind, Node, Then, below};
use super::state::{Frame, Where, holder};
use super::walk::{BACK, Move, Over, Walk};
use crate::Json;
use crate::workflow::HandlerError;
use crate::workflow::step::{Act, StepError, StepRule, seed};

/// What somebody above makes of a failure.
enum Caught {
    /// It is one end of several.
    Counted,
    /// It is tried again, after so long.
    Again(std::time::Duration),
    /// Something else is done instead.
    Instead(Option<usize>),
}

impl Walk<'_> {
    /// A task is done.
    pub(super) fn leave(&mut self, path: &str, output: Json, then: Then) -> Result<(), HandlerError> {
        let node = self.node(path)?;
        let given = node.output.as_ref().map_or_else(|| Ok(output.clone()), |map| map(&self.scope(path, &output)));
        let given = match given.and_then(not_too_large) {
            Ok(given) => given,
            Err(why) => return self.fails(FlowError::new(path, "expression", why), output),
        };
        if let Some((name, map)) = &node.export {
            let value = map.as_ref().map_or(Ok(given.clone()), |map| map(&self.scope(path, &given)));
            match value.and_then(not_too_large) {
                Ok(value) => self.happens(FlowFact::Set { name: name.clone(), value }),
                Err(why) => return self.fails(FlowError::new(path, "expression", why), given),
            }
        }
        self.stop(path);
        self.happens(FlowFact::Left { path: path.to_string(), output: given.clone() });
        let then = if then == Then::Next { node.then.clone() } else { then };
        self.go_on(path, given, then)
    }

    /// A task is passed over. A sequence goes on with what came to it.
    pub(super) fn skip(&mut self, path: &str, value: Json) -> Result<(), HandlerError> {
        self.happens(FlowFact::Skipped { path: path.to_string() });
        self.go_on(path, value, Then::Next)
    }

    fn go_on(&mut self, path: &str, output: Json, then: Then) -> Result<(), HandlerError> {
        let Some((above, _)) = holder(path) else {
            self.over = Some(Over::Done(output));
            return Ok(());
        };
        if then == Then::End {
            self.todo.clear();
            self.todo.push(Move::Leave { path: String::new(), output, then: Then::Next });
            return Ok(());
        }
        let (node, above) = (self.node(above)?, above.to_string());
        match &node.kind {
            Kind::Sequence(children) => self.next_of(children, path, &above, (output, then))?,
            Kind::Steps(dots) => self.ready(dots, path, &above)?,
            Kind::Fork { .. } | Kind::Each { .. } => self.joined(node, &above)?,
            // What it tried or chose is done, and so is it; where to go from there is said by what it did.
            _ => self.todo.push(Move::Leave { path: above, output, then }),
        }
        Ok(())
    }

    fn next_of(
        &mut self,
        children: &[usize],
        path: &str,
        above: &str,
        (output, then): (Json, Then),
    ) -> Result<(), HandlerError> {
        // The children stand in the order of their places in the tree.
        let place = |path: &str| self.tree.at(path).and_then(|at| children.binary_search(&at).ok());
        let next = match &then {
            Then::Next => place(path).map(|at| at + 1).filter(|next| *next < children.len()),
            Then::To(name) => {
                let unknown = || HandlerError(format!("task '{path}' goes on at '{name}', which is not beside it"));
                Some(place(&below(above, name)).ok_or_else(unknown)?)
            }
            Then::Exit | Then::End => None,
        };
        match next {
            Some(next) => self.todo.push(Move::Enter { path: self.child(above, children[next]), value: output }),
            None => self.todo.push(Move::Leave { path: above.to_string(), output, then: Then::Next }),
        }
        Ok(())
    }

    /// What waited for a step begins, if all that it waits for is done.
    fn ready(&mut self, dots: &[Dot], path: &str, above: &str) -> Result<(), HandlerError> {
        let Some(Frame { value, at: Where::Steps { left } }) = self.frames.get(above).cloned() else { return Ok(()) };
        if left == 0 {
            let named = |dot: &Dot| self.tree.nodes[dot.node].name.clone();
            let given = |name: &str| self.outputs.get(&below(above, name)).cloned().unwrap_or_default();
            let all: std::collections::BTreeMap<String, Json> =
                dots.iter().map(named).map(|name| (name.clone(), given(&name))).collect();
            self.todo.push(Move::Leave { path: above.to_string(), output: Json::of(&all), then: Then::Next });
            return Ok(());
        }
        let done = |at: &usize| self.outputs.get(&self.child(above, dots[*at].node)).is_some();
        let at = self.tree.at(path);
        let this = at.and_then(|at| dots.binary_search_by_key(&at, |dot| dot.node).ok()).map(|at| &dots[at]);
        let waiting = this.map_or(&[][..], |dot| &dot.before);
        let ready = waiting.iter().rev().filter(|next| dots[**next].after.iter().all(done));
        let enters: Vec<Move> =
            ready.map(|next| Move::Enter { path: self.child(above, dots[*next].node), value: value.clone() }).collect();
        self.todo.extend(enters);
        Ok(())
    }

    /// One of several is over: perhaps so are all.
    fn joined(&mut self, node: &Node, above: &str) -> Result<(), HandlerError> {
        let Some(frame) = self.frames.get(above).cloned() else { return Ok(()) };
        match super::join::joined(self.tree, node, &frame.at) {
            Joined::Over(output) => {
                self.todo.push(Move::Leave { path: above.to_string(), output, then: Then::Next });
            }
            Joined::Goes if matches!(frame.at, Where::Each { .. }) => {
                self.todo.push(Move::Fill { path: above.to_string() });
            }
            Joined::Goes => {}
        }
        Ok(())
    }

    /// The step of a call failed for good.
    pub(super) fn step_failed(&mut self, path: &str, error: StepError) -> Result<(), HandlerError> {
        let value = self.frames.get(path).map(|frame| frame.value.clone()).unwrap_or_default();
        self.fails(FlowError::of_step(path, error), value)
    }

    /// A task failed: whoever above makes something of it does; else the flow breaks.
    pub(super) fn fails(&mut self, error: FlowError, value: Json) -> Result<(), HandlerError> {
        let mut child = error.task.clone();
        while let Some((above, _)) = holder(&child) {
            let above = above.to_string();
            if let Some(caught) = self.caught_by(&above, &child, &error)? {
                self.stop(&child);
                return self.goes_on_after(&above, &child, error, caught);
            }
            child = above;
        }
        self.breaks(error, value);
        Ok(())
    }

    fn goes_on_after(
        &mut self,
        above: &str,
        child: &str,
        error: FlowError,
        caught: Caught,
    ) -> Result<(), HandlerError> {
        let path = above.to_string();
        let value = self.frames.get(above).map(|frame| frame.value.clone()).unwrap_or_default();
        match caught {
            Caught::Counted => {
                self.happens(FlowFact::Failed { path: child.to_string(), error });
                let node = self.node(above)?;
                self.joined(node, above)?;
            }
            Caught::Again(wait) => {
                self.happens(FlowFact::Retries { path, error });
                let due = self.moment.now.after(wait);
                self.asked.push(super::walk::Asked::Act(Act::Timer { step: format!("{BACK}{above}"), due }));
            }
            Caught::Instead(Some(caught)) => {
                self.happens(FlowFact::Catches { path, error });
                self.todo.push(Move::Enter { path: self.child(above, caught), value });
            }
            Caught::Instead(None) => {
                self.happens(FlowFact::Catches { path: path.clone(), error });
                self.todo.push(Move::Leave { path, output: Json::null(), then: Then::Next });
            }
        }
        Ok(())
    }

    /// What a holder makes of the failure of what it holds; nothing if it fails by it.
    fn caught_by(&self, above: &str, child: &str, error: &FlowError) -> Result<Option<Caught>, HandlerError> {
        let Some(frame) = self.frames.get(above) else { return Ok(None) };
        let node = self.node(above)?;
        match (&node.kind, &frame.at) {
            (Kind::Try { catches, retry, caught, .. }, Where::Trying { tries, since, caught: None }) => {
                let mut scope = self.scope(child, &frame.value);
                scope.error = Some(error);
                // A test that cannot be told catches nothing.
                if !catches.as_ref().is_none_or(|test| test(&scope).unwrap_or(false)) {
                    return Ok(None);
                }
                let again = retry.as_ref().and_then(|(retry, max_elapsed)| {
                    let rule = StepRule { retry, max_elapsed: *max_elapsed, never_for: &[] };
                    let seed = seed(self.moment.correlation, &format!("{BACK}{above}"), *tries);
                    rule.wait_after(tries + 1, self.moment.now.since(*since), seed)
                });
                Ok(match (again, caught, retry) {
                    (Some(wait), ..) => Some(Caught::Again(wait)),
                    // Tried in vain, with nothing to be done instead: then it fails.
                    (None, None, Some(_)) => None,
                    (None, caught, _) => Some(Caught::Instead(*caught)),
                })
            }
            (Kind::Fork { .. } | Kind::Each { .. }, at) => {
                Ok(super::join::counts_failures(node, at).then_some(Caught::Counted))
            }
            _ => Ok(None),
        }
    }
}
