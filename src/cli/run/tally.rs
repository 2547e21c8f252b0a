//! What became of the lines of a run.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use hdrhistogram::Histogram;
use regie_core::event::{Event, EventResult, LifeState, Status};
use serde::Serialize;

use super::input::Place;

/// Counts, and the first of what went wrong.
pub(super) struct Tally {
    pub(super) new: u64,
    pub(super) known: u64,
    pub(super) refused: Troubles,
    pub(super) unreadable: Troubles,
    /// New events by the state in which they were answered.
    pub(super) answers: BTreeMap<LifeState, u64>,
    /// New and known events by type.
    pub(super) types: BTreeMap<String, u64>,
    pub(super) example: Option<Example>,
    latency: Option<Histogram<u64>>,
    correlations: HashSet<u64>,
    hasher: RandomState,
}

/// Lines that could not be taken: how many, and the first of them.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    pub(super) count: u64,
    pub(super) first: Vec<Trouble>,
}

/// A line that could not be taken.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Trouble {
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) reason: String,
}

/// An event of this run that is worth a look.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) correlation: String,
    pub(super) kind: String,
    pub(super) entity: Option<(String, String)>,
    /// Whether something kept it from simply being processed.
    telling: bool,
}

/// Milliseconds that answers took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

/// Lines that the report lists.
const LISTED: usize = 100;
/// Types that are counted one by one; the rest together.
const TYPES: usize = 10_000;
/// Correlations that are told apart: eight bytes each.
const CORRELATIONS: usize = 4_000_000;
/// The longest answer that is told exactly: ten minutes, in microseconds.
const LONGEST: u64 = 600_000_000;

impl Troubles {
    pub(super) fn add(&mut self, place: &Place, reason: String) {
        self.count += 1;
        if self.first.len() < LISTED {
            self.first.push(Trouble { file: place.file.to_string(), line: place.line, reason });
        }
    }
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            new: 0,
            known: 0,
            refused: Troubles::default(),
            unreadable: Troubles::default(),
            answers: BTreeMap::new(),
            types: BTreeMap::new(),
            example: None,
            // Three digits are told; that many fit, so that this does not fail.
            latency: Histogram::new_with_bounds(1, LONGEST, 3).ok(),
            correlations: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    /// Events that were answered so far.
    pub(super) fn taken(&self) -> u64 {
        self.new + self.known
    }

    /// Correlations seen, at most as many as are told apart.
    pub(super) fn correlations(&self) -> u64 {
        self.correlations.len() as u64
    }

    fn count(&mut self, event: &Event) {
        if self.correlations.len() < CORRELATIONS {
            self.correlations.insert(self.hasher.hash_one(event.correlation_id.as_str()));
        }
        if let Some(count) = self.types.get_mut(&event.kind) {
            *count += 1;
        } else {
            let kind = if self.types.len() < TYPES { event.kind.as_str() } else { "(others)" };
            *self.types.entry(kind.to_string()).or_default() += 1;
        }
    }

    /// Counts an event with its answer. False if it was refused; `result.error` says why.
    pub(super) fn answered(&mut self, event: &Event, result: &EventResult) -> bool {
        if let Some(latency) = &mut self.latency {
            latency.saturating_record((result.processing_time_ms * 1_000.0).max(1.0) as u64);
        }
        match result.status {
            Status::New => {
                self.new += 1;
                if let Some(state) = result.event_state {
                    *self.answers.entry(state).or_default() += 1;
                }
            }
            Status::Duplicate => self.known += 1,
            _ => return false,
        }
        self.count(event);
        // The first event that was not simply processed is what a reader wants to see, else the first of all.
        let telling = result.event_state.is_some_and(|state| state != LifeState::Processed);
        if self.example.as_ref().is_none_or(|example| telling && !example.telling) {
            self.example = Some(Example::of(event, telling));
        }
        true
    }

    pub(super) fn latency(&self) -> Latency {
        let Some(histogram) = self.latency.as_ref().filter(|it| !it.is_empty()) else { return Latency::default() };
        let millis = |micros: u64| micros as f64 / 1_000.0;
        Latency {
            p50: millis(histogram.value_at_quantile(0.5)),
            p99: millis(histogram.value_at_quantile(0.99)),
            max: millis(histogram.max()),
        }
    }
}

impl Example {
    fn of(event: &Event, telling: bool) -> Self {
        Self {
            correlation: event.correlation_id.to_string(),
            kind: event.kind.clone(),
            entity: event.entity.as_ref().map(|entity| (entity.kind.clone(), entity.id.clone())),
            telling,
        }
    }
}
