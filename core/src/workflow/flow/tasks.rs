//! The kinds of tasks, as they are written.

use std::sync::Arc;
use std::time::Duration;

use super::builder::{Task, compute};
use super::model::{Compute, Instant, Join, Test, Then, Undoing, Written};
use super::scope::Scope;
use super::value::{IntoInstant, IntoTruth, IntoValue};
use crate::event::EventBuilder;
use crate::retry::Retry;
use crate::workflow::step::Done;

/// What a task does, as it is written.
pub(super) enum Draft {
    Call(CallTask),
    Set(Vec<(String, Compute)>),
    Sequence(Vec<(String, Task)>),
    Steps(Vec<(String, Vec<String>, Task)>),
    Fork(Vec<(String, Task)>, Join),
    Each(Box<EachTask>),
    Switch(Vec<(Option<Test>, Then)>),
    Choose(Vec<(String, Option<Test>, Task)>),
    Attempt(Box<AttemptTask>),
    Raise(String, Compute),
    Emit(Written),
    Run(Written),
    Listen(ListenTask),
    Wait(Instant),
}

/// A call of an agent.
pub struct CallTask {
    pub(super) agent: String,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Retry,
    pub(super) max_elapsed: Option<Duration>,
    pub(super) never_for: Vec<String>,
    pub(super) undo: Option<String>,
    pub(super) undo_with: Option<Undoing>,
    pub(super) undo_timeout: Option<Duration>,
    pub(super) undo_retry: Retry,
}

/// Has an agent, or a route to some, do what came to the task; see [`IntoTask::with`](super::IntoTask::with). It is tried
/// three times unless said.
pub fn call(agent: &str) -> CallTask {
    CallTask {
        agent: agent.into(),
        timeout: None,
        retry: Retry { first: Duration::from_secs(1), ..Retry::times(3) },
        max_elapsed: None,
        never_for: Vec::new(),
        undo: None,
        undo_with: None,
        undo_timeout: None,
        undo_retry: Retry { first: Duration::from_secs(1), ..Retry::times(10) },
    }
}

impl CallTask {
    /// How long one try may take; the agent's own limit unless said.
    pub fn limit(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// How it is tried again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// How long it may be tried, from the first try on.
    pub fn retry_within(mut self, time: Duration) -> Self {
        self.max_elapsed = Some(time);
        self
    }

    /// An error that is not tried again: an agent's code for it, or a kind (`timeout`).
    pub fn never_retry(mut self, error: &str) -> Self {
        self.never_for.push(error.into());
        self
    }

    /// The agent that puts it back if what comes after it fails, or the flow is cancelled. It is told the step, what was to be
    /// done and what came of that (`step`, `input`, `result`); `result` is null where nobody knows.
    pub fn undo(mut self, agent: &str) -> Self {
        self.undo = Some(agent.into());
        self
    }

    /// What the agent is told that puts it back.
    pub fn undo_with<T: IntoValue>(mut self, input: impl Fn(&Done) -> T + Send + Sync + 'static) -> Self {
        self.undo_with = Some(Arc::new(move |done| input(done).into_value()));
        self
    }

    /// How long one try at putting it back may take.
    pub fn undo_limit(mut self, time: Duration) -> Self {
        self.undo_timeout = Some(time);
        self
    }

    /// How putting it back is tried again, ten times unless said; after that the workflow waits for a person.
    pub fn undo_retry(mut self, retry: Retry) -> Self {
        self.undo_retry = retry;
        self
    }
}

/// Variables that get values.
pub struct SetTask(Vec<(String, Compute)>);

/// Gives a variable a value; null takes it away. What came to the task goes on.
pub fn set<T: IntoValue>(name: &str, value: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> SetTask {
    SetTask(Vec::new()).and(name, value)
}

impl SetTask {
    /// Gives another one a value, which may look at those before it.
    pub fn and<T: IntoValue>(mut self, name: &str, value: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> Self {
        self.0.push((name.into(), compute(value)));
        self
    }
}

/// Tasks one after another.
#[derive(Default)]
pub struct SequenceTask(Vec<(String, Task)>);

/// Tasks one after another: each is given what the one before it gave.
pub fn sequence() -> SequenceTask {
    SequenceTask::default()
}

impl SequenceTask {
    /// Adds a task after the others.
    pub fn task(mut self, name: &str, task: impl Into<Task>) -> Self {
        self.0.push((name.into(), task.into()));
        self
    }
}

/// Tasks of which each waits for some others.
#[derive(Default)]
pub struct StepsTask(Vec<(String, Vec<String>, Task)>);

/// Tasks of which each begins once those are done that it comes after; all others at once. It gives an object with what each
/// gave.
pub fn steps() -> StepsTask {
    StepsTask::default()
}

impl StepsTask {
    /// Adds a task that comes after others.
    pub fn task(mut self, name: &str, after: &[&str], task: impl Into<Task>) -> Self {
        self.0.push((name.into(), after.iter().map(ToString::to_string).collect(), task.into()));
        self
    }
}

/// Tasks at once.
pub struct ForkTask(Vec<(String, Task)>, Join);

/// Tasks at once. It is done when all are, and gives an array of what they gave; the first failure fails it, and what is left
/// is given up.
pub fn fork() -> ForkTask {
    ForkTask(Vec::new(), Join::All)
}

impl ForkTask {
    /// Adds a branch.
    pub fn branch(mut self, name: &str, task: impl Into<Task>) -> Self {
        self.0.push((name.into(), task.into()));
        self
    }

    /// All are brought to their end, be it well or not: it gives an array of `{"output": …}` and `{"error": …}`, and does not
    /// fail.
    pub fn collect(mut self) -> Self {
        self.1 = Join::Collect;
        self
    }

    /// It is done when so many are, and gives an array of what these gave, the earliest first.
    pub fn at_least(mut self, count: usize) -> Self {
        self.1 = Join::AtLeast(count);
        self
    }

    /// It is done when one is, and gives what that gave.
    pub fn first(mut self) -> Self {
        self.1 = Join::First;
        self
    }
}

/// A task for each of some items.
pub struct EachTask {
    pub(super) items: Compute,
    pub(super) variable: String,
    pub(super) at_most: usize,
    pub(super) join: Join,
    pub(super) body: Option<(String, Task)>,
}

/// A task for each item of an array, one after another unless said. Within it the item is [`Scope::item`] by that name, and
/// what comes to the task. It gives an array of what each gave, in the order of the items.
pub fn each<T: IntoValue>(variable: &str, items: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> EachTask {
    EachTask { items: compute(items), variable: variable.into(), at_most: 1, join: Join::All, body: None }
}

impl EachTask {
    /// What is done for each.
    pub fn task(mut self, name: &str, task: impl Into<Task>) -> Self {
        self.body = Some((name.into(), task.into()));
        self
    }

    /// How many are under way at once.
    pub fn at_most(mut self, count: usize) -> Self {
        self.at_most = count;
        self
    }

    /// All are brought to their end, be it well or not: see [`ForkTask::collect`].
    pub fn collect(mut self) -> Self {
        self.join = Join::Collect;
        self
    }
}

/// Where to go on.
#[derive(Default)]
pub struct SwitchTask(Vec<(Option<Test>, Then)>);

/// Says where to go on: at the first case that holds, else at what stands after it. What came to it goes on.
pub fn switch() -> SwitchTask {
    SwitchTask::default()
}

impl SwitchTask {
    /// At that task of the same sequence, if this holds.
    pub fn case<T: IntoTruth>(mut self, test: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static, name: &str) -> Self {
        self.0.push((Some(Arc::new(move |scope| test(scope).into_truth())), Then::To(name.into())));
        self
    }

    /// Nowhere, if this holds: the flow is done.
    pub fn end_if<T: IntoTruth>(mut self, test: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> Self {
        self.0.push((Some(Arc::new(move |scope| test(scope).into_truth())), Then::End));
        self
    }

    /// At that task of the same sequence, if no case holds.
    pub fn otherwise(mut self, name: &str) -> Self {
        self.0.push((None, Then::To(name.into())));
        self
    }
}

/// One of several tasks.
#[derive(Default)]
pub struct ChooseTask(Vec<(String, Option<Test>, Task)>);

/// Does the first of several tasks whose condition holds, and gives what that gives; what came to it if none does.
pub fn choose() -> ChooseTask {
    ChooseTask::default()
}

impl ChooseTask {
    /// This one, if that holds.
    pub fn case<T: IntoTruth>(
        mut self,
        name: &str,
        test: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static,
        task: impl Into<Task>,
    ) -> Self {
        self.0.push((name.into(), Some(Arc::new(move |scope| test(scope).into_truth())), task.into()));
        self
    }

    /// This one, if none holds before it.
    pub fn otherwise(mut self, name: &str, task: impl Into<Task>) -> Self {
        self.0.push((name.into(), None, task.into()));
        self
    }
}

/// A task whose failure is caught.
pub struct AttemptTask {
    pub(super) tried: (String, Task),
    pub(super) catches: Option<Test>,
    pub(super) retry: Option<(Retry, Option<Duration>)>,
    pub(super) caught: Option<(String, Task)>,
}

/// Tries a task. If it fails, what it had under way is given up, and it gives null unless said.
pub fn attempt(name: &str, task: impl Into<Task>) -> AttemptTask {
    AttemptTask { tried: (name.into(), task.into()), catches: None, retry: None, caught: None }
}

impl AttemptTask {
    /// Only such failures are caught ([`Scope::error`]).
    pub fn catch_if<T: IntoTruth>(mut self, test: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> Self {
        self.catches = Some(Arc::new(move |scope| test(scope).into_truth()));
        self
    }

    /// All of it is tried again. Tried in vain it fails, unless something is done instead.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some((retry, None));
        self
    }

    /// The same, no longer than that in all.
    pub fn retry_within(mut self, retry: Retry, time: Duration) -> Self {
        self.retry = Some((retry, Some(time)));
        self
    }

    /// What is done instead, once it has failed for good.
    pub fn otherwise(mut self, name: &str, task: impl Into<Task>) -> Self {
        self.caught = Some((name.into(), task.into()));
        self
    }
}

/// Fails on purpose, with a kind of your own and a message.
pub fn raise<T: IntoValue>(kind: &str, message: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> Task {
    Draft::Raise(kind.into(), compute(message)).into()
}

/// Sends an event to another correlation, and goes on once it is recorded there.
pub fn emit(event: impl Fn(&Scope<'_>) -> EventBuilder + Send + Sync + 'static) -> Task {
    Draft::Emit(Arc::new(move |scope| Ok(event(scope)))).into()
}

/// Has a workflow run in another correlation: the event begins it. It gives what that gives, and fails with the kind `workflow`
/// if that does not complete. If it is given up, that workflow is cancelled.
pub fn run(event: impl Fn(&Scope<'_>) -> EventBuilder + Send + Sync + 'static) -> Task {
    Draft::Run(Arc::new(move |scope| Ok(event(scope)))).into()
}

/// Events that are waited for.
pub struct ListenTask {
    pub(super) on: Vec<(String, Option<Test>)>,
    pub(super) all: bool,
}

/// Waits for an event of the workflow's correlation, and gives its payload. One that has come before, while nobody listened,
/// is taken too.
pub fn listen(pattern: &str) -> ListenTask {
    ListenTask { on: vec![(pattern.into(), None)], all: false }
}

impl ListenTask {
    /// Only one for which this holds ([`Scope::event`]); said of the last pattern.
    pub fn matching<T: IntoTruth>(mut self, test: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> Self {
        if let Some((_, last)) = self.on.last_mut() {
            *last = Some(Arc::new(move |scope| test(scope).into_truth()));
        }
        self
    }

    /// Or one of that pattern.
    pub fn or(mut self, pattern: &str) -> Self {
        self.on.push((pattern.into(), None));
        self
    }

    /// For one of each pattern, instead of one of any: it gives an array of their payloads.
    pub fn all(mut self) -> Self {
        self.all = true;
        self
    }
}

/// Waits for so long.
pub fn wait(time: Duration) -> Task {
    wait_until(move |_| time)
}

/// Waits until an instant, or for as long as is computed then.
pub fn wait_until<T: IntoInstant>(instant: impl Fn(&Scope<'_>) -> T + Send + Sync + 'static) -> Task {
    Draft::Wait(Arc::new(move |scope| instant(scope).into_instant(scope.now()))).into()
}

macro_rules! drafts {
    ($($task:ident => $draft:expr),* $(,)?) => {
        $(impl From<$task> for Task {
            fn from(task: $task) -> Self {
                let draft: fn($task) -> Draft = $draft;
                draft(task).into()
            }
        })*
    };
}

drafts! {
    CallTask => Draft::Call,
    SetTask => |task| Draft::Set(task.0),
    SequenceTask => |task| Draft::Sequence(task.0),
    StepsTask => |task| Draft::Steps(task.0),
    ForkTask => |task| Draft::Fork(task.0, task.1),
    EachTask => |task| Draft::Each(Box::new(task)),
    SwitchTask => |task| Draft::Switch(task.0),
    ChooseTask => |task| Draft::Choose(task.0),
    AttemptTask => |task| Draft::Attempt(Box::new(task)),
    ListenTask => Draft::Listen,
}
