//! Counts over a journal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Counts over events; times in UTC. All keys are documented in `docs/cli.md` and stable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Events.
    pub events: u64,
    /// Correlations that have at least one of them.
    pub correlations: u64,
    /// Entities that one of them is about or touches.
    pub entities: u64,
    /// Sessions.
    pub sessions: u64,
    /// Event types.
    pub event_types: u64,
    /// Distinct ids of who did it.
    pub distinct_actors: u64,
    /// The earliest timestamp.
    pub first_timestamp: Option<Timestamp>,
    /// The latest timestamp.
    pub last_timestamp: Option<Timestamp>,
    /// Events that name a cause.
    pub with_causation: u64,
    /// By type.
    pub by_type: BTreeMap<String, u64>,
    /// By the id of who did it.
    pub by_actor: BTreeMap<String, u64>,
    /// By session.
    pub by_session: BTreeMap<String, u64>,
    /// By priority.
    pub by_priority: BTreeMap<String, u64>,
    /// By the state they are in now.
    pub by_state: BTreeMap<String, u64>,
    /// By month, as `2011-10`.
    pub by_month: BTreeMap<String, u64>,
    /// By hour of day, `00` to `23`.
    pub by_hour: BTreeMap<String, u64>,
}
