//! The ends of workflows that are over, kept for a while: whoever asks for one need not read the journal.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use regie_core::event::CorrelationId;
use regie_core::workflow::{RunEnd, RunStatus};
use regie_core::{Timestamp, limits};

use crate::workflow::WorkflowView;

/// Bytes of an entry besides its texts.
const ENTRY_BYTES: usize = 400;

/// Results of one shard, bounded in time and bytes; the journal has them all.
pub(super) struct Results {
    kept: HashMap<CorrelationId, Kept>,
    /// In the order in which they were kept; one that is not of the number that is kept now stands for nothing.
    order: VecDeque<(CorrelationId, u64)>,
    bytes: usize,
    next: u64,
    /// For how long, and how many bytes.
    bounds: (Duration, usize),
}

struct Kept {
    view: WorkflowView,
    until: Timestamp,
    bytes: usize,
    number: u64,
}

impl Results {
    /// Within those bounds.
    pub(super) fn new(ttl: Duration, bytes: usize) -> Self {
        Self { kept: HashMap::new(), order: VecDeque::new(), bytes: 0, next: 0, bounds: (ttl, bytes) }
    }

    /// Keeps how a workflow ended, and lets go of the oldest beyond the bounds. What is too large alone is not kept.
    pub(super) fn keep(&mut self, correlation: &CorrelationId, view: &WorkflowView, now: Timestamp) {
        self.forget(correlation);
        let (bytes, number) = (size(correlation, view), self.next);
        if bytes > self.bounds.1 {
            return;
        }
        self.next += 1;
        self.bytes += bytes;
        self.order.push_back((correlation.clone(), number));
        let view = WorkflowView { open: Vec::new(), owed: Vec::new(), ..view.clone() };
        self.kept.insert(correlation.clone(), Kept { view, until: now.after(self.bounds.0), bytes, number });
        self.sweep(now);
    }

    /// How a workflow ended, if that is kept.
    pub(super) fn get(&mut self, correlation: &CorrelationId, now: Timestamp) -> Option<&WorkflowView> {
        self.sweep(now);
        self.kept.get(correlation).map(|kept| &kept.view)
    }

    /// Lets go of a result.
    pub(super) fn forget(&mut self, correlation: &CorrelationId) -> Option<WorkflowView> {
        let kept = self.kept.remove(correlation)?;
        self.bytes -= kept.bytes;
        // Places that stand for nothing are never more than those that stand for something, but for a few.
        if self.order.len() > 2 * self.kept.len() + 64 {
            let kept = &self.kept;
            self.order.retain(|(whose, number)| kept.get(whose).is_some_and(|kept| kept.number == *number));
        }
        Some(kept.view)
    }

    /// Lets go of those whose time is over, and of the oldest while there are too many bytes.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        while let Some((oldest, number)) = self.order.front() {
            match self.kept.get(oldest).filter(|kept| kept.number == *number) {
                Some(kept) if kept.until > now && self.bytes <= self.bounds.1 => return,
                Some(_) => drop(self.order.pop_front().and_then(|(oldest, _)| self.forget(&oldest))),
                None => drop(self.order.pop_front()),
            }
        }
    }

    /// How many are kept, and their bytes.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.kept.len(), self.bytes)
    }
}

impl Default for Results {
    fn default() -> Self {
        Self::new(limits::RESULT_TTL, limits::RESULT_BYTES)
    }
}

fn size(correlation: &CorrelationId, view: &WorkflowView) -> usize {
    let text = |end: &RunEnd| match end {
        RunEnd::Completed { output } => output.text().len(),
        RunEnd::Failed { error: text } | RunEnd::Cancelled { reason: text } | RunEnd::Terminated { reason: text } => {
            text.len()
        }
        _ => 0,
    };
    let of_run = view.run.as_ref().map_or(0, |run| {
        let told = match &run.status {
            RunStatus::Completed { output } => output.text().len(),
            RunStatus::Failed { error: text }
            | RunStatus::Cancelled { reason: text }
            | RunStatus::Terminated { reason: text } => text.len(),
            RunStatus::Compensating { then } => text(then),
            _ => 0,
        };
        told + run.definition.len()
    });
    ENTRY_BYTES + 3 * correlation.len() + of_run
}

#[cfg(test)]
mod tests {
    use regie_core::Json;
    use regie_core::workflow::RunStatus;

    use super::*;
    use crate::workflow::RunView;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn view(output: &str) -> WorkflowView {
        let status = RunStatus::Completed { output: Json::of(output) };
        let run =
            RunView { definition: "d".into(), version: 1, status, paused: false, parked: Vec::new(), state: None };
        WorkflowView { sequence: 1, ended: true, run: Some(run), open: Vec::new(), owed: Vec::new() }
    }

    fn names(results: &mut Results, now: Timestamp) -> String {
        let names = ["a", "b", "c", "d"].into_iter().filter(|name| results.get(&(*name).into(), now).is_some());
        names.collect()
    }

    #[test]
    fn a_result_is_kept_until_its_time_is_over_and_not_a_moment_longer() {
        let mut results = Results::new(Duration::from_secs(10), 1 << 20);
        results.keep(&"a".into(), &view("one"), at(0));
        results.keep(&"b".into(), &view("two"), at(4));
        assert_eq!((names(&mut results, at(9)), names(&mut results, at(10))), ("ab".into(), "b".into()));
        results.sweep(at(14));
        assert_eq!((results.count(), results.order.len()), ((0, 0), 0));
    }

    #[test]
    fn the_oldest_go_beyond_the_bytes_and_what_is_too_large_alone_is_not_kept() {
        let one = size(&"a".into(), &view("x"));
        let mut results = Results::new(Duration::from_secs(10), 2 * one);
        for name in ["a", "b", "c"] {
            results.keep(&name.into(), &view("x"), at(0));
        }
        assert_eq!((names(&mut results, at(0)), results.count()), ("bc".into(), (2, 2 * one)));
        results.keep(&"d".into(), &view(&"x".repeat(2 * one)), at(0));
        assert_eq!(names(&mut results, at(0)), "bc");
    }

    #[test]
    fn what_is_forgotten_or_kept_anew_leaves_no_bytes_and_no_places() {
        let mut results = Results::new(Duration::from_secs(10), 1 << 20);
        for nth in 0..1_000 {
            results.keep(&"a".into(), &view("x"), at(nth));
        }
        assert_eq!((results.count().0, results.order.len() <= 66), (1, true));
        assert!(results.forget(&"a".into()).is_some() && results.forget(&"a".into()).is_none());
        assert_eq!(results.count(), (0, 0));
        results.keep(&"b".into(), &view("x"), at(1_000));
        assert_eq!(names(&mut results, at(1_000)), "b");
    }
}
