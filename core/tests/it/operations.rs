//! What may be done to a run, and what comes of it.

use regie_core::event::{LifeState, Pattern, Principal};
use regie_core::workflow::{
    AgentOutcome, Command, EffectEnd, EffectKey, Fact, Handler, HandlerError, Input, Moment, Operation, Reaction,
    Refusal, Request, RunEnd, RunStatus, State, Unpark, next_due, pending,
};
use regie_core::{Json, Timestamp};

use super::handlers::Quiet;
use super::helpers::{Desk, event, submit};
use super::toy::{Do, asks, toys};

/// Cares for its own way back: a cancel has `undo` called, and whatever ends after that ends the run. An agent's error halts
/// it; a refused one it cannot take.
pub(crate) struct Careful;

impl Handler for Careful {
    type State = bool;
    type Fact = bool;

    fn name(&self) -> &str {
        "careful"
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse("careful").expect("a pattern")
    }

    fn decide(&self, undoing: &bool, input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<bool>, HandlerError> {
        let none = Reaction::none();
        match input {
            Input::Event(_) => Ok(none.call("work", "agent", Json::null()).call("more", "agent", Json::null())),
            Input::Agent { outcome: AgentOutcome::Refused(_), .. } => Err(HandlerError("what is that?".into())),
            Input::Agent { outcome: AgentOutcome::Failed(why), step } => Ok(none.halt(step, 3, why)),
            Input::Agent { outcome: AgentOutcome::TimedOut { .. }, .. } => Ok(none.give_up("more").fail("too late")),
            _ if *undoing => Ok(none.cancelled("put back")),
            _ => Ok(none),
        }
    }

    fn operate(&self, _: &bool, request: &Request<'_>, _: &Moment<'_>) -> Result<Reaction<bool>, HandlerError> {
        let none = Reaction::none();
        match request.operation {
            Operation::Cancel => {
                let then = RunEnd::Cancelled { reason: request.why.into() };
                Ok(none.note(true).compensate(then).call("undo", "agent", Json::null()))
            }
            Operation::Retry => Ok(none.call("work", "agent", Json::null())),
            Operation::Unpark(Unpark::Retry) => Ok(none.call("again", "agent", Json::null())),
            Operation::Unpark(Unpark::Skip) => Ok(none),
            _ => Ok(none.fail("abandoned")),
        }
    }

    fn evolve(&self, undoing: &mut bool, fact: bool) {
        *undoing = fact;
    }
}

fn desk() -> Desk {
    let mut definitions = toys();
    assert!(definitions.add(Careful));
    Desk::new(definitions)
}

fn begun(kind: &str) -> Desk {
    let mut desk = desk();
    let wanted = [Do::Call("work".into()), Do::Timer("bell".into(), 1_000)];
    desk.take(&submit(event(kind, "e").payload(asks(&wanted)))).expect("it begins");
    desk
}

fn operate(operation: Operation) -> Command {
    identified(operation, "o")
}

fn identified(operation: Operation, id: &str) -> Command {
    let by = Principal::user("ada");
    Command::Operate { operation, id: id.into(), by, why: "because".into() }
}

fn ended(step: &str, attempt: u32, outcome: AgentOutcome) -> Command {
    let key = EffectKey { step: step.into(), attempt };
    Command::EffectEnded { key, end: EffectEnd::Agent(outcome) }
}

fn done(step: &str) -> Command {
    ended(step, 1, AgentOutcome::Done(Json::null()))
}

fn owed(desk: &Desk) -> Vec<String> {
    desk.state.owed().keys().map(ToString::to_string).collect()
}

fn status(desk: &Desk) -> &RunStatus {
    &desk.state.run().expect("a run").status
}

fn why_not(desk: &mut Desk, operation: Operation) -> String {
    desk.take(&identified(operation, "other")).expect_err("it is not possible").to_string()
}

fn last_move(desk: &mut Desk, command: &Command) -> (LifeState, String) {
    let turn = desk.take(command).expect("taken");
    let moves = turn.record.facts.iter().filter_map(|fact| match fact {
        Fact::Moved { to, reason, .. } => Some((*to, reason.clone())),
        _ => None,
    });
    moves.collect::<Vec<_>>().pop().expect("a move")
}

#[test]
fn a_paused_run_lets_nothing_out_and_takes_what_comes() {
    let mut desk = begun("toy.do");
    desk.take(&operate(Operation::Pause)).expect("paused");
    assert_eq!((pending(&desk.state), next_due(&desk.state)), (Vec::new(), None));
    desk.take(&done("work")).expect("what is out already ends");
    desk.take(&submit(event("toy.do", "f").payload(asks(&[Do::Call("more".into())])))).expect("and events come in");
    assert_eq!((owed(&desk), pending(&desk.state).len()), (vec!["bell#1".into(), "more#1".into()], 0));
    desk.take(&identified(Operation::Resume, "p")).expect("resumed");
    assert_eq!((pending(&desk.state).len(), next_due(&desk.state)), (2, Some(Timestamp::MIN)));
}

#[test]
fn a_cancel_ends_a_run_that_says_nothing_else_and_later_events_are_skipped() {
    let mut desk = begun("toy.do");
    desk.take(&operate(Operation::Cancel)).expect("cancelled");
    assert_eq!(*status(&desk), RunStatus::Cancelled { reason: "because".into() });
    let late = submit(event("toy.do", "late").payload(asks(&[Do::Panic])));
    assert_eq!(last_move(&mut desk, &late), (LifeState::Discarded, "skipped: its workflow was cancelled".into()));
    assert!(owed(&desk).is_empty());
}

#[test]
fn a_definition_may_put_back_what_was_done_before_its_run_is_cancelled() {
    let mut desk = begun("careful");
    desk.take(&operate(Operation::Cancel)).expect("begun to be cancelled");
    assert_eq!(owed(&desk), ["undo#1"]);
    let late = submit(event("careful", "late"));
    assert_eq!(last_move(&mut desk, &late), (LifeState::Discarded, "skipped: its workflow is being put back".into()));
    assert_eq!(why_not(&mut desk, Operation::Cancel), "cancel is not possible: what it did is being put back already");
    desk.take(&done("undo")).expect("put back");
    assert_eq!(*status(&desk), RunStatus::Cancelled { reason: "put back".into() });
}

#[test]
fn what_is_terminated_is_over_at_once() {
    let mut desk = begun("careful");
    desk.take(&operate(Operation::Terminate)).expect("terminated");
    assert_eq!((status(&desk).name(), owed(&desk)), ("terminated", Vec::new()));
    assert_eq!(why_not(&mut desk, Operation::Resume), "resume is not possible: it is over: terminated (because)");
}

#[test]
fn a_failed_run_goes_on_by_a_retry_and_only_then() {
    let mut desk = begun("careful");
    assert_eq!(why_not(&mut desk, Operation::Retry), "retry is not possible: it has not failed");
    desk.take(&ended("work", 1, AgentOutcome::TimedOut { after_ms: 1 })).expect("it fails");
    assert_eq!((status(&desk).name(), owed(&desk)), ("failed", Vec::new()));
    desk.take(&operate(Operation::Retry)).expect("it goes on");
    assert_eq!((status(&desk).name(), owed(&desk)), ("running", vec!["work#2".to_string()]));
}

#[test]
fn a_definition_without_a_way_on_says_so_and_nothing_is_recorded() {
    let mut desk = desk();
    desk.take(&submit(event("toy.do", "e").payload(asks(&[Do::Fail])))).expect("it fails");
    assert!(why_not(&mut desk, Operation::Retry).contains("begin it anew"));
    assert_eq!((desk.records.len(), status(&desk).name()), (1, "failed"));
}

#[test]
fn a_step_that_is_halted_waits_for_a_person_and_is_taken_on_as_they_say() {
    for (how, owes, stands) in [
        (Unpark::Retry, vec!["again#1", "more#1"], "running"),
        (Unpark::Skip, vec!["more#1"], "running"),
        (Unpark::Abandon, vec![], "failed"),
    ] {
        let mut desk = begun("careful");
        desk.take(&ended("work", 1, AgentOutcome::Failed("no".into()))).expect("it halts");
        let parked = &desk.state.run().expect("a run").parked;
        assert_eq!((parked[0].what.as_str(), parked[0].attempts, parked[0].error.as_str()), ("work", 3, "no"));
        desk.take(&operate(Operation::Unpark(how))).expect("taken on");
        assert_eq!((owed(&desk), status(&desk).name()), (owes.into_iter().map(String::from).collect(), stands));
        assert!(desk.state.run().expect("a run").parked.is_empty());
    }
}

#[test]
fn an_end_that_the_definition_cannot_take_waits_and_is_put_to_it_again() {
    let mut desk = begun("careful");
    desk.take(&ended("work", 1, AgentOutcome::Refused("full".into()))).expect("parked");
    assert_eq!(desk.state.run().expect("a run").parked[0].what, "the end of step work#1");
    assert_eq!(
        why_not(&mut desk, Operation::Unpark(Unpark::Retry)),
        "unpark --retry is not possible: what is that?",
        "it still cannot be taken"
    );
    desk.take(&operate(Operation::Unpark(Unpark::Skip))).expect("passed over");
    assert_eq!(
        (owed(&desk), why_not(&mut desk, Operation::Unpark(Unpark::Skip)).contains("nothing")),
        (vec!["more#1".into()], true)
    );
}

#[test]
fn ends_that_cannot_be_taken_are_kept_up_to_a_bound() {
    let mut desk = desk();
    let calls: Vec<Do> = (0..100).map(|at| Do::Call(format!("s{at:03}"))).collect();
    desk.take(&submit(event("toy.do", "e").payload(asks(&calls)))).expect("it begins");
    let _quiet = Quiet::new();
    for at in 0..100 {
        desk.take_poisoned(&done(&format!("s{at:03}")), "deadly").expect("parked");
    }
    assert!(matches!(status(&desk), RunStatus::Failed { error } if error.contains("100 ends")));
}

#[test]
fn an_operation_that_comes_twice_is_done_once() {
    let mut desk = begun("toy.do");
    desk.take(&operate(Operation::Pause)).expect("paused");
    assert!(matches!(desk.take(&operate(Operation::Pause)), Err(Refusal::Over { .. })));
    assert_eq!(why_not(&mut desk, Operation::Pause), "pause is not possible: it is paused already");
}

#[test]
fn one_that_comes_again_after_others_is_done_once_too_and_over_a_snapshot() {
    let mut desk = begun("toy.do");
    for (operation, id) in [(Operation::Pause, "a"), (Operation::Resume, "b")] {
        desk.take(&identified(operation, id)).expect("done");
    }
    let bytes = desk.state.save(&desk.definitions).expect("saved");
    desk.state = State::restore(&bytes, desk.state.sequence, desk.state.digest, &desk.definitions).expect("restored");
    assert!(matches!(desk.take(&identified(Operation::Pause, "a")), Err(Refusal::Over { .. })));
    for at in 0..16 {
        let operation = if at % 2 == 0 { Operation::Pause } else { Operation::Resume };
        desk.take(&identified(operation, &at.to_string())).expect("done");
    }
    desk.take(&identified(Operation::Pause, "a")).expect("long forgotten");
}

#[test]
fn who_and_why_are_said_and_there_must_be_a_run() {
    let mut desk = begun("toy.do");
    let by = Principal::user("ada");
    let nameless = Command::Operate { operation: Operation::Cancel, id: "o".into(), by, why: " ".into() };
    assert_eq!(desk.take(&nameless).unwrap_err().to_string(), "who does this is kept, and why: \"why\": it is blank");
    assert!(matches!(self::desk().take(&operate(Operation::Cancel)), Err(Refusal::NoRun { .. })));
}

#[test]
fn a_snapshot_keeps_what_is_paused_and_parked() {
    let mut desk = begun("careful");
    desk.take(&ended("work", 1, AgentOutcome::Refused("full".into()))).expect("parked");
    desk.take(&operate(Operation::Pause)).expect("paused");
    let bytes = desk.state.save(&desk.definitions).expect("saved");
    let restored = State::restore(&bytes, desk.state.sequence, desk.state.digest, &desk.definitions).expect("restored");
    let (before, after) = (desk.state.run().expect("a run"), restored.run().expect("a run"));
    assert_eq!((&before.parked, before.paused), (&after.parked, after.paused));
    assert!(after.paused);
}

#[test]
fn the_runtimes_own_workflows_are_not_operated_on() {
    let mut desk = begun("toy.do");
    desk.correlation = "regie/run/1".into();
    assert_eq!(why_not(&mut desk, Operation::Terminate), "terminate is not possible: it is the runtime's own");
}

#[test]
fn an_event_that_says_itself_for_whom_it_runs_is_not_believed() {
    let parent = r#"{"workflow":"other","key":{"step":"pay","attempt":1}}"#;
    let mut desk = desk();
    let event = event("toy.do", "e").metadata("runs_for", parent).payload(asks(&[Do::Complete]));
    desk.take(&submit(event)).expect("it begins");
    assert_eq!((owed(&desk), status(&desk).name()), (Vec::<String>::new(), "completed"));
}
