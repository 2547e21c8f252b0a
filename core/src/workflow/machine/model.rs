//! The table that a machine is.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::rules::{StepPlan, millis};
use super::standing::Standing;
use crate::Json;
use crate::entity::Update;
use crate::event::{Event, EventBuilder, Pattern};
use crate::workflow::Moment;
use crate::workflow::ended::Farewells;
use crate::workflow::step::StepError;

/// What can be a machine's state: an enum of yours. Its `Debug` text is its name, its order that of pictures.
pub trait MachineState: Clone + Ord + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<S: Clone + Ord + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static> MachineState for S {}

/// What can be a machine's data: a struct of yours. It is noted whole whenever an action changes it.
pub trait MachineData: Clone + Default + Serialize + DeserializeOwned + Send + 'static {}

impl<D: Clone + Default + Serialize + DeserializeOwned + Send + 'static> MachineData for D {}

/// What becomes of an event that has no transition in the state that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// It is discarded, and its reason names state and event.
    Refuse,
    /// It waits until a transition may take it.
    Keep,
    /// It is recorded as processed.
    Ignore,
}

/// What a guard or an action is given besides the data: what happened (an event's payload, a step's result, its error), and
/// when and where.
pub struct Given<'a, P> {
    happened: &'a P,
    /// When it is decided, and in which correlation.
    pub moment: &'a Moment<'a>,
}

impl<P> Deref for Given<'_, P> {
    type Target = P;

    fn deref(&self) -> &P {
        self.happened
    }
}

/// The same before its type is known.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    pub(super) happened: &'a dyn Any,
    pub(super) moment: &'a Moment<'a>,
}

impl<'a> Raw<'a> {
    /// # Panics
    /// Never: a transition reads what its own guards and actions are given.
    pub(super) fn given<P: 'static>(self) -> Given<'a, P> {
        let happened = self.happened.downcast_ref().expect("it was read as this type");
        Given { happened, moment: self.moment }
    }
}

/// A function of the definition's, by what it gives.
pub(super) type Look<D, T> = Box<dyn Fn(&D, Raw<'_>) -> T + Send + Sync>;
pub(super) type Change<D> = Box<dyn Fn(&mut D, Raw<'_>) + Send + Sync>;

/// Something that is done on the way.
pub(super) enum Deed<D> {
    Act { name: String, act: Change<D> },
    Start { step: String, input: Look<D, Json> },
    Send { name: String, event: Look<D, EventBuilder> },
    Update { name: String, update: Look<D, Update> },
    GiveUp { step: String },
}

impl<D> fmt::Display for Deed<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deed::Act { name, .. } => f.write_str(name),
            Deed::Start { step, .. } => write!(f, "start {step}"),
            Deed::Send { name, .. } => write!(f, "send {name}"),
            Deed::Update { name, .. } => write!(f, "update {name}"),
            Deed::GiveUp { step } => write!(f, "give up {step}"),
        }
    }
}

/// Whether a transition may be taken.
pub(super) struct Guard<D> {
    pub(super) name: String,
    pub(super) holds: Look<D, bool>,
}

/// What sets a transition off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    Event(Pattern),
    /// A text that is no pattern: such a machine is never built.
    NoPattern(String),
    Done(String),
    Failed(String),
    NotSent(String),
    After(Duration),
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::Event(pattern) => write!(f, "{pattern}"),
            Trigger::NoPattern(text) => f.write_str(text),
            Trigger::Done(step) => write!(f, "{step} done"),
            Trigger::Failed(step) => write!(f, "{step} failed"),
            Trigger::NotSent(name) => write!(f, "{name} not sent"),
            Trigger::After(wait) => write!(f, "after {wait:?}"),
        }
    }
}

/// What happened, as it is held against triggers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening<'a> {
    Event(&'a Event),
    Done { step: &'a str, result: &'a Json },
    Failed { step: &'a str, error: &'a StepError },
    NotSent { name: &'a str, why: &'a String },
    After(Duration),
}

impl Trigger {
    pub(super) fn fits(&self, happening: Happening<'_>) -> bool {
        match (self, happening) {
            (Trigger::Event(pattern), Happening::Event(event)) => pattern.matches(&event.kind),
            (Trigger::Done(mine), Happening::Done { step, .. })
            | (Trigger::Failed(mine), Happening::Failed { step, .. })
            | (Trigger::NotSent(mine), Happening::NotSent { name: step, .. }) => mine == step,
            (Trigger::After(mine), Happening::After(wait)) => *mine == wait,
            _ => false,
        }
    }
}

/// Reads what happened as the type that a transition was written for.
pub(super) type Read = fn(Happening<'_>) -> Result<Box<dyn Any>, String>;

pub(super) struct Transition<S, D> {
    pub(super) trigger: Trigger,
    /// Where it leads; nowhere where it stays. More than one is a fault.
    pub(super) to: Vec<S>,
    pub(super) guards: Vec<Guard<D>>,
    pub(super) deeds: Vec<Deed<D>>,
    pub(super) read: Read,
}

/// How a machine ends in a state.
pub(super) enum End<D> {
    Completes(Box<dyn Fn(&D) -> Json + Send + Sync>),
    Fails(Box<dyn Fn(&D) -> String + Send + Sync>),
}

pub(super) struct StatePlan<S, D> {
    pub(super) entry: Vec<Deed<D>>,
    pub(super) exit: Vec<Deed<D>>,
    pub(super) transitions: Vec<Transition<S, D>>,
    /// More than one is a fault.
    pub(super) ends: Vec<End<D>>,
}

impl<S, D> Default for StatePlan<S, D> {
    fn default() -> Self {
        Self { entry: Vec::new(), exit: Vec::new(), transitions: Vec::new(), ends: Vec::new() }
    }
}

/// What is done with the data when a run begins.
pub(super) type Beginning<D> = Box<dyn Fn(&mut D, &Event, &Moment<'_>) + Send + Sync>;

pub(super) struct Table<S, D> {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) initial: S,
    pub(super) starts_on: Pattern,
    pub(super) beginning: Option<Beginning<D>>,
    pub(super) states: BTreeMap<S, StatePlan<S, D>>,
    pub(super) steps: BTreeMap<String, StepPlan>,
    pub(super) unmatched: Unmatched,
    /// Event types of which something else is said.
    pub(super) exceptions: Vec<(Pattern, Unmatched)>,
    /// What is sent once it is over.
    pub(super) farewells: Farewells<Standing<S, D>, StepError>,
}

impl<S: MachineState, D> Table<S, D> {
    pub(super) fn transitions(&self, state: &S) -> impl Iterator<Item = &Transition<S, D>> {
        self.states.get(state).into_iter().flat_map(|plan| &plan.transitions)
    }

    /// The waits after which something happens in a state, in milliseconds.
    pub(super) fn waits(&self, state: &S) -> Vec<u64> {
        let mut waits: Vec<u64> = self
            .transitions(state)
            .filter_map(|way| if let Trigger::After(wait) = way.trigger { Some(millis(wait)) } else { None })
            .collect();
        waits.sort_unstable();
        waits.dedup();
        waits
    }

    /// What becomes of an event that has no transition.
    pub(super) fn unmatched(&self, kind: &str) -> Unmatched {
        let exception = self.exceptions.iter().find(|(pattern, _)| pattern.matches(kind));
        exception.map_or(self.unmatched, |(_, unmatched)| *unmatched)
    }

    /// Whether some state takes what a step gives.
    pub(super) fn takes_result(&self, step: &str) -> bool {
        let ways = self.states.values().flat_map(|plan| &plan.transitions);
        ways.into_iter().any(|way| matches!(&way.trigger, Trigger::Done(taken) if taken == step))
    }
}

/// A state's name.
pub(super) fn name_of<S: fmt::Debug>(state: &S) -> String {
    format!("{state:?}")
}
