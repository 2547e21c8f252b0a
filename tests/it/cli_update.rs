//! `regie update`: by a process that opens the journal, and by the one that owns it; and `--catalogue`.

use regie::JournalConfig;
use regie::core::automation::RuleSet;
use regie::core::entity::Update;
use regie::core::event::{EntityRef, Principal};
use serde_json::json;

use crate::runtime_support::within;
use crate::support::Place;

fn kinds(place: &Place, correlation: &str) -> Vec<String> {
    let listed = place.run(&["query", "--correlation", correlation, "--json"]).succeeds().json_lines();
    listed.iter().map(|event| event["type"].as_str().unwrap_or_default().to_string()).collect()
}

#[test]
fn it_opens_a_journal_that_nobody_owns_and_tells_what_was_recorded() {
    let place = Place::new();
    let made =
        place.run(&["update", "task", "T-1", "status=open", "points=3", "--by", "ana", "--json"]).succeeds().json();
    assert_eq!((&made["status"], &made["correlation_id"]), (&json!("new"), &json!("task/T-1")));
    assert_eq!(made["events"][0]["position"], 1);
    place
        .run(&["update", "task", "T-1", "status=blocked", "--expect", "status=open"])
        .succeeds()
        .tells(&["position 2", "position 3"]);
    let state = place.run(&["state", "task", "T-1", "--json"]).succeeds().json();
    assert_eq!(state, json!({"status": "blocked", "points": 3}));
    place.run(&["update", "task", "T-1", "points=3"]).succeeds().tells(&["nothing differs"]);
    let expected = ["orchestration.task.created", "orchestration.task.status_changed", "orchestration.task.blocked"];
    assert_eq!(kinds(&place, "task/T-1"), expected);
}

#[test]
fn what_is_refused_exits_with_its_code_and_is_recorded() {
    let place = Place::new();
    place.run(&["update", "task", "T-1", "progress=40"]).succeeds();
    place.run(&["update", "task", "T-1", "progress=400"]).exits(4).tells(&["at most 100", "position 2 in task/T-1"]);
    place
        .run(&["update", "task", "T-1", "progress=50", "--expect", "progress=41"])
        .exits(4)
        .tells(&["expected to be 41"]);
    let refused = place.run(&["update", "task", "T-1", "progress=400", "--json"]).exits(4).json();
    assert_eq!((&refused["status"], &refused["field"]), (&json!("refused"), &json!("progress")));
    assert_eq!(kinds(&place, "task/T-1").len(), 4);
}

#[test]
fn an_id_makes_asking_twice_once() {
    let place = Place::new();
    let ask = |value: &str| place.run(&["update", "task", "T-1", value, "--id", "u-1", "--json"]);
    let first = ask("status=open").succeeds().json();
    let again = ask("status=open").succeeds().json();
    assert_eq!(
        (&again["status"], &again["events"][0]["position"]),
        (&json!("duplicate"), &first["events"][0]["position"])
    );
    ask("status=done").exits(4).tells(&["with other content"]);
}

#[test]
fn what_is_asked_wrongly_writes_nothing() {
    let place = Place::new();
    for wrong in [
        &["update", "task", "T-1"][..],
        &["update", "task", "T-1", "status"],
        &["update", "task", "T-1", "a=1", "a=2"],
        &["update", "task", "T-1", "a=1", "--correlation", "regie/x"],
        &["update", "task", "", "a=1"],
        &["update", "task", "T-1", "a=1", "--id", ""],
        &["update", "task", "T-1", "a=1", "--id", " "],
        &["update", "task", "T-1", "a=1", "--catalogue", "nowhere.toml"],
    ] {
        place.run(wrong).exits(2);
    }
    assert!(!place.path("regie.db").exists());
}

#[test]
fn the_owner_of_the_journal_does_it_over_its_socket() {
    within(async {
        let place = Place::new();
        let journal = JournalConfig::sqlite(place.path("regie.db"));
        let runtime = regie::builder().journal(journal).rules(RuleSet::default()).start().await.unwrap();
        let update = Update::of(EntityRef::new("task", "T-1"), Principal::user("ana")).set("status", "open");
        runtime.handle().update(update).await.unwrap();
        let done = place.run(&["update", "task", "T-1", "status=done", "--by", "agent:bot", "--json"]);
        assert_eq!(done.succeeds().json()["events"][0]["position"], 2);
        place.run(&["update", "task", "T-1", "status=7"]).exits(4).tells(&["a text is wanted"]);
        runtime.shutdown().await;
    });
}

const ORDERS: &str = r#"
[[type]]
name = "order.paid"
entity = "order"
fields = ["paid"]
changes = { properties = { paid = { properties = { after = { type = "number" } } } } }
"#;

#[test]
fn a_catalogue_of_ones_own_holds_for_run_and_update() {
    let place = Place::new();
    place.file("types.toml", ORDERS);
    place.file("regie.toml", "catalogue = 'types.toml'\n");
    let paid = |id: &str, entity: &str| {
        json!({"id": id, "type": "order.paid", "correlation_id": "o-1", "timestamp": "2026-01-01T09:00:00Z",
               "entity": {"type": entity, "id": "o-1"}, "changes": {"paid": {"after": 7}}})
    };
    place.file("events.jsonl", format!("{}\n{}\n", paid("1", "order"), paid("2", "moon")));
    place.run(&["run", "events.jsonl", "--catalogue", "types.toml"]).exits(4).tells(&["/entity/type"]);
    place.run(&["update", "order", "o-1", "paid=8", "--config", "regie.toml"]).succeeds();
    place
        .run(&["update", "order", "o-1", "paid=all", "--config", "regie.toml"])
        .exits(4)
        .tells(&["a number is wanted"]);
    assert_eq!(kinds(&place, "order/o-1"), ["order.paid", "orchestration.order.validation_failed"]);
}

#[test]
fn a_bad_catalogue_is_refused_whole_with_its_place() {
    let place = Place::new();
    place.file("types.toml", format!("{ORDERS}\n[[type]]\nname = 'a.*'\n"));
    place.file("events.jsonl", "");
    let refused = place.run(&["run", "events.jsonl", "--catalogue", "types.toml"]);
    refused.exits(2).tells(&["types.toml:9:8", "wildcards"]);
    assert!(!place.path("regie.db").exists());
}

#[test]
fn in_event_time_a_new_journal_has_no_time_and_nothing_is_recorded() {
    let place = Place::new();
    place.run(&["update", "task", "T-1", "status=open", "--clock", "event"]).exits(2).tells(&["none has entered yet"]);
    place.file("e.jsonl", r#"{"id":"1","type":"x","correlation_id":"c","timestamp":"2026-01-01T09:00:00Z"}"#);
    place.run(&["run", "e.jsonl", "--clock", "event"]).succeeds();
    place.run(&["update", "task", "T-1", "status=open", "--clock", "event"]).succeeds();
    let updated = place.run(&["query", "--entity", "task", "T-1", "--json"]).succeeds().json_lines();
    assert_eq!(updated[0]["timestamp"], "2026-01-01T09:00:00.000Z");
}
