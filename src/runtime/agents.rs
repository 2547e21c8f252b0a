//! Agents: registering them with all that can be said of them, and seeing and changing how they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use regie_actors::agent::{AgentLimits, AgentSpec, AgentView, Health, InstanceView};
use regie_core::agents::{Phase, Route};

use super::builder::Builder;
use super::handle::Handle;
use super::metrics::{AgentMetrics, AgentTimes};

/// How an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentStatus {
    /// What it can.
    pub capabilities: BTreeSet<String>,
    /// Each of its instances, in the order of registration.
    pub instances: Vec<InstanceStatus>,
}

/// How an instance of an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatus {
    /// What limits it.
    pub limits: AgentLimits,
    /// How its breaker stands; closed where it has none. One that is open stays so until it is asked after its time.
    pub breaker: Phase,
    /// What it said when it was last asked how it is.
    pub health: Health,
    /// Why it takes no calls now; nothing where it does.
    pub trouble: Option<String>,
    /// Its calls since the start.
    pub calls: AgentMetrics,
}

/// There is no agent of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no agent '{0}'")]
pub struct NoAgent(pub String);

impl Builder {
    /// An agent with all that can be said of it: several instances, capabilities, results that are kept.
    pub fn agent_as(mut self, spec: AgentSpec) -> Self {
        self.agents.push(spec);
        self
    }

    /// A route: called like an agent, it finds one that takes the task.
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }
}

impl Handle {
    /// How the agents are, by name.
    pub fn agents(&self) -> BTreeMap<String, AgentStatus> {
        let status = |(name, view): (String, std::sync::Arc<AgentView>)| {
            let capabilities = (*self.core.agents.capabilities(&name)).clone();
            let instances = view.instances.iter().map(|view| self.instance(view)).collect();
            (name, AgentStatus { capabilities, instances })
        };
        self.core.agents.views().into_iter().map(status).collect()
    }

    /// Changes what limits each instance of an agent, while it runs; comes back once they go by it. Calls that run go on: fewer
    /// at once takes effect as they end. A breaker stands as it stood, unless there is none any more.
    ///
    /// # Errors
    /// If there is no agent of that name.
    pub async fn set_agent_limits(&self, name: &str, limits: AgentLimits) -> Result<(), NoAgent> {
        let known = self.core.agents.set_limits(name, limits).await;
        if known { Ok(()) } else { Err(NoAgent(name.to_string())) }
    }

    fn instance(&self, view: &InstanceView) -> InstanceStatus {
        let shown = view.shown.borrow().clone();
        let trouble = shown.trouble(self.now());
        let (limits, breaker, health) = (shown.limits, shown.breaker, shown.health);
        InstanceStatus { limits, breaker, health, trouble, calls: AgentMetrics::of_instance(view) }
    }

    pub(super) fn agent_times(&self) -> BTreeMap<String, AgentTimes> {
        self.core.agents.views().into_iter().map(|(name, view)| (name, AgentTimes::from(&*view))).collect()
    }

    pub(super) fn agent_counts(&self) -> BTreeMap<String, AgentMetrics> {
        self.core.agents.views().into_iter().map(|(name, view)| (name, AgentMetrics::of(&view))).collect()
    }
}

impl AgentMetrics {
    fn of(view: &AgentView) -> Self {
        let mut all = Self {
            hits: view.kept.hits.load(Ordering::Relaxed),
            misses: view.kept.misses.load(Ordering::Relaxed),
            shared: view.kept.shared.load(Ordering::Relaxed),
            ..Self::default()
        };
        view.instances.iter().for_each(|instance| all.add(&Self::of_instance(instance)));
        all
    }

    fn of_instance(view: &InstanceView) -> Self {
        let view = &view.calls;
        Self {
            running: view.running.load(Ordering::Relaxed),
            waiting: view.waiting.load(Ordering::Relaxed),
            done: view.done.load(Ordering::Relaxed),
            failed: view.failed.load(Ordering::Relaxed),
            timed_out: view.timed_out.load(Ordering::Relaxed),
            panicked: view.panicked.load(Ordering::Relaxed),
            refused: view.refused.load(Ordering::Relaxed),
            cancelled: view.cancelled.load(Ordering::Relaxed),
            stuck: view.stuck.load(Ordering::Relaxed),
            ..Self::default()
        }
    }

    fn add(&mut self, other: &Self) {
        self.running += other.running;
        self.waiting += other.waiting;
        self.done += other.done;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
        self.panicked += other.panicked;
        self.refused += other.refused;
        self.cancelled += other.cancelled;
        self.stuck += other.stuck;
    }
}
