//! Starts and stops everything: threads, arbiters, actors, in the order in which they need each other.

mod assemble;
mod settings;

use std::collections::{BTreeMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::prelude::*;
use futures::FutureExt;
use futures::future::{Either, select};
use regie_core::agents::{CompiledRoute, Phase, Route, RouteError};
use regie_core::limits;
use regie_core::workflow::{AskedInVain, DecodeError, Definitions, Record, own_definitions};
use regie_journal::{Journal, OpenNote, Opened, Reader, StoreError};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::agent::{AgentSpec, Agents, phases};
use crate::automation::{Automation, AutomationView, CurrentRules, Keep as KeepRules, RulesInForce, recorded_rules};
use crate::bus::{self, Bus};
use crate::busy::Busy;
use crate::clock::Clock;
use crate::door::Door;
use crate::entry::{Places, Router, hash_of, shard_of};
use crate::in_force::Current;
use crate::index::IndexHandle;
use crate::journal::JournalHandle;
use crate::life::PartView;
use crate::meter::Meter;
use crate::metrics::{Metrics, ShardView};
use crate::orchestrator::{AwaitEnd, Root};
use crate::policy::{Check, Enact, read_governor};
use crate::pool::ReaderPool;
use crate::post::Post;
use crate::projections::{Keep as KeepViews, MakeProjection, Projections};
use crate::reasoner::{Known, ReasonerSpec, Reasoners};
use crate::timers::Timers;
use crate::watchdog::Holder;

use assemble::{Opening, Views, assemble};
pub use settings::{Place, Rules, Settings, Shutdown, StartError};

/// Threads that read the journal for wakes, duplicates and queries.
const READERS: usize = 4;

/// A running system, as handles use it. Cheap to clone through an `Arc`.
pub struct Core {
    /// The way in.
    pub router: Router,
    /// The way to those who tell of ends.
    pub ends: watch::Receiver<Places<AwaitEnd>>,
    /// Places among those who may be under way.
    pub admission: Arc<Semaphore>,
    /// Where those wait for whom there is no place.
    pub door: Door,
    /// How many there are.
    pub admitted_at_most: usize,
    /// Counts what is under way.
    pub busy: Busy,
    /// What tells the time.
    pub clock: Clock,
    /// The timers.
    pub timers: Post<Addr<Timers>>,
    /// The bus.
    pub bus: Post<Addr<Bus>>,
    /// What was committed.
    pub metrics: Post<Addr<Metrics>>,
    /// How the parts are that can die and are started anew.
    pub parts: Vec<Arc<PartView>>,
    /// Whether a part was given up.
    pub gave_up: watch::Receiver<bool>,
    /// The agents.
    pub agents: Agents,
    /// The reasoners.
    pub reasoners: Reasoners,
    /// Which reasoners there are, whatever becomes of them.
    pub known_reasoners: Known,
    /// The journal.
    pub journal: JournalHandle,
    /// The readers.
    pub readers: ReaderPool,
    /// What each shard counts.
    pub views: Vec<Arc<ShardView>>,
    /// Who decides on each shard now.
    pub holders: Vec<Holder>,
    /// The policies in force.
    pub in_force: Current,
    /// The way to the policies' state.
    pub policy: Post<Recipient<Enact>>,
    /// The same for those who only want to know.
    pub check: Post<Recipient<Check>>,
    /// The handlers.
    pub definitions: Arc<Definitions>,
    /// Users' views of the journal; nobody is there where there is none.
    pub projections: Post<Addr<Projections>>,
    /// The rules: who looks at what was committed.
    pub automation: Post<Addr<Automation>>,
    /// What may be seen of them.
    pub automation_view: Arc<AutomationView>,
    /// How far they have looked, and recorded what follows.
    pub looked_through: watch::Receiver<u64>,
    /// The rules in force.
    pub rules: CurrentRules,
    /// Puts others in force.
    pub enact_rules: Arc<watch::Sender<Arc<RulesInForce>>>,
    /// What users count.
    pub meter: Meter,
    /// Threads for what takes time.
    pub pool: tokio::runtime::Handle,
    /// When it started.
    pub started: Instant,
}

/// A running system, to be stopped.
pub struct Running {
    /// What handles use.
    pub core: Arc<Core>,
    /// What opening the journal found worth saying.
    pub notes: Vec<OpenNote>,
    stop: Option<oneshot::Sender<oneshot::Sender<Shutdown>>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Takes nothing more, finishes what is under way, closes the journal last.
    pub async fn shutdown(mut self) -> Shutdown {
        let ended = Shutdown { took: Duration::ZERO, left_owed: 0, error: None };
        let Some(stop) = self.stop.take() else { return ended };
        let (done, shutdown) = oneshot::channel();
        if stop.send(done).is_err() {
            return ended;
        }
        let shutdown = shutdown.await.unwrap_or(ended);
        if let Some(thread) = self.thread.take() {
            // It has said its last word; what is left of it is the end of its event loop.
            let _ = thread.join();
        }
        shutdown
    }
}

/// Starts a system on threads of its own, beside whatever runs already: another actix system, any tokio runtime, or none.
///
/// # Errors
/// If the journal cannot be used, or the operating system gives no thread.
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    let (ready, started) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new().name("regie-system".into()).spawn(move || {
        actix::System::new().block_on(live(settings, ready, stopped));
    })?;
    let (core, notes) = started.await.map_err(|_| StartError::Ended)??;
    Ok(Running { core, notes, stop: Some(stop), thread: Some(thread) })
}

type Ready = oneshot::Sender<Result<(Arc<Core>, Vec<OpenNote>), StartError>>;

async fn live(settings: Settings, ready: Ready, stopped: oneshot::Receiver<oneshot::Sender<Shutdown>>) {
    let grace = settings.grace;
    let mut built = match build(settings) {
        Ok(built) => built,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let core = Arc::clone(&built.core);
    if !is_up(&core).await {
        built.stop(grace).await;
        return drop(ready.send(Err(StartError::Ended)));
    }
    if ready.send(Ok((core, std::mem::take(&mut built.notes)))).is_err() {
        return built.stop(grace).await.0;
    }
    // Whether it is asked to stop or its owner is dropped: it ends in good order.
    let asked = stopped.await;
    let ((), shutdown) = built.stop(grace).await;
    if let Ok(done) = asked {
        let _ = done.send(shutdown);
    }
}

/// Comes back once all shards are up, or one never will be.
async fn is_up(core: &Core) -> bool {
    let (mut ends, mut gave_up) = (core.ends.clone(), core.gave_up.clone());
    let up = ends.wait_for(|shards| shards.iter().all(Option::is_some)).map(|up| up.is_ok());
    let given_up = gave_up.wait_for(|gave_up| *gave_up).map(|_| ());
    if !matches!(select(pin!(up), pin!(given_up)).await, Either::Left((true, _))) {
        return false;
    }
    // So that whoever is told of the start finds the subscribers.
    core.bus.ask(bus::Begun).await.is_some()
}

struct Built {
    core: Arc<Core>,
    notes: Vec<OpenNote>,
    arbiters: Vec<Arbiter>,
    threads: Vec<JoinHandle<()>>,
    index: Option<IndexHandle>,
    pool: tokio::runtime::Runtime,
    serving: tokio::runtime::Runtime,
    _root: Addr<Root>,
}

impl Built {
    async fn stop(self, grace: Duration) -> ((), Shutdown) {
        let began = Instant::now();
        self.core.admission.close();
        let _ = self.core.timers.ask(crate::timers::Halt).await;
        // Before what is under way is waited for: cursors are recorded by it.
        let _ = tokio::time::timeout(grace, self.core.bus.ask(bus::Close)).await;
        // What is under way outside may take for ever; it is owed in the journal, and goes on at the next start.
        let _ = tokio::time::timeout(grace, self.core.busy.settled()).await;
        let left_owed = self.core.busy.count();
        let error = self.core.journal.close().await.err();
        if let Some(index) = &self.index {
            if let Some(projections) = self.core.projections.present() {
                let _ = projections.send(KeepViews).await;
            }
            if let Some(automation) = self.core.automation.present() {
                let _ = automation.send(KeepRules).await;
            }
            index.close().await;
        }
        for thread in self.threads {
            let _ = thread.join();
        }
        for arbiter in self.arbiters {
            arbiter.stop();
            let _ = arbiter.join();
        }
        self.pool.shutdown_background();
        self.serving.shutdown_background();
        ((), Shutdown { took: began.elapsed(), left_owed, error })
    }
}

fn build(mut settings: Settings) -> Result<Built, StartError> {
    // Before anything is opened, or has threads that could not be ended from here.
    let (routes, known) = in_order(&settings)?;
    if let Some(name) = settings.definitions.extend(own_definitions()) {
        return Err(StartError::HandlerTwice(name));
    }
    let Opened { writer, indexer, readers, notes } = match &settings.place {
        Place::Memory => Journal::memory(),
        Place::Files(options) => Journal::open(options.clone())?,
    };
    let mut threads = Vec::new();
    let views = Views { index: PartView::new("index"), readers: PartView::new("readers") };
    let index = match indexer {
        None => None,
        Some(mut indexer) => {
            // What the last process did not come to: identities and names must be known before anything enters.
            indexer.catch_up()?;
            let (readers, faults) = (readers.clone(), settings.faults.clone());
            let (index, thread) = IndexHandle::start(indexer, readers, Arc::clone(&views.index), faults)?;
            threads.push(thread);
            Some(index)
        }
    };
    let mut reader = readers.open()?;
    resume_clock(&settings.clock, &mut reader)?;
    let governor = read_governor(&settings.policies, &mut reader)?;
    let recorded = recorded_rules(&mut reader)?;
    let breakers = breakers(&settings.agents, &mut reader)?;
    let directories = directories(&mut reader, settings.shards.max(1))?;
    let start = |count| ReaderPool::start(readers.clone(), count, &views.readers, &settings.faults);
    let (readers, ahead, behind) = (start(READERS)?, start(1)?, start(1)?);
    let (journal, thread) = JournalHandle::start(writer, index.clone())?;
    threads.push(thread);
    let (pool, serving) = (pool()?, serving()?);
    let parts = Opening {
        journal,
        index,
        readers,
        ahead,
        behind,
        pool,
        serving,
        governor,
        recorded,
        breakers,
        routes,
        known,
        directories,
        views,
    };
    Ok(assemble(settings, parts, notes, threads))
}

/// The routes, and which reasoners there are, if all that is registered can be.
fn in_order(settings: &Settings) -> Result<(Vec<CompiledRoute>, Known), StartError> {
    agents_are_in_order(&settings.agents)?;
    let routes = compiled(&settings.routes, &settings.agents)?;
    steps_ask_who_is_there(settings)?;
    warn_of_those_never_begun(&settings.definitions);
    reasoners_are_in_order(&settings.reasoners)?;
    projections_are_named_once(&settings.projections)?;
    let known = Known::of(&settings.reasoners);
    if settings.asks {
        known.check(&settings.policies)?;
    }
    Ok((routes, known))
}

fn projections_are_named_once(all: &[MakeProjection]) -> Result<(), StartError> {
    let mut names = HashSet::new();
    let twice = all.iter().map(|make| make().name().to_string()).find(|name| !names.insert(name.clone()));
    twice.map_or(Ok(()), |name| Err(StartError::ProjectionTwice(name)))
}

fn agents_are_in_order(specs: &[AgentSpec]) -> Result<(), StartError> {
    let mut names = HashSet::new();
    for spec in specs {
        if !names.insert(spec.name.as_str()) {
            return Err(StartError::AgentTwice(spec.name.clone()));
        }
        spec.fault().map_or(Ok(()), |why| Err(StartError::Agent { name: spec.name.clone(), why }))?;
    }
    Ok(())
}

/// What definitions know of whom they ask is held against who can be asked. An older version may have none left for a step that
/// its runs are past.
fn steps_ask_who_is_there(settings: &Settings) -> Result<(), StartError> {
    let agents = callable(&settings.agents).map(|spec| spec.name.as_str());
    let known: Vec<&str> = agents.chain(settings.routes.iter().map(|route| route.name.as_str())).collect();
    for AskedInVain { definition: workflow, version, is_newest, step, agent } in
        settings.definitions.asks_beside(&known)
    {
        if is_newest {
            let known = if known.is_empty() { "none at all".into() } else { known.join(", ") };
            return Err(StartError::NoSuchAgent { workflow, version, step, agent, known });
        }
        tracing::warn!(
            workflow,
            version,
            step,
            agent,
            "an older version asks an agent that there is not: such a call fails"
        );
    }
    Ok(())
}

/// A definition may stand aside on purpose: what begins it may be another program's.
fn warn_of_those_never_begun(definitions: &Definitions) {
    for (workflow, other) in definitions.never_begun() {
        tracing::warn!(workflow, other, "it begins on the same types as another, which is begun in its place");
    }
}

/// The agents of subscribers are nobody's to call.
fn callable(specs: &[AgentSpec]) -> impl Iterator<Item = &AgentSpec> {
    specs.iter().filter(|spec| !spec.name.starts_with("subscriber/"))
}

/// The routes, checked against the agents that there are.
fn compiled(routes: &[Route], specs: &[AgentSpec]) -> Result<Vec<CompiledRoute>, RouteError> {
    let agents: BTreeMap<_, _> = callable(specs).map(|spec| (spec.name.clone(), spec.capabilities.clone())).collect();
    let mut names: HashSet<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let compile = |route: &Route| route.compile(&agents);
    if let Some(route) = routes.iter().find(|route| !names.insert(&route.name)) {
        let why = "an agent or another route has that name".into();
        return Err(RouteError { route: route.name.clone(), why });
    }
    routes.iter().map(compile).collect()
}

/// How the breakers of agents that have some stood at last. Any of them may be given one while it runs.
fn breakers(specs: &[AgentSpec], reader: &mut Reader) -> Result<BTreeMap<String, Vec<Phase>>, StoreError> {
    specs.iter().map(|spec| Ok((spec.name.clone(), phases(reader, &spec.name)?))).collect()
}

fn reasoners_are_in_order(specs: &[ReasonerSpec]) -> Result<(), StartError> {
    let mut names = HashSet::new();
    for spec in specs {
        if !names.insert(spec.name.as_str()) {
            return Err(StartError::ReasonerTwice(spec.name.clone()));
        }
        let limit = spec.limits.granted(None);
        limit.map_err(|why| StartError::ReasonerLimit { name: spec.name.clone(), why })?;
    }
    Ok(())
}

/// At least so many threads for work that is to yield: one that blocks all the same leaves the others theirs.
const WORKERS: usize = 4;

fn pool() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = cores.max(WORKERS);
    tokio::runtime::Builder::new_multi_thread().thread_name("regie-work").worker_threads(workers).enable_all().build()
}

fn serving() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().thread_name("regie-serve").worker_threads(1).enable_all().build()
}

/// In event time, the clock goes on from where the journal's latest record was decided.
fn resume_clock(clock: &Clock, reader: &mut Reader) -> Result<(), StoreError> {
    if clock.fires() {
        return Ok(());
    }
    // Shards append side by side: the latest decision is among the last records, and need not be the very last.
    let mut position = reader.head()?.position.saturating_sub(2 * limits::ADMISSION as u64);
    loop {
        let rows = reader.rows_after(position, limits::COMMIT_TURNS)?;
        let Some(last) = rows.last() else { return Ok(()) };
        position = last.last();
        for encoded in rows.iter().flat_map(|row| &row.records) {
            let damaged = |error: DecodeError| StoreError::Damaged { why: error.to_string() };
            clock.advance_to(Record::decode(&encoded.bytes).map_err(damaged)?.at);
        }
    }
}

/// Hashes of all correlations, by shard: what is not among them is new.
fn directories(reader: &mut Reader, shards: usize) -> Result<Vec<HashSet<u64>>, StoreError> {
    let mut directories = vec![HashSet::new(); shards];
    reader.names(&mut |name| {
        directories[shard_of(name, shards)].insert(hash_of(name));
    })?;
    Ok(directories)
}

impl Core {
    /// Workflows in memory now, over all shards.
    pub fn live(&self) -> u64 {
        self.views.iter().map(|view| view.live.load(Ordering::Relaxed)).sum()
    }
}
