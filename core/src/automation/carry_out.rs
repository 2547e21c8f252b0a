//! Carrying out a run: each of its acts is an effect that is owed until it has ended. All of them, or none: if one is refused
//! for good, the journal is asked what the others changed, and that is put back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::changed::{Changed, PutBack};
use super::run::{Act, Run};
use super::undo::LaterChange;
use crate::entity::Update;
use crate::event::{EntityRef, Pattern, Principal, emitted_id};
use crate::workflow::{AgentOutcome, Handler, HandlerError, Input, Moment, Reaction};
use crate::{Json, limits};

/// The type of the event that a run is recorded as: its payload is the [`Run`].
pub const RULE_RAN: &str = "regie.rule.ran";

/// The handler of `regie/run/<run id>`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunHandler;

/// What the steps of a run begin with that put back what it changed.
pub const BACK: &str = "back-";

/// How far a run has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunProgress {
    run: Option<Run>,
    acts: BTreeMap<usize, ActEnded>,
    /// Attempts of a call that have failed.
    tries: BTreeMap<usize, u32>,
    /// What is put back, once the journal has told what was changed.
    back: Vec<Back>,
}

/// An entity that is put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    entity: EntityRef,
    /// What others have made of it since is left to them.
    left: Vec<LaterChange>,
    /// Whether an update puts back the rest.
    is_owed: bool,
    /// How that ended.
    ended: Option<ActEnded>,
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
    /// What was changed is to be put back.
    PutsBack(Vec<Back>),
    /// An entity of these is put back, or that was refused.
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
            Input::Traced { changed, .. } => return puts_back(progress, run, changed),
            // It is begun once: what else comes to its correlation is no part of it.
            Input::Event(_) | Input::Ran { .. } => return Ok(Reaction::none()),
        };
        if let Some(nth) = nth(step, BACK) {
            return Ok(close(progress, RunNoted::Back(nth, ended)));
        }
        let Some(nth) = nth(step, ACT) else { return Ok(Reaction::none()) };
        let in_vain = matches!(input, Input::Agent { outcome, .. } if !outcome.may_be_tried_again());
        let tries = progress.tries.get(&nth).copied().unwrap_or(0) + 1;
        if let (ActEnded::Refused(_), Some(Act::Call { .. })) = (&ended, run.acts.get(nth))
            && tries < limits::RULE_CALLS
            && !in_vain
        {
            let wait = limits::RULE_CALL_BACKOFF * 2_u32.pow(tries - 1);
            return Ok(Reaction::none()
                .note(RunNoted::Tried(nth))
                .timer(&format!("{AGAIN}{nth}"), moment.now.after(wait)));
        }
        Ok(act_ended(progress, nth, ended))
    }

    fn evolve(&self, progress: &mut RunProgress, fact: RunNoted) {
        progress.follow(fact);
    }
}

const ACT: &str = "act-";
const AGAIN: &str = "again-";
const TRACE: &str = "trace";

fn nth(step: &str, prefix: &str) -> Option<usize> {
    step.strip_prefix(prefix)?.parse().ok()
}

fn called(outcome: &AgentOutcome) -> ActEnded {
    match outcome {
        AgentOutcome::TimedOut { after_ms } => ActEnded::Refused(format!("no answer within {after_ms} ms")),
        other => other.failure().map_or(ActEnded::Done(None), ActEnded::Refused),
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
fn act_ended(progress: &RunProgress, nth: usize, ended: ActEnded) -> Reaction<RunNoted> {
    let fact = RunNoted::Act(nth, ended);
    let mut after = progress.clone();
    after.follow(fact.clone());
    let acts = after.run.as_ref().map_or(0, |run| run.acts.len());
    if after.acts.len() < acts {
        return Reaction::none().note(fact);
    }
    let reaction = Reaction::none().note(fact);
    if after.acts.values().all(|ended| matches!(ended, ActEnded::Done(_))) {
        return reaction.complete(&json!({ "acts": after.told() }));
    }
    // What the others changed, and what was there before, the journal alone knows.
    if after.may_have_changed() { reaction.trace(TRACE) } else { reaction.fail(after.failure()) }
}

/// What was changed is known now: it is put back, an update for each entity.
fn puts_back(progress: &RunProgress, run: &Run, changed: &Json) -> Result<Reaction<RunNoted>, HandlerError> {
    let changed: Vec<Changed> =
        changed.to().map_err(|error| HandlerError(format!("what was changed cannot be read: {error}")))?;
    let by = Principal { kind: "rule".into(), id: run.rule.clone() };
    let how = PutBack { run: &run.id, by: &by, force: false };
    let (mut back, mut owed) = (Vec::new(), Vec::new());
    for (nth, changed) in changed.iter().enumerate() {
        let id = emitted_id(&run.id, "back", u32::try_from(nth).unwrap_or(u32::MAX));
        let update = changed.back(id, &how);
        back.push(Back {
            entity: changed.entity.clone(),
            left: changed.later(),
            is_owed: update.is_some(),
            ended: None,
        });
        owed.extend(update.map(|update| (nth, update)));
    }
    let mut after = progress.clone();
    after.follow(RunNoted::PutsBack(back.clone()));
    let reaction = Reaction::none().note(RunNoted::PutsBack(back));
    let bytes: usize = owed.iter().map(|(_, update)| Json::of(update).text().len()).sum();
    if bytes > limits::RUN_BYTES {
        let why = format!("putting back takes {bytes} bytes; at most {} are taken (RUN_BYTES)", limits::RUN_BYTES);
        return Ok(Reaction::none().fail(format!("{}; {why}", progress.failure())));
    }
    if owed.is_empty() {
        return Ok(reaction.fail(after.failure()));
    }
    let owe =
        |reaction: Reaction<RunNoted>, (nth, update): (usize, Update)| reaction.update(&format!("{BACK}{nth}"), update);
    Ok(owed.into_iter().fold(reaction, owe))
}

/// Notes a fact; where all that is put back has ended, the run has failed.
fn close(progress: &RunProgress, fact: RunNoted) -> Reaction<RunNoted> {
    let mut after = progress.clone();
    after.follow(fact.clone());
    let reaction = Reaction::none().note(fact);
    let is_over = after.back.iter().all(|back| back.ended.is_some() || !back.is_owed);
    if is_over { reaction.fail(after.failure()) } else { reaction }
}

impl RunProgress {
    fn follow(&mut self, fact: RunNoted) {
        match fact {
            RunNoted::Began(run) => self.run = Some(*run),
            RunNoted::Tried(nth) => *self.tries.entry(nth).or_default() += 1,
            RunNoted::Act(nth, ended) => drop(self.acts.insert(nth, ended)),
            RunNoted::PutsBack(back) => self.back = back,
            RunNoted::Back(nth, ended) => {
                if let Some(back) = self.back.get_mut(nth) {
                    back.ended = Some(ended);
                }
            }
        }
    }

    /// Whether an act is done that changes fields.
    fn may_have_changed(&self) -> bool {
        let acts = self.run.iter().flat_map(|run| run.acts.iter().enumerate());
        let mut done = acts.filter(|(nth, _)| matches!(self.acts.get(nth), Some(ActEnded::Done(Some(_)))));
        done.any(|(_, act)| match act {
            Act::Emit(event) => event.value()["changes"].as_object().is_some_and(|changes| !changes.is_empty()),
            Act::Update(_) => true,
            Act::Call { .. } => false,
        })
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
        let back = self.back.iter().flat_map(|back| {
            let entity = &back.entity;
            let ended = match &back.ended {
                Some(ActEnded::Refused(why)) => Some(format!("{entity} could not be put back: {why}")),
                Some(ActEnded::Done(_)) => Some(format!("{entity} was put back")),
                None => None,
            };
            let left = back.left.iter().map(|later| format!("left as it was changed since: {later}"));
            ended.into_iter().chain(left)
        });
        acts.chain(back).collect::<Vec<_>>().join("; ")
    }
}
