//! Into a task.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::cells::Cells;
use super::fact::{FlowError, FlowFact};
use super::model::{Call, Dot, Kind, Node, Then};
use super::state::{Frame, Where, holder};
use super::walk::{Asked, LATE, Move, Walk, effects, is_leaf};
use crate::event::{CorrelationId, EventBuilder};
use crate::workflow::HandlerError;
use crate::workflow::step::{Act, Happened};
use crate::{Json, Timestamp, limits};

impl Walk<'_> {
    pub(super) fn enter(&mut self, path: String, value: Json) -> Result<(), HandlerError> {
        // What holds it is over by now.
        if holder(&path).is_some_and(|(above, _)| self.frames.get(above).is_none()) {
            return Ok(());
        }
        let node = self.node(&path)?;
        if path.len() > limits::FLOW_PATH_BYTES {
            let why = format!("its path has more than {} bytes", limits::FLOW_PATH_BYTES);
            return self.fails(FlowError::new(&path, "expression", why), value);
        }
        if self.bytes > limits::FLOW_BYTES {
            let why = format!("what begins at once has more than {} bytes", limits::FLOW_BYTES);
            return self.fails(FlowError::new(&path, "refused", why), value);
        }
        match node.when.as_ref().map_or(Ok(true), |when| when(&self.scope(&path, &value))) {
            Ok(true) => {}
            Ok(false) => return self.skip(&path, value),
            Err(why) => return self.fails(FlowError::new(&path, "expression", why), value),
        }
        let given = node.input.as_ref().map(|input| input(&self.scope(&path, &value)).and_then(not_too_large));
        let given = match given.transpose() {
            Ok(given) => given.unwrap_or_else(|| value.clone()),
            Err(why) => return self.fails(FlowError::new(&path, "expression", why), value),
        };
        match self.begin(node, &path, given.clone()) {
            Ok(()) => Ok(()),
            Err(Stop::Fails(kind, why)) => self.fails(FlowError::new(&path, &kind, why), given),
            Err(Stop::Handler(error)) => Err(error),
        }
    }

    fn begin(&mut self, node: &Node, path: &str, value: Json) -> Result<(), Stop> {
        match &node.kind {
            Kind::Call(call) => self.begin_call(node, call, path, value),
            Kind::Set(fields) => self.begin_set(fields, path, value),
            Kind::Sequence(children) => self.begin_sequence(node, children, path, value),
            Kind::Steps(dots) => self.begin_steps(node, dots, path, value),
            Kind::Fork { children, .. } => self.begin_fork(node, children, path, value),
            Kind::Each { items, .. } => {
                let items = items(&self.scope(path, &value)).map_err(expression)?;
                self.begin_each(node, &items, path, value)
            }
            Kind::Switch(cases) => {
                let taken = self.first_that_holds(cases, path, &value)?.unwrap_or_default();
                self.done_at_once(path, value, taken);
                Ok(())
            }
            Kind::Choose(cases) => match self.first_that_holds(cases, path, &value)? {
                Some(child) => self.begin_sequence(node, &[child], path, value),
                None => {
                    self.done_at_once(path, value, Then::Next);
                    Ok(())
                }
            },
            Kind::Try { tried, .. } => {
                let at = Where::Trying { tries: 0, since: self.moment.now, caught: None };
                self.entered(node, path, Frame { value: value.clone(), at })?;
                self.todo.push(Move::Enter { path: self.child(path, *tried), value });
                Ok(())
            }
            Kind::Raise(raised) => {
                let message =
                    (raised.message)(&self.scope(path, &value)).and_then(not_too_large).map_err(expression)?;
                Err(Stop::Fails(raised.kind.clone(), text_of(&message)))
            }
            _ => self.begin_wait(node, path, value),
        }
    }

    /// What waits for the outside, but for agents.
    pub(super) fn begin_wait(&mut self, node: &Node, path: &str, value: Json) -> Result<(), Stop> {
        match &node.kind {
            Kind::Emit(written) => {
                let event = written(&self.scope(path, &value)).map_err(expression)?;
                may_send(&event)?;
                self.entered(node, path, Frame { value, at: Where::Sending })?;
                self.asked.push(Asked::Send { step: path.to_string(), event: Box::new(event) });
            }
            Kind::Run(written) => {
                let event = written(&self.scope(path, &value)).map_err(expression)?;
                may_send(&event)?;
                let correlation = self.free(event.correlation());
                if correlation.len() > limits::ID_BYTES {
                    return Err(expression(format!("a correlation has at most {} bytes", limits::ID_BYTES)));
                }
                self.ran.insert(correlation.clone());
                let event = Box::new(event.to(correlation.clone()));
                self.entered(node, path, Frame { value, at: Where::Running { correlation } })?;
                self.asked.push(Asked::Run { step: path.to_string(), event });
            }
            Kind::Wait(until) => {
                let due = until(&self.scope(path, &value)).map_err(expression)?.min(Timestamp::LAST);
                if due <= self.moment.now {
                    self.done_at_once(path, value, Then::Next);
                    return Ok(());
                }
                self.entered(node, path, Frame { value, at: Where::Waiting { due } })?;
                self.asked.push(Asked::Act(Act::Timer { step: path.to_string(), due }));
            }
            Kind::Listen { .. } => {
                self.entered(node, path, Frame { value, at: Where::Listening { got: BTreeMap::new() } })?;
                self.listen_to_kept(path)?;
            }
            _ => return Err(Stop::Handler(HandlerError(format!("task '{path}' cannot begin")))),
        }
        Ok(())
    }

    /// Where a workflow may run for this one: a correlation has one run, so that the second of them has another.
    fn free(&self, wanted: &CorrelationId) -> CorrelationId {
        let mut tried = (2_u32..).map(|number| CorrelationId::from(format!("{wanted}~{number}")));
        let mut free = wanted.clone();
        while self.base.ran.contains(&free) || self.ran.contains(&free) {
            free = tried.next().unwrap_or_else(|| wanted.clone());
        }
        free
    }

    pub(super) fn begin_call(&mut self, node: &Node, call: &Call, path: &str, value: Json) -> Result<(), Stop> {
        self.entered(node, path, Frame { value: value.clone(), at: Where::Calling })?;
        let happened = self.doing.begin(path, &call.agent, value, call.timeout_ms);
        self.drain();
        match happened {
            Happened::Failed { error, .. } => Err(Stop::Fails(error.kind.name().into(), error.message)),
            _ => Ok(()),
        }
    }

    fn begin_set(&mut self, fields: &[(String, super::model::Compute)], path: &str, value: Json) -> Result<(), Stop> {
        for (name, compute) in fields {
            let given = compute(&self.scope(path, &value)).and_then(not_too_large).map_err(expression)?;
            self.happens(FlowFact::Set { name: name.clone(), value: given });
        }
        self.done_at_once(path, value, Then::Next);
        Ok(())
    }

    fn begin_sequence(&mut self, node: &Node, children: &[usize], path: &str, value: Json) -> Result<(), Stop> {
        let Some(first) = children.first() else {
            self.done_at_once(path, value, Then::Next);
            return Ok(());
        };
        let child = self.tree.nodes[*first].name.clone();
        self.entered(node, path, Frame { value: value.clone(), at: Where::Sequence { child } })?;
        self.todo.push(Move::Enter { path: self.child(path, *first), value });
        Ok(())
    }

    fn begin_steps(&mut self, node: &Node, dots: &[Dot], path: &str, value: Json) -> Result<(), Stop> {
        self.entered(node, path, Frame { value: value.clone(), at: Where::Steps { left: dots.len() } })?;
        let firsts = dots.iter().filter(|dot| dot.after.is_empty()).rev();
        let enters = firsts.map(|dot| Move::Enter { path: self.child(path, dot.node), value: value.clone() });
        let enters: Vec<Move> = enters.collect();
        self.todo.extend(enters);
        Ok(())
    }

    fn begin_fork(&mut self, node: &Node, children: &[usize], path: &str, value: Json) -> Result<(), Stop> {
        let at = Where::Fork { left: children.len(), ends: Default::default() };
        self.entered(node, path, Frame { value: value.clone(), at })?;
        let enters = children.iter().rev().map(|child| (self.child(path, *child), value.clone()));
        let enters: Vec<Move> = enters.map(|(path, value)| Move::Enter { path, value }).collect();
        self.todo.extend(enters);
        Ok(())
    }

    fn begin_each(&mut self, node: &Node, items: &Json, path: &str, value: Json) -> Result<(), Stop> {
        let items: Vec<Box<RawValue>> =
            items.to().map_err(|error| expression(format!("what it goes over is no array: {error}")))?;
        if items.len() > limits::FLOW_ITEMS {
            return Err(expression(format!("it goes over {} items; at most {}", items.len(), limits::FLOW_ITEMS)));
        }
        let items: Vec<Json> = items.iter().map(|item| Json::from(&**item)).collect();
        let at = Where::Each { items: Arc::new(items), next: 0, ends: Default::default() };
        self.entered(node, path, Frame { value, at })?;
        self.todo.push(Move::Fill { path: path.to_string() });
        Ok(())
    }

    /// The items of a loop begin, as many as may be under way, one at a time.
    pub(super) fn fill(&mut self, path: &str) -> Result<(), HandlerError> {
        let Kind::Each { at_most, child, .. } = &self.node(path)?.kind else { return Ok(()) };
        let Some(Frame { at: Where::Each { items, next, ends }, .. }) = self.frames.get(path) else { return Ok(()) };
        if items.is_empty() {
            self.todo.push(Move::Leave { path: path.into(), output: Json::of::<[Json]>(&[]), then: Then::Next });
            return Ok(());
        }
        if let Some(item) = items.get(*next).filter(|_| next.saturating_sub(ends.len()) < *at_most) {
            let enter = Move::Enter { path: self.child(&format!("{path}[{next}]"), *child), value: item.clone() };
            self.todo.push(Move::Fill { path: path.into() });
            self.todo.push(enter);
        }
        Ok(())
    }

    /// A task is under way; what asks something of the outside has a bound.
    pub(super) fn entered(&mut self, node: &Node, path: &str, frame: Frame) -> Result<(), Stop> {
        if is_leaf(&frame.at) && self.leaves >= limits::FLOW_LEAVES {
            let why = format!("{} tasks of this flow are under way already", limits::FLOW_LEAVES);
            return Err(Stop::Fails("refused".into(), why));
        }
        let effects = effects(Some(node), &frame.at);
        if self.asked.len() + effects > limits::REACTION_EFFECTS || self.owes + effects > limits::FLOW_OWED {
            let why = "too much of this flow is under way, with its time limits";
            return Err(Stop::Fails("refused".into(), why.into()));
        }
        self.leaves += usize::from(is_leaf(&frame.at));
        self.owes += effects;
        self.happens(FlowFact::Entered { path: path.to_string(), frame });
        if let Some(timeout) = node.timeout {
            let due = self.moment.now.after(timeout);
            self.asked.push(Asked::Act(Act::Timer { step: format!("{LATE}{path}"), due }));
        }
        Ok(())
    }

    fn done_at_once(&mut self, path: &str, output: Json, then: Then) {
        self.todo.push(Move::Leave { path: path.to_string(), output, then });
    }

    fn first_that_holds<T: Clone>(
        &self,
        cases: &[(Option<super::model::Test>, T)],
        path: &str,
        value: &Json,
    ) -> Result<Option<T>, Stop> {
        for (test, then) in cases {
            let scope = self.scope(path, value);
            if test.as_ref().map_or(Ok(true), |test| test(&scope)).map_err(expression)? {
                return Ok(Some(then.clone()));
            }
        }
        Ok(None)
    }
}

/// Why a task did not begin.
pub(super) enum Stop {
    /// It failed: the kind of failure, and why.
    Fails(String, String),
    Handler(HandlerError),
}

pub(super) fn expression(why: String) -> Stop {
    Stop::Fails("expression".into(), why)
}

/// What is the runtime's own is not a flow's to send.
fn may_send(event: &EventBuilder) -> Result<(), Stop> {
    event.may_be_sent().map_err(expression)
}

/// What an expression gives has a bound: it is written, and kept.
pub(super) fn not_too_large(value: Json) -> Result<Json, String> {
    let (bytes, most) = (value.text().len(), limits::FLOW_VALUE_BYTES);
    if bytes > most { Err(format!("it has {bytes} bytes; at most {most} are taken")) } else { Ok(value) }
}

/// A text is told without its quotes.
fn text_of(value: &Json) -> String {
    value.to().unwrap_or_else(|_| value.text().to_string())
}
