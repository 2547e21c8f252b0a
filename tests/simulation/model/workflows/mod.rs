//! Workflows as the model follows them: no interpreter of definitions, but what must hold of each fact in the journal, each
//! idea in a file of its own.

mod back;
mod family;
mod kept;
mod moves;
mod stuck;
mod tries;

use std::collections::BTreeMap;

use regie_core::event::CorrelationId;
use regie_core::workflow::{Effect, EffectKey, Fact, Operation, Record};
use serde_json::Value;

use super::Model;
use super::thread::{AFTER_END, Thread};
use crate::simulation::memory::Key;
use crate::simulation::tally::Tally;
use crate::simulation::workflows::words::workflow_of;
use back::Back;
use family::Family;
use kept::Kept;
use moves::{Moves, Status};
use tries::Tries;

/// What a step's name is called by while it is put back, and while it waits to be tried again.
const UNDO: &str = "~undo/";
const AGAIN: &str = "~again/";

/// One run.
#[derive(Debug)]
struct Story {
    workflow: &'static str,
    version: u32,
    moves: Moves,
    owed: BTreeMap<EffectKey, Effect>,
    tries: Tries,
    back: Back,
    kept: Kept,
    /// Whether a person passed over the end of an effect: its step never ends.
    passed_over: bool,
}

/// All runs of workflows.
#[derive(Default)]
pub(super) struct Stories {
    all: BTreeMap<CorrelationId, Story>,
    family: Family,
}

/// A record as its facts are looked at.
#[derive(Clone, Copy)]
struct Told<'a> {
    record: &'a Record,
    /// What the definition noted in it.
    notes: &'a [Value],
}

impl Told<'_> {
    fn has(&self, is_it: impl Fn(&Fact) -> bool) -> bool {
        self.record.facts.iter().any(is_it)
    }

    fn owes(&self, step: &str) -> bool {
        self.has(|fact| matches!(fact, Fact::Owes { key, .. } if key.step == step))
    }

    fn operation(&self) -> Option<Operation> {
        self.record.facts.iter().find_map(|fact| match fact {
            Fact::Operated { operation, .. } => Some(*operation),
            _ => None,
        })
    }
}

impl Stories {
    /// Follows a record of a correlation that has followed it already.
    pub(super) fn follow(
        &mut self,
        correlation: &CorrelationId,
        (thread, record): (&Thread, &Record),
        tally: &mut Tally,
    ) {
        let Some(workflow) = workflow_of(correlation) else { return };
        let notes = record.facts.iter().filter_map(|fact| match fact {
            Fact::Noted { data } => Some(data.to::<Value>().expect("JSON")),
            _ => None,
        });
        let notes: Vec<Value> = notes.collect();
        let told = Told { record, notes: &notes };
        for fact in &record.facts {
            if let Fact::Started { definition, version } = fact {
                assert_eq!(definition, workflow, "{correlation} runs another workflow");
                assert!(!self.all.contains_key(correlation), "{correlation} begins twice");
                self.all.insert(correlation.clone(), Story::new(workflow, *version));
            }
        }
        self.family.follow(correlation, told, tally);
        let Some(story) = self.all.get_mut(correlation) else { return };
        story.assert_quiet(told);
        story.follow(told, tally);
        story.kept.follow(workflow, (thread, told), (story.moves.status, tally));
    }

    /// An effect goes out.
    pub(super) fn goes_out(&self, (correlation, key): &Key) {
        let Some(story) = self.all.get(correlation) else { return };
        assert!(!story.moves.paused, "{key} of {correlation} goes out, which is paused");
        let may = !story.moves.status.is_over() || key.step.starts_with(AFTER_END);
        assert!(may, "{key} of {correlation} goes out, which is over");
    }
}

impl Story {
    fn new(workflow: &'static str, version: u32) -> Self {
        let (moves, owed, tries) = (Moves::default(), BTreeMap::new(), Tries::default());
        let (back, kept, passed_over) = (Back::default(), Kept::default(), false);
        Self { workflow, version, moves, owed, tries, back, kept, passed_over }
    }

    /// Of one that is over nothing is begun; of one that is paused no timer rings; one that has failed takes no event.
    fn assert_quiet(&self, told: Told<'_>) {
        let goes_on = told.operation() == Some(Operation::Retry);
        if self.moves.status.is_over() && !goes_on {
            let acts = |fact: &Fact| match fact {
                Fact::Owes { key, .. } | Fact::Ended { key, .. } => !key.step.starts_with(AFTER_END),
                Fact::Noted { .. } | Fact::Finished { .. } | Fact::Compensating { .. } | Fact::GivenUp { .. } => true,
                Fact::Halted { .. } | Fact::Operated { .. } | Fact::Migrated { .. } | Fact::Awaits { .. } => true,
                _ => false,
            };
            assert!(!told.has(acts), "one that is over acts: {:#?}", told.record);
        }
        if self.moves.paused {
            let rings =
                |fact: &Fact| matches!(fact, Fact::Ended { end: regie_core::workflow::EffectEnd::TimerFired, .. });
            assert!(!told.has(rings), "a timer of one that is paused rings");
        }
        if self.moves.status.skips() && !goes_on {
            use regie_core::event::LifeState::Processed;
            let takes = |fact: &Fact| matches!(fact, Fact::Moved { to: Processed, .. });
            assert!(!told.has(takes), "one that is {:?} takes an event", self.moves.status);
        }
    }

    fn follow(&mut self, told: Told<'_>, tally: &mut Tally) {
        let sequence = told.record.sequence;
        for (at, fact) in told.record.facts.iter().enumerate() {
            match fact {
                Fact::Operated { operation, .. } => self.operated(*operation, told, tally),
                Fact::Migrated { version, .. } => self.version = *version,
                Fact::Noted { data } => {
                    let note: Value = data.to().expect("JSON");
                    if let Some(step) = note["step"]["given_up"]["step"].as_str() {
                        self.back.gives_up_limbo(step, sequence);
                    }
                }
                Fact::Owes { key, effect } if !key.step.starts_with(AFTER_END) => {
                    self.tries.owes((self.workflow, self.version), (key, effect), told, tally);
                    self.back.owes(&key.step, self.moves.status, tally);
                    self.owed.insert(key.clone(), effect.clone());
                }
                Fact::Ended { key, end } if !key.step.starts_with(AFTER_END) => {
                    self.owed.remove(key);
                    let parked = matches!(told.record.facts.get(at + 1), Some(Fact::Parked { .. }));
                    if parked {
                        self.moves.parks(Some((key.clone(), end.clone())));
                        self.back.in_limbo(self.workflow, &key.step);
                    } else {
                        self.takes_end(key, end, told);
                    }
                }
                Fact::GivenUp { key } => {
                    tally.count("workflow: a step is given up");
                    self.owed.remove(key);
                    self.back.given_up(self.workflow, &key.step, sequence);
                }
                Fact::Compensating { then } => {
                    self.moves.compensates(then);
                    self.gives_all_up(sequence);
                }
                Fact::Halted { step, .. } => {
                    tally.count("workflow: waits for a person, for putting back fails");
                    self.back.halts(step);
                    self.moves.parks(None);
                }
                Fact::Finished { end } => {
                    let abandoned = matches!(told.operation(), Some(Operation::Unpark(_)));
                    self.gives_all_up_at(end, sequence);
                    self.back.ends((self.moves.status, end, abandoned), tally);
                    self.moves.ends(end, tally);
                    self.owed.retain(|key, _| key.step.starts_with(AFTER_END));
                }
                _ => {}
            }
        }
    }

    fn takes_end(&mut self, key: &EffectKey, end: &regie_core::workflow::EffectEnd, told: Told<'_>) {
        self.tries.ended(key, end);
        let goes_on = self.tries.goes_on(self.workflow, (key, end), told);
        self.back.ended(self.workflow, (key, end), (told.record.sequence, goes_on));
    }

    fn operated(&mut self, operation: Operation, told: Told<'_>, tally: &mut Tally) {
        let parked = self.moves.operated(operation, self.version, tally);
        match operation {
            Operation::Retry => self.tries.begin_anew(),
            Operation::Migrate { to } => {
                let is_there = |fact: &Fact| matches!(fact, Fact::Migrated { version, .. } if *version == to);
                assert!(told.has(is_there), "it is taken over to {to}, and stays where it was");
            }
            Operation::Unpark(regie_core::workflow::Unpark::Skip) => match parked {
                Some(Some(_)) => self.passed_over = true,
                _ => self.back.skips(),
            },
            Operation::Unpark(regie_core::workflow::Unpark::Retry) => {
                if let Some(Some((key, end))) = parked {
                    self.back.out_of_limbo(&key.step);
                    self.takes_end(&key, &end, told);
                }
            }
            _ => {}
        }
    }

    fn gives_all_up(&mut self, sequence: u64) {
        let steps: Vec<String> = self.owed.keys().map(|key| key.step.clone()).collect();
        steps.iter().for_each(|step| self.back.given_up(self.workflow, step, sequence));
        self.back.limbo_ends(sequence);
        self.owed.retain(|key, _| key.step.starts_with(AFTER_END));
    }

    /// One that fails or is cancelled without putting anything back has nothing to.
    fn gives_all_up_at(&mut self, end: &regie_core::workflow::RunEnd, sequence: u64) {
        use regie_core::workflow::RunEnd;
        let puts_back = matches!(end, RunEnd::Failed { .. } | RunEnd::Cancelled { .. });
        if puts_back && self.moves.status == Status::Running {
            self.gives_all_up(sequence);
        }
    }
}

impl Model {
    /// The correlations of workflows that there are.
    pub(crate) fn workflows(&self) -> Vec<CorrelationId> {
        let all = self.threads.keys().filter(|correlation| workflow_of(correlation).is_some());
        all.cloned().collect()
    }

    /// Those of which something waits for a person.
    pub(crate) fn parked_workflows(&self) -> Vec<CorrelationId> {
        let parked = self.stories.all.iter().filter(|(_, story)| !story.moves.parked.is_empty());
        parked.map(|(correlation, _)| correlation.clone()).collect()
    }
}
