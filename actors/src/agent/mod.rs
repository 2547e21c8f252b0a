//! One actor per registered agent: a gate in front of its work.

mod ask;
mod call;
mod gate;
mod health;
mod instance;
mod kept;
mod links;
mod registry;
mod spec;
mod store;
mod teller;
mod view;

use std::future::Future;

use actix::prelude::*;
use futures::future::BoxFuture;
use regie_core::event::CorrelationId;
use regie_core::workflow::EffectKey;
use regie_core::{Json, Timestamp};

pub use crate::gate::abortable;
pub use ask::Errand;
pub use call::Call;
pub use gate::{AgentGate, SetLimits};
pub use kept::KeptView;
pub(crate) use links::AgentLinks;
pub use regie_core::agents::{AgentError, BreakerRule, CacheRule, CallRate, Candidate, Route, read_answer};
pub use registry::Agents;
pub use spec::{AgentLimits, AgentSpec, Probe};
pub use store::ResultStore;
pub(crate) use teller::phases;
pub use view::{AgentView, Health, InstanceView, Shown};

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

/// Does work outside: calls an API, a model, a process. Runs on a pool of threads; when its time is up its future is
/// dropped. A future that holds its thread without yielding harms that pool: use a [`BlockingAgent`] for such work.
pub trait Agent: Send + Sync + 'static {
    /// Does one task.
    fn handle(&self, task: AgentTask) -> impl Future<Output = Result<Json, AgentError>> + Send;

    /// Tells whether it could do one now; nothing, unless you say more, for one that cannot tell. It is asked at the start and
    /// then at an interval, within a time limit; while it says no, or nothing in time, it is given no tasks.
    fn health(&self) -> Option<BoxFuture<'_, Result<(), AgentError>>> {
        None
    }
}

/// Does work that blocks its thread. Each call has a thread; one that is still busy when its time is up is left behind.
pub trait BlockingAgent: Send + Sync + 'static {
    /// Does one task.
    fn handle(&self, task: AgentTask) -> Result<Json, AgentError>;

    /// The same as [`Agent::health`], on a thread of its own.
    fn health(&self) -> Option<Result<(), AgentError>> {
        None
    }
}

/// An actix actor of yours as an agent, by its recipient. It runs where you started it; it must not hold its own arbiter.
pub struct ActorAgent(pub Recipient<AgentTask>);

impl Agent for ActorAgent {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        let silent = |error| Err(AgentError::new(format!("the actor does not answer: {error}")));
        self.0.send(task).await.unwrap_or_else(silent)
    }
}
