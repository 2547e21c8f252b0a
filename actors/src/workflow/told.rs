//! What the records of a turn tell others: whose lives ended, which places are free, whether anything was given up, and what
//! the index is to know.

use std::sync::Arc;

use regie_core::event::CorrelationId;
use regie_core::workflow::{Fact, Operation, Record};
use regie_journal::Told;

use super::done::Done;
use super::messages::Ends;
use crate::lane::FreedPlace;

/// Events whose lives ended.
pub(super) fn ended_in(records: &[Record]) -> Vec<u64> {
    let facts = records.iter().flat_map(|record| &record.facts);
    let ended = facts.filter_map(|fact| match fact {
        Fact::Moved { event, to, .. } if to.is_end() => Some(*event),
        _ => None,
    });
    ended.collect()
}

/// Places that are free again.
pub(super) fn freed_in(correlation: &CorrelationId, records: &[Record]) -> Vec<FreedPlace> {
    let facts = records.iter().flat_map(|record| &record.facts);
    let freed = facts.filter_map(|fact| match fact {
        Fact::Freed { policy, key, event } => {
            Some(FreedPlace { policy: policy.clone(), key: key.clone(), who: (correlation.clone(), *event) })
        }
        _ => None,
    });
    freed.collect()
}

/// Whether a run gave up something that it had under way, and goes on.
pub(super) fn gives_up(records: &[Record]) -> bool {
    let mut facts = records.iter().flat_map(|record| &record.facts);
    facts.any(|fact| matches!(fact, Fact::GivenUp { .. } | Fact::Compensating { .. }))
}

/// Events about which reasoners have answered.
pub(super) fn judged_in(records: &[Record]) -> Vec<u64> {
    let facts = records.iter().flat_map(|record| &record.facts);
    facts.filter_map(|fact| if let Fact::Reasoned { event, .. } = fact { Some(*event) } else { None }).collect()
}

/// What they hold, with the events that they received as those were understood.
pub(super) fn told(records: &Arc<[Record]>, done: &[Done]) -> Told {
    let mut events = vec![None; records.len()];
    for (at, event) in done.iter().filter_map(Done::received) {
        events[at] = Some(Arc::clone(event));
    }
    Told::new(Arc::clone(records), events)
}

/// Whether the run ended in these records, or goes on after it had.
pub(super) fn run_end_in(records: &[Record]) -> Ends {
    let mut facts = records.iter().flat_map(|record| &record.facts).rev();
    let last = facts.find_map(|fact| match fact {
        Fact::Finished { .. } => Some(Ends::Over),
        Fact::Operated { operation: Operation::Retry, .. } => Some(Ends::GoesOn),
        _ => None,
    });
    last.unwrap_or(Ends::No)
}
