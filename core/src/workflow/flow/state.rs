//! Where a flow is, and how that follows from what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cells::Cells;
use super::fact::{FlowError, FlowFact, Left};
use super::model::Then;
use super::written::Before;
use crate::event::CorrelationId;
use crate::workflow::step::Steps;
use crate::workflow::step::log::Log;
use crate::{Json, Timestamp};

/// A task that is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// What came to it: what the one before it gave.
    pub(super) value: Json,
    pub(super) at: Where,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Where {
    /// An agent is at it: the step has the task's path.
    Calling,
    /// An event is on its way.
    Sending,
    /// A sub-workflow runs in that correlation.
    Running { correlation: CorrelationId },
    /// Until an instant.
    Waiting { due: Timestamp },
    /// Which of those that it waits for have come.
    Listening { got: BTreeMap<usize, Json> },
    /// One of its children after another: this one.
    Sequence { child: String },
    /// Its children as those before them are done; so many are not over yet.
    Steps { left: usize },
    /// All its children at once; so many are not over yet.
    Fork { left: usize, ends: Log<(String, End)> },
    /// Its child for each item; `next` is the first that has not begun.
    Each { items: Arc<Vec<Json>>, next: usize, ends: Log<(usize, End)> },
    /// What it tries, or what it does since that failed.
    Trying { tries: u32, since: Timestamp, caught: Option<FlowError> },
}

/// How one of several children ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    Done(Json),
    Failed(FlowError),
}

/// Where a flow is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlowState {
    pub(super) input: Option<Json>,
    pub(super) frames: BTreeMap<String, Frame>,
    /// What named tasks gave, while the one that holds them is under way.
    pub(super) outputs: BTreeMap<String, Json>,
    pub(super) variables: BTreeMap<String, Json>,
    /// Events that came before anybody listened: type and payload by number.
    pub(super) kept: BTreeMap<u64, (String, Json)>,
    pub(super) kept_ever: u64,
    /// Where workflows ran for this one: each runs in a correlation of its own.
    #[serde(default)]
    pub(super) ran: BTreeSet<CorrelationId>,
    pub(super) steps: Steps,
    /// Why it broke, if it did, and what had come to the task that failed.
    pub(super) broke: Option<(FlowError, Json)>,
    /// Where that task was to go on, if it failed on its way out.
    #[serde(default)]
    pub(super) leaving: Option<Then>,
    /// What was still to be done in the turn in which it broke.
    #[serde(default)]
    pub(super) left: Vec<Left>,
    /// What the facts of a turn refer to; nothing refers to an earlier turn.
    #[serde(skip)]
    before: Before,
}

impl FlowState {
    /// What it was given; nothing before it began.
    pub fn input(&self) -> Option<&Json> {
        self.input.as_ref()
    }

    /// A variable's value.
    pub fn variable(&self, name: &str) -> Option<&Json> {
        self.variables.get(name)
    }

    /// What a task gave, by its path.
    pub fn output(&self, path: &str) -> Option<&Json> {
        self.outputs.get(path)
    }

    /// The paths of the tasks that are under way.
    pub fn under_way(&self) -> impl Iterator<Item = &str> {
        self.frames.keys().map(String::as_str)
    }

    /// Its steps.
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Takes what happened, as it is written, into the state.
    pub(super) fn follow(&mut self, fact: FlowFact) {
        match &self.before.read(fact) {
            FlowFact::Began { input } => self.input = Some(input.clone()),
            FlowFact::Set { name, value } => set(&mut self.variables, name, value),
            FlowFact::Kept { number, kind, payload } => {
                self.kept.insert(*number, (kind.clone(), payload.clone()));
                self.kept_ever = *number;
            }
            FlowFact::Broke { error, value, leaving, left } => {
                self.broke = Some((error.clone(), value.clone()));
                (self.leaving, self.left) = (leaving.clone(), left.clone());
            }
            FlowFact::Resumed => (self.broke, self.leaving, self.left) = (None, None, Vec::new()),
            FlowFact::Step(fact) => self.steps.follow(fact),
            fact => {
                match fact {
                    FlowFact::Took { kept: Some(number), .. } => drop(self.kept.remove(number)),
                    FlowFact::Entered { frame: Frame { at: Where::Running { correlation }, .. }, .. } => {
                        self.ran.insert(correlation.clone());
                    }
                    _ => {}
                }
                follow(&mut self.frames, &mut self.outputs, fact);
            }
        }
    }
}

pub(super) fn set(variables: &mut dyn Cells<Json>, name: &str, value: &Json) {
    match value.is_null() {
        true => variables.remove(name),
        false => variables.put(name.to_string(), value.clone()),
    }
}

/// How frames and outputs follow: in the state, and in what a turn tries.
pub(super) fn follow(frames: &mut dyn Cells<Frame>, outputs: &mut dyn Cells<Json>, fact: &FlowFact) {
    match fact {
        FlowFact::Entered { path, frame } => {
            begun(frames, path);
            frames.put(path.clone(), frame.clone());
        }
        FlowFact::Skipped { path } => {
            begun(frames, path);
            outputs.put(path.clone(), Json::null());
            ended(frames, path, || End::Done(Json::null()));
        }
        FlowFact::Left { path, output } => {
            begun(frames, path);
            over(frames, outputs, path);
            outputs.put(path.clone(), output.clone());
            ended(frames, path, || End::Done(output.clone()));
            forget_item(outputs, path);
        }
        FlowFact::Failed { path, error } => {
            begun(frames, path);
            over(frames, outputs, path);
            ended(frames, path, || End::Failed(error.clone()));
            forget_item(outputs, path);
        }
        FlowFact::Cut { path } => over(frames, outputs, path),
        FlowFact::Took { path, place, payload, .. } => change(frames, path, |at| {
            if let Where::Listening { got } = at {
                got.insert(*place, payload.clone());
            }
        }),
        FlowFact::Retries { path, .. } | FlowFact::Catches { path, .. } => {
            let frame = frames.get(path).cloned();
            over(frames, outputs, path);
            if let Some(Frame { value, at: Where::Trying { tries, since, .. } }) = frame {
                let caught = if let FlowFact::Catches { error, .. } = fact { Some(error.clone()) } else { None };
                let tries = tries + u32::from(caught.is_none());
                frames.put(path.clone(), Frame { value, at: Where::Trying { tries, since, caught } });
            }
        }
        _ => {}
    }
}

/// A task and all within it is over.
fn over(frames: &mut dyn Cells<Frame>, outputs: &mut dyn Cells<Json>, path: &str) {
    frames.below(path).iter().for_each(|below| frames.remove(below));
    outputs.below(path).iter().for_each(|below| outputs.remove(below));
    frames.remove(path);
}

/// What was given within one item of a loop is forgotten with it: the loop keeps the item's end.
fn forget_item(outputs: &mut dyn Cells<Json>, path: &str) {
    if let Some((_, Some(_))) = holder(path) {
        outputs.remove(path);
    }
}

/// What holds a task knows that it began. It is not touched where it would stay as it is: to touch it copies it, in a turn.
fn begun(frames: &mut dyn Cells<Frame>, path: &str) {
    let Some((above, item)) = holder(path) else { return };
    let is_new = match (frames.get(above).map(|frame| &frame.at), item) {
        (Some(Where::Sequence { child }), _) => child != last_name(path),
        (Some(Where::Each { next, .. }), Some(item)) => *next <= item,
        _ => false,
    };
    if is_new {
        change(frames, above, |at| match (at, item) {
            (Where::Sequence { child }, _) => *child = last_name(path).to_string(),
            (Where::Each { next, .. }, Some(item)) => *next = item + 1,
            _ => {}
        });
    }
}

/// What holds a task knows how it ended, if it counts that.
fn ended(frames: &mut dyn Cells<Frame>, path: &str, end: impl Fn() -> End) {
    let Some((above, item)) = holder(path) else { return };
    let counts = |at: &Where| matches!(at, Where::Steps { .. } | Where::Fork { .. } | Where::Each { .. });
    if frames.get(above).is_some_and(|frame| counts(&frame.at)) {
        change(frames, above, |at| match (at, item) {
            (Where::Steps { left }, _) => *left = left.saturating_sub(1),
            (Where::Fork { left, ends }, _) => {
                *left = left.saturating_sub(1);
                ends.push((last_name(path).to_string(), end()));
            }
            (Where::Each { ends, .. }, Some(item)) => ends.push((item, end())),
            _ => {}
        });
    }
}

/// The path of what holds a task, and which item of a loop it is for.
pub(super) fn holder(path: &str) -> Option<(&str, Option<usize>)> {
    if path.is_empty() {
        return None;
    }
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    match above.strip_suffix(']').and_then(|above| above.rsplit_once('[')) {
        Some((each, item)) => Some((each, item.parse().ok())),
        None => Some((above, None)),
    }
}

/// The last name of a path.
pub(super) fn last_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn change(frames: &mut dyn Cells<Frame>, path: &str, how: impl Fn(&mut Where)) {
    frames.change(path, &mut |frame| how(&mut frame.at));
}
