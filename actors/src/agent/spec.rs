//! An agent as it is registered: its name, its limits, what it can, and what does the work.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use regie_core::agents::{AgentError, BreakerRule, CacheRule, CallRate, outcome};
use regie_core::limits;
use regie_core::workflow::AgentOutcome;

use super::{Agent, AgentTask, BlockingAgent, ResultStore};
use crate::gate::Begun;

/// What a look at an agent's health gives; nothing from one that cannot tell.
pub(super) type Told = Option<Result<(), AgentError>>;

/// An agent without its type.
pub(super) trait AnyAgent: Send + Sync {
    fn begin(self: Arc<Self>, task: AgentTask) -> Begun<AgentOutcome>;
    /// Whether it may be able to tell how it is.
    fn tells_health(&self) -> bool;
    fn health(self: Arc<Self>) -> Begun<Told>;
}

/// With whether it can tell how it is.
struct Async<A>(A, bool);
struct Blocking<A>(A);

impl<A: Agent> Async<A> {
    /// Its code runs here where it is registered, on the user's own thread.
    fn of(agent: A) -> Arc<dyn AnyAgent> {
        let tells = agent.health().is_some();
        Arc::new(Self(agent, tells))
    }
}

impl<A: Agent> AnyAgent for Async<A> {
    fn begin(self: Arc<Self>, task: AgentTask) -> Begun<AgentOutcome> {
        Begun::Yields(async move { outcome(self.0.handle(task).await) }.boxed())
    }

    fn tells_health(&self) -> bool {
        self.1
    }

    fn health(self: Arc<Self>) -> Begun<Told> {
        let told = async move {
            match self.0.health() {
                Some(told) => Some(told.await),
                None => None,
            }
        };
        Begun::Yields(told.boxed())
    }
}

impl<A: BlockingAgent> AnyAgent for Blocking<A> {
    fn begin(self: Arc<Self>, task: AgentTask) -> Begun<AgentOutcome> {
        Begun::Blocks(Box::new(move || outcome(self.0.handle(task))))
    }

    fn tells_health(&self) -> bool {
        true // only its thread will tell
    }

    fn health(self: Arc<Self>) -> Begun<Told> {
        Begun::Blocks(Box::new(move || self.0.health()))
    }
}

/// How many calls an agent takes, how often, and for how long; of one with several instances, each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentLimits {
    /// Calls that run at once; at least one.
    pub concurrency: usize,
    /// Calls that wait; more are refused.
    pub queue: usize,
    /// How long one call may take, unless it says less.
    pub timeout: Duration,
    /// How often calls begin; as often as they come, unless said. One that would have to wait longer than it may take is
    /// refused.
    pub rate: Option<CallRate>,
    /// When it is not asked for a while, because it fails; always asked, unless said.
    pub breaker: Option<BreakerRule>,
}

impl Default for AgentLimits {
    fn default() -> Self {
        let (concurrency, queue) = (limits::AGENT_CONCURRENCY, limits::AGENT_QUEUE);
        Self { concurrency, queue, timeout: limits::AGENT_TIMEOUT, rate: None, breaker: None }
    }
}

impl AgentLimits {
    /// How many calls run at once, and how many wait.
    #[must_use]
    pub fn places(mut self, concurrency: usize, queue: usize) -> Self {
        (self.concurrency, self.queue) = (concurrency, queue);
        self
    }

    /// How long one call may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often calls begin.
    #[must_use]
    pub fn rate(mut self, rate: CallRate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// When it is not asked for a while.
    #[must_use]
    pub fn breaker(mut self, breaker: BreakerRule) -> Self {
        self.breaker = Some(breaker);
        self
    }
}

/// How an agent that can tell how it is is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// How often.
    pub every: Duration,
    /// How long it may take to tell.
    pub within: Duration,
}

impl Default for Probe {
    fn default() -> Self {
        Self { every: limits::HEALTH_EVERY, within: limits::HEALTH_LIMIT }
    }
}

/// An agent to register: its name, its limits and what does the work.
#[derive(Clone)]
pub struct AgentSpec {
    /// Its name.
    pub name: String,
    /// What it can, for routes.
    pub capabilities: BTreeSet<String>,
    /// How it is asked how it is.
    pub probe: Probe,
    pub(super) instances: Vec<(Arc<dyn AnyAgent>, AgentLimits)>,
    pub(super) keeps: Option<(CacheRule, Level)>,
}

/// Where results are kept beside the memory.
#[derive(Clone)]
pub(super) enum Level {
    Nowhere,
    Journal,
    Store(Arc<dyn ResultStore>),
}

impl AgentSpec {
    /// An agent that yields while it waits.
    pub fn new(name: impl Into<String>, agent: impl Agent, limits: AgentLimits) -> Self {
        Self::of(name.into(), Async::of(agent), limits)
    }

    /// An agent that blocks its thread.
    pub fn blocking(name: impl Into<String>, agent: impl BlockingAgent, limits: AgentLimits) -> Self {
        Self::of(name.into(), Arc::new(Blocking(agent)), limits)
    }

    /// One more instance, with limits and a breaker of its own. The least loaded one that is well takes a call.
    #[must_use]
    pub fn instance(mut self, agent: impl Agent, limits: AgentLimits) -> Self {
        self.instances.push((Async::of(agent), limits));
        self
    }

    /// The same of one that blocks its thread.
    #[must_use]
    pub fn blocking_instance(mut self, agent: impl BlockingAgent, limits: AgentLimits) -> Self {
        self.instances.push((Arc::new(Blocking(agent)), limits));
        self
    }

    /// Something that it can, by which routes find it.
    #[must_use]
    pub fn capability(mut self, what: impl Into<String>) -> Self {
        self.capabilities.insert(what.into());
        self
    }

    /// How often it is asked how it is, and how long it may take to tell.
    #[must_use]
    pub fn probe(mut self, every: Duration, within: Duration) -> Self {
        self.probe = Probe { every, within };
        self
    }

    /// Keeps its results, in memory and then in the journal: a call for the same task is answered by what is kept, or shares the
    /// end of one that is under way. Only for an agent that gives the same for the same task, and does nothing else.
    #[must_use]
    pub fn cache(mut self, rule: CacheRule) -> Self {
        self.keeps = Some((rule, Level::Journal));
        self
    }

    /// The same in memory alone.
    #[must_use]
    pub fn cache_in_memory(mut self, rule: CacheRule) -> Self {
        self.keeps = Some((rule, Level::Nowhere));
        self
    }

    /// The same in memory and then in a store of yours.
    #[must_use]
    pub fn cache_in(mut self, rule: CacheRule, store: Arc<dyn ResultStore>) -> Self {
        self.keeps = Some((rule, Level::Store(store)));
        self
    }

    /// The limits of each instance.
    pub fn limits(&self) -> Vec<AgentLimits> {
        self.instances.iter().map(|(_, limits)| *limits).collect()
    }

    /// Why it cannot be registered, if it cannot.
    pub(crate) fn fault(&self) -> Option<String> {
        let (name, most) = (&self.name, limits::AGENT_NAME_BYTES);
        if name.is_empty() || name.len() > most || name.contains(char::is_control) {
            return Some(format!("a name has 1 to {most} bytes without control characters"));
        }
        let count = self.instances.len();
        (count > limits::AGENT_INSTANCES)
            .then(|| format!("it has {count} instances; at most {} are taken", limits::AGENT_INSTANCES))
    }

    fn of(name: String, work: Arc<dyn AnyAgent>, limits: AgentLimits) -> Self {
        Self {
            name,
            capabilities: BTreeSet::new(),
            probe: Probe::default(),
            instances: vec![(work, limits)],
            keeps: None,
        }
    }
}
