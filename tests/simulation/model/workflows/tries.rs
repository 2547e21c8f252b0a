//! Steps are tried as often as their words say: no more, and no less unless the workflow goes on without them.

use std::collections::{BTreeMap, BTreeSet};

use regie_core::workflow::{AgentOutcome, Effect, EffectEnd, EffectKey, Fact};
use serde_json::Value;

use super::{AGAIN, Told, UNDO};
use crate::simulation::tally::Tally;
use crate::simulation::workflows::words::step_of;

#[derive(Debug, Default)]
pub(super) struct Tries {
    /// How often each was tried since it began.
    tried: BTreeMap<String, u32>,
    /// How often each began.
    rounds: BTreeMap<String, u32>,
    /// Those whose wait is over.
    waited: BTreeSet<String>,
}

/// How often a step is tried, or putting it back.
fn bound(workflow: &str, step: &str) -> u32 {
    match step.strip_prefix(UNDO) {
        Some(undone) => step_of(workflow, undone).undo.expect("it can be put back"),
        None => step_of(workflow, step).tries,
    }
}

impl Tries {
    /// A person has it go on.
    pub(super) fn begin_anew(&mut self) {
        self.rounds.clear();
    }

    pub(super) fn owes(
        &mut self,
        (workflow, version): (&str, u32),
        (key, effect): (&EffectKey, &Effect),
        told: Told<'_>,
        tally: &mut Tally,
    ) {
        match effect {
            Effect::Timer { due } if key.step.starts_with(AGAIN) => {
                let step = &key.step[AGAIN.len()..];
                let failed = told.has(|fact| matches!(fact, Fact::Ended { key, .. } if key.step == step))
                    || told.operation().is_some();
                assert!(failed, "{step} is tried again, and has not failed");
                assert!(*due > told.record.at, "{step} is tried again without a wait");
                assert!(self.tried.get(step) < Some(&bound(workflow, step)), "{step} is tried once too often");
                tally.count("workflow: tried again");
            }
            Effect::Call { task, .. } => {
                let most = bound(workflow, &key.step);
                let tried = self.tried.entry(key.step.clone()).or_default();
                if self.waited.remove(&key.step) {
                    *tried += 1;
                } else {
                    *tried = 1;
                    let task: Value = task.to().expect("JSON");
                    // What a person has go on is asked as it was.
                    let begun = task["version"].as_u64().expect("a version");
                    let again = told.operation().is_some() && begun <= u64::from(version);
                    assert!(again || begun == u64::from(version), "{key} begins under version {begun} of {version}");
                    self.begins(workflow, &key.step);
                }
                let tried = self.tried[&key.step];
                assert!(tried <= most, "{key} is try {tried} of {most}");
                if tried == most && most > 1 {
                    tally.count("workflow: tried to the last");
                }
            }
            _ => {}
        }
    }

    fn begins(&mut self, workflow: &str, step: &str) {
        if !step.starts_with(UNDO) {
            let rounds = self.rounds.entry(step.to_string()).or_default();
            *rounds += 1;
            assert!(*rounds <= step_of(workflow, step).rounds, "{step} begins for the {rounds}th time");
        }
    }

    pub(super) fn ended(&mut self, key: &EffectKey, end: &EffectEnd) {
        if let (Some(step), EffectEnd::TimerFired) = (key.step.strip_prefix(AGAIN), end) {
            self.waited.insert(step.to_string());
        }
    }

    /// Whether a step that failed is tried again: it is, while it may be, the workflow goes on with it, and its error is not
    /// final.
    pub(super) fn goes_on(&self, workflow: &str, (key, end): (&EffectKey, &EffectEnd), told: Told<'_>) -> bool {
        let EffectEnd::Agent(outcome) = end else { return false };
        let goes_on = told.owes(&format!("{AGAIN}{}", key.step));
        let is_final = match outcome {
            AgentOutcome::Done(_) => true,
            AgentOutcome::Rejected { is_final, .. } => *is_final,
            AgentOutcome::Panicked(_) => (workflow, key.step.as_str()) == ("saga", "pack"),
            _ => false,
        };
        assert!(!(goes_on && is_final), "{key} is tried again after {outcome:?}");
        let may = self.tried.get(&key.step) < Some(&bound(workflow, &key.step));
        assert!(goes_on || is_final || !may, "{key} is not tried again, and might be");
        goes_on
    }
}
