//! Carrying out runs and undos: each act is owed until it ends, all of them or none.

use regie_core::automation::{Act, Before, RULE_RAN, RULE_UNDONE, Run, RunHandler, Trigger, Undo, UndoHandler};
use regie_core::entity::Update;
use regie_core::event::{EntityRef, Event, EventBuilder, Incoming, LifeState, Origin, Principal};
use regie_core::workflow::{AgentOutcome, Command, Definitions, Effect, EffectEnd, EffectKey, RunStatus};
use regie_core::{Json, limits};

use super::helpers::{Desk, at, event, submit};

fn desk() -> Desk {
    let mut definitions = Definitions::default();
    assert!(definitions.add(RunHandler) && definitions.add(UndoHandler));
    // Own handlers take own events alone.
    Desk { correlation: "regie/run/run-1".into(), ..Desk::new(definitions) }
}

fn raw(event: EventBuilder) -> Json {
    Json::parse(event.build().unwrap().raw()).unwrap()
}

fn emit(id: &str) -> EventBuilder {
    Event::new("x.done", "t/1").id(id).timestamp(at(5)).entity(EntityRef::new("t", "1"))
}

fn update() -> Act {
    let update = Update::of(EntityRef::new("t", "2"), Principal::user("rule")).set("status", "done");
    Act::Update(Box::new(Update { id: Some("u-1".into()), ..update }))
}

fn call() -> Act {
    Act::Call { agent: "a".into(), task: Json::of("do") }
}

fn run(acts: Vec<Act>) -> Run {
    let before = acts.iter().enumerate().filter(|(_, act)| matches!(act, Act::Update(_)));
    let before =
        before.map(|(act, _)| Before { act, fields: [("status".to_string(), Json::of("open"))].into() }).collect();
    let trigger =
        Trigger { correlation: "c".into(), source: "s".into(), id: "1".into(), kind: "k".into(), position: 1 };
    let (id, rule, rules) = ("run-1".to_string(), "r".to_string(), String::new());
    Run { id, rule, rules, subject: None, trigger, acts, before, error: None }
}

fn begun(acts: Vec<Act>) -> Desk {
    let mut desk = desk();
    desk.take(&submit(event(RULE_RAN, "run-1").payload(Json::of(&run(acts))))).expect("taken");
    desk
}

fn end(desk: &mut Desk, step: &str, end: EffectEnd) {
    let key = desk.state.owed().keys().find(|key| key.step == step).cloned();
    let key = key.unwrap_or(EffectKey { step: step.into(), attempt: 0 });
    desk.take(&Command::EffectEnded { key, end }).unwrap_or_else(|error| panic!("{step}: {error:?}"));
}

fn sent(desk: &mut Desk, step: &str, position: u64) {
    end(desk, step, EffectEnd::Sent { position, state: LifeState::Processed });
}

fn refused(desk: &mut Desk, step: &str) {
    end(desk, step, EffectEnd::NotSent { reason: "no".into() });
}

fn owed(desk: &Desk) -> Vec<String> {
    desk.state.owed().keys().map(ToString::to_string).collect()
}

fn status(desk: &Desk) -> &RunStatus {
    &desk.state.run().expect("a run").status
}

fn failure(desk: &Desk) -> &str {
    match status(desk) {
        RunStatus::Failed { error } => error,
        other => panic!("{other:?}"),
    }
}

/// The event that a step owes.
fn owes(desk: &Desk, step: &str) -> Incoming {
    let (_, effect) = desk.state.owed().iter().find(|(key, _)| key.step == step).expect("owed");
    let Effect::Send { event } = effect else { panic!("{effect:?}") };
    Incoming::read(event.as_bytes(), Origin::File).unwrap()
}

#[test]
fn each_act_is_owed_as_it_is_and_the_run_completes_with_the_last() {
    let mut desk = begun(vec![Act::Emit(raw(emit("e"))), update(), call()]);
    assert_eq!(owed(&desk), ["act-0#1", "act-1#1", "act-2#1"]);
    assert_eq!(owes(&desk, "act-0").event().id, "e");
    sent(&mut desk, "act-0", 11);
    end(&mut desk, "act-2", EffectEnd::Agent(AgentOutcome::Done(Json::of("ok"))));
    assert_eq!(status(&desk), &RunStatus::Running);
    end(&mut desk, "act-1", EffectEnd::Updated { first: 12, events: 2 });
    let RunStatus::Completed { output } = status(&desk) else { panic!("{:?}", status(&desk)) };
    assert_eq!(output.text(), r#"{"acts":[{"position":11},{"position":12},{"position":null}]}"#);
}

#[test]
fn a_run_that_does_nothing_is_over_at_once() {
    assert!(matches!(status(&begun(vec![])), RunStatus::Completed { .. }));
}

#[test]
fn what_was_done_is_put_back_where_another_act_is_refused() {
    let changing = emit("e").change("status", "open", "done");
    let mut desk =
        begun(vec![Act::Emit(raw(changing)), update(), Act::Emit(raw(emit("f"))), Act::Emit(raw(emit("g")))]);
    refused(&mut desk, "act-3");
    sent(&mut desk, "act-0", 11);
    end(&mut desk, "act-1", EffectEnd::Updated { first: 12, events: 1 });
    sent(&mut desk, "act-2", 13);
    assert_eq!(owed(&desk), ["back-0#1", "back-1#1"], "an event that changed nothing cannot be put back");
    let back = owes(&desk, "back-0");
    let change = &back.event().changes["status"];
    assert_eq!((change.before.text(), change.after.text()), ("\"done\"", "\"open\""));
    assert_eq!(
        (back.event().metadata["undo"].as_str(), back.event().causation_id.as_deref()),
        ("run-1", Some("regie:local#e"))
    );
    let update = desk.state.owed().values().find_map(|effect| match effect {
        Effect::Update(update) => Some(update),
        _ => None,
    });
    let update = update.expect("an update");
    assert_eq!((update.fields["status"].text(), update.expected["status"].text()), ("\"open\"", "\"done\""));
    assert!(update.id.as_deref() != Some("u-1") && update.metadata.contains_key("undo"));
    sent(&mut desk, "back-0", 14);
    assert_eq!(status(&desk), &RunStatus::Running);
    refused(&mut desk, "back-1");
    assert_eq!(failure(&desk), "do[3] was refused: no; do[0] was put back; do[1] could not be put back: no");
}

#[test]
fn an_update_that_came_to_nothing_is_not_put_back() {
    let mut desk = begun(vec![update(), Act::Emit(raw(emit("g")))]);
    end(&mut desk, "act-0", EffectEnd::Updated { first: 0, events: 0 });
    refused(&mut desk, "act-1");
    assert_eq!(failure(&desk), "do[1] was refused: no");
}

#[test]
fn a_call_is_tried_a_few_times_with_a_wait_between() {
    let mut desk = begun(vec![call()]);
    for attempt in 1..limits::RULE_CALLS {
        end(&mut desk, "act-0", EffectEnd::Agent(AgentOutcome::Failed("no".into())));
        let [Effect::Timer { due }] = desk.state.owed().values().collect::<Vec<_>>()[..] else { panic!("no timer") };
        assert_eq!(due.since(desk.now), limits::RULE_CALL_BACKOFF * 2_u32.pow(attempt - 1));
        end(&mut desk, "again-0", EffectEnd::TimerFired);
        assert_eq!(owed(&desk), [format!("act-0#{}", attempt + 1)]);
    }
    end(&mut desk, "act-0", EffectEnd::Agent(AgentOutcome::TimedOut { after_ms: 7 }));
    assert_eq!(failure(&desk), "do[0] was refused: no answer within 7 ms");
}

#[test]
fn what_is_no_run_is_parked_for_a_person() {
    let mut desk = desk();
    desk.take(&submit(event(RULE_RAN, "1").payload(Json::of("x")))).expect("taken");
    assert!(desk.state.run().is_none_or(|run| run.status == RunStatus::Running) && owed(&desk).is_empty());
}

#[test]
fn an_undo_sends_its_events_as_many_at_a_time_as_fit() {
    let count = limits::REACTION_EFFECTS + 1;
    let events: Vec<Json> = (0..count).map(|nth| raw(emit(&nth.to_string()))).collect();
    let undo = |events: Vec<Json>| {
        let (run, by, why) = ("run-1".to_string(), Principal::user("ana"), "wrong".to_string());
        Json::of(&Undo { run, by, why, force: false, events })
    };
    let mut desk = desk();
    desk.take(&submit(event(RULE_UNDONE, "1").payload(undo(events.clone())))).expect("taken");
    for nth in 0..count {
        assert!(owed(&desk).len() <= limits::REACTION_EFFECTS);
        sent(&mut desk, &format!("event-{nth}"), nth as u64 + 1);
    }
    let RunStatus::Completed { output } = status(&desk) else { panic!("{:?}", status(&desk)) };
    assert_eq!(output.value()["positions"].as_array().map(Vec::len), Some(count));
    let mut desk = self::desk();
    desk.take(&submit(event(RULE_UNDONE, "1").payload(undo(events[..2].to_vec())))).expect("taken");
    refused(&mut desk, "event-1");
    sent(&mut desk, "event-0", 1);
    assert_eq!(failure(&desk), "1 of 2 events were refused, the first: no");
}
