//! What an expression of a flow sees.

use super::cells::Cells;
use super::fact::FlowError;
use super::model::Tree;
use super::state::{Frame, Where, holder};
use crate::event::CorrelationId;
use crate::{Json, Timestamp};

/// What an expression of a flow sees: where it stands, and what was there before.
pub struct Scope<'a> {
    pub(super) path: &'a str,
    pub(super) value: &'a Json,
    pub(super) input: &'a Json,
    pub(super) event: Option<&'a Json>,
    pub(super) error: Option<&'a FlowError>,
    pub(super) now: Timestamp,
    pub(super) correlation: &'a CorrelationId,
    pub(super) tree: &'a Tree,
    pub(super) frames: &'a dyn Cells<Frame>,
    pub(super) outputs: &'a dyn Cells<Json>,
    pub(super) variables: &'a dyn Cells<Json>,
}

impl<'a> Scope<'a> {
    /// The path of the task that asks.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// What comes to the task: what the one before it gave, or its own `input`; for an `output`, what it gave.
    pub fn value(&self) -> &'a Json {
        self.value
    }

    /// What the flow was given: the payload of the event that began it.
    pub fn input(&self) -> &'a Json {
        self.input
    }

    /// The payload of the event that is looked at; only where a task listens.
    pub fn event(&self) -> Option<&'a Json> {
        self.event
    }

    /// What went wrong; only where a failure is caught.
    pub fn error(&self) -> Option<&FlowError> {
        self.error.or_else(|| {
            let caught = |path: &str| match &self.frames.get(path)?.at {
                Where::Trying { caught, .. } => caught.as_ref(),
                _ => None,
            };
            self.above().find_map(caught)
        })
    }

    /// The time of the decision.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The workflow.
    pub fn correlation(&self) -> &'a CorrelationId {
        self.correlation
    }

    /// A variable's value; null if it has none.
    pub fn variable(&self, name: &str) -> Json {
        self.variables.get(name).cloned().unwrap_or_default()
    }

    /// What the nearest task of that name gave, if it is done: beside this one, else beside what holds it, and so on up.
    pub fn output(&self, name: &str) -> Option<&'a Json> {
        let mut path = self.path;
        loop {
            let above = path.rsplit_once('/').map(|(above, _)| above);
            let beside = above.map_or_else(|| name.to_string(), |above| format!("{above}/{name}"));
            if let Some(found) = self.outputs.get(&beside) {
                return Some(found);
            }
            path = above?;
            path = path.split_once_end('[');
        }
    }

    /// The item of the nearest loop that gives it that name.
    pub fn item(&self, variable: &str) -> Option<&'a Json> {
        self.loops().find_map(|(each, item)| match self.tree.node(each).map(|node| &node.kind) {
            Some(super::model::Kind::Each { variable: named, .. }) if named == variable => self.item_of(each, item),
            _ => None,
        })
    }

    /// The place of the nearest loop's item, from 0.
    pub fn index(&self) -> Option<usize> {
        self.loops().next().map(|(_, item)| item)
    }

    fn item_of(&self, each: &str, item: usize) -> Option<&'a Json> {
        match &self.frames.get(each)?.at {
            Where::Each { items, .. } => items.get(item),
            _ => None,
        }
    }

    /// The paths of what holds the task, from itself up.
    fn above(&self) -> impl Iterator<Item = &'a str> {
        std::iter::successors(Some(self.path), |path| holder(path).map(|(above, _)| above))
    }

    fn loops(&self) -> impl Iterator<Item = (&'a str, usize)> {
        self.above().filter_map(|path| match holder(path)? {
            (each, Some(item)) => Some((each, item)),
            _ => None,
        })
    }
}

trait WithoutItem {
    fn split_once_end(&self, bracket: char) -> &str;
}

impl WithoutItem for str {
    /// `orders[3]` stands where `orders` does.
    fn split_once_end(&self, bracket: char) -> &str {
        match self.strip_suffix(']').and_then(|path| path.rsplit_once(bracket)) {
            Some((path, _)) => path,
            None => self,
        }
    }
}
