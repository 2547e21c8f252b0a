//! The moves of the steps, in one turn.

use std::collections::BTreeSet;

use super::error::StepError;
use super::rule::{StepRule, StepRules};
use super::steps::{StepFact, Steps, UNDO};
use crate::event::CorrelationId;
use crate::workflow::{AgentOutcome, Moment, Reaction};
use crate::{Digest, Json, Timestamp, limits};

/// What the timer of a step that is tried again is named by.
const AGAIN: &str = "~again/";

/// Something that is asked of the loop.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// An agent is to do a task.
    Call {
        /// The step.
        step: String,
        /// Who.
        agent: String,
        /// What.
        input: Json,
        /// Its time limit in milliseconds, if it has one of its own.
        timeout_ms: Option<u64>,
    },
    /// The step is to be woken.
    Timer {
        /// The timer's name.
        step: String,
        /// When.
        due: Timestamp,
    },
    /// What a step has under way is given up.
    GiveUp {
        /// The step, or the timer's name.
        step: String,
    },
}

impl Act {
    /// The step, or the timer's name.
    pub fn step(&self) -> &str {
        match self {
            Act::Call { step, .. } | Act::Timer { step, .. } | Act::GiveUp { step } => step,
        }
    }

    /// The same as a reaction asks for it.
    pub(in crate::workflow) fn asked_by<F>(self, reaction: Reaction<F>) -> Reaction<F> {
        match self {
            Act::Call { step, agent, input, timeout_ms: None } => reaction.call(&step, &agent, input),
            Act::Call { step, agent, input, timeout_ms: Some(limit) } => {
                reaction.call_within(&step, &agent, input, limit)
            }
            Act::Timer { step, due } => reaction.timer(&step, due),
            Act::GiveUp { step } => reaction.give_up(&step),
        }
    }
}

/// What came of a move, for who leads the workflow.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// Nothing that it must know of.
    Nothing,
    /// A step gave a result.
    Done {
        /// Which.
        step: String,
        /// What it gave.
        result: Json,
    },
    /// A step failed for good.
    Failed {
        /// Which.
        step: String,
        /// Why.
        error: StepError,
    },
    /// All is put back, but what a person said is to stay.
    Unwound,
    /// Something cannot be put back: a person is to say how to go on.
    Stuck {
        /// The step.
        step: String,
        /// How often it was tried.
        attempts: u32,
        /// Why not.
        error: String,
    },
}

/// The steps within one turn: what happens to them, and what is asked.
pub struct Doing<'a> {
    /// As they stand by now.
    pub steps: Steps,
    /// What happened to them, in order.
    pub facts: Vec<StepFact>,
    /// What is asked, in order.
    pub acts: Vec<Act>,
    /// Steps whose agents are asked once this turn stands, and not before.
    asked: BTreeSet<String>,
    pub(super) rules: &'a dyn StepRules,
    pub(super) moment: Moment<'a>,
}

impl<'a> Doing<'a> {
    /// A turn at the steps.
    pub fn new(steps: &Steps, rules: &'a dyn StepRules, moment: &Moment<'a>) -> Self {
        let (facts, acts, asked) = (Vec::new(), Vec::new(), BTreeSet::new());
        Self { steps: steps.clone(), facts, acts, asked, rules, moment: *moment }
    }

    /// Has an agent do a step. It fails at once if as much waits to be put back as a workflow may hold.
    pub fn begin(&mut self, step: &str, agent: &str, input: Json, timeout_ms: Option<u64>) -> Happened {
        let undoable = !step.starts_with(UNDO) && self.rules.can_be_undone(step);
        self.happens(StepFact::Began {
            step: step.into(),
            agent: agent.into(),
            input,
            timeout_ms,
            undoable,
            at: self.moment.now,
        });
        if undoable && self.steps.done.len() >= limits::UNDOABLE_STEPS {
            let message = format!("{} steps of this workflow wait to be put back already", limits::UNDOABLE_STEPS);
            let kind = super::StepErrorKind::Refused;
            return self.fails(step, StepError { kind, code: None, message, is_final: true }, None);
        }
        self.call(step);
        Happened::Nothing
    }

    /// The call of a step ended.
    pub fn ended(&mut self, step: &str, outcome: &AgentOutcome) -> Happened {
        let Some(under_way) = self.steps.under_way.get(step) else { return Happened::Nothing };
        let error = match StepError::of(outcome) {
            Ok(result) => {
                self.happens(StepFact::Done { step: step.into(), result: result.clone() });
                return match step.starts_with(UNDO) {
                    true => self.undo_next(),
                    false => Happened::Done { step: step.into(), result },
                };
            }
            Err(error) => error,
        };
        let tries = under_way.tries + 1;
        let gone = self.moment.now.since(under_way.since);
        let wait = self.rule_of(step).wait(&error, tries, gone, seed(self.moment.correlation, step, tries));
        match (wait.map(|wait| self.moment.now.after(wait)), step.strip_prefix(UNDO)) {
            (None, Some(undone)) => {
                let (step, text) = (undone.to_string(), error.to_string());
                self.happens(StepFact::Failed { step: format!("{UNDO}{undone}"), error, again: None });
                Happened::Stuck { step, attempts: tries, error: text }
            }
            (again, _) => self.fails(step, error, again),
        }
    }

    /// What steps gave that the workflow was never told of: they are done, and are put back as such.
    pub fn gave(&mut self, gave: &[(String, Json)]) {
        for (step, result) in gave.iter().filter(|(step, _)| !step.starts_with(UNDO)) {
            if self.steps.under_way.contains_key(step) {
                self.happens(StepFact::Done { step: step.clone(), result: result.clone() });
            }
        }
    }

    /// A timer's instant came; says whether it was one of a step.
    pub fn woke(&mut self, timer: &str) -> bool {
        let Some(step) = timer.strip_prefix(AGAIN) else { return false };
        if self.steps.under_way.get(step).is_some_and(|under_way| under_way.again.is_some()) {
            self.happens(StepFact::Again { step: step.into() });
            self.call(step);
        }
        true
    }

    /// The workflow goes on without a step.
    pub fn give_up(&mut self, step: &str) {
        let Some(under_way) = self.steps.under_way.get(step) else { return };
        let named = if under_way.again.is_some() { format!("{AGAIN}{step}") } else { step.to_string() };
        self.acts.push(Act::GiveUp { step: named });
        let unasked = self.asked.remove(step);
        self.happens(StepFact::GivenUp { step: step.into(), unasked });
    }

    /// What is asked, as a reaction asks for it. What is asked and given up in one turn is never asked.
    pub fn ask<F>(acts: Vec<Act>, mut reaction: Reaction<F>) -> Reaction<F> {
        let mut asked: Vec<Act> = Vec::with_capacity(acts.len());
        for act in acts {
            if let Act::GiveUp { step } = &act {
                asked.retain(|other| other.step() != step);
                reaction = reaction.give_up(step);
            } else {
                asked.push(act);
            }
        }
        asked.into_iter().fold(reaction, |reaction, act| act.asked_by(reaction))
    }

    pub(super) fn happens(&mut self, fact: StepFact) {
        self.steps.follow(&fact);
        self.facts.push(fact);
    }

    fn fails(&mut self, step: &str, error: StepError, again: Option<Timestamp>) -> Happened {
        self.happens(StepFact::Failed { step: step.into(), error: error.clone(), again });
        match again {
            Some(due) => {
                self.acts.push(Act::Timer { step: format!("{AGAIN}{step}"), due });
                Happened::Nothing
            }
            None => Happened::Failed { step: step.into(), error },
        }
    }

    fn call(&mut self, step: &str) {
        let Some(under_way) = self.steps.under_way.get(step) else { return };
        let (agent, input) = (under_way.agent.clone(), under_way.input.clone());
        self.asked.insert(step.into());
        self.acts.push(Act::Call { step: step.into(), agent, input, timeout_ms: under_way.timeout_ms });
    }

    fn rule_of(&self, step: &str) -> StepRule<'a> {
        match step.strip_prefix(UNDO) {
            Some(undone) => self.rules.undo_rule(undone),
            None => self.rules.rule(step),
        }
    }
}

/// What a wait is drawn by: the same for the same try.
pub(in crate::workflow) fn seed(correlation: &CorrelationId, step: &str, tries: u32) -> u64 {
    let digest = Digest::of(format!("{correlation}/{step}#{tries}").as_bytes());
    digest.0.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}
