//! A turn at a flow: the moves, one after another, until nothing is left to be done now.

use std::collections::BTreeSet;

use super::cells::{Cells, Layer, is_below};
use super::fact::{FlowError, FlowFact};
use super::model::{Kind, Node, Then, Tree};
use super::scope::Scope;
use super::state::{FlowState, Frame, Where, follow, set};
use super::written::Before;
use crate::event::{CorrelationId, EventBuilder};
use crate::workflow::step::{Act, Doing, Happened, StepError};
use crate::workflow::{AgentOutcome, HandlerError, Moment, Request, RunEnd, RunStatus};
use crate::{Json, limits};

/// What the timer is named by that ends a task which takes too long.
pub(super) const LATE: &str = "~late/";
/// What the timer is named by after which something is tried again.
pub(super) const BACK: &str = "~back/";

/// A move that is still to be made.
#[derive(Clone, Debug)]
pub(super) enum Move {
    Enter {
        path: String,
        value: Json,
    },
    Leave {
        path: String,
        output: Json,
        then: Then,
    },
    /// The items of a loop that may begin.
    Fill {
        path: String,
    },
}

impl Move {
    fn path(&self) -> &str {
        match self {
            Move::Enter { path, .. } | Move::Leave { path, .. } | Move::Fill { path } => path,
        }
    }
}

/// What is asked of the loop.
#[derive(Debug)]
pub(super) enum Asked {
    Act(Act),
    Send { step: String, event: Box<EventBuilder> },
    Run { step: String, event: Box<EventBuilder> },
}

impl Asked {
    fn step(&self) -> &str {
        match self {
            Asked::Act(act) => act.step(),
            Asked::Send { step, .. } | Asked::Run { step, .. } => step,
        }
    }

    /// The bytes of the value that it is asked with.
    fn bytes(&self) -> usize {
        if let Asked::Act(Act::Call { input, .. }) = self { input.text().len() } else { 0 }
    }
}

/// How the flow stands after the turn, if not under way as before.
#[derive(Debug, PartialEq)]
pub(super) enum Over {
    Done(Json),
    Broke(FlowError),
}

/// A turn at a flow.
pub(super) struct Walk<'a> {
    pub(super) tree: &'a Tree,
    pub(super) base: &'a FlowState,
    pub(super) input: Json,
    pub(super) frames: Layer<'a, Frame>,
    pub(super) outputs: Layer<'a, Json>,
    pub(super) variables: Layer<'a, Json>,
    /// Where workflows began in this turn.
    pub(super) ran: BTreeSet<CorrelationId>,
    /// Kept events that this turn took.
    pub(super) taken: BTreeSet<u64>,
    pub(super) doing: Doing<'a>,
    pub(super) moment: Moment<'a>,
    /// What happened, as it is written.
    pub(super) facts: Vec<FlowFact>,
    pub(super) asked: Vec<Asked>,
    /// Steps that are given up, beside what was asked in this very turn.
    pub(super) given_up: Vec<String>,
    /// Workflows that ran for this one, and are not wanted any more.
    pub(super) cancelled: Vec<(String, CorrelationId)>,
    /// The task whose workflow is over, or never ran: that needs no cancelling, nor do those within it.
    pub(super) returned: Option<String>,
    pub(super) todo: Vec<Move>,
    /// The move that is being made.
    pub(super) current: Option<Move>,
    /// Tasks that ask something of the outside.
    pub(super) leaves: usize,
    /// What tasks owe the loop, with their time limits.
    pub(super) owes: usize,
    /// Bytes of values that this turn writes, as facts and as what it asks.
    pub(super) bytes: usize,
    /// What the facts until now have for a value.
    before: Before,
    pub(super) over: Option<Over>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tree: &'a Tree, base: &'a FlowState, moment: &Moment<'a>) -> Self {
        let leaves = base.frames.values().filter(|frame| is_leaf(&frame.at)).count();
        let owes = base.frames.iter().map(|(path, frame)| effects(tree.node(path), &frame.at)).sum();
        Self {
            tree,
            base,
            input: base.input.clone().unwrap_or_default(),
            frames: Layer::over(&base.frames),
            outputs: Layer::over(&base.outputs),
            variables: Layer::over(&base.variables),
            ran: BTreeSet::new(),
            taken: BTreeSet::new(),
            doing: Doing::new(&base.steps, tree, moment),
            moment: *moment,
            facts: Vec::new(),
            asked: Vec::new(),
            given_up: Vec::new(),
            cancelled: Vec::new(),
            returned: None,
            todo: Vec::new(),
            current: None,
            leaves,
            owes,
            bytes: 0,
            before: Before::default(),
            over: None,
        }
    }

    /// Makes all moves that are to be made. A definition that goes round without ever waiting fails.
    pub(super) fn run(&mut self) -> Result<(), HandlerError> {
        let mut moves = 0;
        while let Some(next) = self.todo.pop() {
            if self.over.is_some() {
                break;
            }
            moves += 1;
            self.current = Some(next.clone());
            if moves > limits::FLOW_MOVES || self.facts.len() > limits::FLOW_FACTS {
                let facts = self.facts.len();
                let why = format!(
                    "it made {moves} moves and wrote {facts} facts without waiting for anything: give a loop something to wait for"
                );
                self.breaks(FlowError::new(next.path(), "endless", why), Json::null());
                break;
            }
            match next {
                Move::Enter { path, value } => self.enter(path, value)?,
                Move::Leave { path, output, then } => self.leave(&path, output, then)?,
                Move::Fill { path } => self.fill(&path)?,
            }
            self.current = None;
        }
        Ok(())
    }

    /// What an agent's call came to.
    pub(super) fn agent(&mut self, step: &str, outcome: &AgentOutcome) -> Result<Happened, HandlerError> {
        let happened = self.doing.ended(step, outcome);
        self.drain();
        match happened {
            Happened::Done { step, result } => {
                self.todo.push(Move::Leave { path: step, output: result, then: Then::Next });
                self.run()?;
                Ok(Happened::Nothing)
            }
            Happened::Failed { step, error } => {
                self.step_failed(&step, error)?;
                self.run()?;
                Ok(Happened::Nothing)
            }
            other => Ok(other),
        }
    }

    /// What steps gave could not be taken, and is passed over: they are done, and put back as such, and yet their tasks fail.
    pub(super) fn pass_over(&mut self, request: &Request<'_>) -> Result<(), HandlerError> {
        self.doing.gave(request.gave);
        self.drain();
        for (step, _) in request.gave {
            self.step_failed(step, StepError::passed_over(request))?;
        }
        self.run()
    }

    /// A timer's instant came.
    pub(super) fn timer(&mut self, timer: &str) -> Result<(), HandlerError> {
        if self.doing.woke(timer) {
            self.drain();
            return Ok(());
        }
        if let Some(path) = timer.strip_prefix(LATE) {
            if let Some(frame) = self.frames.get(path) {
                let (value, why) = (frame.value.clone(), "its time is up");
                self.fails(FlowError::new(path, "timeout", why), value)?;
            }
        } else if let Some(path) = timer.strip_prefix(BACK) {
            self.try_again(path)?;
        } else if let Some(Frame { value, at: Where::Waiting { .. } }) = self.frames.get(timer) {
            self.todo.push(Move::Leave { path: timer.into(), output: value.clone(), then: Then::Next });
        }
        self.run()
    }

    /// A send ended.
    pub(super) fn sent(&mut self, step: &str, refused: Option<&str>) -> Result<(), HandlerError> {
        let Some(Frame { value, at }) = self.frames.get(step).cloned() else { return Ok(()) };
        match (at, refused) {
            (Where::Sending, None) => {
                self.todo.push(Move::Leave { path: step.into(), output: value, then: Then::Next })
            }
            (Where::Sending | Where::Running { .. }, Some(why)) => {
                self.returned = Some(step.to_string());
                self.fails(FlowError::new(step, "refused", why), value)?;
            }
            _ => {}
        }
        self.run()
    }

    /// A workflow that ran for this one is over.
    pub(super) fn ran(&mut self, step: &str, end: &RunEnd) -> Result<(), HandlerError> {
        let Some(Frame { value, at: Where::Running { .. } }) = self.frames.get(step).cloned() else { return Ok(()) };
        self.returned = Some(step.to_string());
        match end {
            RunEnd::Completed { output } => {
                self.todo.push(Move::Leave { path: step.into(), output: output.clone(), then: Then::Next });
            }
            end => self.fails(FlowError::new(step, "workflow", RunStatus::from(end).to_string()), value)?,
        }
        self.run()
    }

    /// What is tried begins anew, if it waits for that.
    pub(super) fn try_again(&mut self, path: &str) -> Result<(), HandlerError> {
        let Kind::Try { tried, .. } = self.node(path)?.kind else { return Ok(()) };
        let begins = self.todo.iter().any(|left| is_within(left.path(), path));
        let waits = !begins && self.frames.below(path).is_empty();
        if let Some(Frame { value, at: Where::Trying { caught: None, .. } }) = self.frames.get(path)
            && waits
        {
            let value = value.clone();
            self.todo.push(Move::Enter { path: self.child(path, tried), value });
        }
        Ok(())
    }

    pub(super) fn happens(&mut self, fact: FlowFact) {
        match &fact {
            FlowFact::Began { input } => self.input = input.clone(),
            FlowFact::Set { name, value } => set(&mut self.variables, name, value),
            FlowFact::Step(_) => {}
            fact => follow(&mut self.frames, &mut self.outputs, fact),
        }
        self.note(fact);
    }

    fn note(&mut self, fact: FlowFact) {
        let (written, bytes) = self.before.written(fact);
        self.bytes += bytes;
        self.facts.push(written);
    }

    /// What the steps made of it is told in its order.
    pub(super) fn drain(&mut self) {
        std::mem::take(&mut self.doing.facts).into_iter().map(FlowFact::Step).for_each(|fact| self.note(fact));
        for act in std::mem::take(&mut self.doing.acts) {
            match act {
                Act::GiveUp { step } => self.give_up(step),
                act => {
                    let asked = Asked::Act(act);
                    self.bytes += asked.bytes();
                    self.asked.push(asked);
                }
            }
        }
    }

    /// What is asked and given up in one turn is never asked.
    pub(super) fn give_up(&mut self, step: String) {
        let freed = self.asked.extract_if(.., |asked| asked.step() == step).map(|asked| asked.bytes()).sum();
        self.bytes = self.bytes.saturating_sub(freed);
        self.given_up.push(step);
    }

    /// What a task, and all within it, has under way is given up; their frames stay.
    pub(super) fn stop(&mut self, path: &str) {
        let mut all = self.frames.below(path);
        all.push(path.to_string());
        for path in all {
            let Some(frame) = self.frames.get(&path).cloned() else { continue };
            self.leaves = self.leaves.saturating_sub(usize::from(is_leaf(&frame.at)));
            self.owes = self.owes.saturating_sub(effects(self.tree.node(&path), &frame.at));
            match frame.at {
                Where::Calling => {
                    self.doing.give_up(&path);
                    self.drain();
                }
                Where::Sending | Where::Waiting { .. } => self.give_up(path.clone()),
                Where::Running { correlation } => {
                    let is_asked = |asked: &Asked| matches!(asked, Asked::Run { step, .. } if *step == path);
                    let never_sent = self.asked.iter().any(is_asked);
                    self.give_up(path.clone());
                    if !never_sent && !self.returned.as_ref().is_some_and(|over| is_within(&path, over)) {
                        self.cancelled.push((path.clone(), correlation));
                    }
                }
                Where::Trying { .. } => self.give_up(format!("{BACK}{path}")),
                _ => {}
            }
            if self.tree.node(&path).is_some_and(|node| node.timeout.is_some()) {
                self.give_up(format!("{LATE}{path}"));
            }
        }
        self.todo.retain(|left| !is_within(left.path(), path));
    }

    pub(super) fn scope<'s>(&'s self, path: &'s str, value: &'s Json) -> Scope<'s> {
        Scope {
            path,
            value,
            input: &self.input,
            event: None,
            error: None,
            now: self.moment.now,
            correlation: self.moment.correlation,
            tree: self.tree,
            frames: &self.frames,
            outputs: &self.outputs,
            variables: &self.variables,
        }
    }

    pub(super) fn node(&self, path: &str) -> Result<&'a Node, HandlerError> {
        let unknown = || {
            HandlerError(format!("the definition has no task '{path}' (any more): give a changed one a new version"))
        };
        self.tree.node(path).ok_or_else(unknown)
    }

    /// The path of a child, within what holds it.
    pub(super) fn child(&self, path: &str, child: usize) -> String {
        super::model::below(path, &self.tree.nodes[child].name)
    }
}

/// Whether a task is another one, or within it.
pub(super) fn is_within(path: &str, above: &str) -> bool {
    path == above || is_below(path, above)
}

/// What a task asks of the outside, and the timer of its time limit.
pub(super) fn effects(node: Option<&Node>, at: &Where) -> usize {
    usize::from(is_leaf(at)) + usize::from(node.is_some_and(|node| node.timeout.is_some()))
}

/// Whether a task asks something of the outside.
pub(super) fn is_leaf(at: &Where) -> bool {
    matches!(at, Where::Calling | Where::Sending | Where::Running { .. } | Where::Waiting { .. })
}
