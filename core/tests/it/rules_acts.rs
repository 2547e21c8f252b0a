//! What a run holds: what goes out, under which ids, and where it cannot be made out.

use regie_core::automation::{Act, RULE_SOURCE, Run};
use regie_core::event::{CorrelationId, EntityRef, Event, EventBuilder, Priority};
use regie_core::{Timestamp, limits};
use serde_json::json;

use super::rules_help::{Fed, emitted, now, task};

fn rule(acts: &str) -> String {
    format!("[[rule]]\nname = \"r\"\non = \">\"\n{acts}\n")
}

fn trigger() -> EventBuilder {
    task("created", "T-1").change("owner", None::<&str>, "ana").payload(json!({"n": 7, "text": "say \"hi\""}))
}

fn run(acts: &str) -> Run {
    Fed::file(&rule(acts)).runs(trigger()).remove(0)
}

fn payload(of: &str) -> serde_json::Value {
    let run = run(&format!("do = [{{ emit = {{ type = \"x\", payload = {of} }} }}]"));
    assert_eq!(run.error, None);
    emitted(&run, 0).event().payload.value()
}

#[test]
fn an_event_that_goes_out_says_what_made_it() {
    let run = run("do = [{ emit = { type = \"x.y\" } }, { emit = { type = \"x.z\" }, entity = false }]");
    let (about, bare) = (emitted(&run, 0), emitted(&run, 1));
    let event = about.event();
    assert_eq!(event.correlation_id, "task/T-1".into());
    assert_eq!(event.entity, Some(EntityRef::new("task", "T-1")));
    assert_eq!(event.causation_id.as_deref(), Some("regie:local#e-1"));
    assert_eq!(event.correlation_chain, [CorrelationId::from("task-T-1")]);
    assert_eq!(event.actor.as_ref().map(ToString::to_string).as_deref(), Some("rule:r"));
    assert_eq!((event.source.as_str(), event.timestamp), (RULE_SOURCE, now(1)));
    assert_eq!(event.metadata["run"], run.id);
    assert_eq!(*bare.event().correlation_id, *format!("rule/{}", bare.event().id));
    assert_ne!(bare.event().id, event.id);
}

#[test]
fn the_same_trigger_gives_the_same_ids_and_another_subject_others() {
    let ids = |acts: &str, event: EventBuilder| {
        let run = Fed::file(&rule(acts)).runs(event).remove(0);
        (run.id.clone(), emitted(&run, 0).event().id.clone())
    };
    let acts = "do = [{ emit = { type = \"x\" } }]";
    assert_eq!(ids(acts, trigger()), ids(acts, trigger()));
    assert_ne!(ids(acts, trigger()), ids(acts, trigger().entity(EntityRef::new("task", "T-2"))));
    assert_ne!(ids(acts, trigger()), ids(acts, trigger().source("other")));
}

#[test]
fn texts_hold_expressions_and_one_alone_is_its_value() {
    assert_eq!(payload("{ a = \"${event.payload.n}\" }"), json!({"a": 7}));
    assert_eq!(
        payload("\"${subject.type} ${subject.id}: ${event.payload.n + 1}, ${event.payload.text}\""),
        json!("task T-1: 8, say \"hi\"")
    );
    assert_eq!(payload("\"${entity.fields.owner}\""), json!("ana"));
    assert_eq!(
        payload("[1, true, \"$${x}\", \"${ {'a': '}'}.a }\", 2026-01-31]"),
        json!([1, true, "${x}", "}", "2026-01-31"])
    );
    assert_eq!(payload("\"${event.changes}\""), json!({"owner": {"before": null, "after": "ana"}}));
}

#[test]
fn what_a_field_was_is_filled_in() {
    let acts = "do = [{ emit = { type = \"x\", priority = \"P0\", session = \"s\", changes = { owner = \"ben\", new = 1 }, related = [{ type = \"u\", id = \"${subject.id}\" }] } }]";
    let event = emitted(&run(acts), 0);
    let event = event.event();
    assert_eq!((event.changes["owner"].before.text(), event.changes["owner"].after.text()), ("\"ana\"", "\"ben\""));
    assert!(event.changes["new"].before.is_null());
    assert_eq!((event.priority, event.session_key.as_deref()), (Priority::P0, Some("s")));
    assert_eq!(event.related, [EntityRef::new("u", "T-1")]);
}

#[test]
fn an_update_is_of_the_subject_or_of_another() {
    let run = run(
        "do = [{ update = { owner = \"ben\" } }, { update = { n = \"${event.payload.n}\" }, expected = { n = 1 }, entity = { type = \"u\", id = \"9\" } }]",
    );
    let [Act::Update(mine), Act::Update(other)] = run.acts.as_slice() else { panic!("{run:?}") };
    assert_eq!((mine.entity.id.as_str(), other.entity.to_string().as_str()), ("T-1", "u/9"));
    assert_eq!((mine.correlation(), other.fields["n"].text()), ("task/T-1".into(), "7"));
    assert_eq!((other.expected["n"].text(), mine.metadata["run"].as_str()), ("1", run.id.as_str()));
    assert!(mine.id.is_some() && mine.id != other.id);
    assert_eq!(mine.chain, [CorrelationId::from("task-T-1")]);
}

#[test]
fn a_start_is_an_event_that_names_its_workflow_and_a_call_is_a_task() {
    let run = run(
        "do = [{ start = { workflow = \"flow\", type = \"flow.begin\", correlation = \"f-${subject.id}\" } }, { call = { agent = \"a-${event.payload.n}\", task = { of = \"${subject.id}\" } } }]",
    );
    let event = emitted(&run, 0);
    assert_eq!((&*event.event().correlation_id, event.event().metadata["workflow"].as_str()), ("f-T-1", "flow"));
    let Act::Call { agent, task } = &run.acts[1] else { panic!("{run:?}") };
    assert_eq!((agent.as_str(), task.value()), ("a-7", json!({"of": "T-1"})));
}

#[test]
fn one_act_that_cannot_be_made_out_leaves_the_run_with_none() {
    let good = "{ emit = { type = \"x\" } }";
    for (bad, why) in [
        ("{ notify = { a = \"${event.payload.missing}\" } }", "do[1]: no such key"),
        ("{ emit = { type = \"x\", correlation = '${\"regie/x\"}' } }", "runtime's own"),
        ("{ emit = { type = '${\"regie.x\"}' } }", "runtime's own"),
        ("{ emit = { type = \"${event.payload.n}.>\" } }", "wildcards"),
        ("{ emit = { type = \"x\" }, entity = { type = \"t\", id = \"${event.changes}\" } }", "a text is wanted"),
    ] {
        let run = run(&format!("do = [{good}, {bad}]"));
        assert!(run.acts.is_empty() && run.error.as_ref().is_some_and(|it| it.contains(why)), "{bad}: {:?}", run.error);
    }
    let long = "x".repeat(limits::RUN_BYTES);
    let error = run(&format!("do = [{{ notify = {{ a = \"{long}\" }} }}]")).error.unwrap();
    assert!(error.contains("RUN_BYTES"), "{error}");
}

#[test]
fn who_stands_too_deep_is_stopped_with_a_record_that_says_so() {
    let deep = |links: usize| trigger().chain((0..links).map(|nth| CorrelationId::from(format!("c-{nth}"))));
    let acts = "do = [{ emit = { type = \"x\" } }]";
    let last = Fed::file(&rule(acts)).runs(deep(limits::RULE_DEPTH - 1)).remove(0);
    assert_eq!(emitted(&last, 0).event().correlation_chain.len(), limits::RULE_DEPTH);
    let stopped = Fed::file(&rule(acts)).runs(deep(limits::RULE_DEPTH)).remove(0);
    assert!(stopped.acts.is_empty() && stopped.error.unwrap().contains("RULE_DEPTH"));
}

#[test]
fn what_the_world_cannot_take_is_told_and_the_rest_goes_on() {
    let hub = || EntityRef::new("hub", "h");
    let mut fed = Fed::file(&rule("do = [{ notify = { a = 1 } }]"));
    let mut errors = Vec::new();
    for nth in 0..=limits::RELATED_KEPT {
        let event = Event::new("a", "c").entity(EntityRef::new("t", nth.to_string())).related(hub());
        errors.extend(fed.take(event.timestamp(Timestamp::MIN)).errors);
    }
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().contains("RELATED_KEPT"), "{}", errors[0]);
    assert_eq!(fed.evaluator.world().related(&hub()).len(), limits::RELATED_KEPT);
    let mut fed = Fed::file("[[relation]]\nfrom = \"task\"\nto = \"team\"\nids = 'event.payload.team'\n");
    let taken = fed.take(trigger());
    assert!(taken.errors[0].to_string().contains("from task to team"), "{:?}", taken.errors);
}
