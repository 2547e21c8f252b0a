//! With agents that are well and time enough, each run is over, or waits for a person or for an event without a time.

use regie_core::event::CorrelationId;
use regie_core::workflow::Effect;

use super::moves::Status;
use super::{Stories, Story};
use crate::simulation::model::Model;
use crate::simulation::tally::Tally;

impl Stories {
    /// Whether a run may owe something in the end: it is paused, or another one that it has run goes on.
    pub(in super::super) fn may_owe(&self, correlation: &CorrelationId) -> bool {
        self.all.get(correlation).is_some_and(|story| {
            let mut owed = story.owed.iter();
            story.moves.paused
                || owed.all(|(key, effect)| self.is_waited_for(&(correlation.clone(), key.clone()), effect))
        })
    }

    /// Whether another one that was asked for goes on.
    fn is_waited_for(&self, key: &super::Key, effect: &Effect) -> bool {
        let child = self.family.child_of(key).and_then(|child| self.all.get(child));
        matches!(effect, Effect::Run { .. })
            && !self.family.is_told(key)
            && child.is_some_and(|child| !child.moves.status.is_over())
    }

    /// How those stand that it has run, and whether their end was told, by the steps that asked for them.
    pub(in super::super) fn runs_for(&self, correlation: &CorrelationId) -> Vec<String> {
        let owed = self.all.get(correlation).into_iter().flat_map(|story| story.owed.keys());
        let told = owed.map(|key| {
            let asked = (correlation.clone(), key.clone());
            let child = self.family.child_of(&asked);
            let moves = child.and_then(|child| self.all.get(child)).map(|story| &story.moves);
            format!("{key}: {child:?} {moves:?}, told: {}", self.family.is_told(&asked))
        });
        told.collect()
    }

    fn waits(&self, correlation: &CorrelationId, story: &Story) -> bool {
        let for_another = || {
            let mut owed = story.owed.iter();
            owed.any(|(key, effect)| self.is_waited_for(&(correlation.clone(), key.clone()), effect))
        };
        story.moves.status == Status::Running && (story.kept.waits() || for_another())
    }
}

impl Model {
    /// Whether one that is paused is to tell it of an end: of one that never began, where another runs now.
    pub(in super::super) fn is_held_back_from(&self, waiting: &CorrelationId) -> bool {
        let is_told = |effect: &Effect| matches!(effect, Effect::Report { to, .. } if to == waiting);
        let mut paused = self.threads.values().filter(|thread| thread.run.as_ref().is_some_and(|run| run.paused));
        paused.any(|thread| thread.owed.values().any(is_told))
    }

    /// No run is stuck.
    pub(in super::super) fn assert_stories(&mut self) {
        let mut tally = Tally::default();
        for (correlation, story) in &self.stories.all {
            let thread = &self.threads[correlation];
            if story.moves.status.is_over() {
                continue;
            }
            story.kept.assert_none_forgotten(thread);
            let (paused, parked) = (story.moves.paused, !story.moves.parked.is_empty());
            tally.add_many("workflow: paused at the end", u64::from(paused));
            tally.add_many("workflow: parked at the end", u64::from(parked));
            let waits = self.stories.waits(correlation, story) || self.is_held_back_from(correlation);
            tally.add_many("workflow: listens at the end", u64::from(waits));
            let is_stuck = !paused && !parked && !waits && !story.passed_over && !thread.has_poison();
            assert!(!is_stuck, "{correlation} is stuck: {story:#?}");
        }
        self.tally.add(&tally);
    }
}
