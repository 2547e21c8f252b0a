//! Carrying out a run: each of its acts is an effect that is owed until it has ended. All of them, or none: if one is refused
//! for good, what the others changed is put back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::acts::{RUN, UNDO};
use super::run::{Act, Run};
use super::undo::{PutBack, put_back, swapped};
use crate::Json;
use crate::entity::Update;
use crate::event::{Incoming, Origin, Pattern, Principal, emitted_id};
use crate::limits;
use crate::workflow::{AgentOutcome, Handler, HandlerError, Input, Moment, Reaction};

/// The type of the event that a run is recorded as: its payload is the [`Run`].
pub const RULE_RAN: &str = "regie.rule.ran";

/// The handler of `regie/run/<run id>`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunHandler;

/// How far a run has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunProgress {
    run: Option<Run>,
    acts: BTreeMap<usize, ActEnded>,
    /// Attempts of a call that have failed.
    tries: BTreeMap<usize, u32>,
    /// What is put back, and how that ended.
    back: BTreeMap<usize, Option<ActEnded>>,
}

/// How an act ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActEnded {
    /// It is done: where the journal has the first of it, if it came to anything there.
    Done(Option<u64>),
    /// It is refused for good.
    Refused(String),
}

/// What is noted of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunNoted {
    /// It begins.
    Began(Box<Run>),
    /// An attempt of a call has failed.
    Tried(usize),
    /// An act has ended.
    Act(usize, ActEnded),
    /// An act is to be put back.
    PutsBack(usize),
    /// That has ended.
    Back(usize, ActEnded),
}

impl Handler for RunHandler {
    type State = RunProgress;
    type Fact = RunNoted;

    fn name(&self) -> &str {
        "regie.run"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::literal(RULE_RAN)
    }

    fn decide(
        &self,
        progress: &RunProgress,
        input: Input<'_>,
        moment: &Moment<'_>,
    ) -> Result<Reaction<RunNoted>, HandlerError> {
        let Some(run) = &progress.run else { return begin(input) };
        let (step, ended) = match input {
            Input::Agent { step, outcome } => (step, called(outcome)),
            Input::Sent { step, refused, position } => {
                (step, refused.map_or(ActEnded::Done(position), |why| ActEnded::Refused(why.to_string())))
            }
            Input::Timer { step } => {
                let Some(nth) = nth(step, AGAIN) else { return Ok(Reaction::none()) };
                return Ok(run.acts.get(nth).map_or(Reaction::none(), |act| owe(Reaction::none(), nth, act)));
            }
            // It is begun once: what else comes to its correlation is no part of it.
            Input::Event(_) => return Ok(Reaction::none()),
        };
        if let Some(nth) = nth(step, BACK) {
            return Ok(close(progress, RunNoted::Back(nth, ended), Reaction::none()));
        }
        let Some(nth) = nth(step, ACT) else { return Ok(Reaction::none()) };
        let tries = progress.tries.get(&nth).copied().unwrap_or(0) + 1;
        if let (ActEnded::Refused(_), Some(Act::Call { .. })) = (&ended, run.acts.get(nth))
            && tries < limits::RULE_CALLS
        {
            let wait = limits::RULE_CALL_BACKOFF * 2_u32.pow(tries - 1);
            return Ok(Reaction::none()
                .note(RunNoted::Tried(nth))
                .timer(&format!("{AGAIN}{nth}"), moment.now.after(wait)));
        }
        Ok(act_ended(progress, nth, ended, moment))
    }

    fn evolve(&self, progress: &mut RunProgress, fact: RunNoted) {
        progress.follow(fact);
    }
}

const ACT: &str = "act-";
const AGAIN: &str = "again-";
const BACK: &str = "back-";

fn nth(step: &str, prefix: &str) -> Option<usize> {
    step.strip_prefix(prefix)?.parse().ok()
}

fn called(outcome: &AgentOutcome) -> ActEnded {
    match outcome {
        AgentOutcome::Done(_) => ActEnded::Done(None),
        AgentOutcome::Failed(why) | AgentOutcome::Refused(why) => ActEnded::Refused(why.clone()),
        AgentOutcome::TimedOut { after_ms } => ActEnded::Refused(format!("no answer within {after_ms} ms")),
        AgentOutcome::Panicked(why) => ActEnded::Refused(format!("it panicked: {why}")),
    }
}

fn begin(input: Input<'_>) -> Result<Reaction<RunNoted>, HandlerError> {
    let Input::Event(event) = input else { return Ok(Reaction::none()) };
    let run: Run = event.payload.to().map_err(|error| HandlerError(format!("the payload is no run: {error}")))?;
    let owed = run.acts.iter().enumerate().fold(Reaction::none(), |reaction, (nth, act)| owe(reaction, nth, act));
    let is_over = run.acts.is_empty();
    let reaction = owed.note(RunNoted::Began(Box::new(run)));
    Ok(if is_over { reaction.complete(&json!({ "acts": [] })) } else { reaction })
}

fn owe(reaction: Reaction<RunNoted>, nth: usize, act: &Act) -> Reaction<RunNoted> {
    let step = format!("{ACT}{nth}");
    match act {
        Act::Emit(event) => reaction.send_whole(&step, event),
        Act::Update(update) => reaction.update(&step, (**update).clone()),
        Act::Call { agent, task } => reaction.call(&step, agent, task.clone()),
    }
}

/// An act has ended; with the last of them the run is over, or is put back.
fn act_ended(progress: &RunProgress, nth: usize, ended: ActEnded, moment: &Moment<'_>) -> Reaction<RunNoted> {
    let fact = RunNoted::Act(nth, ended);
    let mut after = progress.clone();
    after.follow(fact.clone());
    let acts = after.run.as_ref().map_or(0, |run| run.acts.len());
    if after.acts.len() < acts {
        return Reaction::none().note(fact);
    }
    let mut reaction = Reaction::none().note(fact);
    if after.acts.values().all(|ended| matches!(ended, ActEnded::Done(_))) {
        return reaction.complete(&json!({ "acts": after.told() }));
    }
    let mut backs = after.clone();
    for nth in (0..acts).rev() {
        if let Some(with) = after.put_back(nth, moment) {
            backs.follow(RunNoted::PutsBack(nth));
            reaction = with.owe(reaction.note(RunNoted::PutsBack(nth)), nth);
        }
    }
    if backs.back.is_empty() { reaction.fail(backs.failure()) } else { reaction }
}

/// Notes a fact; where all that is put back has ended, the run has failed.
fn close(progress: &RunProgress, fact: RunNoted, reaction: Reaction<RunNoted>) -> Reaction<RunNoted> {
    let mut after = progress.clone();
    after.follow(fact.clone());
    let reaction = reaction.note(fact);
    if after.back.values().all(Option::is_some) { reaction.fail(after.failure()) } else { reaction }
}

/// What puts an act back.
enum With {
    Event(Json),
    Update(Box<Update>),
}

impl With {
    fn owe(self, reaction: Reaction<RunNoted>, nth: usize) -> Reaction<RunNoted> {
        let step = format!("{BACK}{nth}");
        match self {
            With::Event(event) => reaction.send_whole(&step, &event),
            With::Update(update) => reaction.update(&step, *update),
        }
    }
}

impl RunProgress {
    fn follow(&mut self, fact: RunNoted) {
        match fact {
            RunNoted::Began(run) => self.run = Some(*run),
            RunNoted::Tried(nth) => *self.tries.entry(nth).or_default() += 1,
            RunNoted::Act(nth, ended) => drop(self.acts.insert(nth, ended)),
            RunNoted::PutsBack(nth) => drop(self.back.insert(nth, None)),
            RunNoted::Back(nth, ended) => drop(self.back.insert(nth, Some(ended))),
        }
    }

    /// What puts back an act that changed something; nothing for one that did not.
    fn put_back(&self, nth: usize, moment: &Moment<'_>) -> Option<With> {
        let run = self.run.as_ref()?;
        let Some(ActEnded::Done(Some(_))) = self.acts.get(&nth) else { return None };
        let id = emitted_id(&run.id, "back", u32::try_from(nth).unwrap_or(u32::MAX));
        match run.acts.get(nth)? {
            Act::Emit(event) => {
                let event = Incoming::read(event.text().as_bytes(), Origin::File).ok()?;
                let event = event.event();
                let by = Principal { kind: "rule".into(), id: run.rule.clone() };
                let how = PutBack { id, run: &run.id, by: &by, at: moment.now.max(event.timestamp) };
                let changes = swapped(event);
                if changes.is_empty() { None } else { put_back(event, changes, &how).ok().map(With::Event) }
            }
            Act::Update(update) => {
                let before = run.before.iter().find(|before| before.act == nth)?;
                let mut back = update.clone();
                back.fields.clone_from(&before.fields);
                // What somebody else has changed since is left to them.
                back.expected.clone_from(&update.fields);
                back.id = Some(id);
                back.metadata.remove(RUN);
                back.metadata.insert(UNDO.to_string(), run.id.clone());
                Some(With::Update(back))
            }
            Act::Call { .. } => None,
        }
    }

    /// Each act's end, as the output tells it.
    fn told(&self) -> Vec<serde_json::Value> {
        let told = |ended: &ActEnded| match ended {
            ActEnded::Done(position) => json!({ "position": position }),
            ActEnded::Refused(why) => json!({ "refused": why }),
        };
        self.acts.values().map(told).collect()
    }

    fn failure(&self) -> String {
        let acts = self.acts.iter().filter_map(|(nth, ended)| match ended {
            ActEnded::Refused(why) => Some(format!("do[{nth}] was refused: {why}")),
            ActEnded::Done(_) => None,
        });
        let back = self.back.iter().map(|(nth, ended)| match ended {
            Some(ActEnded::Refused(why)) => format!("do[{nth}] could not be put back: {why}"),
            _ => format!("do[{nth}] was put back"),
        });
        acts.chain(back).collect::<Vec<_>>().join("; ")
    }
}
