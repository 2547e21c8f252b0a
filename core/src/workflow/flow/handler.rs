//! A flow as a workflow: inputs and operations.

use std::any::Any;

use super::builder::Ended;
use super::fact::{FlowError, FlowFact};
use super::model::Tree;
use super::state::FlowState;
use super::walk::{Asked, Move, Over, Walk};
use crate::event::{Event, EventBuilder, Pattern};
use crate::workflow::ended::Farewells;
use crate::workflow::step::{Doing, Happened, StepFact};
use crate::workflow::{Handler, HandlerError, Input, Moment, Operation, Reaction, Request, RunEnd, Unpark};

/// A workflow that knows what comes next: built by [`Flow::new`](super::FlowBuilder), and a [`Handler`] like any other.
pub struct Flow {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) starts_on: Pattern,
    pub(super) tree: Tree,
    pub(super) farewells: Farewells<FlowState, FlowError>,
}

impl Handler for Flow {
    type State = FlowState;
    type Fact = FlowFact;

    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn diagram(&self, state: Option<&FlowState>) -> Option<String> {
        Some(state.map_or_else(|| self.to_mermaid(), |state| self.to_mermaid_at(state)))
    }

    fn asks(&self) -> Vec<(String, String)> {
        let calls = self.tree.nodes.iter().filter_map(|node| Some((&node.path, self.tree.call(&node.path)?)));
        let asked = calls.flat_map(|(path, call)| {
            let undo = call.undo.iter().map(|undo| &undo.agent);
            std::iter::once(&call.agent).chain(undo).map(move |agent| (path.clone(), agent.clone()))
        });
        asked.collect()
    }

    fn starts_on(&self) -> Pattern {
        self.starts_on.clone()
    }

    fn decide(
        &self,
        state: &FlowState,
        input: Input<'_>,
        moment: &Moment<'_>,
    ) -> Result<Reaction<FlowFact>, HandlerError> {
        if state.steps.unwinding().is_some() {
            return Ok(self.unwinds(state, input, moment));
        }
        let mut walk = Walk::new(&self.tree, state, moment);
        match input {
            Input::Event(event) => self.event(&mut walk, event)?,
            Input::Agent { step, outcome } => {
                walk.agent(step, outcome)?;
            }
            Input::Timer { step } => walk.timer(step)?,
            Input::Sent { step, refused, .. } => walk.sent(step, refused)?,
            Input::Ran { step, end } => walk.ran(step, end)?,
            _ => {}
        }
        Ok(reaction_of(walk))
    }

    fn operate(
        &self,
        state: &FlowState,
        request: &Request<'_>,
        moment: &Moment<'_>,
    ) -> Result<Reaction<FlowFact>, HandlerError> {
        match request.operation {
            Operation::Cancel => Ok(self.stops(state, request, moment)),
            Operation::Retry => self.resume(state, moment),
            Operation::Unpark(how) if state.steps.unwinding().is_some() => {
                let mut doing = Doing::new(&state.steps, &self.tree, moment);
                let happened = match how {
                    Unpark::Retry => doing.retry_undo(),
                    Unpark::Skip => doing.skip_undo(),
                    Unpark::Abandon => Happened::Unwound,
                };
                Ok(unwinding(doing, happened))
            }
            Operation::Unpark(Unpark::Abandon) => {
                let mut walk = Walk::new(&self.tree, state, moment);
                walk.stop("");
                let end = walk.doing.abandon(request.why);
                walk.drain();
                Ok(told(walk).end(end))
            }
            Operation::Unpark(Unpark::Skip) if !request.gave.is_empty() => {
                let mut walk = Walk::new(&self.tree, state, moment);
                walk.pass_over(request)?;
                Ok(reaction_of(walk))
            }
            _ => Err(HandlerError("there is nothing that it could take on".into())),
        }
    }

    fn fits(&self, state: &FlowState) -> Result<(), String> {
        Flow::fits(self, state)
    }

    fn farewell(
        &self,
        state: &FlowState,
        (end, noted): (&RunEnd, &[FlowFact]),
        moment: &Moment<'_>,
    ) -> Vec<(String, EventBuilder)> {
        let now_broke =
            |fact: &FlowFact| if let FlowFact::Broke { error, .. } = fact.what() { Some(error.clone()) } else { None };
        let error = noted.iter().find_map(now_broke).or_else(|| state.broke.as_ref().map(|(error, _)| error.clone()));
        let ended = Ended { end, error, state, correlation: moment.correlation, now: moment.now };
        self.farewells.events(&ended)
    }

    fn evolve(&self, state: &mut FlowState, fact: FlowFact) {
        state.follow(fact);
    }

    fn says_farewell(&self) -> bool {
        self.farewells.names().next().is_some()
    }

    fn keeps(fact: FlowFact) -> Option<Box<dyn Any>> {
        Some(Box::new(fact))
    }

    fn kept(fact: Box<dyn Any>) -> Option<FlowFact> {
        fact.downcast().ok().map(|fact| *fact)
    }
}

impl Flow {
    fn event(&self, walk: &mut Walk<'_>, event: &Event) -> Result<(), HandlerError> {
        if walk.base.input().is_some() {
            return walk.event(&event.kind, &event.payload);
        }
        let input = event.payload.clone();
        walk.happens(FlowFact::Began { input: input.clone() });
        walk.todo.push(Move::Enter { path: String::new(), value: input });
        walk.run()
    }

    /// While what was done is put back, nothing else counts.
    fn unwinds(&self, state: &FlowState, input: Input<'_>, moment: &Moment<'_>) -> Reaction<FlowFact> {
        let mut doing = Doing::new(&state.steps, &self.tree, moment);
        let happened = match input {
            Input::Agent { step, outcome } => doing.ended(step, outcome),
            Input::Timer { step } => {
                doing.woke(step);
                Happened::Nothing
            }
            _ => Happened::Nothing,
        };
        unwinding(doing, happened)
    }

    /// It is cancelled, once what was done is put back.
    fn stops(&self, state: &FlowState, request: &Request<'_>, moment: &Moment<'_>) -> Reaction<FlowFact> {
        let mut walk = Walk::new(&self.tree, state, moment);
        walk.doing.gave(request.gave);
        walk.drain();
        walk.stop("");
        unwind(walk, request.end())
    }

    /// It goes on where it broke: all that was under way then begins again.
    fn resume(&self, state: &FlowState, moment: &Moment<'_>) -> Result<Reaction<FlowFact>, HandlerError> {
        if state.steps.unwinding().is_some() {
            return Err(HandlerError("what it did was put back: begin it anew".into()));
        }
        let Some((error, value)) = &state.broke else {
            return Err(HandlerError("it did not fail by one of its tasks: begin it anew".into()));
        };
        let mut walk = Walk::new(&self.tree, state, moment);
        walk.happens(FlowFact::Resumed);
        walk.resume(error, value)?;
        Ok(reaction_of(walk))
    }
}

fn reaction_of(mut walk: Walk<'_>) -> Reaction<FlowFact> {
    match walk.over.take() {
        None => told(walk),
        Some(Over::Done(output)) => told(walk).complete(&output),
        Some(Over::Broke(error)) => unwind(walk, RunEnd::Failed { error: error.to_string() }),
    }
}

/// What was done is put back, if anything was; then it ends like that.
fn unwind(mut walk: Walk<'_>, end: RunEnd) -> Reaction<FlowFact> {
    if walk.doing.steps.done().next().is_none() {
        return told(walk).end(end);
    }
    let happened = walk.doing.unwind(end.clone());
    walk.drain();
    finish(told(walk).compensate(end.clone()), happened, end)
}

fn unwinding(doing: Doing<'_>, happened: Happened) -> Reaction<FlowFact> {
    let end = doing.ending();
    let facts: Vec<StepFact> = doing.facts;
    let noted = facts.into_iter().map(FlowFact::Step).fold(Reaction::none(), Reaction::note);
    finish(Doing::ask(doing.acts, noted), happened, end)
}

fn finish(reaction: Reaction<FlowFact>, happened: Happened, end: RunEnd) -> Reaction<FlowFact> {
    match happened {
        Happened::Unwound => reaction.end(end),
        Happened::Stuck { step, attempts, error } => reaction.halt(&step, attempts, error),
        _ => reaction,
    }
}

/// What happened, and what is asked.
fn told(walk: Walk<'_>) -> Reaction<FlowFact> {
    let noted = Reaction { facts: walk.facts, ..Reaction::none() };
    let noted = walk.cancelled.into_iter().fold(noted, |reaction, (step, workflow)| {
        reaction.cancel_other(&step, workflow, "what it ran for goes on without it")
    });
    let freed = walk.given_up.iter().fold(noted, |reaction, step| reaction.give_up(step));
    walk.asked.into_iter().fold(freed, |reaction, asked| match asked {
        Asked::Act(act) => act.asked_by(reaction),
        Asked::Send { step, event } => reaction.send(&step, *event),
        Asked::Run { step, event } => reaction.run(&step, *event),
    })
}
