//! A failure that nobody catches: what was to be done then, and how it is gone on with.

use super::cells::Cells;
use super::enter::Stop;
use super::fact::{FlowError, FlowFact, Left};
use super::model::Kind;
use super::state::{Frame, Where, holder};
use super::walk::{Asked, Move, Over, Walk, is_within};
use crate::Json;
use crate::workflow::HandlerError;
use crate::workflow::step::Act;

impl Walk<'_> {
    /// Nobody catches it. What was to be done in this turn is told, so that somebody may have it go on.
    pub(super) fn breaks(&mut self, error: FlowError, value: Json) {
        let mut left: Vec<Left> = self.todo.iter().map(|left| self.left(left)).collect();
        let (value, leaving) = match self.current.take() {
            Some(Move::Enter { value, .. }) => (value, None),
            Some(Move::Leave { output, then, .. }) => (output, Some(then)),
            Some(fill) => {
                left.push(self.left(&fill));
                (value, None)
            }
            None => (value, None),
        };
        self.stop("");
        self.todo.clear();
        self.happens(FlowFact::Broke { error: error.clone(), value, leaving, left });
        self.over = Some(Over::Broke(error));
    }

    fn left(&self, left: &Move) -> Left {
        match left.clone() {
            Move::Enter { path, value } => match self.above(&path) == Some(&value) {
                true => Left::Begins { path },
                false => Left::Enters { path, value },
            },
            Move::Leave { path, output, then } => Left::Leaves { path, output, then },
            Move::Fill { path } => Left::Fills { path },
        }
    }

    /// What came to the task that holds another.
    fn above(&self, path: &str) -> Option<&Json> {
        holder(path).and_then(|(above, _)| self.frames.get(above)).map(|frame| &frame.value)
    }

    /// What was under way when it broke begins again, and what was to be done in that turn is.
    pub(super) fn resume(&mut self, error: &FlowError, value: &Json) -> Result<(), HandlerError> {
        let all: Vec<String> = self.frames.iter().map(|(path, _)| path.clone()).collect();
        let mut todo: Vec<Move> = self.base.left.iter().map(|left| self.to_do(left)).collect();
        match &self.base.leaving {
            Some(then) => {
                self.returned = Some(error.task.clone());
                todo.push(Move::Leave { path: error.task.clone(), output: value.clone(), then: then.clone() });
            }
            None => todo.push(Move::Enter { path: error.task.clone(), value: value.clone() }),
        }
        // What is under way already begins again below; what was done is not done again, nor is what is within it.
        todo.retain(|left| !matches!(left, Move::Enter { path, .. } if self.frames.get(path).is_some()));
        let leaves = |left: &Move| if let Move::Leave { path, .. } = left { Some(path.clone()) } else { None };
        let done: Vec<String> = todo.iter().filter_map(leaves).collect();
        self.todo = todo;
        (self.leaves, self.owes) = (0, 0); // all was given up
        for path in all.iter().filter(|path| !done.iter().any(|done| is_within(path, done))) {
            self.resume_task(path)?;
            if self.over.is_some() {
                break;
            }
        }
        self.run()
    }

    fn to_do(&self, left: &Left) -> Move {
        match left.clone() {
            Left::Begins { path } => {
                let value = self.above(&path).cloned().unwrap_or_default();
                Move::Enter { path, value }
            }
            Left::Enters { path, value } => Move::Enter { path, value },
            Left::Leaves { path, output, then } => Move::Leave { path, output, then },
            Left::Fills { path } => Move::Fill { path },
        }
    }

    /// A task that was under way when the flow broke begins again.
    fn resume_task(&mut self, path: &str) -> Result<(), HandlerError> {
        let Some(Frame { value, at }) = self.frames.get(path).cloned() else { return Ok(()) };
        let node = self.node(path)?;
        let begun = match (&node.kind, &at) {
            (Kind::Call(call), Where::Calling) => self.begin_call(node, call, path, value.clone()),
            (Kind::Emit(_), Where::Sending) | (Kind::Run(_), Where::Running { .. }) => {
                self.begin_wait(node, path, value.clone())
            }
            (_, Where::Waiting { due }) => {
                self.asked.push(Asked::Act(Act::Timer { step: path.to_string(), due: *due }));
                self.entered(node, path, Frame { value: value.clone(), at: at.clone() })
            }
            (Kind::Listen { .. }, Where::Listening { .. }) => {
                let frame = Frame { value: value.clone(), at: at.clone() };
                let begun = if node.timeout.is_some() { self.entered(node, path, frame) } else { Ok(()) };
                begun.and_then(|()| self.listen_to_kept(path))
            }
            (_, at) => {
                if matches!(at, Where::Trying { .. }) {
                    self.try_again(path)?;
                }
                let frame = Frame { value: value.clone(), at: at.clone() };
                // Only its time begins again.
                if node.timeout.is_some() { self.entered(node, path, frame) } else { Ok(()) }
            }
        };
        match begun {
            Ok(()) => Ok(()),
            Err(Stop::Fails(kind, why)) => self.fails(FlowError::new(path, &kind, why), value),
            Err(Stop::Handler(error)) => Err(error),
        }
    }
}
