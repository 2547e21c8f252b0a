//! What the rules did in a run.

use regie_core::query::Order;
use regie_journal::{Reader, StoreError};
use serde::Serialize;

use crate::runtime::{AutomationView, RunState, runs};

/// Runs that are looked at one by one; of more it is told how many there are.
const LOOKED_AT: u64 = 10_000;

/// Runs of rules, by what became of them.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct RulesRan {
    pub(super) runs: u64,
    pub(super) failed: u64,
    pub(super) under_way: u64,
    /// What of an event the rules could not take in last.
    pub(super) trouble: Option<String>,
}

/// Looks at those that were recorded since the start.
pub(super) fn ran(reader: &mut Reader, view: &AutomationView) -> Result<RulesRan, StoreError> {
    let limit = usize::try_from(view.runs().min(LOOKED_AT)).unwrap_or(usize::MAX);
    let newest = if limit > 0 { runs(reader, None, Some(limit), Order::Newest)? } else { Vec::new() };
    let count = |wanted: fn(&RunState) -> bool| newest.iter().filter(|report| wanted(&report.state)).count() as u64;
    Ok(RulesRan {
        runs: view.runs(),
        failed: count(|state| matches!(state, RunState::Failed { .. })),
        under_way: count(|state| matches!(state, RunState::UnderWay)),
        trouble: view.last_trouble().map(|(position, why)| format!("position {position}: {why}")),
    })
}
