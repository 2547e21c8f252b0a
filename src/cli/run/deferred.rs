//! What is left for later: deferred events, with the times at which they come back.

use regie_core::Timestamp;
use regie_core::event::LifeState;
use regie_core::query::{Filter, Stats};
use regie_journal::{Reader, StoreError};
use serde::Serialize;

use crate::cli::show::story::Story;

/// What the journal holds after a run.
pub(super) struct Left {
    pub(super) stats: Stats,
    pub(super) first: Vec<Deferred>,
}

/// A deferred event.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Deferred {
    pub(super) event_id: String,
    pub(super) correlation_id: String,
    pub(super) until: Timestamp,
}

/// Events that are listed.
const LISTED: usize = 5;
/// Correlations that are looked into for them.
const LOOKED_AT: usize = 32;

/// Looks into the journal.
pub(super) fn left(reader: &mut Reader) -> Result<Left, StoreError> {
    let stats = reader.stats(&Filter::default())?;
    let mut first = Vec::new();
    if stats.by_state.contains_key(LifeState::Deferred.as_str()) {
        // Effects that are owed now, which come first, are no deferrals.
        let after = Some((Timestamp::MIN, u64::MAX));
        for (_, _, correlation) in reader.wakes(after, LOOKED_AT)? {
            first.extend(deferred_of(reader, &correlation)?);
        }
    }
    first.sort_by_key(|it| it.until);
    first.truncate(LISTED);
    Ok(Left { stats, first })
}

fn deferred_of(reader: &mut Reader, correlation: &str) -> Result<Vec<Deferred>, StoreError> {
    let records = reader.load(correlation, 0)?;
    let Some(story) = Story::of(&records) else { return Ok(Vec::new()) };
    let deferred = story.events.values().filter(|event| event.state() == LifeState::Deferred);
    let told = deferred.filter_map(|event| {
        let event_id = event.incoming.event().id.clone();
        Some(Deferred { event_id, correlation_id: correlation.to_string(), until: event.until? })
    });
    Ok(told.collect())
}
