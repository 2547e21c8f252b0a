//! A workflow in code: a type of yours that takes state and input and gives facts and effects.

use std::any::Any;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::effect::{AgentOutcome, Effect};
use super::fact::RunEnd;
use super::operation::{Operation, Unpark};
use crate::entity::Update;
use crate::event::{CorrelationId, Event, EventBuilder, Pattern, Principal};
use crate::{Json, Timestamp};

/// A workflow in code. Its functions are pure: they must not wait, read a clock or draw random numbers, because replay
/// calls them again. A panic in one is caught; the workflow is read anew from the journal, and what it cannot take is
/// parked after its retries.
///
/// ```
/// use regie_core::event::Pattern;
/// use regie_core::workflow::{Handler, HandlerError, Input, Moment, Reaction};
/// # use serde::{Deserialize, Serialize};
///
/// struct Counter;
///
/// #[derive(Serialize, Deserialize)]
/// struct Counted;
///
/// impl Handler for Counter {
///     type State = u32;
///     type Fact = Counted;
///     fn name(&self) -> &str { "counter" }
///     fn starts_on(&self) -> Pattern { Pattern::parse("counter.>").unwrap() }
///     fn decide(&self, count: &u32, _: Input<'_>, _: &Moment<'_>) -> Result<Reaction<Counted>, HandlerError> {
///         let reaction = Reaction::none().note(Counted);
///         Ok(if *count == 2 { reaction.complete("three") } else { reaction })
///     }
///     fn evolve(&self, count: &mut u32, _: Counted) { *count += 1; }
/// }
/// ```
pub trait Handler: Send + Sync + 'static {
    /// What it knows of one correlation. Serialised for snapshots alone.
    type State: Default + Serialize + DeserializeOwned + Send + 'static;
    /// What it notes. Kept for ever: change it so that what was written can still be read.
    type Fact: Serialize + DeserializeOwned;

    /// The definition's name: what a run in the journal is known by.
    fn name(&self) -> &str;

    /// The definition's version, from 1. A run keeps the version that it began with.
    fn version(&self) -> u32 {
        1
    }

    /// The definition as a Mermaid diagram, with where the run stands if a state is given; nothing unless it can be drawn.
    /// `regie show ID --diagram` prints it.
    fn diagram(&self, _state: Option<&Self::State>) -> Option<String> {
        None
    }

    /// The agents and routes that its steps ask, each after the step, as far as that is known beforehand: a runtime that has
    /// none of such a name does not start, or where an older version asks, says so in its log.
    fn asks(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The events that begin a run in a correlation that has none. All later events of it come to the same run.
    fn starts_on(&self) -> Pattern;

    /// What follows from an input.
    fn decide(
        &self,
        state: &Self::State,
        input: Input<'_>,
        moment: &Moment<'_>,
    ) -> Result<Reaction<Self::Fact>, HandlerError>;

    /// What follows from an operation on the run that is its definition's to carry out: a cancel, a retry, and the unparking
    /// of what the definition itself [halted](Reaction::halt). Unless said, a cancel ends the run [as it says](Request::end), what
    /// is abandoned ends it as failed, and there is no way on from a failure. Without a way the operation is refused.
    fn operate(
        &self,
        _: &Self::State,
        request: &Request<'_>,
        _: &Moment<'_>,
    ) -> Result<Reaction<Self::Fact>, HandlerError> {
        match request.operation {
            Operation::Cancel => Ok(Reaction::none().end(request.end())),
            Operation::Unpark(Unpark::Abandon) => Ok(Reaction::none().fail(format!("abandoned: {}", request.why))),
            _ => Err(HandlerError("its definition has no way on from there: begin it anew".into())),
        }
    }

    /// Whether a run that stands so can go on under this definition, and if not, why: asked before one is taken over from
    /// another version.
    ///
    /// # Errors
    /// What of it has no place here.
    fn fits(&self, _: &Self::State) -> Result<(), String> {
        Ok(())
    }

    /// What is still to be sent once the run is over, however that came: each event with the name of its step. The state is
    /// that from before the turn in which it ended; what was noted in that turn comes beside it.
    fn farewell(&self, _: &Self::State, _: (&RunEnd, &[Self::Fact]), _: &Moment<'_>) -> Vec<(String, EventBuilder)> {
        Vec::new()
    }

    /// How the state follows from a fact that was noted.
    fn evolve(&self, state: &mut Self::State, fact: Self::Fact);

    /// Whether it has anything to say then; otherwise what was noted is not read for that.
    #[doc(hidden)]
    fn says_farewell(&self) -> bool {
        true
    }

    /// Whether its facts are, read again, just what they were when they were written. Those of the runtime's own definitions
    /// are: the turn that notes one need not read it again.
    #[doc(hidden)]
    fn keeps(_: Self::Fact) -> Option<Box<dyn Any>> {
        None
    }

    /// A fact that [`Handler::keeps`] kept.
    #[doc(hidden)]
    fn kept(_: Box<dyn Any>) -> Option<Self::Fact> {
        None
    }
}

/// What a handler is given.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// An event that may go on.
    Event(&'a Event),
    /// An agent's call ended.
    Agent {
        /// The step that asked.
        step: &'a str,
        /// How it ended.
        outcome: &'a AgentOutcome,
    },
    /// A timer's instant came.
    Timer {
        /// The step that set it.
        step: &'a str,
    },
    /// An event to another correlation, or an update, was recorded there, or refused.
    Sent {
        /// The step that sent it.
        step: &'a str,
        /// Why it was refused, if it was.
        refused: Option<&'a str>,
        /// Where the first of what it came to is; nothing where it was refused, or came to nothing.
        position: Option<u64>,
    },
    /// What a rule's run changed. The runtime's own handlers alone ask for that.
    Traced {
        /// The step that asked.
        step: &'a str,
        /// Each entity, with its fields.
        changed: &'a Json,
    },
    /// A workflow that this one had run is over.
    Ran {
        /// The step that asked for it.
        step: &'a str,
        /// How it ended.
        end: &'a RunEnd,
    },
}

/// When and where a handler decides.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The time of the decision.
    pub now: Timestamp,
    /// The correlation.
    pub correlation: &'a CorrelationId,
}

/// An operation that somebody asks for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// What.
    pub operation: Operation,
    /// Who.
    pub by: &'a Principal,
    /// Why.
    pub why: &'a str,
    /// For a cancel, and for an end that is passed over: what steps gave whose ends the definition could not take, and that
    /// wait for a person. They have done their work all the same.
    pub gave: &'a [(String, Json)],
    /// Whether the run fails by a cancel, because it cannot go on.
    pub(super) fails: bool,
}

impl Request<'_> {
    /// How a run ends that is cancelled by this.
    pub fn end(&self) -> RunEnd {
        let why = self.why.to_string();
        if self.fails { RunEnd::Failed { error: why } } else { RunEnd::Cancelled { reason: why } }
    }

    /// How a step failed whose end is passed over by this.
    pub(super) fn passed_over(&self) -> String {
        format!("passed over by {}: {}", self.by, self.why)
    }
}

/// Why a handler cannot take an input, ever: the input is parked for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HandlerError(pub String);

/// An effect that a reaction asks for.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    Effect(Effect),
    Send(Box<EventBuilder>),
    Run(Box<EventBuilder>),
}

/// What becomes of the event that a reaction is to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Fate {
    #[default]
    Handled,
    /// Recorded, and nothing of the definition's followed.
    PassedOver(String),
    /// It waits until it is recalled.
    Kept(String),
    Refused(String),
}

/// What follows from an input: facts noted, effects asked for, and perhaps the end.
#[derive(Clone, Debug)]
#[must_use]
pub struct Reaction<F> {
    pub(super) fate: Fate,
    pub(super) facts: Vec<F>,
    /// Types of kept events that are given to the definition again.
    pub(super) recalled: Vec<Pattern>,
    /// Steps whose effects are given up.
    pub(super) given_up: Vec<String>,
    pub(super) compensating: Option<RunEnd>,
    pub(super) wishes: Vec<(String, Wish)>,
    /// Steps that wait for a person: which, how often it was tried, what went wrong at last.
    pub(super) halts: Vec<(String, u32, String)>,
    pub(super) end: Option<RunEnd>,
    /// What goes out even if the run is over by then.
    pub(super) farewells: Vec<(String, Effect)>,
}

impl<F> Reaction<F> {
    /// Nothing follows.
    pub fn none() -> Self {
        Self {
            fate: Fate::Handled,
            facts: Vec::new(),
            recalled: Vec::new(),
            given_up: Vec::new(),
            compensating: None,
            wishes: Vec::new(),
            halts: Vec::new(),
            end: None,
            farewells: Vec::new(),
        }
    }

    /// Notes a fact, which the state follows.
    pub fn note(mut self, fact: F) -> Self {
        self.facts.push(fact);
        self
    }

    /// The event is discarded, for that reason. Nothing else that this reaction says stands, and no run begins by it.
    /// Where the input is no event it says nothing, nor do the next two.
    pub fn refuse(mut self, reason: impl Into<String>) -> Self {
        self.fate = Fate::Refused(reason.into());
        self
    }

    /// The event waits without a time, and not as one that a policy put off: until a reaction [recalls](Self::recall)
    /// events of its type, or the run is over. Such a reaction recalls none itself.
    pub fn keep(mut self, reason: impl Into<String>) -> Self {
        self.fate = Fate::Kept(reason.into());
        self
    }

    /// The event is recorded as processed, with that reason.
    pub fn pass_over(mut self, reason: impl Into<String>) -> Self {
        self.fate = Fate::PassedOver(reason.into());
        self
    }

    /// Kept events of these types are given to the definition again, the oldest first and each in a turn of its own, and
    /// events that come meanwhile after them. Others that it has kept wait on, also those that were recalled before and not given yet.
    pub fn recall(mut self, kinds: impl IntoIterator<Item = Pattern>) -> Self {
        self.recalled.extend(kinds);
        self
    }

    /// Has an agent do a task. `step` names the call; while it is owed, the name is taken.
    pub fn call(self, step: &str, agent: &str, task: impl Into<Json>) -> Self {
        self.effect(step, Effect::Call { agent: agent.into(), task: task.into(), timeout_ms: None })
    }

    /// The same with a time limit of its own, in milliseconds.
    pub fn call_within(self, step: &str, agent: &str, task: impl Into<Json>, timeout_ms: u64) -> Self {
        self.effect(step, Effect::Call { agent: agent.into(), task: task.into(), timeout_ms: Some(timeout_ms) })
    }

    /// Is to be called again at an instant.
    pub fn timer(self, step: &str, due: Timestamp) -> Self {
        self.effect(step, Effect::Timer { due })
    }

    /// Sends an event to another correlation. Its id, source, cause and chain are set by the runtime.
    pub fn send(mut self, step: &str, event: EventBuilder) -> Self {
        self.wishes.push((step.into(), Wish::Send(Box::new(event))));
        self
    }

    /// Has a workflow run in another correlation: the event begins it there. Its end comes back as [`Input::Ran`]; where none
    /// begins, as a send that was refused. Giving the step up does not end that workflow: see [`Reaction::cancel_other`].
    pub fn run(mut self, step: &str, event: EventBuilder) -> Self {
        self.wishes.push((step.into(), Wish::Run(Box::new(event))));
        self
    }

    /// Cancels another workflow, in this one's name. That goes out even if this run ends now.
    pub fn cancel_other(mut self, step: &str, on: CorrelationId, why: impl Into<String>) -> Self {
        let effect = Effect::Operate { on, operation: Operation::Cancel, why: why.into() };
        self.farewells.push((step.into(), effect));
        self
    }

    /// Sends an event that has all it needs already, its id too: our envelope.
    pub(crate) fn send_whole(self, step: &str, event: &Json) -> Self {
        self.effect(step, Effect::Send { event: event.text().into() })
    }

    /// Updates an entity, in the correlation that the update names. Its id, and where it says none, its cause and chain are
    /// set by the runtime.
    pub fn update(self, step: &str, update: Update) -> Self {
        self.effect(step, Effect::Update(Box::new(update)))
    }

    /// Asks what the run of a rule that this correlation holds has changed.
    pub(crate) fn trace(self, step: &str) -> Self {
        self.effect(step, Effect::Trace)
    }

    /// Ends the run as it should. What it still owes is given up.
    pub fn complete<T: Serialize + ?Sized>(mut self, output: &T) -> Self {
        self.end = Some(RunEnd::Completed { output: Json::of(output) });
        self
    }

    /// Ends the run as failed. What it still owes is given up, and later events of it are recorded as skipped.
    pub fn fail(mut self, error: impl Into<String>) -> Self {
        self.end = Some(RunEnd::Failed { error: error.into() });
        self
    }

    /// Ends the run as cancelled. What it still owes is given up, and later events of it are recorded as skipped.
    pub fn cancelled(mut self, reason: impl Into<String>) -> Self {
        self.end = Some(RunEnd::Cancelled { reason: reason.into() });
        self
    }

    /// Gives up what a step has under way: nobody is called back, and its name is free again. Comes before what this
    /// reaction asks for.
    pub fn give_up(mut self, step: &str) -> Self {
        self.given_up.push(step.into());
        self
    }

    /// What the run did is put back from now on: what it still owes is given up, later events of it are recorded as skipped,
    /// and it ends like that once the definition says so. Comes before what this reaction asks for.
    pub fn compensate(mut self, then: RunEnd) -> Self {
        self.compensating = Some(then);
        self
    }

    /// A step waits for a person: see [`Handler::operate`].
    pub fn halt(mut self, step: &str, attempts: u32, error: impl Into<String>) -> Self {
        self.halts.push((step.into(), attempts, error.into()));
        self
    }

    /// Ends the run like that.
    pub fn end(mut self, end: RunEnd) -> Self {
        self.end = Some(end);
        self
    }

    fn effect(mut self, step: &str, effect: Effect) -> Self {
        self.wishes.push((step.into(), Wish::Effect(effect)));
        self
    }
}
