//! Who needs whom: all actors, started in the order in which they need each other.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

use actix::prelude::*;
use regie_core::agents::{CompiledRoute, Phase};
use regie_core::automation::RuleSet;
use regie_core::governance::Governor;
use regie_journal::OpenNote;
use tokio::sync::{Semaphore, watch};

use crate::agent::{AgentLinks, Agents};
use crate::automation::{AutomationSources, AutomationView, RulesInForce, Submitter};
use crate::bus::{self, Bell};
use crate::busy::Busy;
use crate::door::Door;
use crate::entry::{Places, Router};
use crate::in_force::InForce;
use crate::index::IndexHandle;
use crate::journal::JournalHandle;
use crate::lane::Ways;
use crate::life::PartView;
use crate::metrics::ShardView;
use crate::orchestrator::{Directory, Neighbours, Part, Raise, Reins, Root, ShardSpec, Told};
use crate::parts;
use crate::policy::Sources;
use crate::pool::ReaderPool;
use crate::post::Post;
use crate::projections::ProjectionSources;
use crate::reasoner::{Known, Reasoners};
use crate::watchdog::{self, Holder};

use super::{Built, Core, Rules, Settings};

/// How the threads are that heal by themselves.
pub(super) struct Views {
    pub(super) index: Arc<PartView>,
    pub(super) readers: Arc<PartView>,
}

/// What was opened, for the actors to work with.
pub(super) struct Opening {
    pub(super) journal: JournalHandle,
    pub(super) index: Option<IndexHandle>,
    pub(super) readers: ReaderPool,
    /// The bus's own.
    pub(super) ahead: ReaderPool,
    pub(super) behind: ReaderPool,
    /// Where agents, reasoners and subscribers work.
    pub(super) pool: tokio::runtime::Runtime,
    /// Where those are served who look and operate: whoever blocks the other one does not hold them up.
    pub(super) serving: tokio::runtime::Runtime,
    pub(super) governor: Governor,
    /// The rules that were recorded last.
    pub(super) recorded: Option<RuleSet>,
    /// How the breakers of each agent stood at last.
    pub(super) breakers: BTreeMap<String, Vec<Phase>>,
    pub(super) routes: Vec<CompiledRoute>,
    pub(super) known: Known,
    pub(super) directories: Vec<HashSet<u64>>,
    pub(super) views: Views,
}

/// One long list of who needs whom: split, it would be harder to read.
#[allow(clippy::too_many_lines)]
pub(super) fn assemble(
    settings: Settings,
    opened: Opening,
    notes: Vec<OpenNote>,
    threads: Vec<JoinHandle<()>>,
) -> Built {
    let Opening {
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
    } = opened;
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
        meter,
        faults,
        ..
    } = settings;
    let (busy, agents, thinkers) = (Busy::default(), Agents::with(routes), Reasoners::default());
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
    let catalogue = definitions.catalogue().clone();
    let (enacts, in_force) = watch::channel(Arc::new(InForce::new(policies, policies_by)));
    let rules = match rules {
        Rules::These(rules) => rules,
        Rules::AsRecorded { else_these } => recorded.clone().unwrap_or(else_these),
    };
    let in_force_now = Arc::new(RulesInForce::new(rules, rules_by, recorded.as_ref()));
    let (enact_rules, rules) = watch::channel(in_force_now);
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
        subscriber.hands.equip(readers.clone(), clock.clone(), pool.handle().clone(), catalogue.clone());
    }
    let agent_links = AgentLinks {
        router: router.clone(),
        busy: busy.clone(),
        clock: clock.clone(),
        readers: readers.clone(),
        pool: pool.handle().clone(),
    };
    for spec in specs {
        let name = format!("agent {}", spec.name);
        let phases = breakers.get(&spec.name).cloned().unwrap_or_default();
        supervised.add(name, parts::agent(spec, phases, agent_links.clone(), agents.clone()));
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
        let sources = ProjectionSources {
            make: projections,
            readers,
            journal,
            index: index.clone(),
            catalogue: catalogue.clone(),
        };
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
        catalogue: catalogue.clone(),
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
            catalogue,
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
        meter,
        pool: serving.handle().clone(),
        started: Instant::now(),
    };
    let arbiters = arbiters.into_iter().chain(readers_arbiters).collect();
    Built { core: Arc::new(core), notes, arbiters, threads, index, pool, serving, _root: root }
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
