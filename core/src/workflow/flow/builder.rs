//! How a flow is written.

use std::sync::Arc;
use std::time::Duration;

use super::check::{FlowFaults, build};
use super::fact::FlowError;
use super::handler::Flow;
use super::model::{Compute, Test, Then};
use super::scope::Scope;
use super::state::FlowState;
use super::tasks::Draft;
use super::value::{IntoTruth, IntoValue};
use crate::event::EventBuilder;
use crate::workflow::Notification;
use crate::workflow::ended::Farewells;

/// A task, as it is written.
pub struct Task {
    pub(super) when: Option<Test>,
    pub(super) input: Option<Compute>,
    pub(super) output: Option<Compute>,
    pub(super) export: Option<(String, Option<Compute>)>,
    pub(super) timeout: Option<Duration>,
    pub(super) then: Then,
    pub(super) draft: Draft,
}

impl From<Draft> for Task {
    fn from(draft: Draft) -> Self {
        Self { when: None, input: None, output: None, export: None, timeout: None, then: Then::Next, draft }
    }
}

/// What may be said of any task.
pub trait IntoTask: Into<Task> + Sized {
    /// It is passed over where this does not hold: what came to it goes on.
    fn when<T: IntoTruth>(self, test: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> Task {
        Task { when: Some(Arc::new(move |scope| test(scope).into_truth())), ..self.into() }
    }

    /// What comes to it, instead of what the task before it gave. For a call this is what the agent is to do.
    fn with<T: IntoValue>(self, input: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> Task {
        Task { input: Some(compute(input)), ..self.into() }
    }

    /// What it gives, made of what it would have given ([`Scope::value`]).
    fn giving<T: IntoValue>(self, output: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> Task {
        Task { output: Some(compute(output)), ..self.into() }
    }

    /// What it gives is kept in a variable too.
    fn keep_as(self, variable: &str) -> Task {
        Task { export: Some((variable.into(), None)), ..self.into() }
    }

    /// Something made of what it gives is kept in a variable.
    fn keep<T: IntoValue>(self, variable: &str, value: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> Task {
        Task { export: Some((variable.into(), Some(compute(value)))), ..self.into() }
    }

    /// It fails with the kind `timeout` if it takes longer, with all within it and all its tries.
    fn within(self, time: Duration) -> Task {
        Task { timeout: Some(time), ..self.into() }
    }

    /// After it comes the task of that name, of the same sequence.
    fn then_to(self, name: &str) -> Task {
        Task { then: Then::To(name.into()), ..self.into() }
    }

    /// After it comes what comes after the sequence that holds it.
    fn then_exit(self) -> Task {
        Task { then: Then::Exit, ..self.into() }
    }

    /// After it the flow is done, and gives what it gave.
    fn then_end(self) -> Task {
        Task { then: Then::End, ..self.into() }
    }
}

impl<T: Into<Task>> IntoTask for T {}

pub(super) fn compute<T: IntoValue>(how: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> Compute {
    Arc::new(move |scope| how(scope).into_value())
}

/// A flow that is over.
pub type Ended<'a> = crate::workflow::Ended<'a, FlowState, FlowError>;

/// A flow, as it is written: its tasks one after another.
///
/// ```
/// use regie_core::workflow::flow::{Flow, IntoTask, call};
/// use serde_json::json;
///
/// let flow = Flow::named("order")
///     .starts_on("order.placed")
///     .task("reserve", call("stock").undo("stock-back"))
///     .task("pay", call("bank").with(|scope| json!({ "sum": scope.input().value()["sum"] })))
///     .build()?;
/// # Ok::<(), regie_core::workflow::flow::FlowFaults>(())
/// ```
pub struct FlowBuilder {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) starts_on: Option<String>,
    pub(super) tasks: Vec<(String, Task)>,
    pub(super) output: Option<Compute>,
    pub(super) timeout: Option<Duration>,
    pub(super) farewells: Farewells<FlowState, FlowError>,
}

impl Flow {
    /// A flow of a name, without tasks yet.
    pub fn named(name: &str) -> FlowBuilder {
        let (starts_on, tasks, output, timeout, farewells) = (None, Vec::new(), None, None, Farewells::none());
        FlowBuilder { name: name.into(), version: 1, starts_on, tasks, output, timeout, farewells }
    }
}

impl FlowBuilder {
    /// Its version, 1 unless said. Runs keep the version that they began with.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// The events that begin it, as a pattern.
    pub fn starts_on(mut self, pattern: &str) -> Self {
        self.starts_on = Some(pattern.into());
        self
    }

    /// Adds a task after the others.
    pub fn task(mut self, name: &str, task: impl Into<Task>) -> Self {
        self.tasks.push((name.into(), task.into()));
        self
    }

    /// What it gives, made of what its last task gave.
    pub fn giving<T: IntoValue>(mut self, output: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> Self {
        self.output = Some(compute(output));
        self
    }

    /// It fails if it takes longer than that in all; what it did is put back then.
    pub fn within(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// Sends an event once it is over, however that came, if one is made: to say how it went, or to clean up elsewhere. The run
    /// is over all the same if that event is refused.
    pub fn at_end(
        mut self,
        name: &str,
        event: impl Fn(&Ended<'_>) -> Option<EventBuilder> + Send + Sync + 'static,
    ) -> Self {
        self.farewells.send(name, event);
        self
    }

    /// Has somebody told how it went; see [`Notification`].
    pub fn notify(mut self, tell: impl Fn(&Ended<'_>) -> Notification + Send + Sync + 'static) -> Self {
        self.farewells.notify(tell);
        self
    }

    /// Sends an event once it has failed, and what it did is put back: the one that begins its recovery.
    pub fn recover(mut self, event: impl Fn(&Ended<'_>) -> EventBuilder + Send + Sync + 'static) -> Self {
        self.farewells.recover(event);
        self
    }

    /// Checks it whole.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place.
    pub fn build(self) -> Result<Flow, FlowFaults> {
        build(self)
    }
}
