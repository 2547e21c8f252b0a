//! Other correlations: events that are sent, workflows that run for this one.

use std::time::Duration;

use regie_core::Json;
use regie_core::event::{Event, Incoming, LifeState, Origin};
use regie_core::retry::Retry;
use regie_core::workflow::flow::{
    Flow, FlowBuilder, IntoTask, attempt, call, emit, fork, raise, run as run_other, sequence,
};
use regie_core::workflow::{Command, Definitions, Effect, EffectEnd, EffectKey, Notification, Operation, RunEnd};
use serde_json::json;

use super::super::helpers::Desk;
use super::{Bench, run};

fn flow() -> FlowBuilder {
    Flow::named("f").starts_on("go")
}

fn child() -> regie_core::workflow::flow::Task {
    run_other(|scope| Event::new("child.go", format!("{}/child", scope.correlation())).payload(scope.value().value()))
}

#[test]
fn what_is_emitted_goes_on_once_it_is_recorded_and_fails_if_it_is_refused() {
    let told = || {
        flow()
            .task("tell", emit(|scope| Event::new("told", "elsewhere").payload(scope.value().value())))
            .build()
            .unwrap()
    };
    let mut good = run(told(), json!("hello"));
    assert!(matches!(good.others()[..], [("tell", Effect::Send { .. })]));
    good.ends("tell", EffectEnd::Sent { position: 7, state: LifeState::Processed });
    assert_eq!(good.output(), json!("hello"));
    let mut bad = run(told(), json!(1));
    bad.ends("tell", EffectEnd::NotSent { reason: "no".into() });
    assert_eq!(bad.error(), "tell: refused: no");
}

/// A child workflow on a desk of its own, begun by the event that the parent owes.
fn begin_child(parent: &Bench, step: &str, with_flow: bool) -> Desk {
    let others = parent.others();
    let (_, effect) = others.iter().find(|(name, _)| *name == step).expect("owed");
    let Effect::Run { event } = effect else { panic!("{effect:?}") };
    let incoming = Incoming::read(event.as_bytes(), Origin::File).expect("an event");
    let mut definitions = Definitions::default();
    if with_flow {
        definitions.add(Flow::named("child").starts_on("child.go").task("c", call("y")).build().unwrap());
    }
    let mut desk = Desk::new(definitions);
    desk.correlation = incoming.event().correlation_id.clone();
    desk.take(&Command::Submit { event: incoming, emitted: true }).expect("taken");
    desk
}

/// What a child owes its parent, as the parent is told it.
fn report(desk: &Desk) -> Option<(EffectKey, EffectEnd)> {
    desk.state.owed().values().find_map(|effect| match effect {
        Effect::Report { key, end: Ok(end), .. } => Some((key.clone(), EffectEnd::Ran { end: end.clone() })),
        Effect::Report { key, end: Err(why), .. } => Some((key.clone(), EffectEnd::NotSent { reason: why.clone() })),
        _ => None,
    })
}

fn done(desk: &mut Desk, step: &str) {
    let key = desk.state.owed().keys().find(|key| key.step == step).expect("owed").clone();
    let end = EffectEnd::Agent(regie_core::workflow::AgentOutcome::Done(Json::of("from the child")));
    desk.take(&Command::EffectEnded { key, end }).expect("taken");
}

#[test]
fn a_workflow_that_ran_for_another_tells_it_how_it_ended() {
    let mut parent = run(flow().task("sub", child()).build().unwrap(), json!("in"));
    let mut child = begin_child(&parent, "sub", true);
    assert!(report(&child).is_none());
    done(&mut child, "c");
    let (key, end) = report(&child).expect("owed");
    parent.take(&Command::EffectEnded { key, end });
    assert_eq!(parent.output(), json!("from the child"));
    let told = child.state.owed().keys().next().expect("owed").clone();
    child.take(&Command::EffectEnded { key: told, end: EffectEnd::Told }).expect("taken");
    assert!(child.state.owed().is_empty());
}

#[test]
fn a_child_that_is_terminated_or_never_ran_fails_the_task() {
    let mut parent = run(flow().task("sub", child()).build().unwrap(), json!("in"));
    let mut ended = begin_child(&parent, "sub", true);
    let by = regie_core::event::Principal::user("ada");
    let terminate = Command::Operate { operation: Operation::Terminate, id: "o".into(), by, why: "stop".into() };
    ended.take(&terminate).expect("terminated");
    let (key, end) = report(&ended).expect("owed");
    parent.take(&Command::EffectEnded { key, end });
    assert_eq!(parent.error(), "sub: workflow: terminated (stop)");

    let mut parent = run(flow().task("sub", child()).build().unwrap(), json!("in"));
    let (key, end) = report(&begin_child(&parent, "sub", false)).expect("owed");
    parent.take(&Command::EffectEnded { key, end });
    assert_eq!(parent.error(), "sub: refused: no workflow begins on its event there");
}

#[test]
fn a_child_that_is_not_wanted_any_more_is_cancelled_even_if_its_parent_is_over() {
    let both = fork()
        .branch("a", call("x").retry(regie_core::retry::Retry::never()))
        .branch("b", sequence().task("sub", child()));
    let mut parent = run(flow().task("f", both).build().unwrap(), json!("in"));
    parent.fails("f/a");
    assert_eq!(parent.status().name(), "failed");
    let others = parent.others();
    assert!(
        matches!(others[..], [("~end/f/b/sub", Effect::Operate { operation: Operation::Cancel, .. })]),
        "{others:?}"
    );
}

#[test]
fn a_child_that_was_never_asked_for_is_not_cancelled() {
    let both = fork().branch("a", child()).branch("b", raise("no", |_| json!("at once")));
    let mut parent = run(flow().task("t", attempt("f", both)).task("next", call("x")).build().unwrap(), json!("in"));
    assert_eq!(parent.owed(), ["next#1"], "whoever runs in that correlation is not its own");
    parent.done("next", json!(1));
}

#[test]
fn a_child_that_takes_too_long_is_cancelled_and_the_flow_goes_on() {
    let late = attempt("sub", child().within(Duration::from_secs(3)));
    let mut parent = run(flow().task("t", late).task("next", call("x")).build().unwrap(), json!("in"));
    assert_eq!(parent.tick(), "~late/t/sub");
    assert_eq!(parent.owed(), ["next#1", "~end/t/sub#1"]);
    parent.ends("~end/t/sub", EffectEnd::Told);
    assert_eq!(parent.owed(), ["next#1"]);
}

#[test]
fn a_report_that_comes_late_or_twice_changes_nothing() {
    let mut parent = run(flow().task("sub", child()).task("next", call("x")).build().unwrap(), json!("in"));
    let ran = EffectEnd::Ran { end: RunEnd::Completed { output: Json::of(&1) } };
    let key = parent.key("sub");
    parent.ends("sub", ran.clone());
    let again = parent.desk.take(&Command::EffectEnded { key, end: ran });
    assert!(matches!(again, Err(regie_core::workflow::Refusal::Over { .. })));
    assert_eq!(parent.owed(), ["next#1"]);
}

/// What is sent at its end, as `step type`.
fn sent(bench: &Bench) -> Vec<String> {
    let kind = |effect: &Effect| match effect {
        Effect::Send { event } => {
            Incoming::read(event.as_bytes(), Origin::File).expect("an event").event().kind.to_string()
        }
        other => format!("{other:?}"),
    };
    bench.others().into_iter().map(|(step, effect)| format!("{step} {}", kind(effect))).collect()
}

fn with_last_words() -> Flow {
    let flow = flow().task("a", call("x").retry(regie_core::retry::Retry::never()));
    let told = flow.at_end("tell", |ended| Some(Event::new("told", "desk").payload(json!(format!("{:?}", ended.end)))));
    told.recover(|ended| Event::new("recover", format!("{}/recovery", ended.correlation))).build().unwrap()
}

#[test]
fn what_is_to_be_sent_at_its_end_is_sent_however_it_ends_and_a_recovery_after_a_failure_alone() {
    let mut completed = run(with_last_words(), json!(1));
    completed.done("a", json!(1));
    assert_eq!(sent(&completed), ["~end/tell told"]);
    let mut failed = run(with_last_words(), json!(1));
    failed.fails("a");
    assert_eq!(sent(&failed), ["~end/recovery recover", "~end/tell told"]);
    let mut terminated = run(with_last_words(), json!(1));
    terminated.operate(Operation::Terminate).unwrap();
    assert_eq!(sent(&terminated), ["~end/tell told"]);
}

#[test]
fn a_run_is_over_although_its_last_words_are_refused() {
    let mut failed = run(with_last_words(), json!(1));
    failed.fails("a");
    failed.ends("~end/tell", EffectEnd::NotSent { reason: "nobody is there".into() });
    failed.ends("~end/recovery", EffectEnd::Sent { position: 3, state: LifeState::Processed });
    assert_eq!((failed.status().name(), failed.owed()), ("failed", vec![]));
}

#[test]
fn a_child_is_cancelled_and_somebody_told_though_both_have_one_name() {
    let flow = flow().task("notification", child()).notify(|ended| Notification::of(ended.correlation, ended.end));
    let mut parent = run(flow.build().unwrap(), json!("in"));
    parent.operate(Operation::Cancel).unwrap();
    assert_eq!(parent.owed(), ["~end/notification#1", "~end/notification#2"]);
    parent.ends("~end/notification", EffectEnd::Told);
}

#[test]
fn a_child_may_be_cancelled_again_while_the_first_cancel_is_under_way() {
    let again = Retry { first: Duration::ZERO, ..Retry::times(9) };
    let late = attempt("sub", child().within(Duration::from_secs(3))).retry(again);
    let mut parent = run(flow().task("t", late).build().unwrap(), json!("in"));
    for _ in 0..5 {
        parent.tick();
    }
    let cancels: Vec<String> = parent.owed().into_iter().filter(|owed| owed.starts_with("~end/")).collect();
    assert_eq!(cancels, ["~end/t/sub#1", "~end/t/sub#2", "~end/t/sub#3"]);
}

/// Where the workflow runs that a step asked for.
fn correlation_of(parent: &Bench, step: &str) -> String {
    begin_child(parent, step, true).correlation.to_string()
}

#[test]
fn a_child_that_is_tried_again_runs_in_a_correlation_of_its_own() {
    let again = Retry { first: Duration::ZERO, ..Retry::times(2) };
    let mut parent = run(flow().task("t", attempt("sub", child()).retry(again)).build().unwrap(), json!("in"));
    let failed = || EffectEnd::Ran { end: RunEnd::Failed { error: "no".into() } };
    assert_eq!(correlation_of(&parent, "t/sub"), "c/child");
    parent.ends("t/sub", failed());
    parent.tick();
    assert_eq!(correlation_of(&parent, "t/sub"), "c/child~2");
    parent.ends("t/sub", failed());
    assert_eq!(parent.error(), "t/sub: workflow: failed (no)");
    parent.operate(Operation::Retry).unwrap();
    assert_eq!(correlation_of(&parent, "t/sub"), "c/child~3");
    parent.operate(Operation::Cancel).unwrap();
    let others = parent.others();
    assert!(matches!(others[..], [(_, Effect::Operate { on, .. })] if on.as_str() == "c/child~3"), "{others:?}");
}
