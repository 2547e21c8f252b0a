//! A machine, as it is written.

use std::any::Any;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::Machine;
use super::check::{self, MachineError};
use super::deeds::Deeds;
use super::model::{
    Beginning, End, Happening, MachineData, MachineState, StatePlan, Table, Transition, Trigger, Unmatched,
};
use super::rules::{StepBuilder, StepPlan};
use super::standing::Standing;
use super::way::Way;
use crate::Json;
use crate::event::{Event, EventBuilder, Pattern};
use crate::workflow::ended::Farewells;
use crate::workflow::step::StepError;
use crate::workflow::{Moment, Notification};

/// A machine that is being written; see [`Machine::named`]. What is said of a state comes in any order; transitions that the
/// same event may set off are tried in the order in which they are written.
#[must_use]
pub struct MachineBuilder<S, D> {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) initial: S,
    pub(super) starts_on: Vec<String>,
    beginning: Option<Beginning<D>>,
    pub(super) states: BTreeMap<S, StatePlan<S, D>>,
    /// In the order in which they are written: a name may stand there twice, which is a fault.
    pub(super) steps: Vec<(String, StepPlan)>,
    unmatched: Unmatched,
    pub(super) exceptions: Vec<(String, Unmatched)>,
    pub(super) farewells: Farewells<Standing<S, D>, StepError>,
}

/// A machine that is over.
pub type Ended<'a, S, D> = crate::workflow::Ended<'a, Standing<S, D>, StepError>;

impl<S: MachineState, D: MachineData> MachineBuilder<S, D> {
    pub(super) fn new(name: String, initial: S) -> Self {
        let (starts_on, steps, exceptions) = (Vec::new(), Vec::new(), Vec::new());
        let (states, unmatched, farewells) = (BTreeMap::new(), Unmatched::Refuse, Farewells::none());
        Self { name, version: 1, initial, starts_on, beginning: None, states, steps, unmatched, exceptions, farewells }
    }

    /// Its version, from 1; 1 unless said. A run keeps the version that it began with.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// The events that begin a run, as a pattern. The first of them is given to the machine too, in its first state.
    pub fn starts_on(mut self, pattern: impl Into<String>) -> Self {
        self.starts_on.push(pattern.into());
        self
    }

    /// What the data are when a run begins, before the first state is entered.
    pub fn begins(mut self, beginning: impl Fn(&mut D, &Event, &Moment<'_>) + Send + Sync + 'static) -> Self {
        self.beginning = Some(Box::new(beginning));
        self
    }

    /// What becomes of an event that has no transition in the state that it finds; it is refused unless said.
    pub fn otherwise(mut self, unmatched: Unmatched) -> Self {
        self.unmatched = unmatched;
        self
    }

    /// The same for events of some types; the first that fits counts.
    pub fn otherwise_for(mut self, pattern: impl Into<String>, unmatched: Unmatched) -> Self {
        self.exceptions.push((pattern.into(), unmatched));
        self
    }

    /// A step: its name, the agent that does it, and what else is to be said of it.
    pub fn step(
        mut self,
        name: impl Into<String>,
        agent: impl Into<String>,
        more: impl FnOnce(StepBuilder) -> StepBuilder,
    ) -> Self {
        self.steps.push((name.into(), more(StepBuilder::new(agent.into())).plan));
        self
    }

    /// What is done whenever a state is entered, its first time too.
    pub fn enter(mut self, state: S, deeds: impl FnOnce(Deeds<D>) -> Deeds<D>) -> Self {
        self.plan(state).entry.extend(deeds(Deeds::none()).deeds);
        self
    }

    /// What is done whenever a state is left.
    pub fn leave(mut self, state: S, deeds: impl FnOnce(Deeds<D>) -> Deeds<D>) -> Self {
        self.plan(state).exit.extend(deeds(Deeds::none()).deeds);
        self
    }

    /// A transition that an event sets off, by its type. Its payload is read as `P`; one that cannot be is for a person.
    /// `Json` reads any.
    pub fn on<P: DeserializeOwned + 'static>(
        self,
        state: S,
        pattern: impl Into<String>,
        way: impl FnOnce(Way<S, D, P>) -> Way<S, D, P>,
    ) -> Self {
        let text = pattern.into();
        let trigger = Pattern::parse(&text).map_or(Trigger::NoPattern(text), Trigger::Event);
        self.add(state, way(Way::none()).on(trigger, read_json::<P>))
    }

    /// A transition that the end of a step sets off, with what it gave, read as `R`; what cannot be is a failure of the
    /// step. A result that no transition takes waits for a state that has one.
    pub fn on_done<R: DeserializeOwned + 'static>(
        self,
        state: S,
        step: impl Into<String>,
        way: impl FnOnce(Way<S, D, R>) -> Way<S, D, R>,
    ) -> Self {
        self.add(state, way(Way::none()).on(Trigger::Done(step.into()), read_json::<R>))
    }

    /// A transition that is taken when a step has failed for good. Without one the machine fails, and what it did is put
    /// back.
    pub fn on_failed(
        self,
        state: S,
        step: impl Into<String>,
        way: impl FnOnce(Way<S, D, StepError>) -> Way<S, D, StepError>,
    ) -> Self {
        let read = |happening: Happening<'_>| match happening {
            Happening::Failed { error, .. } => Ok(Box::new(error.clone()) as Box<dyn Any>),
            other => Err(format!("no error: {other:?}")),
        };
        self.add(state, way(Way::none()).on(Trigger::Failed(step.into()), read))
    }

    /// A transition that is taken when an event or an update, by its name here, was refused where it went, with the reason.
    /// Without one the machine fails.
    pub fn on_not_sent(
        self,
        state: S,
        name: impl Into<String>,
        way: impl FnOnce(Way<S, D, String>) -> Way<S, D, String>,
    ) -> Self {
        let read = |happening: Happening<'_>| match happening {
            Happening::NotSent { why, .. } => Ok(Box::new(why.clone()) as Box<dyn Any>),
            other => Err(format!("no reason: {other:?}")),
        };
        self.add(state, way(Way::none()).on(Trigger::NotSent(name.into()), read))
    }

    /// A transition that is taken so long after its state was entered. If its guards say no then, it is not tried again until
    /// the state is entered anew.
    pub fn after(self, state: S, wait: Duration, way: impl FnOnce(Way<S, D, ()>) -> Way<S, D, ()>) -> Self {
        self.add(state, way(Way::none()).on(Trigger::After(wait), |_| Ok(Box::new(()))))
    }

    /// A state in which the machine ends as it should, with that output, once all is recorded that it sends.
    pub fn completes<J: Into<Json>>(mut self, state: S, output: impl Fn(&D) -> J + Send + Sync + 'static) -> Self {
        self.plan(state).ends.push(End::Completes(Box::new(move |data| output(data).into())));
        self
    }

    /// A state in which the machine ends as failed, for that reason: what it did is put back.
    pub fn fails(mut self, state: S, error: impl Fn(&D) -> String + Send + Sync + 'static) -> Self {
        self.plan(state).ends.push(End::Fails(Box::new(error)));
        self
    }

    /// Sends an event once it is over, however that came, if one is made: to say how it went, or to clean up elsewhere. The run
    /// is over all the same if that event is refused.
    pub fn at_end(
        mut self,
        name: &str,
        event: impl Fn(&Ended<'_, S, D>) -> Option<EventBuilder> + Send + Sync + 'static,
    ) -> Self {
        self.farewells.send(name, event);
        self
    }

    /// Has somebody told how it went; see [`Notification`].
    pub fn notify(mut self, tell: impl Fn(&Ended<'_, S, D>) -> Notification + Send + Sync + 'static) -> Self {
        self.farewells.notify(tell);
        self
    }

    /// Sends an event once it has failed, and what it did is put back: the one that begins its recovery.
    pub fn recover(mut self, event: impl Fn(&Ended<'_, S, D>) -> EventBuilder + Send + Sync + 'static) -> Self {
        self.farewells.recover(event);
        self
    }

    /// Checks the whole.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place.
    pub fn build(self) -> Result<Machine<S, D>, MachineError> {
        let faults = check::faults(&self);
        let pattern = |text: &str| Pattern::parse(text).ok();
        let starts_on = self.starts_on.first().and_then(|text| pattern(text));
        let (Some(starts_on), true) = (starts_on, faults.is_empty()) else {
            return Err(MachineError { machine: self.name, faults });
        };
        let exceptions = self.exceptions.iter().filter_map(|(text, it)| Some((pattern(text)?, *it))).collect();
        let table = Table {
            name: self.name,
            version: self.version,
            initial: self.initial,
            starts_on,
            beginning: self.beginning,
            states: self.states,
            steps: self.steps.into_iter().collect(),
            unmatched: self.unmatched,
            exceptions,
            farewells: self.farewells,
        };
        Ok(Machine { table })
    }

    /// What becomes of an event of these types, if nothing else is said of some of them.
    pub(super) fn unmatched(&self) -> Unmatched {
        self.unmatched
    }

    fn add(mut self, state: S, transition: Transition<S, D>) -> Self {
        self.plan(state).transitions.push(transition);
        self
    }

    fn plan(&mut self, state: S) -> &mut StatePlan<S, D> {
        self.states.entry(state).or_default()
    }
}

fn read_json<P: DeserializeOwned + 'static>(happening: Happening<'_>) -> Result<Box<dyn Any>, String> {
    let json = match happening {
        Happening::Event(event) => &event.payload,
        Happening::Done { result, .. } => result,
        other => return Err(format!("nothing to be read: {other:?}")),
    };
    json.to::<P>().map(|read| Box::new(read) as Box<dyn Any>).map_err(|error| error.to_string())
}
