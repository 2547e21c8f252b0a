//! `regie status` and `regie workflow` by the plain command, which has no definitions, on a journal that nobody owns.

use std::collections::BTreeSet;

use regie::actors::clock::Clock;
use regie::core::Timestamp;
use regie::{ClockKind, JournalConfig};
use serde_json::{Value, json};

use super::{ana, with_orders};
use crate::runtime_support::{event, within};
use crate::support::{Place, Ran};

const NOON: &str = "2026-03-02T12:00:00Z";

/// A journal in which orders were placed, each in the correlation and by the event that is said.
pub(super) fn having(placed: &[(&str, &str)]) -> Place {
    let place = Place::new();
    let journal = JournalConfig::sqlite(place.path("regie.db"));
    let placed: Vec<(String, String)> =
        placed.iter().map(|(name, what)| (name.to_string(), what.to_string())).collect();
    within(async move {
        let clock = Clock::manual(Timestamp::parse(NOON).unwrap());
        let builder = with_orders(regie::builder().shards(2)).journal(journal).clock(ClockKind::Given(clock));
        let runtime = builder.grace(std::time::Duration::ZERO).start().await.unwrap();
        for (nth, (name, what)) in placed.iter().enumerate() {
            let event = event(&format!("order.{what}"), name, &format!("e-{nth}")).actor(ana());
            runtime.handle().submit(event.build().unwrap()).await.unwrap();
        }
        runtime.shutdown().await;
    });
    place
}

/// Something done to a workflow, signed.
pub(super) fn does(place: &Place, what: &[&str]) -> Ran {
    place.run(&[&["workflow"], what, &["--by", "ana", "--why", "because"]].concat())
}

fn listed(place: &Place, more: &[&str]) -> Vec<String> {
    let lines = place.run(&[&["workflow", "list", "--json"], more].concat()).succeeds().json_lines();
    lines.iter().map(|line| line["correlation_id"].as_str().unwrap().to_string()).collect()
}

fn shown(place: &Place, id: &str) -> Value {
    place.run(&["workflow", "show", id, "--json"]).succeeds().json()
}

#[test]
fn the_status_tells_counts_success_and_the_oldest() {
    let place = having(&[("order-1", "done"), ("order-2", "fail")]).with("COLUMNS", "80");
    let told = place.run(&["status"]).succeeds().fits(80);
    told.tells(&["1 completed, 1 failed, success rate 0.5", "orders", "no process runs them now"]);
    let status = place.run(&["status", "--json"]).succeeds().json();
    assert_eq!((&status["workflows"], &status["success_rate"]), (&json!(2), &json!(0.5)));
    assert_eq!((&status["by_status"], &status["live"]), (&json!({"completed": 1, "failed": 1}), &Value::Null));
    assert_eq!(status["as_of"], "2026-03-02T12:00:00.000Z");
    let place = having(&[("order-1", "begin"), ("order-2", "begin")]);
    place
        .run(&["status"])
        .succeeds()
        .tells(&["2 running", "oldest that run", "order-1"])
        .never_tells(&["success rate"]);
}

#[test]
fn workflows_are_listed_for_people_and_for_programs_and_page_by_page() {
    let place = having(&[("order-1", "done"), ("order-2", "fail"), ("order-3", "begin")]).with("COLUMNS", "80");
    let words = ["order-1", "orders v1", "completed", "failed", "no money", "2026-03-02", "3 workflows"];
    place.run(&["workflow", "list"]).succeeds().tells(&words).fits(80);
    assert_eq!(listed(&place, &["--status", "failed"]), ["order-2"]);
    assert_eq!(listed(&place, &["--definition", "orders", "--until", "2026-03-02T12:00:01Z"]).len(), 3);
    assert_eq!(listed(&place, &["--since", "2026-03-02T12:00:01Z"]).len(), 0);
    let first = place.run(&["workflow", "list", "--limit", "2", "--json"]).succeeds().json_lines();
    let cursor = first[1]["cursor"].as_str().unwrap();
    assert_eq!(listed(&place, &["--after", cursor]), ["order-3"]);
    place.run(&["workflow", "list", "--after", "nonsense"]).exits(2);
    place.run(&["workflow", "list", "--status", "paused"]).succeeds().tells(&["no workflow fits"]);
}

#[test]
fn one_is_shown_by_its_id_or_its_beginning_and_a_slip_is_guessed() {
    let place = having(&[("order-1", "fail"), ("order-20", "begin"), ("order-21", "begin")]).with("COLUMNS", "80");
    let words = ["order-1  failed", "orders version 1", "no money", "order.fail", "2026-03-02 12:00:00"];
    place.run(&["workflow", "show", "order-1"]).succeeds().tells(&words).fits(80);
    let report = shown(&place, "order-1");
    assert_eq!(
        (&report["status"], &report["error"], &report["state"]),
        (&json!("failed"), &json!("no money"), &Value::Null)
    );
    place.run(&["workflow", "show", "order-2"]).exits(2).tells(&["several", "order-20, order-21"]);
    assert_eq!(shown(&having(&[("order-77", "begin")]), "orde")["correlation_id"], "order-77");
    place.run(&["workflow", "show", "odrer-20"]).exits(3).tells(&["did you mean 'order-20'?"]);
    place.run(&["workflow", "show", "ord"]).exits(3).tells(&["of an id its first 4 letters are needed"]);
    assert_eq!(place.run(&["workflow", "show", "nobody", "--json"]).exits(3).json(), Value::Null);
    place.run(&["workflow", "show", "order-1", "--last", "0"]).succeeds().never_tells(&["order.fail"]);
}

#[test]
fn what_needs_no_definition_is_done_without_it_and_recorded_with_who_and_why() {
    let place = having(&[("order-1", "begin"), ("order-2", "ask"), ("order-3", "bad")]);
    does(&place, &["pause", "order-1"]).succeeds().tells(&["order-1  running, paused"]);
    assert_eq!(listed(&place, &["--status", "paused"]), ["order-1"]);
    does(&place, &["pause", "order-1"]).exits(4).tells(&["it is paused already"]);
    does(&place, &["resume", "order-1"]).succeeds();
    for id in ["order-1", "order-2", "order-3"] {
        let report = does(&place, &["terminate", id, "--json"]).succeeds().json();
        assert_eq!((&report["status"], &report["error"]), (&json!("terminated"), &json!("because")));
    }
    place.run(&["show", "order-2"]).succeeds().tells(&["terminate by user:ana: because"]);
    does(&place, &["terminate", "order-2"]).exits(4).tells(&["it is over"]);
    place.run(&["verify"]).succeeds();
}

#[test]
fn what_needs_its_definition_says_which_program_to_ask_and_changes_nothing() {
    let place = having(&[("order-1", "begin"), ("order-2", "fail")]);
    let needs = ["this program does not have", "regie::cli::main(builder)"];
    does(&place, &["cancel", "order-1"]).exits(4).tells(&needs);
    does(&place, &["retry", "order-2"]).exits(4).tells(&needs);
    let send = does(&place, &["send", "order-1", "order.done", "--json"]).exits(4);
    assert_eq!(send.json()["error"], "unknown_definition");
    does(&place, &["start", "orders", "--id", "order-3"]).exits(4).tells(&["no workflow 'orders'", needs[1]]);
    does(&place, &["migrate", "order-1", "--to", "2"]).exits(4).tells(&needs);
    let check = ["workflow", "check", "orders", "--from", "1", "--to", "2"];
    place.run(&check).exits(4).tells(&["this program does not have"]);
    assert_eq!(listed(&place, &["--status", "running"]), ["order-1"]);
}

#[test]
fn wrong_use_is_told_and_nothing_is_done() {
    let place = having(&[("order-1", "begin")]);
    place.run(&["workflow", "cancel", "order-1", "--by", "ana"]).exits(2).tells(&["--why"]);
    does(&place, &["unpark", "order-1"]).exits(2).tells(&["--retry"]);
    does(&place, &["unpark", "order-1", "--retry", "--skip"]).exits(2);
    does(&place, &["unpark", "order-1", "--skip"]).exits(4).tells(&["nothing of it waits for a person"]);
    does(&place, &["cancel", "nobody"]).exits(3).tells(&["no workflow runs, or ran, in 'nobody'"]);
    does(&place, &["send", "order-1", "order.x", "--payload", "{"]).exits(2).tells(&["it is no JSON"]);
    does(&Place::new(), &["cancel", "order-1"]).exits(5).tells(&["there is no journal"]);
}

/// The keys of an object, and of those within it but for maps by name.
fn keys(value: &Value) -> BTreeSet<String> {
    let open = |key: &str| !["by_status", "by_definition", "handlers", "state", "output"].contains(&key);
    match value {
        Value::Object(map) => {
            let within = map.iter().filter(|(key, _)| open(key)).flat_map(|(_, value)| keys(value));
            map.keys().cloned().chain(within).collect()
        }
        Value::Array(all) => all.iter().flat_map(keys).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn every_key_that_programs_are_told_is_in_the_docs() {
    let place = having(&[("order-1", "done"), ("order-2", "ask"), ("order-3", "bad")]);
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md")).unwrap();
    for (heading, arguments) in [
        ("status", vec!["status", "--json"]),
        ("workflow", vec!["workflow", "list", "--limit", "1", "--json"]),
        ("workflow", vec!["workflow", "show", "order-3", "--json"]),
    ] {
        let told = page.split(&format!("\n## regie {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
        let output = place.run(&arguments).succeeds().json();
        let missing: Vec<String> =
            keys(&output).into_iter().filter(|key| !told.contains(&format!("`{key}`"))).collect();
        assert!(missing.is_empty(), "{arguments:?}: {missing:?}");
    }
}
