//! What a runtime has done, and how it is.

mod counts;
mod health;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use regie_actors::meter::{Meter, Readings};
use regie_actors::metrics::Count;
use regie_actors::timers::Look;
use regie_actors::watchdog::Holder;
use regie_core::histogram::Histogram;
use serde::Serialize;

use super::handle::Handle;
use counts::policy;
pub use counts::{AgentMetrics, AgentTimes, PolicyMetrics, ReasonerMetrics, TypeMetrics, WorkflowMetrics};
pub use health::{Health, Part};

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
    /// By workflow definition, all versions together.
    pub workflows: BTreeMap<String, WorkflowMetrics>,
    /// By agent.
    pub agents: BTreeMap<String, AgentMetrics>,
    /// How long calls of agents waited and took, by agent.
    pub agent_times: BTreeMap<String, AgentTimes>,
    /// By reasoner.
    pub reasoners: BTreeMap<String, ReasonerMetrics>,
    /// What you count yourself, by [`Handle::meter`].
    pub own: Readings,
    /// Since the start.
    pub uptime: Duration,
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
            agent_times: self.agent_times(),
            workflows: tally.workflows.iter().map(|(name, lives)| (name.to_string(), lives.into())).collect(),
            reasoners: self.reasoners(),
            part_deaths: self.core.parts.iter().map(|part| (part.name().into(), part.deaths())).collect(),
            own: self.core.meter.readings(),
            uptime: self.core.started.elapsed(),
            ..Metrics::default()
        };
        let mut events = TypeMetrics::default();
        metrics.by_type.values().for_each(|lives| events.add(lives));
        metrics.events = events;
        for (definition, times) in self.decision_times() {
            metrics.workflows.entry(definition).or_default().deciding = times.spread();
        }
        metrics.timers = self.core.timers.ask(Look).await.unwrap_or_default().count as u64;
        self.count_shards(&mut metrics);
        self.count_journal(&mut metrics);
        metrics
    }

    /// Counts, levels and durations of your own, told with these.
    pub fn meter(&self) -> Meter {
        self.core.meter.clone()
    }

    /// How long definitions took to decide so far.
    pub(super) fn decision_times(&self) -> BTreeMap<String, Histogram> {
        let mut times: BTreeMap<String, Histogram> = BTreeMap::new();
        for (definition, histogram) in self.core.holders.iter().flat_map(Holder::times) {
            times.entry(definition).or_default().merge(&histogram);
        }
        times
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
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
