//! What a run owes when it is over: it tells the workflow that it ran for, and sends what its definition wants sent.

use serde::{Deserialize, Serialize};

use super::decide::Place;
use super::effect::{Effect, EffectKey};
use super::fact::{Fact, RunEnd};
use super::react::{self, WORKFLOW_SOURCE};
use super::state::{OpenEvent, State};
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

    /// The one that an open event is to begin a workflow for. Others are not read again for that.
    pub(super) fn of_open(open: &OpenEvent) -> Option<Self> {
        let event = open.raw().contains(METADATA).then(|| open.event().ok()).flatten()?;
        Self::of(event.event())
    }
}

/// Whether an effect goes out however its run ends.
pub(super) fn goes_out_after_the_end(key: &EffectKey) -> bool {
    key.step.starts_with(AFTER_END)
}

/// The key of what goes out even when the run is over, after these facts of its turn. Nobody is called back by its step, and so
/// that is never taken: each is an attempt of its own.
pub(super) fn key_after_end(state: &State, facts: &[Fact], step: &str) -> EffectKey {
    let step = format!("{AFTER_END}{step}");
    let now = facts.iter().rev().find_map(|fact| match fact {
        Fact::Owes { key, .. } if key.step == step => Some(key.attempt),
        _ => None,
    });
    let before = || state.run().and_then(|run| run.attempts.get(&step)).copied();
    EffectKey { attempt: now.or_else(before).unwrap_or(0).saturating_add(1), step }
}

impl Place<'_> {
    /// What the facts of a turn make owed beyond the run's end. The event is the one that the turn is about, with its sequence if
    /// it is an open one.
    pub(super) fn farewells(&self, facts: &mut Vec<Fact>, (event, about): (Option<&Event>, Option<u64>)) {
        let begun = facts.iter().find_map(|fact| match fact {
            Fact::Started { definition, version } => Some((definition.clone(), *version)),
            _ => None,
        });
        let parent = event.and_then(Parent::of);
        if let Some(parent) = &parent {
            self.knows_parent(parent, begun.is_some(), about, facts);
        }
        let ended = |fact: &Fact| if let Fact::Finished { end } = fact { Some(end.clone()) } else { None };
        let Some(end) = facts.iter().find_map(ended) else { return };
        let run = self.state.run();
        let definition = begun.clone().or_else(|| run.map(|run| (run.definition.clone(), run.version)));
        if let Some(handler) = definition.and_then(|(name, version)| self.context.definitions.get(&name, version)) {
            react::farewell(handler, self.state, (&end, event), &self.moment(), facts);
        }
        let parent = run.and_then(|run| run.parent.clone()).or(parent.filter(|_| begun.is_some()));
        let report = parent.map(|parent| self.report(parent, facts, Ok(end)));
        facts.extend(report);
    }

    /// The run that begins knows for whom it runs. Where none ever will, the other workflow is told so; not if it does not want one
    /// any more, nor for an event of the run that it has: that tells how it ends.
    fn knows_parent(&self, parent: &Parent, begins: bool, about: Option<u64>, facts: &mut Vec<Fact>) {
        let Parent { workflow, key } = parent.clone();
        if begins {
            return facts.push(Fact::RunsFor { workflow, key });
        }
        let runs = self.state.run().is_some_and(|run| run.parent.as_ref() == Some(parent));
        if !runs && self.unwanted(about).is_none() {
            let is_taken = self.state.run().is_some();
            let report = never_ran(facts, is_taken).map(|why| self.report(parent.clone(), facts, Err(why)));
            facts.extend(report);
        }
    }

    /// What tells it. Its step is named by the record that it is owed since, so that it is no other's.
    fn report(&self, parent: Parent, facts: &[Fact], end: Result<RunEnd, String>) -> Fact {
        let key = key_after_end(self.state, facts, &format!("parent/{}", self.state.sequence + 1));
        Fact::Owes { key, effect: Effect::Report { to: parent.workflow, key: parent.key, end } }
    }
}

/// Why an event that was to begin a workflow never will; nothing if it still may. `is_taken` where there is a run already.
fn never_ran(facts: &[Fact], is_taken: bool) -> Option<String> {
    facts.iter().rev().find_map(|fact| match fact {
        Fact::Moved { to: LifeState::Discarded, reason, .. } => Some(format!("its event was discarded: {reason}")),
        Fact::Moved { to: LifeState::Processed, .. } if is_taken => {
            Some("a workflow ran there already, and a correlation has one run".into())
        }
        Fact::Moved { to: LifeState::Processed, .. } => Some("no workflow begins on its event there".into()),
        _ => None,
    })
}
