//! Carrying out runs and undos: each act is owed until it ends, all of them or none.

use regie_core::automation::{
    Act, Changed, LaterChange, RULE_RAN, RULE_UNDONE, Replaced, Run, RunHandler, Trigger, Undo, UndoHandler,
};
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
    let trigger =
        Trigger { correlation: "c".into(), source: "s".into(), id: "1".into(), kind: "k".into(), position: 1 };
    let (id, rule, rules) = ("run-1".to_string(), "r".to_string(), String::new());
    Run { id, rule, rules, subject: None, trigger, acts, error: None }
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

/// What the journal tells of a field: what it was, what the run made of it, and who has changed it since.
fn traced(id: &str, later: &[&str]) -> Changed {
    let entity = EntityRef::new("t", id);
    let later = later.iter().map(|event| LaterChange {
        entity: entity.clone(),
        field: "status".into(),
        event: event.to_string(),
        position: 20,
    });
    let replaced = Replaced { before: Json::of("found"), after: Json::of("done"), later: later.collect() };
    let (correlation, fields) = (format!("t/{id}").as_str().into(), [("status".to_string(), replaced)].into());
    Changed { entity, correlation, chain: vec!["c".into()], cause: "s#e".into(), fields }
}

fn ends_traced(desk: &mut Desk, changed: &[Changed]) {
    end(desk, "trace", EffectEnd::Traced { changed: Json::of(&changed) });
}

/// The updates that are owed.
fn updates(desk: &Desk) -> Vec<&Update> {
    let updates = desk.state.owed().values().filter_map(|effect| match effect {
        Effect::Update(update) => Some(&**update),
        _ => None,
    });
    updates.collect()
}

/// A run of an event and an update, both done, and an event that is refused.
fn half_way() -> Desk {
    let changing = emit("e").change("status", "open", "done");
    let mut desk = begun(vec![Act::Emit(raw(changing)), update(), Act::Emit(raw(emit("f")))]);
    refused(&mut desk, "act-2");
    sent(&mut desk, "act-0", 11);
    end(&mut desk, "act-1", EffectEnd::Updated { first: 12, events: 1 });
    assert_eq!(owed(&desk), ["trace#1"], "what was there before is not what was known at the trigger");
    desk
}

#[test]
fn what_was_done_is_put_back_by_what_the_journal_tells_of_it() {
    let mut desk = half_way();
    ends_traced(&mut desk, &[traced("1", &[]), traced("2", &[])]);
    assert_eq!(owed(&desk), ["back-0#1", "back-1#1"]);
    let [one, two] = updates(&desk)[..] else { panic!("{:?}", owed(&desk)) };
    assert_eq!((one.fields["status"].text(), one.expected["status"].text()), ("\"found\"", "\"done\""));
    assert_eq!((one.metadata["undo"].as_str(), one.cause.as_deref()), ("run-1", Some("s#e")));
    assert_eq!((one.correlation(), &one.chain), ("t/1".into(), &vec!["c".into()]));
    assert!(one.id.is_some() && one.id != two.id && !one.metadata.contains_key("run"));
    end(&mut desk, "back-0", EffectEnd::Updated { first: 14, events: 1 });
    assert_eq!(status(&desk), &RunStatus::Running);
    refused(&mut desk, "back-1");
    assert_eq!(failure(&desk), "do[2] was refused: no; t/1 was put back; t/2 could not be put back: no");
}

#[test]
fn what_others_have_changed_since_is_left_to_them_and_told() {
    let mut desk = half_way();
    ends_traced(&mut desk, &[traced("1", &["s#x"])]);
    let left = "left as it was changed since: status of t/1 by s#x at 20";
    assert_eq!(failure(&desk), format!("do[2] was refused: no; {left}"));
    let mut desk = half_way();
    ends_traced(&mut desk, &[traced("1", &["s#x"]), traced("2", &[])]);
    assert_eq!(owed(&desk), ["back-1#1"]);
    end(&mut desk, "back-1", EffectEnd::Updated { first: 14, events: 1 });
    assert_eq!(failure(&desk), format!("do[2] was refused: no; {left}; t/2 was put back"));
}

#[test]
fn where_no_act_can_have_changed_anything_the_journal_is_not_asked() {
    let mut desk = begun(vec![Act::Emit(raw(emit("e"))), Act::Emit(raw(emit("f")))]);
    sent(&mut desk, "act-0", 11);
    refused(&mut desk, "act-1");
    assert_eq!(failure(&desk), "do[1] was refused: no");
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

fn undoing(updates: Vec<Update>) -> Desk {
    let (run, by, why) = ("run-1".to_string(), Principal::user("ana"), "wrong".to_string());
    let undo = Undo { run, attempt: 1, by, why, force: false, updates };
    let mut desk = desk();
    desk.take(&submit(event(RULE_UNDONE, "1").payload(Json::of(&undo)))).expect("taken");
    desk
}

#[test]
fn an_undo_is_done_once_all_its_updates_are() {
    let of = |id: &str| Update::of(EntityRef::new("t", id), Principal::user("ana")).set("status", "open").id(id);
    let mut desk = undoing(vec![of("1"), of("2")]);
    assert_eq!(owed(&desk), ["put-0#1", "put-1#1"]);
    end(&mut desk, "put-1", EffectEnd::Updated { first: 7, events: 2 });
    assert_eq!(status(&desk), &RunStatus::Running);
    end(&mut desk, "put-0", EffectEnd::Updated { first: 0, events: 0 });
    let RunStatus::Completed { output } = status(&desk) else { panic!("{:?}", status(&desk)) };
    assert_eq!(output.text(), r#"{"positions":[0,7]}"#);
    let mut desk = undoing(vec![of("1"), of("2")]);
    refused(&mut desk, "put-1");
    end(&mut desk, "put-0", EffectEnd::Updated { first: 7, events: 1 });
    assert_eq!(failure(&desk), "t/1 was put back; t/2 was not put back: no");
    assert!(matches!(status(&undoing(vec![])), RunStatus::Completed { .. }));
}
