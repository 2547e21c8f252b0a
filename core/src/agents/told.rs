//! What the journal is told of agents: own events, which nobody handles; the last one of a correlation counts.

use serde::{Deserialize, Serialize};

use super::breaker::Phase;
use super::cache::Kept;
use super::key::kept_correlation;
use crate::event::{CorrelationId, Event, EventBuilder, Principal};
use crate::{Digest, Json, Timestamp};

/// The type of the own event that tells how an agent's breakers stand.
pub const BREAKER_CHANGED: &str = "regie.agent.breaker";
/// The type of the own event that keeps a result.
pub const RESULT_KEPT: &str = "regie.agent.kept";
/// The source of both.
const SOURCE: &str = "regie:agent";

/// Where the journal is told of an agent.
pub fn agent_correlation(agent: &str) -> CorrelationId {
    format!("regie/agent/{agent}").into()
}

/// A breaker has changed: which one, and how all of the agent's stand now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerTold {
    /// Which instance, from 1.
    pub instance: usize,
    /// How the breaker of each instance stands.
    pub phases: Vec<Phase>,
}

impl BreakerTold {
    /// The event. What is told at one instant is told apart by `nth`.
    pub fn event(&self, agent: &str, at: Timestamp, nth: u64) -> EventBuilder {
        own(BREAKER_CHANGED, agent_correlation(agent), at).id(format!("{at}/{nth}")).payload(Json::of(self))
    }

    /// Reads it out of its event.
    pub fn read(event: &Event) -> Option<Self> {
        (event.kind == BREAKER_CHANGED).then(|| event.payload.to().ok())?
    }
}

/// A result that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultTold {
    /// The result.
    pub result: Json,
    /// Until when it holds.
    pub until: Timestamp,
}

impl ResultTold {
    /// The event of a result that an agent gave.
    pub fn event(agent: &str, key: &Digest, kept: &Kept, at: Timestamp) -> EventBuilder {
        let told = Self { result: kept.result.clone(), until: kept.until };
        own(RESULT_KEPT, kept_correlation(agent, key), at).id(kept.until.to_string()).payload(Json::of(&told))
    }

    /// Reads it out of its event.
    pub fn read(event: &Event) -> Option<Kept> {
        let told: Self = (event.kind == RESULT_KEPT).then(|| event.payload.to().ok())??;
        Some(Kept { result: told.result, until: told.until })
    }
}

fn own(kind: &str, correlation: CorrelationId, at: Timestamp) -> EventBuilder {
    Event::new(kind, correlation).source(SOURCE).actor(Principal::system()).timestamp(at)
}
