//! Starts and stops everything: threads, arbiters, actors, in the order in which they need each other.

mod settings;

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::prelude::*;
use futures::FutureExt;
use futures::future::{Either, select};
use regie_core::automation::RuleSet;
use regie_core::governance::Governor;
use regie_core::limits;
use regie_core::workflow::{DecodeError, Definitions, Record, own_definitions};
use regie_journal::{Journal, OpenNote, Opened, Reader, StoreError};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::agent::{AgentSpec, Agents};
use crate::automation::{
    Automation, AutomationSources, AutomationView, CurrentRules, Keep as KeepRules, RulesInForce, Submitter,
    recorded_rules,
};
use crate::bus::{self, Bell, Bus};
use crate::busy::Busy;
use crate::clock::Clock;
use crate::door::Door;
use crate::entry::{Places, Router, hash_of, shard_of};
use crate::in_force::{Current, InForce};
use crate::index::IndexHandle;
use crate::journal::JournalHandle;
use crate::lane::Ways;
use crate::life::PartView;
use crate::metrics::{Metrics, ShardView};
use crate::orchestrator::{AwaitEnd, Directory, Neighbours, Part, Raise, Reins, Root, ShardSpec, Told};
use crate::parts;
use crate::policy::{Check, Enact, Sources, read_governor};
use crate::pool::ReaderPool;
use crate::post::Post;
use crate::projections::{Keep as KeepViews, MakeProjection, ProjectionSources, Projections};
use crate::reasoner::{Known, ReasonerSpec, Reasoners};
use crate::timers::Timers;
use crate::watchdog::{self, Holder};

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
        ((), Shutdown { took: began.elapsed(), left_owed, error })
    }
}

fn build(mut settings: Settings) -> Result<Built, StartError> {
    // Before anything is opened, or has threads that could not be ended from here.
    agents_are_named_once(&settings.agents)?;
    reasoners_are_in_order(&settings.reasoners)?;
    projections_are_named_once(&settings.projections)?;
    if let Some(name) = settings.definitions.extend(own_definitions()) {
        return Err(StartError::HandlerTwice(name));
    }
    let known = Known::of(&settings.reasoners);
    if settings.asks {
        known.check(&settings.policies)?;
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
    let directories = directories(&mut reader, settings.shards.max(1))?;
    let start = |count| ReaderPool::start(readers.clone(), count, &views.readers, &settings.faults);
    let (readers, ahead, behind) = (start(READERS)?, start(1)?, start(1)?);
    let (journal, thread) = JournalHandle::start(writer, index.clone())?;
    threads.push(thread);
    let pool = pool()?;
    let parts = Opening { journal, index, readers, ahead, behind, pool, governor, recorded, known, directories, views };
    Ok(assemble(settings, parts, notes, threads))
}

/// How the threads are that heal by themselves.
struct Views {
    index: Arc<PartView>,
    readers: Arc<PartView>,
}

/// What was opened, for the actors to work with.
struct Opening {
    journal: JournalHandle,
    index: Option<IndexHandle>,
    readers: ReaderPool,
    /// The bus's own.
    ahead: ReaderPool,
    behind: ReaderPool,
    pool: tokio::runtime::Runtime,
    governor: Governor,
    /// The rules that were recorded last.
    recorded: Option<RuleSet>,
    known: Known,
    directories: Vec<HashSet<u64>>,
    views: Views,
}

/// One long list of who needs whom: split, it would be harder to read.
#[allow(clippy::too_many_lines)]
fn assemble(settings: Settings, opened: Opening, notes: Vec<OpenNote>, threads: Vec<JoinHandle<()>>) -> Built {
    let Opening { journal, index, readers, ahead, behind, pool, governor, recorded, known, directories, views } =
        opened;
    let Settings {
        clock,
        policies,
        policies_by,
        rules,
        rules_by,
        definitions,
        agents: specs,
        subscribers,
        reasoners,
        projections,
        asks,
        admission,
        keep,
        faults,
        ..
    } = settings;
    let (busy, agents, thinkers) = (Busy::default(), Agents::default(), Reasoners::default());
    let nowhere = directories.len();
    let (entries, router) = watch::channel(Places::from(vec![None; nowhere]));
    let (end_shards, ends) = watch::channel(Places::from(vec![None; nowhere]));
    let (lanes_seat, lanes) = watch::channel(Places::from(vec![None; nowhere]));
    let told = Told { entries: Arc::new(entries), ends: Arc::new(end_shards), lanes: Arc::new(lanes_seat) };
    let router = Router::new(router);
    let (metrics_seat, metrics) = Post::new();
    let (policy_seat, policy) = Post::new();
    let (timers_seat, timers) = Post::new();
    let definitions = Arc::new(definitions);
    let (enacts, in_force) = watch::channel(Arc::new(InForce::new(policies, policies_by)));
    let (rules, recorded) = match (rules, recorded) {
        (Rules::These(rules), recorded) => (rules, recorded.unwrap_or_default()),
        (Rules::AsRecorded { .. }, Some(recorded)) => (recorded.clone(), recorded),
        (Rules::AsRecorded { else_these }, None) => (else_these, RuleSet::default()),
    };
    let (enact_rules, rules) = watch::channel(Arc::new(RulesInForce::new(rules, rules_by, recorded)));
    let ((set_seat, sets), (check_seat, check)) = (Post::new(), Post::new());
    let enacts = Arc::new(enacts);
    let sources = Sources {
        enacts,
        clock: clock.clone(),
        journal: journal.clone(),
        readers: readers.clone(),
        lanes,
        router: router.clone(),
        busy: busy.clone(),
    };
    let mut arbiters: Vec<Arbiter> = directories.iter().map(|_| Arbiter::new()).collect();
    let shard_views: Vec<Arc<ShardView>> = directories.iter().map(|_| Arc::default()).collect();
    let holders: Vec<Holder> = directories.iter().map(|_| Holder::default()).collect();
    tokio::spawn(watchdog::watch(holders.iter().cloned().zip(shard_views.iter().cloned()).collect()));
    let spec = |at: usize| ShardSpec {
        at,
        of: nowhere,
        arbiter: arbiters[at].handle(),
        ways: Ways { journal: journal.clone(), policy: policy.clone(), metrics: metrics.clone() },
        neighbours: Neighbours {
            timers: timers.clone(),
            agents: agents.clone(),
            reasoners: thinkers.clone(),
            asks,
            router: router.clone(),
            busy: busy.clone(),
        },
        keep,
        view: Arc::clone(&shard_views[at]),
        clock: clock.clone(),
        definitions: Arc::clone(&definitions),
        in_force: in_force.clone(),
        rules: rules.clone(),
        index: index.clone(),
        readers: readers.clone(),
        holder: holders[at].clone(),
        faults: faults.clone(),
    };
    let mut supervised = Supervised { parts: Vec::new(), views: vec![views.index, views.readers] };
    supervised.add("metrics".into(), parts::metrics(metrics_seat));
    supervised.add("policy".into(), parts::policy(governor, sources, policy_seat, set_seat, check_seat));
    for subscriber in &subscribers {
        subscriber.hands.equip(readers.clone(), clock.clone(), pool.handle().clone());
    }
    for spec in specs {
        let name = format!("agent {}", spec.name);
        supervised.add(name, parts::gate(spec, clock.clone(), pool.handle().clone(), agents.clone()));
    }
    for spec in reasoners {
        let name = format!("reasoner {}", spec.name);
        supervised.add(name, parts::gate(spec, clock.clone(), pool.handle().clone(), thinkers.clone()));
    }
    // Those who read the journal where they stand have each a thread of its own.
    let mut readers_arbiters = Vec::new();
    let (views_seat, views_post) = Post::new();
    if !projections.is_empty() {
        let arbiter = Arbiter::new();
        let (readers, journal) = (readers.readers().clone(), journal.clone());
        let sources = ProjectionSources { make: projections, readers, journal, index: index.clone() };
        supervised.add("projections".into(), parts::projections(sources, arbiter.handle(), views_seat));
        readers_arbiters.push(arbiter);
    }
    let (bus_seat, bus) = Post::new();
    // Whatever is committed once the start is told of is after this.
    let begins = journal.view().position.load(Ordering::Acquire);
    let links = bus::Links {
        journal: journal.clone(),
        ahead,
        behind,
        router: router.clone(),
        busy: busy.clone(),
        clock: clock.clone(),
        agents: agents.clone(),
        bell: Arc::new(Bell::default()),
        subscribers: subscribers.into_iter().map(|subscriber| subscriber.beginning_at(begins)).collect(),
    };
    let (automation_seat, automation) = Post::new();
    let (through, looked_through) = watch::channel(0);
    let automation_view = Arc::new(AutomationView::default());
    {
        let arbiter = Arbiter::new();
        let submitter = Submitter { router: router.clone(), busy: busy.clone(), readers: readers.clone() };
        let sources = AutomationSources {
            readers: readers.readers().clone(),
            journal: journal.clone(),
            index: index.clone(),
            rules: rules.clone(),
            submitter,
            view: Arc::clone(&automation_view),
            through: Arc::new(through),
        };
        supervised.add("rules".into(), parts::automation(sources, arbiter.handle(), automation_seat));
        readers_arbiters.push(arbiter);
    }
    // The timers find the shards by the router, which knows them once the root has started them.
    let raise = parts::timers(clock.clone(), router.clone(), busy.clone(), readers.clone(), timers_seat);
    supervised.add("timers".into(), raise);
    for (at, known) in directories.into_iter().enumerate() {
        supervised.add(format!("shard {at}"), spec(at).raise(Directory::Known(known), told.clone()));
    }
    let bus_arbiter = Arbiter::new();
    // Last, for it has cursors recorded when it begins.
    supervised.add("bus".into(), parts::bus(links, bus_arbiter.handle(), bus_seat));
    arbiters.push(bus_arbiter);
    let permits = Arc::new(Semaphore::new(admission));
    let (gives_up, gave_up) = watch::channel(false);
    let reins = Reins { busy: busy.clone(), admission: Arc::clone(&permits), gave_up: gives_up, faults };
    let root = Root::new(supervised.parts, reins).start();
    let core = Core {
        router,
        ends,
        // Here, and not among the agents: one of them that holds its thread would hold the door too.
        door: Door::keep(Arc::clone(&permits), &tokio::runtime::Handle::current()),
        admission: permits,
        admitted_at_most: admission,
        busy,
        clock,
        timers,
        bus,
        metrics,
        parts: supervised.views,
        gave_up,
        agents,
        reasoners: thinkers,
        known_reasoners: known,
        journal,
        readers,
        views: shard_views,
        holders,
        in_force,
        policy: sets,
        check,
        definitions,
        projections: views_post,
        automation,
        automation_view,
        looked_through,
        rules,
        enact_rules: Arc::new(enact_rules),
        pool: pool.handle().clone(),
        started: Instant::now(),
    };
    let arbiters = arbiters.into_iter().chain(readers_arbiters).collect();
    Built { core: Arc::new(core), notes, arbiters, threads, index, pool, _root: root }
}

/// What the root is to supervise, and how each of it is.
struct Supervised {
    parts: Vec<Part>,
    views: Vec<Arc<PartView>>,
}

impl Supervised {
    fn add(&mut self, name: String, raise: Raise) {
        let view = PartView::new(name);
        self.views.push(Arc::clone(&view));
        self.parts.push(Part::new(view, raise));
    }
}

fn projections_are_named_once(all: &[MakeProjection]) -> Result<(), StartError> {
    let mut names = HashSet::new();
    let twice = all.iter().map(|make| make().name().to_string()).find(|name| !names.insert(name.clone()));
    twice.map_or(Ok(()), |name| Err(StartError::ProjectionTwice(name)))
}

fn agents_are_named_once(specs: &[AgentSpec]) -> Result<(), StartError> {
    let mut names = HashSet::new();
    let twice = specs.iter().find(|spec| !names.insert(spec.name.as_str()));
    twice.map_or(Ok(()), |spec| Err(StartError::AgentTwice(spec.name.clone())))
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

fn pool() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().thread_name("regie-work").enable_all().build()
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
