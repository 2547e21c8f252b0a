//! The story for programs: one object, whose keys `docs/cli.md` tells.

use std::collections::BTreeMap;

use regie_core::event::{CorrelationId, Event, LifeState, Move, Principal};
use regie_core::governance::PolicyDecision;
use regie_core::{Digest, Json, Timestamp};
use serde::Serialize;

use super::facts::{FactJson, ended};
use super::story::{EventStory, RunStory, Story};
use crate::runtime::Undone;

/// The whole story. Values are kept as their texts, so that numbers keep every digit.
#[derive(Serialize)]
pub(super) struct StoryJson<'a> {
    correlation_id: &'a CorrelationId,
    workflow: Option<RunJson<'a>>,
    states: BTreeMap<LifeState, u64>,
    chain: ChainJson,
    /// Who put back the rule's run that this is, and why; nothing of another correlation.
    #[serde(skip_serializing_if = "Option::is_none")]
    undone: Option<UndoneJson<'a>>,
    events: Vec<EventJson<'a>>,
    records: Vec<RecordJson<'a>>,
}

#[derive(Serialize)]
struct UndoneJson<'a> {
    by: &'a Principal,
    why: &'a str,
    at: Timestamp,
}

#[derive(Serialize)]
struct RunJson<'a> {
    definition: &'a str,
    version: u32,
    status: &'static str,
    output: Option<&'a Json>,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct ChainJson {
    records: usize,
    digest: Digest,
    holds: bool,
    broken_at: Option<u64>,
}

#[derive(Serialize)]
struct EventJson<'a> {
    event: &'a Event,
    position: u64,
    sequence: u64,
    state: LifeState,
    deferred_until: Option<Timestamp>,
    state_transitions: &'a [Move],
    policy_decisions: &'a [PolicyDecision],
}

#[derive(Serialize)]
struct RecordJson<'a> {
    position: u64,
    sequence: u64,
    at: Timestamp,
    digest: Digest,
    facts: Vec<FactJson<'a>>,
}

/// The story as it is printed.
pub(super) fn of<'a>(story: &'a Story<'_>, undone: Option<&'a Undone>) -> StoryJson<'a> {
    let records = story.records.iter().map(|stored| RecordJson {
        position: stored.position,
        sequence: stored.record.sequence,
        at: stored.record.at,
        digest: stored.digest,
        facts: stored.record.facts.iter().map(|fact| FactJson::of(fact, stored.record.sequence, story)).collect(),
    });
    StoryJson {
        correlation_id: &story.correlation,
        workflow: story.run.as_ref().map(run),
        states: story.states(),
        chain: ChainJson {
            records: story.records.len(),
            digest: story.digest(),
            holds: story.broken_at.is_none(),
            broken_at: story.broken_at,
        },
        undone: undone.map(|Undone { by, why, at }| UndoneJson { by, why, at: *at }),
        events: story.events.iter().map(|(sequence, told)| event(*sequence, told)).collect(),
        records: records.collect(),
    }
}

fn event(sequence: u64, story: &EventStory) -> EventJson<'_> {
    EventJson {
        event: story.incoming.event(),
        position: story.position,
        sequence,
        state: story.state(),
        deferred_until: story.until,
        state_transitions: &story.moves,
        policy_decisions: &story.decisions,
    }
}

fn run(run: &RunStory) -> RunJson<'_> {
    let goes_on = if run.is_put_back { "compensating" } else { "running" };
    let (status, output, error) = run.end.as_ref().map_or((goes_on, None, None), ended);
    RunJson { definition: &run.definition, version: run.version, status, output, error }
}
