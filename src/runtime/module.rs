//! Modules: what belongs together, brought in one call.

use std::collections::BTreeSet;
use std::error::Error;

use regie_actors::agent::AgentSpec;
use regie_actors::system::StartError;
use regie_core::agents::Route;
use regie_core::automation::{Rule, RuleSet};
use regie_core::event::{Catalogue, EventType};
use regie_core::governance::{Policy, PolicySet};
use regie_core::workflow::{Definitions, Handler};

use super::builder::Builder;

/// Why a module cannot bring what it has.
pub type ModuleError = Box<dyn Error + Send + Sync>;

/// Event types, workflows, agents, policies and rules that belong together.
///
/// ```
/// use regie::core::event::EventType;
/// use regie::runtime::{Brought, Module, ModuleError};
///
/// struct Shop;
///
/// impl Module for Shop {
///     fn name(&self) -> &str { "shop" }
///     fn brings(&self) -> Result<Brought, ModuleError> {
///         Ok(Brought::default().event_type(EventType::new("order.placed")))
///     }
/// }
///
/// # futures::executor::block_on(async {
/// let runtime = regie::builder().module(&Shop).start().await?;
/// # runtime.shutdown().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub trait Module {
    /// Its name: one that cannot be brought is refused by it.
    fn name(&self) -> &str;

    /// What it brings.
    ///
    /// # Errors
    /// If it cannot: the runtime does not start then.
    fn brings(&self) -> Result<Brought, ModuleError>;
}

/// What a module brings.
#[derive(Clone, Default)]
#[must_use]
pub struct Brought {
    types: Vec<EventType>,
    definitions: Definitions,
    twice: Option<String>,
    agents: Vec<AgentSpec>,
    routes: Vec<Route>,
    policies: Vec<Policy>,
    rules: Vec<Rule>,
}

impl Brought {
    /// A type of events.
    pub fn event_type(mut self, it: EventType) -> Self {
        self.types.push(it);
        self
    }

    /// A workflow in code.
    pub fn handler(mut self, handler: impl Handler) -> Self {
        let name = format!("{} version {}", handler.name(), handler.version());
        if !self.definitions.add(handler) {
            self.twice = Some(name);
        }
        self
    }

    /// An agent.
    pub fn agent(mut self, spec: AgentSpec) -> Self {
        self.agents.push(spec);
        self
    }

    /// A route among agents, its own or others.
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// A policy: it is in force beside those of the program.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// A rule: it is in force beside those of the program.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }
}

/// A module that was asked what it brings.
pub(super) type Asked = (String, Result<Brought, String>);

impl Builder {
    /// Brings all that a module has. One that cannot, or has what is there already, is refused by its name at the start.
    pub fn module(mut self, module: &dyn Module) -> Self {
        let brought = module.brings().map_err(|error| error.to_string());
        self.modules.push((module.name().to_string(), brought));
        self
    }

    /// With what the modules bring.
    pub(super) fn with_modules(mut self) -> Result<Self, StartError> {
        let mut names = BTreeSet::new();
        for (module, brought) in std::mem::take(&mut self.modules) {
            let brought = match names.insert(module.clone()) {
                true => brought.and_then(|brought| self.bring(brought)),
                false => Err("two modules have that name".into()),
            };
            brought.map_err(|why| StartError::Module { module, why })?;
        }
        Ok(self)
    }

    fn bring(&mut self, brought: Brought) -> Result<(), String> {
        let Brought { types, definitions, twice, agents, routes, policies, rules } = brought;
        if let Some(name) = twice.or_else(|| self.definitions.extend(definitions)) {
            return Err(format!("two handlers have the name and version '{name}'"));
        }
        let mut names: BTreeSet<&str> = self.agents.iter().map(|spec| spec.name.as_str()).collect();
        names.extend(self.routes.iter().map(|route| route.name.as_str()));
        let new = agents.iter().map(|spec| &spec.name).chain(routes.iter().map(|route| &route.name));
        if let Some(name) = new.into_iter().find(|name| !names.insert(name.as_str())) {
            return Err(format!("there is an agent or route '{name}' already"));
        }
        self.agents.extend(agents);
        self.routes.extend(routes);
        self.bring_types(types)?;
        self.bring_policies(policies)?;
        self.bring_rules(rules)
    }

    fn bring_types(&mut self, types: Vec<EventType>) -> Result<(), String> {
        let mut catalogue = self.setup.catalogue.take().unwrap_or_else(Catalogue::shipped);
        for it in types {
            if catalogue.get(it.name()).is_some() {
                return Err(format!("the event type '{}' is known already", it.name()));
            }
            catalogue = catalogue.with(it).map_err(|error| error.to_string())?;
        }
        self.setup.catalogue = Some(catalogue);
        Ok(())
    }

    fn bring_policies(&mut self, policies: Vec<Policy>) -> Result<(), String> {
        if policies.is_empty() {
            return Ok(());
        }
        let before = self.setup.policies.take().unwrap_or_default();
        let all = before.policies().cloned().chain(policies).collect();
        let set = PolicySet::new(all).map_err(|error| error.to_string())?;
        self.setup.policies = Some(set.with_most_deferrals(before.most_deferrals()));
        Ok(())
    }

    fn bring_rules(&mut self, rules: Vec<Rule>) -> Result<(), String> {
        if rules.is_empty() {
            return Ok(());
        }
        let before = self.setup.rules.take().unwrap_or_else(RuleSet::shipped);
        let all = RuleSet::new(rules).and_then(|rules| before.and(&rules));
        self.setup.rules = Some(all.map_err(|error| error.to_string())?);
        Ok(())
    }
}
