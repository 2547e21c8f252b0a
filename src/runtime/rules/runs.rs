//! The runs of rules, as the journal tells them.

use std::ops::ControlFlow;

use regie_actors::updated::received;
use regie_core::Timestamp;
use regie_core::automation::{Run, Undo, run_correlation, undo_correlation};
use regie_core::event::{Pattern, PatternError, Principal};
use regie_core::query::{Filter, Order};
use regie_core::workflow::{Fact, RunEnd};
use regie_journal::{Reader, StoreError, StoredRecord};

/// A run of a rule, and what has become of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunReport {
    /// The run.
    pub run: Run,
    /// The position of the record that holds it.
    pub position: u64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// What has become of it.
    pub state: RunState,
    /// Who put it back and why, if somebody did. An undo that failed, or is under way, is none.
    pub undone: Option<Undone>,
}

/// What has become of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunState {
    /// Something that it does is under way.
    UnderWay,
    /// All that it does is done.
    Done,
    /// It did nothing, or what it had done was put back.
    Failed {
        /// Why.
        error: String,
    },
}

/// Who put a run back, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// Who.
    pub by: Principal,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

impl RunState {
    /// Its name.
    pub fn as_str(&self) -> &'static str {
        match self {
            RunState::UnderWay => "under way",
            RunState::Done => "done",
            RunState::Failed { .. } => "failed",
        }
    }
}

/// The runs of rules, in the order in which they were recorded or the newest first: of one rule, if it is named, and at most
/// so many.
///
/// # Errors
/// If the journal cannot be read.
pub fn runs(
    reader: &mut Reader,
    rule: Option<&str>,
    limit: Option<usize>,
    order: Order,
) -> Result<Vec<RunReport>, StoreError> {
    let kind = Pattern::parse("regie.rule.*").map_err(no_pattern)?;
    let filter = Filter { kind: Some(kind), own: true, order, ..Filter::default() };
    let mut found: Vec<(Run, u64, Timestamp)> = Vec::new();
    reader.events(&filter, &mut |stored| {
        let event = stored.incoming.event();
        let run = event.payload.to::<Run>().ok().filter(|run| run_correlation(&run.id) == event.correlation_id);
        if let Some(run) = run.filter(|run| rule.is_none_or(|rule| run.rule == rule)) {
            found.push((run, stored.position, stored.recorded_at));
        }
        if limit.is_some_and(|limit| found.len() >= limit) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    found.into_iter().map(|found| report(reader, found)).collect()
}

fn no_pattern(error: PatternError) -> StoreError {
    StoreError::Failed { why: error.to_string() }
}

fn report(reader: &mut Reader, (run, position, recorded_at): (Run, u64, Timestamp)) -> Result<RunReport, StoreError> {
    let state = match &run.error {
        Some(error) => RunState::Failed { error: error.clone() },
        None => state_of(&reader.load(&run_correlation(&run.id), 0)?),
    };
    let undone = undone(reader, &run.id)?;
    Ok(RunReport { run, position, recorded_at, state, undone })
}

/// What has become of what the records of a run, or of its undo, tell.
pub(super) fn state_of(records: &[StoredRecord]) -> RunState {
    told(records.iter().flat_map(|stored| &stored.record.facts))
}

/// The last that is told holds: what was parked may have been let go on by a person.
fn told<'f>(facts: impl Iterator<Item = &'f Fact>) -> RunState {
    let states = facts.filter_map(|fact| match fact {
        Fact::Started { .. } => Some(RunState::UnderWay),
        Fact::Finished { end: RunEnd::Completed { .. } } => Some(RunState::Done),
        Fact::Finished { end: RunEnd::Failed { error } } => Some(RunState::Failed { error: error.clone() }),
        Fact::Parked { error, .. } => Some(RunState::Failed { error: error.clone() }),
        _ => None,
    });
    states.last().unwrap_or(RunState::UnderWay)
}

/// Who put a run back, if somebody did: of which this correlation is one.
///
/// # Errors
/// If the journal cannot be read.
#[cfg(feature = "cli")]
pub(crate) fn undone_in(
    reader: &mut Reader,
    correlation: &regie_core::event::CorrelationId,
) -> Result<Option<Undone>, StoreError> {
    regie_core::automation::run_of(correlation).map_or(Ok(None), |run| undone(reader, run))
}

/// Who put a run back, if somebody did.
fn undone(reader: &mut Reader, run: &str) -> Result<Option<Undone>, StoreError> {
    let last = attempts(reader, run)?.pop().filter(|attempt| attempt.state == RunState::Done);
    Ok(last.map(|Attempt { undo: Undo { by, why, .. }, at, .. }| Undone { by, why, at }))
}

/// An undo of a run that was asked for.
pub(super) struct Attempt {
    pub(super) undo: Undo,
    pub(super) state: RunState,
    /// When it was asked for.
    at: Timestamp,
    /// Where that is recorded.
    pub(super) position: u64,
    pub(super) records: Vec<StoredRecord>,
}

/// The undos of a run, in order: each but the last has failed, or what it had go out was discarded.
pub(super) fn attempts(reader: &mut Reader, run: &str) -> Result<Vec<Attempt>, StoreError> {
    let mut all = Vec::new();
    for attempt in 1.. {
        let records = reader.load(&undo_correlation(run, attempt), 0)?;
        let Some(first) = records.first() else { break };
        let (at, position) = (first.record.at, first.position);
        let undo = received(&first.record).and_then(|event| event.event().payload.to().ok());
        let unread = || StoreError::Damaged { why: format!("position {position}: the undo of a run cannot be read") };
        let undo = undo.ok_or_else(unread)?;
        all.push(Attempt { undo, state: state_of(&records), at, position, records });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use regie_core::Json;

    use super::*;

    #[test]
    fn a_run_that_was_parked_and_let_go_on_is_under_way_and_then_done() {
        let parked = Fact::Parked { input: "event 1".into(), attempts: 3, error: "it died".into() };
        let started = Fact::Started { definition: "regie.run".into(), version: 1 };
        let finished = Fact::Finished { end: RunEnd::Completed { output: Json::null() } };
        let facts = [parked, started, finished];
        let states = [1, 2, 3].map(|many| told(facts[..many].iter()));
        assert_eq!(states, [RunState::Failed { error: "it died".into() }, RunState::UnderWay, RunState::Done]);
    }
}
