//! The tree of a flow, as it is once it is built.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::scope::Scope;
use crate::event::{EventBuilder, Pattern};
use crate::retry::Retry;
use crate::workflow::step::Done;
use crate::{Json, Timestamp};

/// Computes a value.
pub(super) type Compute = Arc<dyn Fn(&Scope<'_>) -> Result<Json, String> + Send + Sync>;
/// Whether something holds.
pub(super) type Test = Arc<dyn Fn(&Scope<'_>) -> Result<bool, String> + Send + Sync>;
/// What puts a step back is told so.
pub(super) type Undoing = Arc<dyn Fn(&Done) -> Result<Json, String> + Send + Sync>;
/// An event that is to be sent.
pub(super) type Written = Arc<dyn Fn(&Scope<'_>) -> Result<EventBuilder, String> + Send + Sync>;
/// An instant.
pub(super) type Instant = Arc<dyn Fn(&Scope<'_>) -> Result<Timestamp, String> + Send + Sync>;

/// A task, in the tree.
pub(super) struct Node {
    pub(super) name: String,
    /// Its path without the items of loops.
    pub(super) path: String,
    pub(super) when: Option<Test>,
    pub(super) input: Option<Compute>,
    pub(super) output: Option<Compute>,
    /// The variable that its output is kept in, and how.
    pub(super) export: Option<(String, Option<Compute>)>,
    pub(super) timeout: Option<Duration>,
    pub(super) then: Then,
    pub(super) kind: Kind,
}

/// What comes after a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// What stands after it.
    #[default]
    Next,
    /// The task of that name, of the same sequence.
    To(String),
    /// What comes after the sequence that holds it.
    Exit,
    /// Nothing: the flow is done.
    End,
}

/// What a task does.
pub(super) enum Kind {
    Call(Call),
    Set(Vec<(String, Compute)>),
    Sequence(Vec<usize>),
    Steps(Vec<Dot>),
    Fork {
        children: Vec<usize>,
        join: Join,
    },
    Each {
        items: Compute,
        variable: String,
        at_most: usize,
        child: usize,
        join: Join,
    },
    Switch(Vec<(Option<Test>, Then)>),
    Choose(Vec<(Option<Test>, usize)>),
    Try {
        tried: usize,
        catches: Option<Test>,
        retry: Option<(Retry, Option<Duration>)>,
        caught: Option<usize>,
    },
    Raise(Raised),
    Emit(Written),
    Listen {
        on: Vec<Awaited>,
        all: bool,
    },
    Wait(Instant),
    /// An event begins a workflow, which is waited for.
    Run(Written),
}

impl Kind {
    /// The tasks that it holds.
    pub(super) fn children(&self) -> Vec<usize> {
        match self {
            Kind::Sequence(children) | Kind::Fork { children, .. } => children.clone(),
            Kind::Steps(dots) => dots.iter().map(|dot| dot.node).collect(),
            Kind::Each { child, .. } => vec![*child],
            Kind::Choose(cases) => cases.iter().map(|(_, child)| *child).collect(),
            Kind::Try { tried, caught, .. } => [Some(*tried), *caught].into_iter().flatten().collect(),
            _ => Vec::new(),
        }
    }
}

/// A child of a graph: what must be done before it, and what waits for it.
pub(super) struct Dot {
    pub(super) node: usize,
    pub(super) after: Vec<usize>,
    pub(super) before: Vec<usize>,
}

/// When several are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// When all are done; the first failure fails it.
    All,
    /// When all are over, be it well or not.
    Collect,
    /// When so many are done; what is left is given up. It fails once so many cannot be any more.
    AtLeast(usize),
    /// When the first is done, whose output it gives.
    First,
}

/// An agent's task.
pub(super) struct Call {
    pub(super) agent: String,
    pub(super) timeout_ms: Option<u64>,
    pub(super) retry: Retry,
    pub(super) max_elapsed: Option<Duration>,
    pub(super) never_for: Vec<String>,
    pub(super) undo: Option<UndoCall>,
}

/// What puts a call back.
pub(super) struct UndoCall {
    pub(super) agent: String,
    pub(super) input: Option<Undoing>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) retry: Retry,
}

/// A failure of the definition's own.
pub(super) struct Raised {
    pub(super) kind: String,
    pub(super) message: Compute,
}

/// An event that is waited for.
pub(super) struct Awaited {
    pub(super) kind: Pattern,
    pub(super) test: Option<Test>,
}

/// The whole tree. The first node is the sequence that holds all others.
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    by_path: HashMap<String, usize>,
}

impl Tree {
    pub(super) fn new(nodes: Vec<Node>) -> Self {
        let by_path = nodes.iter().enumerate().map(|(at, node)| (node.path.clone(), at)).collect();
        Self { nodes, by_path }
    }

    /// The task at a path, whatever item of a loop it is for.
    pub(super) fn at(&self, path: &str) -> Option<usize> {
        self.by_path.get(&*without_items(path)).copied()
    }

    pub(super) fn node(&self, path: &str) -> Option<&Node> {
        self.at(path).and_then(|at| self.nodes.get(at))
    }
}

/// A path without the items of loops: `orders[3]/place` is `orders/place`.
fn without_items(path: &str) -> Cow<'_, str> {
    if !path.contains('[') {
        return path.into();
    }
    let mut plain = String::with_capacity(path.len());
    let mut within = false;
    for letter in path.chars() {
        match letter {
            '[' => within = true,
            ']' => within = false,
            _ if within => {}
            letter => plain.push(letter),
        }
    }
    plain.into()
}

/// The path of a child.
pub(super) fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}/{name}") }
}
