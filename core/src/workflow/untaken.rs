//! Ends of effects: the definition is told. What it cannot take waits for a person, who has it tried again or passed over.

use super::command::Refusal;
use super::decide::{Place, parked};
use super::effect::{AgentOutcome, EffectEnd, EffectKey};
use super::fact::{Fact, RunEnd};
use super::handler::{Input, Request};
use super::operation::{Operation, Unpark};
use super::parent::goes_out_after_the_end;
use super::react::{self, Asked};
use super::registry::AnyHandler;
use super::run::{Run, RunStatus};
use super::state::State;
use crate::event::Principal;
use crate::{Json, limits};

impl Place<'_> {
    pub(super) fn effect_ended(&self, key: &EffectKey, end: &EffectEnd) -> Result<Vec<Fact>, Refusal> {
        if !self.state.owed().contains_key(key) {
            return Err(Refusal::Over { what: format!("step {key}") });
        }
        let mut facts = vec![Fact::Ended { key: key.clone(), end: end.clone() }];
        if goes_out_after_the_end(key) {
            return Ok(facts); // nobody waits for that
        }
        // Effects are owed by a run alone, and given up with it: there is one, and it runs.
        let Some(handler) = self.running()? else { return Ok(facts) };
        match self.ask(handler, Asked::Input(input_of(key, end)), Some(key))? {
            Ok(reaction) => facts.extend(reaction),
            Err(poison) => {
                facts.push(parked(format!("the end of step {key}"), poison));
                facts.extend(self.stopped(handler, (key, end)));
            }
        }
        Ok(facts)
    }

    /// What follows if one more end that waits for a person is one too many: the definition puts back what it did, if it can
    /// say how; else the run fails as it stands.
    fn stopped(&self, handler: &dyn AnyHandler, last: (&EffectKey, &EffectEnd)) -> Vec<Fact> {
        let Some(run) = self.state.run() else { return Vec::new() };
        let (runs, count) = (run.status == RunStatus::Running, run.parked.len() + 1);
        // Those from before stay in the list while it is put back.
        if count < if runs { limits::PARKED } else { 2 * limits::PARKED } {
            return Vec::new();
        }
        let error = format!("{count} ends of its effects wait for a person");
        let by = Principal { kind: "runtime".into(), id: "regie".into() };
        let gave = gave(self.state, Some(last));
        let request = Request { operation: Operation::Cancel, by: &by, why: &error, gave: &gave, fails: true };
        // If this kills the workflow too, it is not asked again.
        let may_be_asked = self.context.poison.as_ref().is_none_or(|it| it.attempts <= limits::POISON_ATTEMPTS);
        let put_back = (runs && may_be_asked)
            .then(|| react::ask(handler, (self.state, Some(last.0)), Asked::Operation(request), &self.moment()));
        let stops = |fact: &Fact| matches!(fact, Fact::Compensating { .. } | Fact::Finished { .. });
        match put_back {
            Some(Ok(Ok(answered))) if answered.facts.iter().any(stops) => answered.facts,
            _ => vec![Fact::Finished { end: RunEnd::Failed { error } }],
        }
    }

    /// What a step gave whose end is passed over while its run goes on.
    fn done_in_vain(&self, (key, end): (&EffectKey, &EffectEnd)) -> Option<(String, Json)> {
        given(self.state.run().filter(|run| run.status == RunStatus::Running)?, key, end)
    }

    /// The end of an effect that the definition could not take is put to it again; or it is told that the step failed, so that
    /// it goes on from there as from any failure.
    pub(super) fn unpark(
        &self,
        request: &Request<'_>,
        how: Unpark,
        (key, end): &(EffectKey, EffectEnd),
    ) -> Result<Vec<Fact>, Refusal> {
        let cannot = |why: String| Refusal::NotNow { operation: request.operation, why };
        let passed_over;
        let input = match how {
            Unpark::Abandon => return self.ask_to(request),
            Unpark::Retry => input_of(key, end),
            Unpark::Skip => {
                // Its work is done all the same: a definition that can put that back is told so.
                if let Some(gave) = self.done_in_vain((key, end)) {
                    match self.ask_to(&Request { gave: &[gave], ..*request }) {
                        Err(Refusal::NotNow { .. }) => {} // it knows of no such thing: then it is a failure like any other
                        answer => return answer,
                    }
                }
                let failed = failed(end, request.passed_over());
                let none = || cannot("a timer cannot fail: try it again, or abandon the run".into());
                passed_over = failed.ok_or_else(none)?;
                input_of(key, &passed_over)
            }
        };
        let Some(handler) = self.running()? else { return Ok(Vec::new()) };
        self.ask(handler, Asked::Input(input), None)?.map_err(|poison| cannot(poison.error))
    }
}

/// What a step gave, if that is how its effect ended. Of one that was asked again since, the new attempt counts.
fn given(run: &Run, key: &EffectKey, end: &EffectEnd) -> Option<(String, Json)> {
    match end {
        EffectEnd::Agent(AgentOutcome::Done(result))
        | EffectEnd::Routed { outcome: AgentOutcome::Done(result), .. } => {
            let is_newest = run.attempts.get(&key.step) == Some(&key.attempt);
            is_newest.then(|| (key.step.clone(), result.clone()))
        }
        _ => None,
    }
}

/// The end of an effect that waits for a person since longest, if that is what does.
pub(super) fn untaken(state: &State) -> Option<&(EffectKey, EffectEnd)> {
    state.run()?.parked.first()?.end.as_ref()
}

/// What steps gave whose ends the definition could not take: those that are parked, and the last one.
pub(super) fn gave(state: &State, last: Option<(&EffectKey, &EffectEnd)>) -> Vec<(String, Json)> {
    let Some(run) = state.run() else { return Vec::new() };
    let parked = run.parked.iter().filter_map(|parked| parked.end.as_ref()).map(|(key, end)| (key, end));
    parked.chain(last).filter_map(|(key, end)| given(run, key, end)).collect()
}

/// The same effect, ended as a failure for good; nothing for one that cannot fail.
fn failed(end: &EffectEnd, message: String) -> Option<EffectEnd> {
    match end {
        EffectEnd::TimerFired => None,
        EffectEnd::Agent(_) | EffectEnd::Routed { .. } => {
            Some(EffectEnd::Agent(AgentOutcome::Rejected { code: None, message, is_final: true }))
        }
        EffectEnd::Ran { .. } => Some(EffectEnd::Ran { end: RunEnd::Failed { error: message } }),
        EffectEnd::Sent { .. }
        | EffectEnd::NotSent { .. }
        | EffectEnd::Updated { .. }
        | EffectEnd::Traced { .. }
        | EffectEnd::Told => Some(EffectEnd::NotSent { reason: message }),
    }
}

fn input_of<'a>(key: &'a EffectKey, end: &'a EffectEnd) -> Input<'a> {
    let step = key.step.as_str();
    match end {
        EffectEnd::Agent(outcome) | EffectEnd::Routed { outcome, .. } => Input::Agent { step, outcome },
        EffectEnd::TimerFired => Input::Timer { step },
        EffectEnd::Sent { position, .. } => Input::Sent { step, refused: None, position: Some(*position) },
        EffectEnd::Updated { first, events } => {
            Input::Sent { step, refused: None, position: (*events > 0).then_some(*first) }
        }
        EffectEnd::Traced { changed } => Input::Traced { step, changed },
        EffectEnd::Ran { end } => Input::Ran { step, end },
        EffectEnd::Told => Input::Sent { step, refused: None, position: None },
        EffectEnd::NotSent { reason } => Input::Sent { step, refused: Some(reason), position: None },
    }
}
