//! Building a runtime.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use regie_actors::agent::{Agent, AgentLimits, AgentSpec, BlockingAgent};
use regie_actors::clock::Clock;
use regie_actors::faults::Faults;
use regie_actors::meter::Meter;
use regie_actors::orchestrator::Keep;
use regie_actors::projections::MakeProjection;
use regie_actors::reasoner::{BlockingReasoner, Reasoner, ReasonerLimits, ReasonerSpec};
use regie_actors::system::{self, Place, Rules, Running, Settings, Shutdown, StartError};
use regie_core::agents::Route;
use regie_core::automation::RuleSet;
use regie_core::event::{Catalogue, Principal};
use regie_core::governance::PolicySet;
use regie_core::limits;
use regie_core::query::{Projected, Projection};
use regie_core::workflow::{Definitions, Handler};
use regie_journal::{Durability, OpenNote, SqliteOptions};

use super::handle::Handle;
use super::module::Asked;
use crate::bus::{Registered, Subscribe, Subscriber};
#[cfg(unix)]
use crate::control::Control;

/// Where the journal is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum JournalConfig {
    /// In memory: gone with the process.
    #[default]
    Memory,
    /// In an SQLite file and its index beside it.
    Sqlite {
        /// The file; the index is `<file>-index`.
        path: PathBuf,
        /// A cap in bytes; over it, events are refused until there is room.
        max_bytes: Option<u64>,
    },
}

impl JournalConfig {
    /// In memory.
    pub fn memory() -> Self {
        Self::Memory
    }

    /// In a file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite { path: path.into(), max_bytes: None }
    }
}

/// What tells the time.
#[derive(Clone, Debug, Default)]
pub enum ClockKind {
    /// The system's wall clock.
    #[default]
    System,
    /// The timestamps of the events that enter; see [`Handle::advance_to`].
    EventTime,
    /// A clock of yours: [`Clock::manual`] for tests.
    Given(Clock),
}

impl ClockKind {
    fn clock(&self) -> Clock {
        match self {
            ClockKind::System => Clock::system(),
            ClockKind::EventTime => Clock::event_time(),
            ClockKind::Given(clock) => clock.clone(),
        }
    }
}

/// What a configuration may set over a builder: everything that is not code.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Where the journal is.
    pub journal: Option<JournalConfig>,
    /// What an answer survives.
    pub durability: Option<Durability>,
    /// What tells the time.
    pub clock: Option<ClockKind>,
    /// How many shards.
    pub shards: Option<usize>,
    /// Events that may be under way at once.
    pub admission: Option<usize>,
    /// The policies in force.
    pub policies: Option<PolicySet>,
    /// The event types that are known.
    pub catalogue: Option<Catalogue>,
    /// The rules in force.
    pub rules: Option<RuleSet>,
}

/// Builds a runtime. Without anything said: a journal in memory, Strict, the system's clock, a shard per core, no policies.
#[derive(Clone)]
#[must_use]
pub struct Builder {
    pub(super) setup: Setup,
    policies_by: Option<Principal>,
    rules_by: Option<Principal>,
    pub(super) definitions: Definitions,
    twice: Vec<String>,
    pub(super) agents: Vec<AgentSpec>,
    pub(super) routes: Vec<Route>,
    pub(super) modules: Vec<Asked>,
    subscribers: Vec<Registered>,
    reasoners: Vec<ReasonerSpec>,
    projections: Vec<MakeProjection>,
    keep: Keep,
    grace: Duration,
    control: bool,
    asks: bool,
    rules_as_recorded: bool,
    meter: Meter,
    faults: Faults,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// Starts to build.
    pub fn new() -> Self {
        Self {
            setup: Setup::default(),
            policies_by: None,
            rules_by: None,
            definitions: Definitions::default(),
            twice: Vec::new(),
            agents: Vec::new(),
            routes: Vec::new(),
            modules: Vec::new(),
            subscribers: Vec::new(),
            reasoners: Vec::new(),
            projections: Vec::new(),
            keep: Keep::default(),
            grace: Duration::from_secs(10),
            control: true,
            asks: true,
            rules_as_recorded: false,
            meter: Meter::default(),
            faults: Faults::default(),
        }
    }

    /// Where the journal is; in memory unless said.
    pub fn journal(mut self, journal: JournalConfig) -> Self {
        self.setup.journal = Some(journal);
        self
    }

    /// What an answer survives: power loss (`Strict`, unless said), or a crash of the process alone (`Relaxed`).
    pub fn durability(mut self, durability: Durability) -> Self {
        self.setup.durability = Some(durability);
        self
    }

    /// What tells the time; the system's clock unless said.
    pub fn clock(mut self, clock: ClockKind) -> Self {
        self.setup.clock = Some(clock);
        self
    }

    /// How many shards; one per core unless said; at least one, at most [`limits::SHARDS`].
    pub fn shards(mut self, shards: usize) -> Self {
        self.setup.shards = Some(shards);
        self
    }

    /// How many events may be under way at once; [`limits::ADMISSION`] unless said.
    pub fn admission(mut self, events: usize) -> Self {
        self.setup.admission = Some(events);
        self
    }

    /// The policies in force.
    pub fn policies(mut self, policies: PolicySet) -> Self {
        self.setup.policies = Some(policies);
        self
    }

    /// The event types that are known, and what they tell of entities; [`Catalogue::shipped`] unless said.
    pub fn catalogue(mut self, catalogue: Catalogue) -> Self {
        self.setup.catalogue = Some(catalogue);
        self
    }

    /// Who put the policies in force, as the journal will tell.
    pub fn policies_by(mut self, who: Principal) -> Self {
        self.policies_by = Some(who);
        self
    }

    /// The rules in force; the four that are shipped unless said. [`RuleSet::default`] has none.
    pub fn rules(mut self, rules: RuleSet) -> Self {
        self.setup.rules = Some(rules);
        self
    }

    /// Who put the rules in force, as the journal will tell.
    pub fn rules_by(mut self, who: Principal) -> Self {
        self.rules_by = Some(who);
        self
    }

    /// Counts of your own, for agents, subscribers and handlers to hold a clone of: [`Metrics`](crate::Metrics) tells them.
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// A workflow in code.
    pub fn handler(mut self, handler: impl Handler) -> Self {
        let name = format!("{} version {}", handler.name(), handler.version());
        if !self.definitions.add(handler) {
            self.twice.push(name);
        }
        self
    }

    /// An agent that yields while it waits.
    pub fn agent(mut self, name: impl Into<String>, agent: impl Agent, limits: AgentLimits) -> Self {
        self.agents.push(AgentSpec::new(name, agent, limits));
        self
    }

    /// An agent that blocks its thread.
    pub fn blocking_agent(mut self, name: impl Into<String>, agent: impl BlockingAgent, limits: AgentLimits) -> Self {
        self.agents.push(AgentSpec::blocking(name, agent, limits));
        self
    }

    /// A subscriber that yields while it waits. Its subscription is durable under that name; see [`crate::bus`].
    pub fn subscriber(mut self, name: impl AsRef<str>, to: Subscribe, subscriber: impl Subscriber) -> Self {
        self.subscribers.push(Registered::new(name.as_ref(), to, subscriber, false));
        self
    }

    /// A subscriber that blocks its thread: it runs on threads of its own. See [`Blocks`](crate::bus::Blocks).
    pub fn blocking_subscriber(mut self, name: impl AsRef<str>, to: Subscribe, subscriber: impl Subscriber) -> Self {
        self.subscribers.push(Registered::new(name.as_ref(), to, subscriber, true));
        self
    }

    /// A reasoner that yields while it waits, with the limits that stand unless said.
    pub fn reasoner(self, name: impl Into<String>, reasoner: impl Reasoner) -> Self {
        self.reasoner_with(name, reasoner, ReasonerLimits::default())
    }

    /// The same with limits of its own.
    pub fn reasoner_with(mut self, name: impl Into<String>, reasoner: impl Reasoner, limits: ReasonerLimits) -> Self {
        self.reasoners.push(ReasonerSpec::new(name, reasoner, limits));
        self
    }

    /// A reasoner that blocks its thread.
    pub fn blocking_reasoner(
        mut self,
        name: impl Into<String>,
        reasoner: impl BlockingReasoner,
        limits: ReasonerLimits,
    ) -> Self {
        self.reasoners.push(ReasonerSpec::blocking(name, reasoner, limits));
        self
    }

    /// A view of your own over the journal; read with [`Handle::projection`].
    pub fn projection<P: Projection>(mut self, projection: P) -> Self {
        let projection = Arc::new(projection);
        self.projections.push(Arc::new(move || Box::new(Projected::new(Arc::clone(&projection)))));
        self
    }

    /// How many workflows each shard keeps in memory, and for how long one may be idle.
    pub fn keep(mut self, live: usize, idle: Duration) -> Self {
        self.keep = Keep { live, idle };
        self
    }

    /// How long shutdown waits for agents that are under way; what they owe goes on at the next start. 10 s unless said.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Whether a runtime over a journal in files listens on a local socket beside it, where commands such as
    /// `regie escalations approve` reach it; it does unless said. Only the same user may speak there.
    pub fn control(mut self, listens: bool) -> Self {
        self.control = listens;
        self
    }

    /// Leaves questions that are owed to the next who opens the journal: for one that has not the reasoners.
    #[cfg(feature = "cli")]
    pub(crate) fn asks_nobody(mut self) -> Self {
        self.asks = false;
        self
    }

    /// What this program defines, with the runtime's own.
    #[cfg(feature = "cli")]
    pub(crate) fn definitions(&self) -> Definitions {
        let mut definitions = self.definitions.clone();
        // A name of the runtime's own that was taken is told at the start.
        let _ = definitions.extend(regie_core::workflow::own_definitions());
        definitions
    }

    /// The event types that are known, if they are said.
    #[cfg(feature = "cli")]
    pub(crate) fn event_types(&self) -> Option<Catalogue> {
        self.setup.catalogue.clone()
    }

    /// Leaves the rules as the journal recorded them last: for one that has something else to do there.
    #[cfg(feature = "cli")]
    pub(crate) fn rules_as_recorded(mut self) -> Self {
        self.rules_as_recorded = true;
        self
    }

    /// Faults on purpose, for tests.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// What a configuration sets, over what was said before.
    pub fn configured(mut self, over: Setup) -> Self {
        let setup = &mut self.setup;
        setup.journal = over.journal.or(setup.journal.take());
        setup.durability = over.durability.or(setup.durability.take());
        setup.clock = over.clock.or(setup.clock.take());
        setup.shards = over.shards.or(setup.shards.take());
        setup.admission = over.admission.or(setup.admission.take());
        setup.policies = over.policies.or(setup.policies.take());
        setup.catalogue = over.catalogue.or(setup.catalogue.take());
        setup.rules = over.rules.or(setup.rules.take());
        self
    }

    /// Starts the runtime on threads of its own. Any executor may wait for it; an actix system or a tokio runtime that
    /// runs already is left alone.
    ///
    /// # Errors
    /// If the journal cannot be used, two handlers, agents, reasoners or projections have one name, a policy asks a
    /// reasoner that there is not, a step of a definition's newest version an agent that there is not, or the operating system gives no thread.
    pub async fn start(self) -> Result<Runtime, StartError> {
        #[cfg(unix)]
        let controls = self.control;
        let settings = self.with_modules()?.settings()?;
        #[cfg(unix)]
        let files = match &settings.place {
            Place::Files(options) if controls => Some(options.path.clone()),
            _ => None,
        };
        let running = system::start(settings).await?;
        Ok(Runtime {
            #[cfg(unix)]
            control: files.and_then(|journal| {
                let handle = Handle::new(Arc::clone(&running.core));
                Control::open(handle, &running.core.pool, &journal)
            }),
            running,
        })
    }

    /// What the system is made of, as this builder says, or else as stands unless said.
    fn settings(self) -> Result<Settings, StartError> {
        if let Some(name) = self.twice.into_iter().next() {
            return Err(StartError::HandlerTwice(name));
        }
        let Setup { journal, durability, clock, shards, admission, policies, catalogue, rules } = self.setup;
        let mut definitions = self.definitions;
        let catalogue = catalogue.unwrap_or_else(Catalogue::shipped);
        let rules = rules.unwrap_or_else(RuleSet::shipped).relating(catalogue.relations())?;
        let rules = if self.rules_as_recorded { Rules::AsRecorded { else_these: rules } } else { Rules::These(rules) };
        definitions.set_catalogue(catalogue);
        let place = match journal.unwrap_or_default() {
            JournalConfig::Memory => Place::Memory,
            JournalConfig::Sqlite { path, max_bytes } => Place::Files(SqliteOptions {
                durability: durability.unwrap_or_default(),
                max_bytes,
                ..SqliteOptions::at(path)
            }),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let registered = self.subscribers.into_iter().map(Registered::start).collect::<Result<Vec<_>, _>>()?;
        let (subscribers, of_subscribers): (Vec<_>, Vec<_>) = registered.into_iter().unzip();
        let agents = self.agents.into_iter().chain(of_subscribers).collect();
        Ok(Settings {
            place,
            shards: shards.unwrap_or(cores).clamp(1, limits::SHARDS),
            clock: clock.unwrap_or_default().clock(),
            policies: policies.unwrap_or_default(),
            policies_by: self.policies_by,
            rules,
            rules_by: self.rules_by,
            definitions,
            agents,
            routes: self.routes,
            subscribers,
            reasoners: self.reasoners,
            projections: self.projections,
            asks: self.asks,
            admission: admission.unwrap_or(limits::ADMISSION).clamp(1, limits::ADMISSION),
            keep: self.keep,
            grace: self.grace,
            meter: self.meter,
            faults: self.faults,
        })
    }
}

/// A running runtime. Dropping it ends it in good order, without waiting; [`Runtime::shutdown`] waits and tells.
pub struct Runtime {
    /// Dropped before the rest: its socket must be gone before somebody else may own the journal.
    #[cfg(unix)]
    control: Option<Control>,
    running: Running,
}

impl Runtime {
    /// A handle: as many as you like, on any thread.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.running.core))
    }

    /// What opening the journal found worth saying, such as an index that was rebuilt and why.
    pub fn notes(&self) -> &[OpenNote] {
        &self.running.notes
    }

    /// Takes nothing more, finishes what is under way, and closes the journal last. Loses nothing: what agents still owe
    /// when the grace is over goes on at the next start.
    pub async fn shutdown(self) -> Shutdown {
        #[cfg(unix)]
        if let Some(control) = self.control {
            control.close().await;
        }
        self.running.shutdown().await
    }
}
