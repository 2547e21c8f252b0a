//! Automation: it follows the journal and lets the rules in force look at what was committed, a little at a time; it dies, and
//! goes on from what it kept, or from nothing; and it has runs recorded, again and again until they are.

pub(crate) mod trace;
pub(crate) mod undo;
pub(crate) mod update;
pub(crate) mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use regie_core::Json;
use regie_core::automation::{
    Evaluator, Knowledge, RULE_FAILED, RULE_RAN, RULE_SOURCE, RuleSet, Run, Takeover, Trigger, run_correlation,
};
use regie_core::event::{Event, Incoming, Principal};
use regie_core::workflow::Command;
use regie_journal::Followed;

use crate::simulation::four::{Bug, Four};
use crate::simulation::log::Log;
use crate::simulation::memory::{Asker, Outcome, Reason, Task};
use crate::simulation::world::World;
use words::{ALL, InForce, Ruled, Watches};

/// What was kept of it: bytes, the rules in force there, and how far it had come.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    known: String,
    ruled: &'static Ruled,
    position: u64,
}

/// Whoever lets rules look at events.
#[derive(Debug)]
pub(crate) struct Automation {
    evaluator: Evaluator,
    ruled: &'static Ruled,
    pub(crate) position: u64,
    /// What was committed before this life began may have been looked at in an earlier one.
    began_at: u64,
    /// Answers to earlier lives are not heard.
    life: u64,
    /// Runs that are being recorded.
    recording: BTreeSet<String>,
    /// Those of them that were not taken.
    pub(crate) again: Vec<Incoming>,
}

impl Automation {
    pub(crate) fn new() -> Self {
        Self::from(Evaluator::new(RuleSet::default()), words::NO_RULES.ruled(), 0)
    }

    fn from(evaluator: Evaluator, ruled: &'static Ruled, position: u64) -> Self {
        Self { evaluator, ruled, position, began_at: 0, life: 0, recording: BTreeSet::new(), again: Vec::new() }
    }

    /// Whether it can look on: all that follows from what it has seen is recorded.
    pub(crate) fn is_ready(&self, head: u64) -> bool {
        self.recording.is_empty() && self.position < head
    }

    fn resumed(kept: &Kept, four: Four) -> Self {
        let mut known: serde_json::Value = serde_json::from_str(&kept.known).expect("JSON");
        if four.has(Bug::ForgetsEdges) {
            known["edges"] = serde_json::json!({});
        }
        if four.has(Bug::ForgetsFailures) {
            let edges = known["edges"].as_object_mut().into_iter().flatten().map(|(_, edge)| edge);
            edges.filter_map(|edge| edge.as_object_mut()).for_each(|edge| drop(edge.remove("failing")));
        }
        let known: Knowledge = serde_json::from_value(known).expect("what was kept");
        let (evaluator, takeover) = Evaluator::resume(known, kept.ruled.set.clone());
        assert_eq!(takeover, Takeover::GoesOn, "what was kept is of other relations");
        Self::from(evaluator, kept.ruled, kept.position)
    }

    /// Takes in what was found; gives the runs that follow.
    fn take(&mut self, found: Vec<&Followed>, log: &Log, sees: impl Fn(u64) -> bool) -> (Vec<Run>, bool) {
        let (mut runs, mut anew) = (Vec::new(), false);
        for followed in found {
            if let Followed::Rules { position, digest, text } = followed {
                self.ruled = Watches::of(*digest);
                assert_eq!(*text, self.ruled.record.text, "the rules are recorded as they are");
                if self.evaluator.take_over(self.ruled.set.clone()) == Takeover::LearnAnew {
                    anew = true;
                    self.learn_anew(*position, log);
                }
            }
            let seen = log.processed(followed).or_else(|| log.came(followed).filter(|came| sees(came.by)));
            if let Some(processed) = seen {
                let taken = self.evaluator.take(&processed.committed());
                assert_eq!(taken.errors, [], "an event that the rules cannot take in");
                runs.extend(taken.runs);
            }
        }
        (runs, anew)
    }

    fn learn_anew(&mut self, until: u64, log: &Log) {
        let all = log.after(0, usize::MAX).0;
        for processed in all.into_iter().filter_map(|followed| log.processed(followed)).filter(|it| it.by < until) {
            self.evaluator.learn(&processed.committed());
        }
    }
}

/// The event that a run is recorded as.
fn recorded(run: &Run) -> Incoming {
    let Trigger { source, id, .. } = &run.trigger;
    let kind = if run.error.is_none() { RULE_RAN } else { RULE_FAILED };
    let event = Event::new(kind, run_correlation(&run.id))
        .id(run.id.as_str())
        .source(RULE_SOURCE)
        .cause(format!("{source}#{id}"))
        .actor(Principal { kind: "rule".into(), id: run.rule.clone() })
        .payload(Json::of(run));
    event.build().expect("a good event")
}

impl World {
    /// It looks at some of what was committed.
    pub(crate) fn automation_looks(&mut self) {
        let turns = self.dice.between(1, 12) as usize;
        let (found, position) = self.disk.log.after(self.automation.position, turns);
        let discarded = |at| self.four.has(Bug::SeesDiscarded) && self.model.is_discarded(at);
        let (mut runs, anew) = self.automation.take(found, &self.disk.log, discarded);
        self.automation.position = position;
        if anew {
            self.tally.count("rules: learn anew");
        }
        if self.four.has(Bug::MakesUpRunIds) {
            runs.iter_mut().for_each(|run| run.id = format!("{}-{}", run.id, self.automation.life));
        }
        for run in &runs {
            let correlation = run_correlation(&run.id);
            let was_recorded = run.trigger.position <= self.automation.began_at && self.disk.knows(&correlation);
            if was_recorded {
                self.tally.count("rules: a run is found again");
            }
            // The index may not cover it yet: then it is recorded again, and known.
            if !was_recorded || self.dice.one_in(2) {
                self.automation.recording.insert(run.id.clone());
                self.record_run(recorded(run));
            }
        }
        let too_far = self.four.has(Bug::KeepsTooFar);
        if (self.automation.recording.is_empty() && self.dice.one_in(6)) || too_far {
            self.keep_rules();
        }
    }

    fn keep_rules(&mut self) {
        let Automation { evaluator, ruled, position, .. } = &self.automation;
        let known = serde_json::to_string(evaluator.knowledge()).expect("JSON");
        let kept = Kept { known, ruled, position: *position };
        self.disk.kept.push(kept);
    }

    fn record_run(&mut self, event: Incoming) {
        self.say(|| format!("records a run: {}", event.raw()));
        let asker = Asker::Run(self.automation.life, event.clone());
        let correlation = event.event().correlation_id.clone();
        self.enter(&correlation, Task::Command(Arc::new(Command::Submit { event, emitted: true })), asker);
    }

    /// A run that was not taken is recorded again.
    pub(crate) fn record_again(&mut self) {
        let event = self.automation.again.pop().expect("a run");
        self.record_run(event);
    }

    /// What became of a run that was to be recorded.
    pub(crate) fn tell_automation(&mut self, life: u64, event: Incoming, outcome: &Outcome) {
        self.tally.count(match outcome {
            Outcome::Recorded(..) => "rules: a run is recorded",
            Outcome::Known(known) => {
                // The same from the journal alone, byte by byte.
                assert_eq!(self.model.raw_at(known.position), &**event.raw(), "a run that is another one now");
                "rules: a run is recorded twice"
            }
            Outcome::Refused(Reason::Store) => "rules: a run is not taken",
            other => panic!("a run is told {other:?}"),
        });
        if life != self.automation.life {
            return;
        }
        match outcome {
            Outcome::Refused(_) => self.automation.again.push(event),
            _ => drop(self.automation.recording.remove(&event.event().id)),
        }
    }

    /// It begins anew: from something that it kept, perhaps long ago, or from nothing.
    pub(crate) fn automation_begins(&mut self) {
        let life = self.automation.life + 1;
        let kept = match self.dice.below(8) {
            0 => None,
            1 | 2 if !self.disk.kept.is_empty() => Some(self.dice.pick(&self.disk.kept)),
            _ => self.disk.kept.last(),
        };
        let resumed = kept.map(|kept| Automation::resumed(kept, self.four));
        if resumed.is_some() {
            self.tally.count("rules: go on from what was kept");
        }
        self.automation = resumed.unwrap_or_else(Automation::new);
        self.automation.life = life;
        self.automation.began_at = self.model.position();
        if self.four.has(Bug::PassesOver) {
            self.automation.position = self.model.position();
        }
    }

    /// Its process lives on.
    pub(crate) fn automation_dies(&mut self) {
        self.tally.count(if self.automation.recording.is_empty() {
            "rules: die"
        } else {
            "rules: die while runs are recorded"
        });
        self.automation_begins();
    }

    /// Somebody puts other rules in force.
    pub(crate) fn enact_other_rules(&mut self) {
        let watches = *self.dice.pick(&ALL);
        self.tally.count("rules: others come into force");
        self.ruled = InForce { now: watches.ruled(), before: self.ruled.now };
    }

    /// A process begins with rules of its own; they take over from those that were recorded last.
    pub(crate) fn rules_begin(&mut self) {
        let now = if !self.plain && self.dice.one_in(5) { self.dice.pick(&ALL).ruled() } else { self.ruled.now };
        self.ruled = InForce { now, before: self.model.ruled() };
        self.automation_begins();
    }
}
