//! One actor per registered agent: a gate in front of its work.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures::FutureExt;
use futures::future::AbortRegistration;
use regie_core::event::CorrelationId;
use regie_core::limits;
use regie_core::workflow::{AgentOutcome, EffectKey};
use regie_core::{Json, Timestamp};
use tokio::sync::oneshot;

use crate::gate::{self, Begun, Bounds, End, Gate, GateView, Gates, Unfinished, Work};

pub use crate::gate::abortable;

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
    fn begin(self: Arc<Self>, task: AgentTask) -> Begun<AgentOutcome>;
}

struct Async<A>(A);
struct Blocking<A>(A);

impl<A: Agent> AnyAgent for Async<A> {
    fn begin(self: Arc<Self>, task: AgentTask) -> Begun<AgentOutcome> {
        Begun::Yields(async move { outcome(self.0.handle(task).await) }.boxed())
    }
}

impl<A: BlockingAgent> AnyAgent for Blocking<A> {
    fn begin(self: Arc<Self>, task: AgentTask) -> Begun<AgentOutcome> {
        Begun::Blocks(Box::new(move || outcome(self.0.handle(task))))
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
}

impl AgentSpec {
    /// An agent that yields while it waits.
    pub fn new(name: impl Into<String>, agent: impl Agent, limits: AgentLimits) -> Self {
        Self { name: name.into(), limits, work: Arc::new(Async(agent)) }
    }

    /// An agent that blocks its thread.
    pub fn blocking(name: impl Into<String>, agent: impl BlockingAgent, limits: AgentLimits) -> Self {
        Self { name: name.into(), limits, work: Arc::new(Blocking(agent)) }
    }
}

/// A gate in front of an agent.
pub type AgentGate = Gate<AgentSpec>;

/// The agents by name, for those who look.
pub type Agents = Gates<AgentSpec>;

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

/// What a gate needs of a call.
pub struct Asked {
    correlation: CorrelationId,
    key: EffectKey,
    task: Json,
}

impl Work for AgentSpec {
    /// An agent's limit is for its work, however long that had to wait.
    const FROM_ARRIVAL: bool = false;
    type Task = Asked;
    type About = ();
    type Outcome = AgentOutcome;
    type View = GateView;

    fn name(&self) -> &str {
        &self.name
    }

    fn bounds(&self) -> Bounds {
        Bounds { concurrency: self.limits.concurrency, queue: self.limits.queue }
    }

    fn begin(&self, Asked { correlation, key, task }: Asked, deadline: Timestamp) -> Begun<AgentOutcome> {
        Arc::clone(&self.work).begin(AgentTask { correlation, key, task, deadline })
    }

    fn about(&self, _: &Asked) {}

    fn unfinished(&self, (): &(), how: Unfinished) -> AgentOutcome {
        bounded(match how {
            Unfinished::TimedOut(limit) => AgentOutcome::TimedOut { after_ms: limit.as_millis() as u64 },
            Unfinished::Panicked(text) => AgentOutcome::Panicked(text),
            Unfinished::Refused(why) => AgentOutcome::Refused(why),
            Unfinished::Failed(why) => AgentOutcome::Failed(why),
        })
    }

    fn end(outcome: &AgentOutcome) -> End {
        match outcome {
            AgentOutcome::Done(_) => End::Done,
            AgentOutcome::TimedOut { .. } => End::TimedOut,
            AgentOutcome::Panicked(_) => End::Panicked,
            AgentOutcome::Refused(_) => End::Refused,
            _ => End::Failed,
        }
    }
}

fn outcome(result: Result<Json, AgentError>) -> AgentOutcome {
    bounded(match result {
        Ok(result) => AgentOutcome::Done(result),
        Err(error) => AgentOutcome::Failed(error.0),
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

impl Handler<Call> for AgentGate {
    type Result = ();

    fn handle(&mut self, call: Call, _: &mut Self::Context) {
        let Call { correlation, key, task, timeout, abort, reply } = call;
        let own = self.work().limits.timeout;
        let limit = timeout.unwrap_or(own).min(own);
        self.take(gate::Call { task: Asked { correlation, key, task }, limit, abort, reply });
    }
}
