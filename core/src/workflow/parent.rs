//! What a run owes when it is over: it tells the workflow that it ran for, and sends what its definition wants sent.

use serde::{Deserialize, Serialize};

use super::command::Refusal;
use super::decide::Place;
use super::effect::{Effect, EffectKey};
use super::fact::{Fact, RunEnd};
use super::handler::Moment;
use super::react::{self, WORKFLOW_SOURCE};
use crate::event::{CorrelationId, Event, EventBuilder, LifeState};

/// What the steps are named by that go out even when the run is over.
pub(super) const AFTER_END: &str = "~end/";
/// Under which name of its metadata an event says for whom it begins a workflow. Only what a workflow has sent is believed.
pub(super) const METADATA: &str = "runs_for";

/// The workflow that another one runs for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parent {
    pub(super) workflow: CorrelationId,
    pub(super) key: EffectKey,
}

impl Parent {
    pub(super) fn told_to(&self, event: EventBuilder) -> EventBuilder {
        event.metadata(METADATA, crate::Json::of(self).text())
    }

    fn of(event: &Event) -> Option<Self> {
        if event.source != WORKFLOW_SOURCE {
            return None;
        }
        serde_json::from_str(event.metadata.get(METADATA)?).ok()
    }

    /// What tells it. Its step is named by the record that it is owed since, so that it is no other's.
    fn report(&self, since: u64, end: Result<RunEnd, String>) -> Fact {
        let key = EffectKey { step: format!("{AFTER_END}parent/{since}"), attempt: 1 };
        Fact::Owes { key, effect: Effect::Report { to: self.workflow.clone(), key: self.key.clone(), end } }
    }
}

impl Place<'_> {
    /// What the facts of a turn make owed beyond the run's end. The event is the one that the turn is about.
    pub(super) fn farewells(&self, facts: &mut Vec<Fact>, event: Option<&Event>) -> Result<(), Refusal> {
        let begun = facts.iter().find_map(|fact| match fact {
            Fact::Started { definition, version } => Some((definition.clone(), *version)),
            _ => None,
        });
        let (parent, since) = (event.and_then(Parent::of), self.state.sequence + 1);
        if let Some(Parent { workflow, key }) = parent.clone() {
            match begun {
                Some(_) => facts.push(Fact::RunsFor { workflow, key }),
                None => facts.extend(never_ran(facts).map(|why| Parent { workflow, key }.report(since, Err(why)))),
            }
        }
        let ended = |fact: &Fact| if let Fact::Finished { end } = fact { Some(end.clone()) } else { None };
        let Some(end) = facts.iter().find_map(ended) else { return Ok(()) };
        let run = self.state.run();
        let definition = begun.clone().or_else(|| run.map(|run| (run.definition.clone(), run.version)));
        if let Some(handler) = definition.and_then(|(name, version)| self.context.definitions.get(&name, version)) {
            let moment = Moment { now: self.context.now, correlation: self.correlation };
            facts.extend(react::farewell(handler, self.state, (&end, facts, event), &moment)?);
        }
        let parent = run.and_then(|run| run.parent.clone()).or(parent.filter(|_| begun.is_some()));
        facts.extend(parent.map(|parent| parent.report(since, Ok(end))));
        Ok(())
    }
}

/// Why an event that was to begin a workflow never will; nothing if it still may.
fn never_ran(facts: &[Fact]) -> Option<String> {
    facts.iter().rev().find_map(|fact| match fact {
        Fact::Moved { to: LifeState::Discarded, reason, .. } => Some(format!("its event was discarded: {reason}")),
        Fact::Moved { to: LifeState::Processed, .. } => Some("no workflow begins on its event there".into()),
        _ => None,
    })
}
