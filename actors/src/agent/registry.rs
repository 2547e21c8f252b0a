//! The agents by name, for those who look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::Addr;
use dashmap::DashMap;
use regie_core::agents::CompiledRoute;

use super::{AgentGate, AgentLimits, AgentView, SetLimits};

/// The agents by name, and the routes. Cheap to clone.
#[derive(Clone, Default)]
pub struct Agents {
    registered: Arc<DashMap<String, Registered>>,
    routes: Arc<BTreeMap<String, Arc<CompiledRoute>>>,
}

struct Registered {
    gate: Addr<AgentGate>,
    view: Arc<AgentView>,
    capabilities: Arc<BTreeSet<String>>,
}

impl Agents {
    /// None yet, with these routes.
    pub(crate) fn with(routes: Vec<CompiledRoute>) -> Self {
        let routes = routes.into_iter().map(|route| (route.name().to_string(), Arc::new(route))).collect();
        Self { registered: Arc::default(), routes: Arc::new(routes) }
    }

    /// The route of that name.
    pub fn route(&self, name: &str) -> Option<Arc<CompiledRoute>> {
        self.routes.get(name).map(Arc::clone)
    }

    /// The names of the routes, in order.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.routes.keys().map(String::as_str)
    }

    /// The gate of that agent.
    pub fn gate(&self, name: &str) -> Option<Addr<AgentGate>> {
        self.registered.get(name).map(|entry| entry.gate.clone())
    }

    /// What may be seen of that agent.
    pub fn view(&self, name: &str) -> Option<Arc<AgentView>> {
        self.registered.get(name).map(|entry| Arc::clone(&entry.view))
    }

    /// Names and views, by name.
    pub fn views(&self) -> Vec<(String, Arc<AgentView>)> {
        let mut views: Vec<_> =
            self.registered.iter().map(|entry| (entry.key().clone(), Arc::clone(&entry.value().view))).collect();
        views.sort_by(|left, right| left.0.cmp(&right.0));
        views
    }

    /// What an agent can.
    pub fn capabilities(&self, name: &str) -> Arc<BTreeSet<String>> {
        self.registered.get(name).map(|entry| Arc::clone(&entry.capabilities)).unwrap_or_default()
    }

    /// Changes what limits each instance of an agent; comes back once they go by it. Says no if there is no such agent.
    pub async fn set_limits(&self, name: &str, limits: AgentLimits) -> bool {
        let Some(view) = self.view(name) else { return false };
        for instance in &view.instances {
            instance.shown.send_modify(|shown| shown.limits = limits);
        }
        if let Some(gate) = self.gate(name) {
            // One that has died meanwhile goes by them when it is started anew.
            let _ = gate.send(SetLimits).await;
        }
        true
    }

    /// Adds one, or puts it in another's place.
    pub(crate) fn add(
        &self,
        name: String,
        gate: Addr<AgentGate>,
        view: Arc<AgentView>,
        capabilities: Arc<BTreeSet<String>>,
    ) {
        self.registered.insert(name, Registered { gate, view, capabilities });
    }
}
