//! `regie verify` and `head`: a journal that holds, and copies that were broken in each way.

use regie::core::Timestamp;
use regie::core::event::{Event, LifeState};
use regie::core::workflow::{Fact, Record};
use regie::journal::{Journal, SqliteOptions, Tip, Turn, Wake, Writer};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Place, sprint};

/// The positions of task-001's records, in order.
fn positions(place: &Place) -> Vec<i64> {
    let story = place.run(&["show", "task-001", "--json"]).json();
    story["records"].as_array().unwrap().iter().map(|it| it["position"].as_i64().unwrap()).collect()
}

/// What `verify` says of a copy on which a statement was run.
fn broken(statement: impl Fn(&[i64]) -> String) -> Value {
    let place = Place::new().holding(&sprint());
    let copy = place.copy_of_journal("copy.db");
    Connection::open(&copy).unwrap().execute_batch(&statement(&positions(&place))).unwrap();
    let told = place.run(&["verify", "--db", "copy.db", "--json"]).exits(1).json();
    place
        .run(&["verify", "--db", "copy.db"])
        .exits(1)
        .tells(&["task-001", told["first_break"]["kind"].as_str().unwrap()]);
    place.run(&["verify"]).succeeds();
    told
}

fn place_of(told: &Value) -> (&Value, &Value, &Value) {
    let found = &told["first_break"];
    (&found["correlation"], &found["sequence"], &found["kind"])
}

#[test]
fn a_journal_that_holds_is_told_with_its_head() {
    let place = Place::new().holding(&sprint());
    let told = place.run(&["verify", "--json"]).succeeds().json();
    assert_eq!((&told["holds"], &told["records"], &told["correlations"]), (&json!(true), &json!(6), &json!(3)));
    assert_eq!(told["head"], place.run(&["head", "--json"]).json());
    place.run(&["verify"]).succeeds().tells(&["the journal holds", "6 records"]);
}

#[test]
fn a_record_that_is_gone_is_a_gap() {
    let told = broken(|at| format!("DELETE FROM turns WHERE position = {}", at[1]));
    assert_eq!(place_of(&told), (&json!("task-001"), &json!(2), &json!("gap")));
}

#[test]
fn two_records_that_were_swapped_are_out_of_order() {
    let told = broken(|at| {
        format!(
            "UPDATE turns SET position = -1 WHERE position = {0}; UPDATE turns SET position = {0} WHERE position = {1};
             UPDATE turns SET position = {1} WHERE position = -1;",
            at[1], at[2]
        )
    });
    assert_eq!(place_of(&told), (&json!("task-001"), &json!(2), &json!("order")));
}

#[test]
fn a_byte_that_was_flipped_is_found_by_the_digest() {
    let told = broken(|at| {
        format!(
            "UPDATE turns SET body = CAST(replace(CAST(body AS TEXT), 'pending', 'pendinG') AS BLOB) WHERE position = {};",
            at[1]
        )
    });
    let (correlation, sequence, kind) = place_of(&told);
    assert_eq!((correlation, sequence), (&json!("task-001"), &json!(2)));
    assert_eq!(kind, "digest");
}

/// Appends one record: an event that the runtime emitted, for a cause.
fn emitted_for(cause: &str, id: &str, writer: &mut Writer, expected: Tip) -> Tip {
    let event = Event::new("a.b", "task-009").id(id).timestamp(Timestamp::from_millis(0)).cause(cause).build().unwrap();
    let sequence = expected.sequence + 1;
    let mut facts = vec![
        Fact::Received {
            format: event.format(),
            raw: event.raw().clone(),
            identity: event.identity(),
            made_id: None,
            emitted: cause == "nowhere",
        },
        Fact::Moved { event: sequence, to: LifeState::Processed, reason: "recorded".into(), by: None },
    ];
    if sequence == 1 {
        facts.insert(0, Fact::Opened { correlation: "task-009".into() });
    }
    let record = Record { sequence, at: Timestamp::from_millis(0), facts }.encode(expected.digest);
    let tip = Tip { sequence, digest: record.digest };
    let at = Timestamp::from_millis(0);
    let turn = Turn {
        correlation: "task-009".into(),
        expected,
        records: vec![record],
        at,
        wake: Wake::Never,
        sets: Vec::new(),
    };
    assert!(writer.append(&[turn]).unwrap().placed[0].is_ok());
    tip
}

#[test]
fn a_cause_that_the_runtime_set_and_that_is_nowhere_is_found() {
    let place = Place::new();
    let mut opened = Journal::open(SqliteOptions::at(place.path("regie.db"))).unwrap();
    let tip = emitted_for("anything", "e-1", &mut opened.writer, Tip::default());
    emitted_for("nowhere", "e-2", &mut opened.writer, tip);
    opened.writer.close().unwrap();
    let told = place.run(&["verify", "--json"]).exits(1).json();
    assert_eq!(place_of(&told), (&json!("task-009"), &json!(2), &json!("causation")));
}

#[test]
fn what_the_store_cannot_read_is_told_and_is_no_panic() {
    let place = Place::new().holding(&sprint());
    let copy = place.copy_of_journal("copy.db");
    let mut bytes = crate::support::bytes(&copy);
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    std::fs::write(&copy, bytes).unwrap();
    let told = place.run(&["verify", "--db", "copy.db"]).exits(1);
    assert!(!told.err.contains("panicked"), "{told:?}");
    // The same fault, in the same words.
    let cut = format!("copy.db is cut off: {middle} of its bytes are missing");
    assert!(told.out.split_whitespace().collect::<Vec<_>>().join(" ").contains(&cut), "{told:?}");
    place.run(&["run", "events.jsonl", "--db", "copy.db"]).exits(5).tells(&[&cut]);
}

#[test]
fn the_same_events_give_the_same_head_on_the_event_clock() {
    let head = || Place::new().holding(&sprint()).run(&["head"]).succeeds().out;
    assert_eq!(head(), head());
}

/// What `verify` says after some harm to a journal beside its index. The journal is written by two runs, so that the fourth record begins a row.
fn harmed(statement: &str) -> (Place, Value) {
    let place = Place::new().holding(&sprint()[..3]).holding(&sprint());
    Connection::open(place.path("regie.db")).unwrap().execute_batch(statement).unwrap();
    let told = place.run(&["verify", "--json"]).exits(1).json();
    (place, told)
}

#[test]
fn a_lost_end_is_named_by_verify_and_told_by_the_run_that_goes_on() {
    let (place, told) = harmed("DELETE FROM turns WHERE position > 3");
    let found = &told["first_break"];
    assert_eq!((&found["kind"], &found["position"]), (&json!("journal_end"), &json!(4)));
    assert!(found["correlation"].as_str().unwrap().starts_with("task-00"), "{told}");
    place.run(&["verify"]).exits(1).tells(&["has seen 6 records, and it ends at 3"]);
    let lost = "the journal has lost its end: its index has seen 6 records, and it has 3; 3 events that were answered are gone";
    assert!(place.run(&["stats"]).succeeds().err.contains(lost));
    let run = place.run(&["run", "events.jsonl", "--clock", "event", "--json"]).succeeds();
    assert!(run.err.contains(lost), "{run:?}");
    let report = run.json();
    assert_eq!((&report["new"], &report["known"]), (&json!(3), &json!(3)));
    assert!(report["notes"][0].as_str().unwrap().starts_with("the journal has lost its end"), "{report}");
    place.run(&["verify"]).succeeds();
    assert_eq!(place.run(&["run", "events.jsonl", "--json"]).succeeds().json()["notes"], json!([]));
}

#[test]
fn a_table_of_wakes_that_is_gone_is_named_and_built_anew_by_the_next_run() {
    let (place, told) = harmed("DROP TABLE wake");
    assert_eq!(told["first_break"]["kind"], "wake");
    place.run(&["verify"]).exits(1).tells(&["first bad place: wake", "no such table: wake"]);
    place.run(&["run", "events.jsonl"]).succeeds().tells(&["to be woken did not hold, and was built anew"]);
    place.run(&["verify"]).succeeds();
}

#[test]
fn a_table_of_records_that_is_gone_is_damage() {
    let place = Place::new().holding(&sprint());
    Connection::open(place.path("regie.db")).unwrap().execute_batch("DROP TABLE turns").unwrap();
    place.run(&["verify"]).exits(1).tells(&["the journal is damaged", "no such table: turns"]);
    place.run(&["run", "events.jsonl"]).exits(5).tells(&["no such table: turns"]);
}
