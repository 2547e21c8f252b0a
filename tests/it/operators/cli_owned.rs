//! The same beside a process that owns the journal and has the definitions: what is asked goes there by its socket.

use regie::Builder;
use regie::core::workflow::flow::{Flow, wait};
use serde_json::{Value, json};

use super::cli::does;
use super::{HOUR, with_orders};
use crate::runtime_support::{Stage, within_at_most};
use crate::support::{Place, Ran};

/// A place whose journal is owned by a runtime with orders, and what is tried there.
fn beside_owner(trial: impl FnOnce(&Place) + Send + 'static) {
    beside(with_orders, trial);
}

fn beside(program: fn(Builder) -> Builder, trial: impl FnOnce(&Place) + Send + 'static) {
    within_at_most(std::time::Duration::from_secs(240), async move {
        let place = Place::new();
        let journal = regie::JournalConfig::sqlite(place.path("regie.db"));
        let stage = Stage::with(|builder| program(builder).journal(journal).grace(std::time::Duration::ZERO)).await;
        trial(&place); // the runtime has threads of its own: this one may block
        stage.close().await;
    });
}

fn started(place: &Place, id: &str) -> Ran {
    does(place, &["start", "orders", "--id", id, "--type", "order.begin"]).succeeds()
}

fn told(place: &Place, id: &str, what: &str) -> Ran {
    does(place, &["send", id, &format!("order.{what}")])
}

fn shown(place: &Place, id: &str) -> Value {
    place.run(&["workflow", "show", id, "--json"]).succeeds().json()
}

#[test]
fn a_workflow_is_begun_told_something_and_ends() {
    beside_owner(|place| {
        let echo = does(place, &["start", "echo", "--id", "e-1", "--input", r#"{"a":1.10}"#]);
        echo.succeeds().tells(&["e-1  processed", "handled", "e-1  completed  echo version 1"]);
        assert!(place.run(&["workflow", "show", "e-1"]).succeeds().out.contains(r#"{"a":1.10}"#));
        does(place, &["start", "echo", "--id", "e-1"]).exits(4).tells(&["runs 'echo' already: completed"]);
        does(place, &["start", "orders", "--id", "o-1"]).exits(2).tells(&["say by which type of event"]);
        does(place, &["start", "ordres", "--id", "o-1"]).exits(4).tells(&["no workflow 'ordres'", "orders"]);
        started(place, "order-1");
        told(place, "order-1", "fail").succeeds();
        told(place, "order-1", "done").exits(4).tells(&["skipped: its workflow has failed"]);
        let once = ["send", "order-1", "order.done", "--event-id", "x", "--json"];
        does(place, &once).exits(4);
        assert_eq!(does(place, &once).exits(4).json()["status"], "duplicate");
        told(place, "nobody", "done").exits(3);
    });
}

#[test]
fn operations_are_carried_out_by_the_owner_with_its_definitions() {
    beside_owner(|place| {
        started(place, "order-1");
        told(place, "order-1", "ask").succeeds();
        does(place, &["migrate", "order-1", "--to", "7"]).exits(4).tells(&["does not have version 7 of 'orders'"]);
        let report = does(place, &["pause", "orde", "--json"]).succeeds().json();
        assert_eq!((&report["paused"], &report["state"]), (&json!(true), &json!(2)));
        assert_eq!(report["owed"], json!([{"step": "work", "attempt": 1}]));
        does(place, &["cancel", "order-1"]).succeeds().tells(&["order-1  cancelled", "because"]);
        does(place, &["cancel", "order-1"]).exits(4).tells(&["it is over: cancelled (because)"]);
        does(place, &["start", "stubborn", "--id", "s-1", "--type", "stubborn.begin"]).succeeds();
        does(place, &["retry", "s-1"]).succeeds().tells(&["s-1  running", "again, attempt 1"]);
        does(place, &["cancel", "s-1"]).exits(4).tells(&["never"]);
    });
}

/// Two versions of one that rests.
fn with_two_versions(builder: Builder) -> Builder {
    let rests = |version| Flow::named("rests").version(version).starts_on("rests.begin").task("w", wait(10 * HOUR));
    [1, 2].into_iter().fold(builder, |builder, version| builder.handler(rests(version).build().unwrap()))
}

#[test]
fn what_is_asked_again_under_its_id_is_done_once_and_no_other_operation_has_that_id() {
    beside(with_two_versions, |place| {
        does(place, &["start", "rests", "--id", "r-1"]).succeeds();
        let asks = |what: &[&str], id: &str| {
            let whole: Vec<&str> = what.iter().copied().chain(["--operation-id", id]).collect();
            does(place, &whole)
        };
        for _ in 0..2 {
            asks(&["pause", "r-1"], "p").succeeds();
            asks(&["migrate", "r-1", "--to", "1"], "m").succeeds().tells(&["rests version 1"]);
        }
        asks(&["migrate", "r-1", "--to", "1"], "other").exits(4).tells(&["has that version already"]);
        asks(&["migrate", "r-1", "--to", "2"], "p").exits(4).tells(&["'p' was used before, to pause"]);
        asks(&["resume", "r-1"], "p").exits(4).tells(&["'p' was used before, to pause, and cannot be used to resume"]);
        asks(&["resume", "r-1"], " ").exits(2).tells(&["operation_id"]);
    });
}

#[test]
fn what_waits_for_a_person_is_shown_with_what_to_do_and_taken_on() {
    beside_owner(|place| {
        started(place, "order-1");
        told(place, "order-1", "bad").succeeds();
        // Its agent answers in its own time: an operation that waits for it comes after.
        let waits = || shown(place, "order-1")["parked"].as_array().is_some_and(|parked| !parked.is_empty());
        while !waits() {}
        let words =
            ["the end of step work#1, after 1 attempt: what is that?", "unpark order-1 --retry|--skip|--abandon"];
        place.run(&["workflow", "show", "order-1"]).succeeds().tells(&words);
        place.run(&["status"]).succeeds().tells(&["1 parked", "waiting for a person"]);
        does(place, &["unpark", "order-1", "--retry"]).exits(4).tells(&["what is that?"]);
        let report = does(place, &["unpark", "order-1", "--skip", "--json"]).succeeds().json();
        assert_eq!((&report["parked"], &report["status"]), (&json!([]), &json!("running")));
    });
}

#[test]
fn the_status_tells_the_owners_health_and_how_long_its_handlers_take() {
    beside_owner(|place| {
        started(place, "order-1");
        place.run(&["status"]).succeeds().tells(&["ready", "yes", "orders decided 1 times"]);
        let live = place.run(&["status", "--json"]).succeeds().json()["live"].clone();
        assert_eq!((&live["health"]["ready"], &live["handlers"]["orders"]["count"]), (&json!(true), &json!(1)));
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md")).unwrap();
        let missing: Vec<&String> =
            live.as_object().unwrap().keys().filter(|key| !page.contains(&format!("`{key}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    });
}
