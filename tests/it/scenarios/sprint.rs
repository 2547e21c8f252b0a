//! The sprint that finishes itself, and rules that are tried, fired and undone.

use regie::JournalConfig;
use regie::core::event::{Event, Incoming, Origin};
use regie::core::query::Filter;
use serde_json::{Value, json};

use crate::runtime_support::within;
use crate::support::{Place, lines};

fn event(id: &str, kind: &str, at: &str, (what, which): (&str, &str), change: (Value, &str)) -> Value {
    let (before, after) = change;
    let field = if kind == "task.priority_changed" { "priority" } else { "status" };
    json!({
        "id": id, "type": format!("orchestration.{kind}"), "correlation_id": which.to_lowercase(),
        "timestamp": format!("2026-01-05T{at}:00Z"), "entity": {"type": what, "id": which},
        "changes": {field: {"before": before, "after": after}},
    })
}

/// The morning of TEST-001.
pub(crate) fn morning() -> Vec<Value> {
    let of_sprint = |mut event: Value| {
        event["related"] = json!([{"type": "sprint", "id": "TEST-001"}]);
        event
    };
    let (one, two) = (("task", "TASK-001"), ("task", "TASK-002"));
    vec![
        event("1", "sprint.created", "09:00", ("sprint", "TEST-001"), (Value::Null, "planned")),
        of_sprint(event("2", "task.created", "09:05", one, (Value::Null, "pending"))),
        of_sprint(event("3", "task.created", "09:05", two, (Value::Null, "pending"))),
        event("4", "task.status_changed", "10:00", one, (json!("pending"), "in_progress")),
        event("5", "task.status_changed", "11:00", one, (json!("in_progress"), "completed")),
        event("6", "task.status_changed", "12:00", two, (json!("pending"), "completed")),
    ]
}

fn played() -> Place {
    Place::with_shipped_rules().holding(&morning())
}

fn query(place: &Place, arguments: &[&str]) -> Vec<Value> {
    place.run(&[&["query", "--json"], arguments].concat()).succeeds().json_lines()
}

fn changes(place: &Place, correlation: &str) -> Vec<(String, Value)> {
    let told = query(place, &["--correlation", correlation]);
    let brief = told.iter().map(|line| {
        let event = line.get("event").unwrap_or(line);
        (event["type"].as_str().unwrap().to_string(), event["changes"]["status"].clone())
    });
    brief.collect()
}

fn head(place: &Place) -> Value {
    place.run(&["head", "--json"]).succeeds().json()
}

#[test]
fn a_sprint_is_completed_with_its_last_task_and_once() {
    let place = played();
    let status = |before: Value, after: &str| json!({"before": before, "after": after});
    let changed =
        |before: &str, after: &str| ("orchestration.task.status_changed".to_string(), status(json!(before), after));
    assert_eq!(
        changes(&place, "task-001"),
        [
            ("orchestration.task.created".to_string(), status(Value::Null, "pending")),
            changed("pending", "in_progress"),
            changed("in_progress", "completed"),
        ]
    );
    let state = |at: &str| {
        let at = format!("2026-01-05T{at}Z");
        place.run(&["state", "sprint", "TEST-001", "--at", &at, "--json"]).succeeds().json()["status"].clone()
    };
    assert_eq!((state("11:59:59"), state("12:00:00")), (json!("planned"), json!("completed")));
    let told = query(&place, &["--type", "orchestration.sprint.status_changed"]);
    let [line] = told.as_slice() else { panic!("{told:?}") };
    let event = line.get("event").unwrap_or(line);
    assert_eq!(event["causation_id"], "regie:local#6");
    assert_eq!(event["actor"], json!({"kind": "rule", "id": "sprint-completed"}));
    assert_eq!(event["correlation_id"], "sprint/TEST-001");
    assert_eq!(event["correlation_chain"], json!(["task-002"]));
    assert_eq!(event["timestamp"], "2026-01-05T12:00:00.000Z");
    place.run(&["verify"]).succeeds();
}

#[test]
fn the_same_day_once_more_changes_nothing() {
    let place = played();
    let before = head(&place);
    let again = place.run(&["run", "events.jsonl", "--clock", "event", "--json"]).succeeds().json();
    assert_eq!((&again["new"], &again["known"]), (&json!(0), &json!(6)), "{again}");
    assert_eq!(head(&place), before);
}

/// What happens on the next day: each sets off one rule.
fn next_day() -> Vec<Value> {
    let later = |mut event: Value| {
        event["timestamp"] = event["timestamp"].as_str().unwrap().replace("01-05", "01-06").into();
        event
    };
    vec![
        later(event("21", "task.status_changed", "10:00", ("task", "TASK-003"), (json!("pending"), "blocked"))),
        later(event("22", "task.priority_changed", "10:00", ("task", "TASK-004"), (json!("P1"), "P0"))),
        later(event("23", "sprint.status_changed", "10:00", ("sprint", "TEST-002"), (json!("planned"), "active"))),
    ]
}

const EMITTED: [(&str, &str); 3] = [
    ("orchestration.alert.raised", "regie:local#22"),
    ("orchestration.notification.requested", "regie:local#21"),
    ("orchestration.session.started", "regie:local#23"),
];

#[test]
fn a_dry_run_tells_what_rules_would_do_and_does_nothing() {
    let place = played();
    place.file("next.jsonl", lines(&next_day()));
    let before = head(&place);
    let told = place.run(&["rules", "dry-run", "--events", "next.jsonl", "--json"]).succeeds().json_lines();
    let mut types: Vec<&str> =
        told.iter().map(|line| line["run"]["acts"][0]["emit"]["type"].as_str().unwrap_or_default()).collect();
    types.sort_unstable();
    assert_eq!(types, EMITTED.map(|(kind, _)| kind));
    assert_eq!(head(&place), before);
}

#[test]
fn each_event_sent_three_times_from_eight_threads_sets_off_its_rule_once() {
    let place = played();
    let path = place.path("regie.db");
    within(async move {
        let runtime = regie::builder().journal(JournalConfig::sqlite(path)).start().await.unwrap();
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let handle = runtime.handle();
                std::thread::spawn(move || {
                    for event in next_day().iter().cycle().take(9) {
                        let event = Incoming::read(event.to_string().as_bytes(), Origin::File).unwrap();
                        futures::executor::block_on(handle.submit(event)).unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let handle = runtime.handle();
        handle.settle().await;
        let mut emitted = emitted(&handle.events(Filter::default()).await.unwrap());
        emitted.retain(|(kind, _)| kind != "orchestration.sprint.status_changed");
        assert_eq!(emitted, EMITTED.map(|(kind, cause)| (kind.to_string(), cause.to_string())));
        runtime.shutdown().await;
    });
}

/// Type and cause of what rules have sent out, in order of types.
fn emitted(events: &[regie::journal::StoredEvent]) -> Vec<(String, String)> {
    let of_rule = |event: &Event| event.actor.as_ref().is_some_and(|actor| actor.kind == "rule");
    let brief = |event: &Event| (event.kind.clone(), event.causation_id.clone().unwrap_or_default());
    let events = events.iter().map(|stored| stored.incoming.event());
    let mut all: Vec<_> = events.filter(|event| of_rule(event)).map(brief).collect();
    all.sort();
    all
}

fn run_id(place: &Place) -> String {
    place.run(&["rules", "runs", "--json"]).succeeds().json()["run"]["id"].as_str().unwrap().to_string()
}

fn undo(place: &Place, more: &[&str]) -> crate::support::Ran {
    let run = run_id(place);
    let arguments = ["rules", "undo", &run, "--by", "ana", "--why", "not done", "--clock", "event", "--json"];
    place.run(&[&arguments, more].concat())
}

fn sprint_status(place: &Place) -> Value {
    place.run(&["state", "sprint", "TEST-001", "--json"]).succeeds().json()["status"].clone()
}

#[test]
fn the_completion_is_put_back_by_a_compensating_event_once() {
    let place = played();
    let undone = undo(&place, &[]).succeeds().json();
    assert_eq!(undone["events"][0]["changes"]["status"], json!({"before": "completed", "after": "planned"}));
    assert_eq!(sprint_status(&place), "planned");
    undo(&place, &[]).exits(4).tells(&["undone already"]);
    let told = place.run(&["rules", "runs", "--json"]).succeeds().json();
    assert_eq!((&told["undone"]["by"]["id"], &told["undone"]["why"]), (&json!("ana"), &json!("not done")));
    place.run(&["verify"]).succeeds();
}

#[test]
fn an_undo_says_where_its_event_is_and_the_run_that_it_is_undone() {
    let place = played();
    let undone = undo(&place, &[]).succeeds().json();
    let told = place.run(&["show", "sprint/TEST-001", "--json"]).succeeds().json();
    assert_eq!(told["events"].as_array().unwrap().last().unwrap()["position"], undone["position"]);
    let run = format!("regie/run/{}", run_id(&place));
    assert_eq!(place.run(&["show", &run, "--json"]).succeeds().json()["undone"]["why"], "not done");
    place.run(&["show", &run]).succeeds().tells(&["undone by user:ana", "not done"]);
}

#[test]
fn each_later_change_on_top_is_named_and_only_force_goes_over_them() {
    let place = played();
    for (status, id) in [("closed", "u-1"), ("archived", "u-2")] {
        let status = format!("status={status}");
        place.run(&["update", "sprint", "TEST-001", &status, "--id", id, "--clock", "event"]).succeeds();
    }
    let refused = undo(&place, &[]).exits(4);
    assert!(refused.err.contains("later changes lie on top: status of sprint/TEST-001"), "{}", refused.err);
    let told = refused.json();
    assert_eq!(told["error"], "later_changes");
    assert_eq!(told["later"].as_array().map(Vec::len), Some(2), "{told}");
    assert_eq!(told["later"][0]["field"], "status");
    assert_eq!(sprint_status(&place), "archived");
    undo(&place, &["--force"]).succeeds();
    assert_eq!(sprint_status(&place), "planned");
}

#[test]
fn a_run_is_undone_by_its_id_or_by_a_beginning_that_is_its_own() {
    let place = played();
    let named =
        |run: &str| place.run(&["rules", "undo", run, "--by", "ana", "--why", "w", "--clock", "event", "--json"]);
    let run = run_id(&place);
    named("").exits(2);
    named(&run[..3]).exits(2).tells(&["4 characters"]);
    let unknown = named("no-such-run").exits(3);
    assert_eq!((&unknown.json()["error"], &unknown.json()["later"]), (&json!("no_run"), &json!([])));
    assert_eq!(sprint_status(&place), "completed");
    named(&run[..4]).succeeds();
    assert_eq!(sprint_status(&place), "planned");
}

#[test]
fn the_rules_that_are_switched_off_do_nothing() {
    let place = Place::new().holding(&morning());
    assert_eq!(sprint_status(&place), "planned");
    assert_eq!(place.run(&["rules", "runs", "--json"]).succeeds().out, "");
}
