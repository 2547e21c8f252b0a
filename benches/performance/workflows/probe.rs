//! Watches each step of some workflows from outside: when its agent began and ended, and when what followed was committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use regie::actors::agent::{Agent, AgentError, AgentTask};
use regie::actors::faults::{FaultPoint, Faults};
use regie::core::Json;
use regie::core::event::CorrelationId;

/// Steps of each workflow.
pub(super) const STEPS: usize = 3;

/// The instants of one workflow, in nanoseconds since the beginning; none is 0.
#[derive(Default)]
struct Seen {
    entered: AtomicU64,
    began: [AtomicU64; STEPS],
    ended: [AtomicU64; STEPS],
    /// The first is that of the event with which it began.
    committed: [AtomicU64; STEPS + 1],
    commits: AtomicUsize,
}

/// The probe. Workflows are known by the number after the last dash of their names.
pub(super) struct Probe {
    since: Instant,
    seen: Vec<Seen>,
    running: AtomicUsize,
    most: AtomicUsize,
    over: Sender<usize>,
}

impl Probe {
    /// Of so many workflows; whose last commit it has seen is told there.
    pub(super) fn new(count: usize, over: Sender<usize>) -> Arc<Self> {
        let seen = (0..count).map(|_| Seen::default()).collect();
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { since: Instant::now(), seen, running, most, over })
    }

    /// What sees commits: it stands where faults on purpose do, right after each append, and makes none.
    pub(super) fn at_commits(self: &Arc<Self>) -> Faults {
        let probe = Arc::clone(self);
        Faults::when(move |point, correlation| {
            if point == FaultPoint::Appended {
                probe.committed(correlation);
            }
            false
        })
    }

    fn now(&self) -> u64 {
        self.since.elapsed().as_nanos() as u64
    }

    fn of(&self, correlation: &CorrelationId) -> Option<(usize, &Seen)> {
        let nth = correlation.as_str().strip_prefix("w-")?.parse().ok()?;
        Some((nth, self.seen.get(nth)?))
    }

    pub(super) fn enters(&self, nth: usize) {
        self.seen[nth].entered.store(self.now(), Ordering::Relaxed);
    }

    fn committed(&self, correlation: &CorrelationId) {
        let Some((nth, seen)) = self.of(correlation) else { return };
        let at = seen.commits.fetch_add(1, Ordering::Relaxed);
        if let Some(committed) = seen.committed.get(at) {
            committed.store(self.now(), Ordering::Relaxed);
        }
        if at == STEPS {
            let _ = self.over.send(nth);
        }
    }

    /// The most calls that ran at once.
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// The runtime's time in each step: from the commit that made it due (of the first, from where its workflow's event entered),
    /// or from when a place was free at an agent with so many, to its beginning, and from its end to the commit of what follows.
    /// So each instant outside the agent counts once.
    pub(super) fn overheads(&self, places: usize) -> Vec<Duration> {
        let mut steps: Vec<Step> = self.seen.iter().flat_map(Seen::steps).collect();
        let mut freed: Vec<u64> = steps.iter().map(|step| step.ended).collect();
        freed.sort_unstable();
        steps.sort_unstable_by_key(|step| step.began);
        // The one that began as so-many-th had to wait until so many before it had ended.
        let free = |nth: usize| nth.checked_sub(places).map_or(0, |before| freed[before]);
        let outside = |(nth, step): (usize, &Step)| {
            let before = step.began.saturating_sub(step.due.max(free(nth)));
            Duration::from_nanos(before + step.committed.saturating_sub(step.ended))
        };
        steps.iter().enumerate().map(outside).collect()
    }
}

/// One step, by its instants.
struct Step {
    due: u64,
    began: u64,
    ended: u64,
    committed: u64,
}

impl Seen {
    /// Its steps, if it came to its end.
    fn steps(&self) -> Vec<Step> {
        let read = |instant: &AtomicU64| instant.load(Ordering::Relaxed);
        let of = |nth: usize| Step {
            due: if nth == 0 { read(&self.entered) } else { read(&self.committed[nth]) },
            began: read(&self.began[nth]),
            ended: read(&self.ended[nth]),
            committed: read(&self.committed[nth + 1]),
        };
        let is_over = read(&self.committed[STEPS]) > 0;
        (0..STEPS).filter(|_| is_over).map(of).collect()
    }
}

/// An agent that takes its time, and is watched.
pub(super) struct Watched {
    pub(super) probe: Arc<Probe>,
    pub(super) takes: Duration,
}

impl Agent for Watched {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        let probe = &self.probe;
        let running = probe.running.fetch_add(1, Ordering::AcqRel) + 1;
        probe.most.fetch_max(running, Ordering::AcqRel);
        let step = usize::from(task.key.step.as_bytes()[0].saturating_sub(b'a'));
        let seen = probe.of(&task.correlation).map(|(_, seen)| seen).filter(|_| step < STEPS);
        if let Some(seen) = seen {
            seen.began[step].store(probe.now(), Ordering::Relaxed);
        }
        tokio::time::sleep(self.takes).await;
        if let Some(seen) = seen {
            seen.ended[step].store(probe.now(), Ordering::Relaxed);
        }
        probe.running.fetch_sub(1, Ordering::AcqRel);
        Ok(Json::of(&serde_json::json!({"ok": true})))
    }
}
