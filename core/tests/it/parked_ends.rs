//! Ends that a definition could not take: passed over, used when the run is cancelled, and too many of them.

use regie_core::Json;
use regie_core::event::{Event, Principal};
use regie_core::retry::Retry;
use regie_core::workflow::flow::{Flow, FlowBuilder, call, fork, sequence, wait};
use regie_core::workflow::{
    AgentOutcome, Command, Definitions, Effect, EffectEnd, EffectKey, Fact, Operation, RunStatus, Unpark,
};
use serde_json::json;

use super::handlers::Quiet;
use super::helpers::{Desk, event, submit};

fn flow() -> FlowBuilder {
    Flow::named("f").starts_on("go")
}

/// A run of a flow.
fn run(flow: Flow) -> Desk {
    let mut definitions = Definitions::default();
    assert!(definitions.add(flow));
    let mut desk = Desk::new(definitions);
    desk.take(&submit(event("go", "e").payload(json!(1)))).expect("it begins");
    desk
}

/// A step that can be put back, then one that cannot.
fn two() -> Flow {
    let first = call("x").undo("back").retry(Retry::never());
    flow().task("a", first).task("b", call("z").retry(Retry::never())).build().expect("a good flow")
}

fn key(step: &str) -> EffectKey {
    EffectKey { step: step.into(), attempt: 1 }
}

fn gives(step: &str) -> Command {
    Command::EffectEnded { key: key(step), end: EffectEnd::Agent(AgentOutcome::Done(Json::of(&json!("given")))) }
}

fn done(desk: &mut Desk, step: &str) {
    desk.take(&gives(step)).expect("taken");
}

/// The end of a step cannot be taken: that has killed the workflow often enough.
fn kills(desk: &mut Desk, command: &Command) -> Vec<Fact> {
    desk.take_poisoned(command, "it dies").expect("parked").record.facts
}

fn operate(desk: &mut Desk, operation: Operation) -> Result<(), String> {
    let (id, by) = (format!("o{}", desk.records.len()), Principal::user("ada"));
    let command = Command::Operate { operation, id, by, why: "because".into() };
    desk.take(&command).map(drop).map_err(|refusal| refusal.to_string())
}

fn skip(desk: &mut Desk) -> Result<(), String> {
    operate(desk, Operation::Unpark(Unpark::Skip))
}

fn owed(desk: &Desk) -> Vec<String> {
    desk.state.owed().keys().map(ToString::to_string).collect()
}

fn status(desk: &Desk) -> String {
    desk.state.run().expect("a run").status.to_string()
}

fn parked(desk: &Desk) -> Vec<&str> {
    desk.state.run().expect("a run").parked.iter().map(|parked| parked.what.as_str()).collect()
}

#[test]
fn one_that_is_passed_over_is_a_step_that_failed_and_the_run_is_put_back() {
    let mut desk = run(two());
    done(&mut desk, "a");
    kills(&mut desk, &gives("b"));
    skip(&mut desk).expect("passed over");
    assert_eq!(owed(&desk), ["~undo/a#1"]);
    assert_eq!(
        status(&desk),
        "compensating, then failed (b: error: passed over by user:ada: because)",
        "it tells who and why"
    );
    done(&mut desk, "~undo/a");
    assert!(status(&desk).starts_with("failed"), "{}", status(&desk));
}

#[test]
fn one_of_what_puts_back_that_is_passed_over_leaves_the_step_to_a_person() {
    let mut desk = run(two());
    done(&mut desk, "a");
    operate(&mut desk, Operation::Cancel).expect("being put back");
    kills(&mut desk, &gives("~undo/a"));
    assert_eq!(parked(&desk), ["the end of step ~undo/a#1"]);
    skip(&mut desk).expect("passed over");
    assert_eq!(parked(&desk), ["a"], "nobody knows whether it is put back");
    skip(&mut desk).expect("left as it is");
    assert_eq!(status(&desk), "cancelled (because; not put back: a)");
}

#[test]
fn a_timer_cannot_fail_and_stays_where_it_is() {
    let mut desk = run(flow().task("w", wait(std::time::Duration::from_secs(1))).build().expect("a good flow"));
    kills(&mut desk, &Command::EffectEnded { key: key("w"), end: EffectEnd::TimerFired });
    let why = skip(&mut desk).expect_err("it cannot be told that");
    assert_eq!(why, "unpark --skip is not possible: a timer cannot fail: try it again, or abandon the run");
    assert_eq!(parked(&desk), ["the end of step w#1"]);
    operate(&mut desk, Operation::Unpark(Unpark::Retry)).expect("it can be taken now");
    assert_eq!(status(&desk), "completed");
}

#[test]
fn what_a_step_gave_is_known_when_it_is_put_back_though_its_end_was_never_taken() {
    let mut desk = run(two());
    kills(&mut desk, &gives("a"));
    operate(&mut desk, Operation::Cancel).expect("being put back");
    let Some(Effect::Call { task, .. }) = desk.state.owed().get(&key("~undo/a")) else { panic!("{:?}", owed(&desk)) };
    assert_eq!(task.value(), json!({ "step": "a", "input": 1, "result": "given" }));
}

/// A step done that can be put back, and then a hundred at once.
fn hundred() -> Desk {
    let many = (0..100).fold(fork(), |fork, at| fork.branch(&format!("s{at:03}"), call("z")));
    let all = sequence().task("a", call("x").undo("back")).task("f", many);
    run(flow().task("all", all).build().expect("a good flow"))
}

#[test]
fn a_run_of_which_too_many_wait_is_put_back_before_it_fails() {
    let mut desk = hundred();
    done(&mut desk, "all/a");
    (0..100).for_each(|at| drop(kills(&mut desk, &gives(&format!("all/f/s{at:03}")))));
    assert_eq!(owed(&desk), ["~undo/all/a#1"]);
    assert_eq!(status(&desk), "compensating, then failed (100 ends of its effects wait for a person)");
    done(&mut desk, "~undo/all/a");
    assert_eq!(status(&desk), "failed (100 ends of its effects wait for a person)");
}

/// Its last words panic.
fn speechless() -> Desk {
    let flow = flow()
        .task("a", call("x"))
        .at_end("tell", |_| -> Option<regie_core::event::EventBuilder> { panic!("the toy panics at its end") });
    run(flow.at_end("well", |_| Some(Event::new("told", "desk"))).build().expect("a good flow"))
}

#[test]
fn last_words_that_panic_are_told_and_hold_no_end_up() {
    let _quiet = Quiet::new();
    for end in [None, Some(Operation::Terminate), Some(Operation::Cancel)] {
        let mut desk = speechless();
        match end {
            None => done(&mut desk, "a"),
            Some(operation) => operate(&mut desk, operation).expect("it ends"),
        }
        assert!(desk.state.run().is_some_and(|run| run.status.is_over()), "{end:?}");
        let record = regie_core::workflow::Record::decode(desk.records.last().expect("one")).expect("a record");
        let is_told = |fact: &Fact| matches!(fact, Fact::Parked { input, error, .. } if input == "what is sent at its end" && error.contains("panics at its end"));
        assert!(record.facts.iter().any(is_told), "{:?}", record.facts);
    }
}

#[test]
fn a_definition_that_cannot_say_how_it_stops_fails_all_the_same() {
    let mut desk = run(two());
    desk.definitions = super::toy::toys(); // it is gone by now
    operate(&mut desk, Operation::Terminate).expect("over");
    assert!(matches!(desk.state.run().expect("a run").status, RunStatus::Terminated { .. }));
}
