//! A workflow that another one has run: it is begun once, and each of its ends is told once, to the one that it ran for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regie_core::event::CorrelationId;
use regie_core::workflow::{Effect, EffectEnd, EffectKey, Fact, RunEnd};

use super::Told;
use crate::simulation::memory::Key;
use crate::simulation::tally::Tally;

#[derive(Default)]
pub(super) struct Family {
    /// What each asked to be run, by its event.
    asked: BTreeMap<Key, Arc<str>>,
    /// Whom each runs for.
    parents: BTreeMap<CorrelationId, Key>,
    /// What each one that asked is to be told, and what it was told.
    reports: BTreeMap<Key, Vec<Result<RunEnd, String>>>,
    told: BTreeSet<Key>,
}

impl Family {
    pub(super) fn follow(&mut self, correlation: &CorrelationId, told: Told<'_>, tally: &mut Tally) {
        let mut reported = 0;
        for fact in &told.record.facts {
            match fact {
                Fact::Owes { key, effect: Effect::Run { event } } => {
                    self.asked.insert((correlation.clone(), key.clone()), Arc::clone(event));
                }
                Fact::RunsFor { workflow, key } => {
                    tally.count("workflow: begun by another");
                    let parent = (workflow.clone(), key.clone());
                    let is_asked = self.asked.get(&parent).is_some_and(|event| event.contains(&**correlation));
                    assert!(is_asked, "{correlation} runs for {parent:?}, which never asked for that");
                    assert_eq!(self.parents.insert(correlation.clone(), parent), None, "it runs for two");
                }
                Fact::Owes { effect: Effect::Report { to, key, end }, .. } => {
                    reported += 1;
                    self.reports(correlation, (to.clone(), key.clone()), (end, told), tally);
                }
                Fact::Owes { effect: Effect::Operate { .. }, .. } => tally.count("workflow: cancels another"),
                Fact::Ended { key, end } => self.hears(correlation, (key, end), tally),
                _ => {}
            }
        }
        let ends = told.has(|fact| matches!(fact, Fact::Finished { .. })) && self.parents.contains_key(correlation);
        assert!(reported == 1 || !ends, "{correlation} is over, and tells that {reported} times");
    }

    fn reports(
        &mut self,
        correlation: &CorrelationId,
        parent: Key,
        (end, told): (&Result<RunEnd, String>, Told<'_>),
        tally: &mut Tally,
    ) {
        match end {
            Ok(end) => {
                tally.count("workflow: tells the one that it ran for");
                assert_eq!(self.parents.get(correlation), Some(&parent), "{correlation} did not run for that");
                let is_so = told.has(|fact| matches!(fact, Fact::Finished { end: so } if so == end));
                assert!(is_so, "{correlation} tells that it ended as {end:?}");
            }
            Err(_) => {
                tally.count("workflow: never begun");
                assert!(self.asked.contains_key(&parent), "nobody asked for it");
            }
        }
        self.reports.entry(parent).or_default().push(end.clone());
    }

    fn hears(&mut self, correlation: &CorrelationId, (key, end): (&EffectKey, &EffectEnd), tally: &mut Tally) {
        let parent = (correlation.clone(), key.clone());
        let (EffectEnd::Ran { .. } | EffectEnd::NotSent { .. }, true) = (end, self.asked.contains_key(&parent)) else {
            return;
        };
        let reports = self.reports.get(&parent).map(Vec::as_slice).unwrap_or_default();
        let is_told = reports.iter().any(|told| match (told, end) {
            (Ok(told), EffectEnd::Ran { end }) => told == end,
            (Err(told), EffectEnd::NotSent { reason }) => told == reason,
            _ => false,
        });
        let refused = matches!(end, EffectEnd::NotSent { reason } if reason.contains("UnknownDefinition"));
        assert!(is_told || refused, "{parent:?} hears of an end that was never told: {end:?}, of {reports:?}");
        tally.count("workflow: is told of the end of another");
        assert!(self.told.insert(parent), "it hears of one end twice");
    }

    /// Whether what somebody asked for has an end that he is to be told.
    pub(super) fn is_told(&self, parent: &Key) -> bool {
        self.reports.contains_key(parent)
    }

    /// Who runs for that.
    pub(super) fn child_of(&self, parent: &Key) -> Option<&CorrelationId> {
        self.parents.iter().find(|(_, of)| *of == parent).map(|(child, _)| child)
    }
}
