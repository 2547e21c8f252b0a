//! What a runtime has done, and how it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use regie_actors::metrics::{Count, Lives};
use regie_actors::reasoner::ModeCounts;
use regie_actors::timers::Look;
use regie_actors::watchdog::Holder;
use regie_core::event::LifeState;
use serde::{Deserialize, Serialize};

use super::handle::Handle;

/// Counts of one event type, or of all together, since the start. States count what this process saw move: an event that
/// was deferred before the start and came back since counts −1 as deferred and 1 where it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TypeMetrics {
    /// Came in.
    pub received: u64,
    /// Are pending.
    pub pending: i64,
    /// Were processed.
    pub processed: i64,
    /// Are deferred.
    pub deferred: i64,
    /// Are escalated.
    pub escalated: i64,
    /// Were discarded.
    pub discarded: i64,
}

impl TypeMetrics {
    fn of(lives: &Lives) -> Self {
        Self {
            received: lives.received,
            pending: lives.in_state(LifeState::Pending),
            processed: lives.in_state(LifeState::Processed),
            deferred: lives.in_state(LifeState::Deferred),
            escalated: lives.in_state(LifeState::Escalated),
            discarded: lives.in_state(LifeState::Discarded),
        }
    }

    fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.pending += other.pending;
        self.processed += other.processed;
        self.deferred += other.deferred;
        self.escalated += other.escalated;
        self.discarded += other.discarded;
    }
}

impl TypeMetrics {
    /// How many of those that came in went on, from 0 to 1; nothing while none came in.
    pub fn acceptance_rate(&self) -> Option<f64> {
        (self.received > 0).then(|| self.processed.max(0) as f64 / self.received as f64)
    }
}

/// How often one policy has said what since the start: each decision that the journal took counts, a return's too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyMetrics {
    /// Events might go on.
    pub passed: u64,
    /// Events were stopped.
    pub discarded: u64,
    /// Events were put off.
    pub deferred: u64,
    /// Events were left to a person.
    pub escalated: u64,
}

/// Counts of one agent since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AgentMetrics {
    /// Calls that run now.
    pub running: u64,
    /// Calls that wait now.
    pub waiting: u64,
    /// Calls that gave a result.
    pub done: u64,
    /// Calls that gave an error.
    pub failed: u64,
    /// Calls that were stopped at their limit.
    pub timed_out: u64,
    /// Calls that panicked.
    pub panicked: u64,
    /// Calls that were refused for want of room.
    pub refused: u64,
    /// Calls that were given up with their workflow.
    pub cancelled: u64,
    /// Threads that were left behind, stuck.
    pub stuck: u64,
    /// Calls that were answered by a result that was kept, in memory or beside it.
    pub hits: u64,
    /// Calls of an agent whose results are kept that were made, for none was.
    pub misses: u64,
    /// Calls that shared the end of one that was under way.
    pub shared: u64,
}

/// Counts of one reasoner since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReasonerMetrics {
    /// Questions that it works on now.
    pub running: u64,
    /// Questions that wait now.
    pub waiting: u64,
    /// Threads that were left behind, stuck.
    pub stuck: u64,
    /// What ended, by mode.
    pub modes: BTreeMap<String, ModeCounts>,
}

/// One snapshot of everything that is counted. Counts of events are facts counted: at rest they equal what the journal
/// gives for the events of this process.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Metrics {
    /// All event types together.
    pub events: TypeMetrics,
    /// By event type.
    pub by_type: BTreeMap<String, TypeMetrics>,
    /// By policy.
    pub by_policy: BTreeMap<String, PolicyMetrics>,
    /// Submits of events that were known.
    pub duplicates: u64,
    /// Entries that were refused.
    pub refused: u64,
    /// Turns that were committed.
    pub turns: u64,
    /// Records that were committed.
    pub records: u64,
    /// Commits, each of one or more turns.
    pub commits: u64,
    /// Commits that waited for the index.
    pub slowed_commits: u64,
    /// Commits that failed.
    pub failed_commits: u64,
    /// Correlations that began.
    pub workflows_started: u64,
    /// Handlers' runs that began.
    pub runs_started: u64,
    /// Handlers' runs that ended.
    pub runs_finished: u64,
    /// Inputs that were parked as poison.
    pub parked: u64,
    /// Workflows in memory now.
    pub live: u64,
    /// Workflows and events whose ends somebody waits for now.
    pub waiters: u64,
    /// Workflows that have something out now: calls, sends, questions.
    pub workflows_out: u64,
    /// Timers in memory now.
    pub timers: u64,
    /// Ends of workflows that are in memory still.
    pub results: u64,
    /// Their bytes.
    pub result_bytes: u64,
    /// Times that a workflow came into memory.
    pub woken: u64,
    /// Times that one left it for being idle.
    pub passivated: u64,
    /// Workflows that died and were recreated.
    pub restarts: u64,
    /// Times that one died too often and was left down for a while.
    pub storms: u64,
    /// Deaths of parts of the runtime, each started anew unless there were too many: `shard 0` with its lane, `policy`,
    /// `timers`, `metrics`, `agent <name>`, `reasoner <name>`, `index`, `readers`.
    pub part_deaths: BTreeMap<String, u64>,
    /// Times that one decision held its shard for too long.
    pub held: u64,
    /// What is under way now.
    pub under_way: u64,
    /// The position of the journal's last record.
    pub position: u64,
    /// By agent.
    pub agents: BTreeMap<String, AgentMetrics>,
    /// By reasoner.
    pub reasoners: BTreeMap<String, ReasonerMetrics>,
    /// Since the start.
    pub uptime: Duration,
}

fn policy([passed, discarded, deferred, escalated]: [u64; 4]) -> PolicyMetrics {
    PolicyMetrics { passed, discarded, deferred, escalated }
}

/// One part of the runtime, and what ails it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which part.
    pub name: String,
    /// What ails it; nothing if it is well.
    pub trouble: Option<String>,
}

/// How the runtime is, part by part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether it takes events now.
    pub ready: bool,
    /// Its parts.
    pub parts: Vec<Part>,
}

impl Handle {
    /// A snapshot of everything that is counted.
    pub async fn metrics(&self) -> Metrics {
        let tally = self.core.metrics.ask(Count).await.unwrap_or_default();
        let mut metrics = Metrics {
            by_type: tally.types.iter().map(|(kind, lives)| (kind.to_string(), TypeMetrics::of(lives))).collect(),
            by_policy: tally.policies.iter().map(|(name, said)| (name.to_string(), policy(*said))).collect(),
            turns: tally.turns,
            records: tally.records,
            workflows_started: tally.opened,
            runs_started: tally.started,
            runs_finished: tally.finished,
            parked: tally.parked,
            under_way: self.core.busy.count() as u64,
            agents: self.agent_counts(),
            reasoners: self.reasoners(),
            part_deaths: self.core.parts.iter().map(|part| (part.name().into(), part.deaths())).collect(),
            uptime: self.core.started.elapsed(),
            ..Metrics::default()
        };
        let mut events = TypeMetrics::default();
        metrics.by_type.values().for_each(|lives| events.add(lives));
        metrics.events = events;
        metrics.timers = self.core.timers.ask(Look).await.unwrap_or_default().count as u64;
        self.count_shards(&mut metrics);
        self.count_journal(&mut metrics);
        metrics
    }

    fn count_shards(&self, metrics: &mut Metrics) {
        for view in &self.core.views {
            metrics.live += read(&view.live);
            metrics.waiters += read(&view.waiters);
            metrics.workflows_out += read(&view.out);
            metrics.results += read(&view.results);
            metrics.result_bytes += read(&view.result_bytes);
            metrics.woken += read(&view.woken);
            metrics.passivated += read(&view.passivated);
            metrics.restarts += read(&view.restarts);
            metrics.storms += read(&view.storms);
            metrics.held += read(&view.held);
            metrics.duplicates += read(&view.duplicates);
            metrics.refused += read(&view.refused);
        }
    }

    fn count_journal(&self, metrics: &mut Metrics) {
        let view = self.core.journal.view();
        metrics.commits = read(&view.commits);
        metrics.slowed_commits = read(&view.slowed);
        metrics.failed_commits = read(&view.failed);
        metrics.position = read(&view.position);
    }

    fn reasoners(&self) -> BTreeMap<String, ReasonerMetrics> {
        let views = self.core.reasoners.views().into_iter();
        let counts = views.map(|(name, view)| {
            let (running, waiting, stuck) = (view.running(), view.waiting(), view.stuck());
            (name, ReasonerMetrics { running, waiting, stuck, modes: view.modes() })
        });
        counts.collect()
    }

    /// How the runtime is: which part is ill, and whether it takes events.
    pub fn health(&self) -> Health {
        let view = self.core.journal.view();
        let latched = view.latched.load(Ordering::Relaxed);
        let full = view.full.load(Ordering::Relaxed);
        let journal = match (latched, full) {
            (true, _) => Some("latched shut after a failed write; open it anew, it is verified then".to_string()),
            (_, true) => Some("no room left; it goes on by itself once there is some".to_string()),
            _ => None,
        };
        let held = self.core.holders.iter().find_map(Holder::too_long);
        let held = held.map(|(whose, held)| format!("'{whose}' has held its shard for {} ms", held.as_millis()));
        let closed = || self.core.gave_up.borrow().then(|| "closed: a part was given up".to_string());
        let admission = match (self.core.admission.is_closed(), self.core.admission.available_permits()) {
            (true, _) => closed().or_else(|| Some("the runtime is shutting down".to_string())),
            (_, 0) => Some(format!("full: {} events are under way", self.core.admitted_at_most)),
            _ => None,
        };
        let behind = self.lag().filter(|lag| *lag > regie_core::limits::INDEX_LAG);
        let behind = behind.map(|lag| format!("{lag} records behind: the writer waits for it"));
        let index = self.core.readers.readers().index_trouble().map(|trouble| trouble.to_string()).or(behind);
        let troubles = [
            ("journal", journal),
            ("index", index.or(self.trouble_of("index"))),
            ("shards", self.trouble_of("shard ").or(held)),
            ("admission", admission),
            ("policy", self.trouble_of("policy")),
            ("timers", self.trouble_of("timers")),
            ("metrics", self.trouble_of("metrics")),
            ("agents", self.trouble_of("agent ")),
            ("reasoners", self.trouble_of("reasoner ")),
            ("readers", self.trouble_of("readers")),
        ];
        let ready = !latched && troubles.iter().all(|(name, trouble)| trouble.is_none() || *name == "index");
        let part = |(name, trouble): (&str, Option<String>)| Part { name: name.into(), trouble };
        Health { ready, parts: troubles.into_iter().map(part).collect() }
    }

    /// What ails those parts whose names begin so.
    fn trouble_of(&self, names: &str) -> Option<String> {
        let troubles: Vec<String> = self
            .core
            .parts
            .iter()
            .filter(|part| part.name().starts_with(names))
            .filter_map(|part| part.trouble())
            .collect();
        (!troubles.is_empty()).then(|| troubles.join("; "))
    }

    fn lag(&self) -> Option<u64> {
        self.position().checked_sub(self.core.readers.readers().indexed())
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
