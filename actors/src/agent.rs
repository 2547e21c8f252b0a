//! One actor per registered agent: a gate in front of work that runs elsewhere.
//!
//! The gate bounds how many calls run and how many wait. The work itself never runs on an arbiter: an async agent runs
//! on a pool of threads, time-limited and abortable; a blocking one on threads of its own, and one that is stuck is left
//! behind, replaced and counted.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use dashmap::DashMap;
use futures::FutureExt;
use futures::future::{AbortHandle, AbortRegistration, Abortable, Aborted, BoxFuture, Either, select};
use regie_core::event::CorrelationId;
use regie_core::limits;
use regie_core::workflow::{AgentOutcome, EffectKey, panic_text};
use regie_core::{Json, Timestamp};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::faults::FaultPoint;
use crate::life::Life;

/// One task for an agent. It is an actix message, too: see [`ActorAgent`].
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Json, AgentError>")]
pub struct AgentTask {
    /// The workflow that asks.
    pub correlation: CorrelationId,
    /// Its step and attempt: with the correlation, the idempotency token. The same token may come twice after a crash.
    pub key: EffectKey,
    /// What to do.
    pub task: Json,
    /// When it will be stopped.
    pub deadline: Timestamp,
}

impl AgentTask {
    /// The idempotency token, for services that take one.
    pub fn token(&self) -> String {
        format!("{}/{}", self.correlation, self.key)
    }
}

/// Why an agent did not do a task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AgentError(pub String);

/// Does work outside: calls an API, a model, a process. Runs on a pool of threads; when its time is up its future is
/// dropped. A future that holds its thread without yielding harms that pool: use a [`BlockingAgent`] for such work.
pub trait Agent: Send + Sync + 'static {
    /// Does one task.
    fn handle(&self, task: AgentTask) -> impl Future<Output = Result<Json, AgentError>> + Send;
}

/// Does work that blocks its thread. Each call has a thread; one that is still busy when its time is up is left behind.
pub trait BlockingAgent: Send + Sync + 'static {
    /// Does one task.
    fn handle(&self, task: AgentTask) -> Result<Json, AgentError>;
}

/// An actix actor of yours as an agent, by its recipient. It runs where you started it; it must not hold its own arbiter.
pub struct ActorAgent(pub Recipient<AgentTask>);

impl Agent for ActorAgent {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        self.0.send(task).await.unwrap_or_else(|error| Err(AgentError(format!("the actor does not answer: {error}"))))
    }
}

trait AnyAgent: Send + Sync {
    fn start(self: Arc<Self>, task: AgentTask, view: &Arc<AgentView>) -> BoxFuture<'static, Result<Json, AgentError>>;
}

struct Async<A>(A);
struct Blocking<A>(A);

impl<A: Agent> AnyAgent for Async<A> {
    fn start(self: Arc<Self>, task: AgentTask, _: &Arc<AgentView>) -> BoxFuture<'static, Result<Json, AgentError>> {
        async move { self.0.handle(task).await }.boxed()
    }
}

impl<A: BlockingAgent> AnyAgent for Blocking<A> {
    fn start(self: Arc<Self>, task: AgentTask, view: &Arc<AgentView>) -> BoxFuture<'static, Result<Json, AgentError>> {
        let (done, result) = oneshot::channel();
        let mut awaited = Awaited { result, view: Arc::clone(view), ended: false };
        let view = Arc::clone(view);
        let thread = std::thread::Builder::new().name("regie-agent".into()).spawn(move || {
            let result = std::panic::catch_unwind(AssertUnwindSafe(|| self.0.handle(task)));
            if done.send(result).is_err() {
                view.stuck.fetch_sub(1, Ordering::Relaxed); // it was left behind, and has come to its end all the same
            }
        });
        async move {
            if let Err(error) = thread {
                awaited.is_over();
                return Err(AgentError(format!("no thread: {error}")));
            }
            let result = (&mut awaited.result).await;
            awaited.is_over();
            match result {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                Err(_) => Err(AgentError("the thread is gone".into())),
            }
        }
        .boxed()
    }
}

/// What a blocking call's thread will say. Dropped before it has, the thread is left behind and counts as stuck until it ends.
struct Awaited {
    result: oneshot::Receiver<std::thread::Result<Result<Json, AgentError>>>,
    view: Arc<AgentView>,
    ended: bool,
}

impl Awaited {
    fn is_over(&mut self) {
        self.ended = true;
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.view.stuck.fetch_add(1, Ordering::Relaxed);
        self.result.close();
        if self.result.try_recv().is_ok() {
            self.view.stuck.fetch_sub(1, Ordering::Relaxed); // it had just ended
        }
    }
}

/// How many calls an agent takes, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct AgentLimits {
    /// Calls that run at once; at least one.
    pub concurrency: usize,
    /// Calls that wait; more are refused.
    pub queue: usize,
    /// How long one call may take, unless it says less.
    pub timeout: Duration,
}

impl Default for AgentLimits {
    fn default() -> Self {
        Self { concurrency: limits::AGENT_CONCURRENCY, queue: limits::AGENT_QUEUE, timeout: limits::AGENT_TIMEOUT }
    }
}

/// An agent to register: its name, its limits and what does the work.
#[derive(Clone)]
pub struct AgentSpec {
    /// Its name.
    pub name: String,
    /// Its limits.
    pub limits: AgentLimits,
    work: Arc<dyn AnyAgent>,
    blocks: bool,
}

impl AgentSpec {
    /// An agent that yields while it waits.
    pub fn new(name: impl Into<String>, agent: impl Agent, limits: AgentLimits) -> Self {
        Self { name: name.into(), limits, work: Arc::new(Async(agent)), blocks: false }
    }

    /// An agent that blocks its thread.
    pub fn blocking(name: impl Into<String>, agent: impl BlockingAgent, limits: AgentLimits) -> Self {
        Self { name: name.into(), limits, work: Arc::new(Blocking(agent)), blocks: true }
    }
}

/// What may be seen of an agent. Nothing is decided by it.
#[derive(Debug, Default)]
pub struct AgentView {
    /// Calls that run now.
    pub running: AtomicU64,
    /// Calls that wait now.
    pub waiting: AtomicU64,
    /// Calls that gave a result.
    pub done: AtomicU64,
    /// Calls that gave an error.
    pub failed: AtomicU64,
    /// Calls that were stopped at their limit.
    pub timed_out: AtomicU64,
    /// Calls that panicked.
    pub panicked: AtomicU64,
    /// Calls that were refused for want of room.
    pub refused: AtomicU64,
    /// Calls that were given up with their workflow.
    pub cancelled: AtomicU64,
    /// Threads that were left behind, and are stuck still.
    pub stuck: AtomicU64,
}

/// A gate, and what may be seen of it.
type Registered = (Addr<AgentGate>, Arc<AgentView>);

/// The agents by name, for those who look.
#[derive(Clone, Default)]
pub struct Agents(Arc<DashMap<String, Registered>>);

impl Agents {
    /// The gate of an agent.
    pub fn gate(&self, name: &str) -> Option<Addr<AgentGate>> {
        self.0.get(name).map(|entry| entry.0.clone())
    }

    /// Adds one.
    pub fn add(&self, name: String, gate: Addr<AgentGate>, view: Arc<AgentView>) {
        self.0.insert(name, (gate, view));
    }

    /// Names and views, by name.
    pub fn views(&self) -> Vec<(String, Arc<AgentView>)> {
        let mut views: Vec<_> =
            self.0.iter().map(|entry| (entry.key().clone(), Arc::clone(&entry.value().1))).collect();
        views.sort_by(|left, right| left.0.cmp(&right.0));
        views
    }
}

/// Asks for a task to be done.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Call {
    /// Whose.
    pub correlation: CorrelationId,
    /// The step and attempt.
    pub key: EffectKey,
    /// What to do.
    pub task: Json,
    /// Its own time limit, if it has one; the agent's stands where it is shorter.
    pub timeout: Option<Duration>,
    /// Gives the call up when its other end says so.
    pub abort: AbortRegistration,
    /// Where the outcome goes; dropped if the call is given up.
    pub reply: oneshot::Sender<AgentOutcome>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Ended;

/// The actor.
pub struct AgentGate {
    spec: AgentSpec,
    view: Arc<AgentView>,
    clock: Clock,
    pool: tokio::runtime::Handle,
    running: usize,
    waiting: VecDeque<Call>,
    life: Life,
}

impl AgentGate {
    /// A gate in front of an agent whose work runs on that pool.
    pub fn new(spec: AgentSpec, view: Arc<AgentView>, clock: Clock, pool: tokio::runtime::Handle, life: Life) -> Self {
        Self { spec, view, clock, pool, running: 0, waiting: VecDeque::new(), life }
    }

    fn start_some(&mut self, ctx: &mut Context<Self>) {
        while self.running < self.spec.limits.concurrency.max(1) {
            let Some(call) = self.waiting.pop_front() else { break };
            self.start_one(call, ctx);
        }
        self.view.waiting.store(self.waiting.len() as u64, Ordering::Relaxed);
        self.view.running.store(self.running as u64, Ordering::Relaxed);
    }

    fn start_one(&mut self, call: Call, ctx: &mut Context<Self>) {
        if self.spec.blocks && self.view.stuck.load(Ordering::Relaxed) >= limits::AGENT_STUCK as u64 {
            self.view.refused.fetch_add(1, Ordering::Relaxed);
            let why = format!("{} threads of '{}' are stuck", limits::AGENT_STUCK, self.spec.name);
            let _ = call.reply.send(AgentOutcome::Refused(why));
            return;
        }
        if call.abort.handle().is_aborted() {
            self.view.cancelled.fetch_add(1, Ordering::Relaxed);
            return; // given up while it waited: a blocking one would begin all the same
        }
        let Call { correlation, key, task, timeout, abort, reply } = call;
        let limit = timeout.unwrap_or(self.spec.limits.timeout).min(self.spec.limits.timeout);
        let deadline = self.clock.now().after(limit);
        let work = Arc::clone(&self.spec.work).start(AgentTask { correlation, key, task, deadline }, &self.view);
        let time_is_up = self.clock.sleep(limit);
        let view = Arc::clone(&self.view);
        let call = async move {
            let outcome = outcome(work, time_is_up, limit).await;
            count(&view, &outcome);
            // Who does not wait any more has given the call up.
            let _ = reply.send(outcome);
        };
        self.running += 1;
        let mut running = Running(self.pool.spawn(Abortable::new(call, abort)));
        let view = Arc::clone(&self.view);
        let ended = async move {
            if matches!((&mut running.0).await, Ok(Err(_))) {
                view.cancelled.fetch_add(1, Ordering::Relaxed);
            }
        };
        ctx.spawn(ended.into_actor(self).map(|(), _, ctx| ctx.notify(Ended)));
    }
}

/// A call that runs, for as long as its gate lives: what the next gate lets in is counted anew, so that a call which nobody
/// counts any more is ended, and its workflow told that it was lost.
struct Running(tokio::task::JoinHandle<Result<(), Aborted>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn outcome(
    work: BoxFuture<'static, Result<Json, AgentError>>,
    time_is_up: BoxFuture<'static, ()>,
    limit: Duration,
) -> AgentOutcome {
    let work = AssertUnwindSafe(work).catch_unwind();
    bounded(match select(Box::pin(work), time_is_up).await {
        Either::Left((Ok(Ok(result)), _)) => AgentOutcome::Done(result),
        Either::Left((Ok(Err(error)), _)) => AgentOutcome::Failed(error.0),
        Either::Left((Err(panic), _)) => AgentOutcome::Panicked(panic_text(panic.as_ref())),
        Either::Right(((), work)) => {
            // Its end is told even if it panics while it is dropped.
            let _ = std::panic::catch_unwind(AssertUnwindSafe(|| drop(work)));
            AgentOutcome::TimedOut { after_ms: limit.as_millis() as u64 }
        }
    })
}

/// What an agent says is recorded, so it must fit.
fn bounded(outcome: AgentOutcome) -> AgentOutcome {
    let bytes = match &outcome {
        AgentOutcome::Done(result) => result.text().len(),
        AgentOutcome::Failed(text) | AgentOutcome::Panicked(text) => text.len(),
        _ => 0,
    };
    let limit = limits::AGENT_RESULT_BYTES;
    if bytes <= limit {
        return outcome;
    }
    AgentOutcome::Failed(format!("it gave {bytes} bytes; at most {limit} are taken: keep large results elsewhere"))
}

fn count(view: &AgentView, outcome: &AgentOutcome) {
    let counter = match outcome {
        AgentOutcome::Done(_) => &view.done,
        AgentOutcome::TimedOut { .. } => &view.timed_out,
        AgentOutcome::Panicked(_) => &view.panicked,
        AgentOutcome::Refused(_) => &view.refused,
        _ => &view.failed,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Actor for AgentGate {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::EFFECTS_IN_FLIGHT);
        self.view.waiting.store(0, Ordering::Relaxed);
        self.view.running.store(0, Ordering::Relaxed);
    }
}

impl Handler<Call> for AgentGate {
    type Result = ();

    fn handle(&mut self, call: Call, ctx: &mut Self::Context) {
        self.life.maybe(FaultPoint::GateCall);
        if self.running >= self.spec.limits.concurrency && self.waiting.len() >= self.spec.limits.queue {
            self.view.refused.fetch_add(1, Ordering::Relaxed);
            let why = format!("{} calls of '{}' are waiting already", self.waiting.len(), self.spec.name);
            let _ = call.reply.send(AgentOutcome::Refused(why));
            return;
        }
        self.waiting.push_back(call);
        self.start_some(ctx);
        self.life.maybe(FaultPoint::GateBegun);
    }
}

impl Handler<Ended> for AgentGate {
    type Result = ();

    fn handle(&mut self, _: Ended, ctx: &mut Self::Context) {
        self.running = self.running.saturating_sub(1);
        self.start_some(ctx);
    }
}

/// The two ends by which a call is given up.
pub fn abortable() -> (AbortHandle, AbortRegistration) {
    AbortHandle::new_pair()
}
