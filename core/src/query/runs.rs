//! Which runs of workflows are meant, and counts over them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::histogram::{Histogram, Spread};
use crate::workflow::{RunBrief, Standing};

/// What a run is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunCondition {
    /// It stands like that.
    Status(Standing),
    /// It is paused.
    Paused,
    /// Something of it waits for a person.
    Parked,
}

/// Which runs are meant: all conditions together. The default means every run but the runtime's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this definition.
    pub definition: Option<String>,
    /// Of this version.
    pub version: Option<u32>,
    /// Like that.
    pub condition: Option<RunCondition>,
    /// Begun then or later.
    pub started_from: Option<Timestamp>,
    /// Begun before then.
    pub started_to: Option<Timestamp>,
    /// The runtime's own too.
    pub own: bool,
    /// At most so many; all unless said.
    pub limit: Option<usize>,
    /// Only those after this one, in the order of the list.
    pub after: Option<RunCursor>,
}

/// A place in the list of runs, which begins with the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunCursor {
    /// When the run began.
    pub started_at: Timestamp,
    /// The number of its correlation, which decides between equals.
    pub number: u64,
}

impl fmt::Display for RunCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.started_at.micros(), self.number)
    }
}

impl FromStr for RunCursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('.').and_then(|(at, number)| Some((at.parse().ok()?, number.parse().ok()?)));
        let (micros, number) = parts.ok_or("it is a cursor that an earlier page has told")?;
        Ok(Self { started_at: Timestamp::from_micros(micros), number })
    }
}

/// Counts over the runs of one definition, or of all. All keys are documented in `docs/cli.md` and stable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunCounts {
    /// Runs.
    pub workflows: u64,
    /// By how they stand.
    pub by_status: BTreeMap<Standing, u64>,
    /// Those that are paused.
    pub paused: u64,
    /// Those of which something waits for a person.
    pub parked: u64,
    /// Those that are over.
    pub ended: u64,
    /// Completed ones of those that are over, from 0 to 1; nothing while none is.
    pub success_rate: Option<f64>,
    /// How long those that are over took.
    pub took: Option<Spread>,
}

/// Counts over all runs, and by definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunStats {
    /// Over all.
    #[serde(flatten)]
    pub all: RunCounts,
    /// By definition.
    pub by_definition: BTreeMap<String, RunCounts>,
    /// Runs that ended in the day before the journal's last record.
    pub ended_last_day: u64,
    /// Those, in an hour.
    pub ended_per_hour: f64,
}

/// Counts runs one by one.
#[derive(Debug, Default)]
pub struct RunTally {
    all: Counting,
    by_definition: BTreeMap<String, Counting>,
    since: Timestamp,
    ended_since: u64,
}

#[derive(Debug, Default)]
struct Counting {
    counts: RunCounts,
    took: Histogram,
}

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);

impl RunTally {
    /// As of an instant: the last day is the one before it.
    pub fn as_of(now: Timestamp) -> Self {
        Self { since: now.before(DAY), ..Self::default() }
    }

    /// Counts one.
    pub fn add(&mut self, run: &RunBrief) {
        if run.ended_at.is_some_and(|ended| ended > self.since) {
            self.ended_since += 1;
        }
        self.all.add(run);
        match self.by_definition.get_mut(&run.definition) {
            Some(counting) => counting.add(run),
            None => self.by_definition.entry(run.definition.clone()).or_default().add(run),
        }
    }

    /// The counts.
    pub fn stats(self) -> RunStats {
        let by_definition = self.by_definition.into_iter().map(|(name, counting)| (name, counting.counts()));
        RunStats {
            by_definition: by_definition.collect(),
            all: self.all.counts(),
            ended_last_day: self.ended_since,
            ended_per_hour: self.ended_since as f64 / 24.0,
        }
    }
}

impl Counting {
    fn add(&mut self, run: &RunBrief) {
        let counts = &mut self.counts;
        counts.workflows += 1;
        *counts.by_status.entry(run.status).or_default() += 1;
        counts.paused += u64::from(run.paused);
        counts.parked += u64::from(run.parked > 0);
        if let Some(ended) = run.ended_at {
            counts.ended += 1;
            self.took.add(ended.since(run.started_at));
        }
    }

    fn counts(mut self) -> RunCounts {
        let completed = self.counts.by_status.get(&Standing::Completed).copied().unwrap_or(0);
        self.counts.success_rate = (self.counts.ended > 0).then(|| completed as f64 / self.counts.ended as f64);
        self.counts.took = self.took.spread();
        self.counts
    }
}
