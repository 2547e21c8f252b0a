//! `regie query`, `stats` and `state`: what they give, in which shape.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Place, event, sprint, with};

fn ids(place: &Place, arguments: &[&str]) -> Vec<String> {
    let all: Vec<&str> = ["query", "--json"].iter().chain(arguments).copied().collect();
    let lines = place.run(&all).succeeds().json_lines();
    lines.iter().map(|event| event["id"].as_str().unwrap().to_string()).collect()
}

#[test]
fn events_come_in_our_envelope_with_their_record_beside_it() {
    let place = Place::new().holding(&sprint());
    let event = &place.run(&["query", "--correlation", "task-001", "--limit", "1", "--json"]).json_lines()[0];
    assert_eq!((&event["id"], &event["changes"]["status"]["after"]), (&json!("e-2"), &json!("pending")));
    assert_eq!((&event["record"]["sequence"], &event["record"]["state"]), (&json!(1), &json!("processed")));
    assert!(event["record"]["position"].is_u64() && event["record"]["recorded_at"].is_string(), "{event}");
}

#[test]
fn each_filter_means_what_it_says() {
    let place = Place::new().holding(&sprint());
    let cases: &[(&[&str], &[&str])] = &[
        (&[], &["e-1", "e-2", "e-3", "e-4", "e-5", "e-6"]),
        (&["--correlation", "task-001"], &["e-2", "e-4", "e-5"]),
        (&["--actor", "ana", "--type", "*.task.created"], &["e-2", "e-3"]),
        (&["--type", "orchestration.sprint.>"], &["e-1"]),
        (&["--session", "s-1", "--newest", "--limit", "2"], &["e-6", "e-5"]),
        (&["--from", "2026-03-02T10:00:00Z", "--to", "2026-03-02T12:00:00Z"], &["e-4", "e-5"]),
        (&["--entity", "sprint", "TEST-001", "--limit", "2"], &["e-1", "e-2"]),
        (&["--entity", "task", "TASK-002"], &["e-3", "e-6"]),
        (&["--correlation", "nobody"], &[]),
    ];
    for (arguments, wanted) in cases {
        assert_eq!(ids(&place, arguments), *wanted, "{arguments:?}");
    }
}

#[test]
fn a_count_is_one_number() {
    let place = Place::new().holding(&sprint());
    assert_eq!(place.run(&["query", "--count", "--json"]).json(), json!({"count": 6}));
    assert_eq!(place.run(&["query", "--count", "--type", "a.b"]).out, "0\n");
}

#[test]
fn the_table_for_people_fits_the_terminal() {
    let place = Place::new().with("COLUMNS", "60").holding(&sprint());
    place.run(&["query"]).succeeds().fits(60).tells(&["e-1", "processed", "6 events"]);
    place.run(&["query", "--type", "x"]).succeeds().tells(&["no event fits"]);
}

#[test]
fn ids_are_whole_at_any_width() {
    let ids = ["0190f2a4-77aa-7c3e-9d0e-9d3e55e7c001", "0190f2a4-77aa-7c3e-9d0e-9d3e55e7c002"];
    let events = ids.map(|id| {
        let more = json!({"actor": {"kind": "user", "id": format!("user-{id}")}, "session_key": id});
        with(event(id, "a.b", &format!("case-{id}"), "2026-03-02T09:00:00Z"), more)
    });
    let place = Place::new().holding(&events);
    for width in ["60", "80", "120"] {
        let query = place.command(&["query"]).env("COLUMNS", width).output().unwrap();
        let table = crate::support::Ran::of(query).succeeds().fits(width.parse().unwrap()).out;
        // Nothing of them is left out, in however many lines they stand.
        let letters = |text: &str| text.chars().filter(|it| !it.is_whitespace()).count();
        let row = |id: &str| letters(&format!("2026-03-02 09:00:00 a.b {id} case-{id} user-{id} processed"));
        let told = letters("time type id correlation actor state 2 events") + ids.map(row).iter().sum::<usize>();
        assert!(letters(&table) == told && !table.contains('…'), "{width}: {table}");
    }
}

#[test]
fn a_limit_of_nothing_is_refused() {
    let place = Place::new().holding(&sprint());
    place.run(&["query", "--limit", "0"]).exits(2).tells(&["would list nothing"]);
    place.run(&["query", "--limit", "x"]).exits(2).tells(&["a whole number"]);
    assert_eq!(ids(&place, &["--limit", "18446744073709551615"]).len(), 6);
}

#[test]
fn times_that_are_none_or_the_wrong_way_round_are_refused() {
    let place = Place::new().holding(&sprint());
    place.run(&["query", "--from", "yesterday"]).exits(2).tells(&["RFC 3339"]);
    place.run(&["stats", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"]).exits(2);
    place.run(&["query", "--type", "a..b"]).exits(2).tells(&["a segment is empty"]);
}

#[test]
fn stats_have_their_keys() {
    let place = Place::new().holding(&sprint());
    let stats = place.run(&["stats", "--json"]).succeeds().json();
    let wanted = json!({
        "events": 6, "correlations": 3, "entities": 3, "sessions": 1, "event_types": 3, "distinct_actors": 1,
        "first_timestamp": "2026-03-02T09:00:00.000Z", "last_timestamp": "2026-03-02T12:00:00.000Z",
        "with_causation": 0,
        "by_type": {
            "orchestration.sprint.created": 1, "orchestration.task.created": 2, "orchestration.task.status_changed": 3
        },
        "by_actor": {"ana": 5}, "by_session": {"s-1": 5}, "by_priority": {"P2": 6}, "by_state": {"processed": 6},
        "by_month": {"2026-03": 6}, "by_hour": {"09": 3, "10": 1, "11": 1, "12": 1},
    });
    for (key, value) in wanted.as_object().unwrap() {
        assert_eq!(&stats[key], value, "{key}");
    }
    assert_eq!(place.run(&["stats", "--correlation", "task-001", "--json"]).json()["events"], 3);
    place.run(&["stats"]).succeeds().tells(&["events", "by type", "orchestration.task.created"]);
}

#[test]
fn the_state_at_an_instant_counts_what_is_stamped_so() {
    let place = Place::new().holding(&sprint());
    let state = |at: &str| place.run(&["state", "task", "TASK-001", "--at", at, "--json"]);
    assert_eq!(state("2026-03-02T10:30:00Z").json(), json!({"status": "in_progress"}));
    assert_eq!(state("2026-03-02T10:00:00Z").json(), json!({"status": "in_progress"}));
    assert_eq!(state("2026-03-02T09:59:59.999Z").json(), json!({"status": "pending"}));
    assert_eq!(state("2026-03-02T09:04:59.999Z").exits(3).json(), Value::Null);
}

#[test]
fn what_was_only_touched_is_an_empty_object_and_what_nobody_touched_is_null() {
    let mut events = sprint();
    events.remove(0);
    let place = Place::new().holding(&events);
    assert_eq!(place.run(&["state", "sprint", "TEST-001", "--json"]).succeeds().json(), json!({}));
    assert_eq!(place.run(&["state", "sprint", "TEST-002", "--json"]).exits(3).json(), Value::Null);
    place.run(&["state", "sprint", "TEST-002"]).exits(3).tells(&["nothing has touched sprint/TEST-002"]);
    place.run(&["state", "task", "TASK-001"]).succeeds().tells(&["status", "\"completed\"", "ana"]);
}

#[test]
fn the_runtimes_own_acts_are_told_only_when_asked_for() {
    let place = Place::new().with("REGIE_POLICIES", "p.toml");
    place.file("p.toml", "[[policy]]\nname='p'\nkind='cooldown'\nmatch='x'\nwindow='1s'\nmode='discard'\n");
    let place = place.holding(&sprint());
    place.run(&["query", "--count"]).succeeds().tells(&["6"]);
    place.run(&["show", "regie/policies"]).succeeds().tells(&["in force"]);
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let events: Vec<Value> =
        (0..3_000).map(|n| crate::support::event(&format!("e-{n}"), "a.b", "c", "2026-01-01T00:00:00Z")).collect();
    let place = Place::new().holding(&events);
    for arguments in [&["query", "--json"][..], &["query"], &["show", "c"]] {
        let mut child = place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{arguments:?}");
    }
}
