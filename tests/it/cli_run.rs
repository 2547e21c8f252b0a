//! `regie run`: what is taken, what is told, and how it ends.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Place, Ran, event, gzipped, lines, sprint, with};

fn at(minute: u32) -> String {
    format!("2026-03-02T09:{minute:02}:00Z")
}

fn report(place: &Place, arguments: &[&str]) -> Value {
    let all: Vec<&str> = ["run", "--json"].iter().chain(arguments).copied().collect();
    place.run(&all).json()
}

#[test]
fn the_same_file_twice_changes_nothing_and_says_so() {
    let place = Place::new().holding(&sprint());
    let head = place.run(&["head", "--json"]).json();
    let again = report(&place, &["events.jsonl", "--clock", "event"]);
    assert_eq!((&again["new"], &again["known"], &again["changed"]), (&json!(0), &json!(6), &json!(false)));
    assert_eq!(place.run(&["head", "--json"]).json(), head);
    place.run(&["run", "events.jsonl"]).succeeds().tells(&["0 new, 6 known", "nothing changed"]);
}

#[test]
fn the_report_counts_what_was_taken() {
    let place = Place::new();
    place.file("events.jsonl", lines(&sprint()));
    let report = report(&place, &["events.jsonl", "--clock", "event"]);
    assert_eq!((&report["new"], &report["lines"], &report["correlations"]), (&json!(6), &json!(6), &json!(3)));
    assert_eq!((&report["answered"], &report["states"]), (&json!({"processed": 6}), &json!({"processed": 6})));
    assert_eq!(report["types"]["orchestration.task.status_changed"], 3);
    assert_eq!(report["journal"]["events"], 6);
}

/// A rule that runs, one whose condition cannot be told, and a relation that an event may have no value for.
const RULES: &str = r#"
shipped = false
relation = [{ from = "task", to = "sprint", ids = "event.payload.sprint" }]
[[rule]]
name = "seen"
on = "orchestration.task.created"
do = [{ emit = { type = "seen" } }]
[[rule]]
name = "broken"
on = "orchestration.task.created"
when = "event.payload.amount > 10"
do = [{ emit = { type = "never" } }]
"#;

/// A run under these rules.
fn ruled(more: &[&str]) -> Ran {
    let place = Place::new().with("COLUMNS", "80");
    place.file("events.jsonl", lines(&sprint()));
    place.file("rules.toml", RULES);
    place.run(&[&["run", "events.jsonl", "--clock", "event"], more].concat()).succeeds()
}

#[test]
fn the_report_tells_what_the_rules_did() {
    let told = ruled(&["--rules", "rules.toml", "--json"]).json()["rules"].clone();
    assert_eq!((&told["runs"], &told["failed"], &told["under_way"]), (&json!(4), &json!(2), &json!(0)));
    assert!(told["trouble"].as_str().unwrap().contains("the relation from task to sprint has no value"), "{told}");
    let none = ruled(&["--json"]).json()["rules"].clone();
    assert_eq!(none, json!({"runs": 0, "failed": 0, "under_way": 0, "trouble": null}));
}

#[test]
fn the_summary_has_a_line_for_the_rules_where_they_did_something() {
    let page = ruled(&["--rules", "rules.toml"]);
    page.tells(&["\nRules       4 runs, 2 failed\n            position "]).fits(80);
    ruled(&[]).never_tells(&["Rules"]);
}

#[test]
fn the_summary_fits_80_columns_and_says_what_to_try_next() {
    let place = Place::new().with("COLUMNS", "80");
    place.file("events.jsonl", lines(&sprint()));
    let ran = place.run(&["run", "events.jsonl", "--clock", "event"]).succeeds().fits(80);
    ran.tells(&["6 events from 1 file", "6 new", "Try next", "regie show sprint-001", "regie state sprint TEST-001"]);
}

#[test]
fn a_line_that_cannot_be_read_is_told_with_file_line_and_reason_and_the_rest_goes_on() {
    let place = Place::new();
    place.file("a.jsonl", format!("nonsense\n\n{}", lines(&sprint())));
    let ran = place.run(&["run", "a.jsonl", "--json"]).exits(4).tells(&["regie: a.jsonl:1: not JSON"]);
    let report = ran.json();
    assert_eq!((&report["new"], &report["unreadable_count"]), (&json!(6), &json!(1)));
    assert_eq!((&report["unreadable"][0]["file"], &report["unreadable"][0]["line"]), (&json!("a.jsonl"), &json!(1)));
}

#[test]
fn strict_stops_at_the_first_line_that_cannot_be_taken() {
    let place = Place::new();
    let events = sprint();
    place.file("a.jsonl", format!("{}nonsense\n{}", lines(&events[..2]), lines(&events[2..])));
    let report = place.run(&["run", "a.jsonl", "--strict", "--json"]).exits(4).json();
    assert_eq!((&report["new"], &report["unreadable_count"]), (&json!(2), &json!(1)));
    assert!(report["stopped"].as_str().unwrap().contains("--strict"));
}

#[test]
fn an_identity_with_other_content_is_refused_with_both_digests() {
    let place = Place::new().holding(&sprint());
    place.file("other.jsonl", lines(&[with(sprint()[0].clone(), json!({"payload": 1}))]));
    let ran = place.run(&["run", "other.jsonl", "--json"]).exits(4);
    let report = ran.json();
    assert_eq!((&report["refused_count"], &report["changed"]), (&json!(1), &json!(false)));
    let reason = report["refused"][0]["reason"].as_str().unwrap();
    let digests = reason.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| word.len() == 64);
    assert_eq!(digests.collect::<std::collections::BTreeSet<_>>().len(), 2, "{reason}");
}

#[test]
fn standard_input_and_gzip_by_ending_or_content_are_read() {
    let events = sprint();
    let place = Place::new();
    place.file("a.jsonl.gz", gzipped(&lines(&events[..2])));
    place.file("b", gzipped(&lines(&events[2..4])));
    let input = gzipped(&lines(&events[4..]));
    let ran = place.run_with_input(&["run", "a.jsonl.gz", "b", "-", "--json"], &input).succeeds();
    assert_eq!(ran.json()["new"], 6);
}

#[test]
fn a_gzip_file_that_ends_too_early_is_told_and_what_it_gave_is_kept() {
    let place = Place::new();
    let events: Vec<Value> = (0..500).map(|n| event(&format!("e-{n}"), "a.b", "c", &at(n % 60))).collect();
    let zipped = gzipped(&lines(&events));
    place.file("a.jsonl.gz", &zipped[..zipped.len() - 9]);
    let report = place.run(&["run", "a.jsonl.gz", "--json"]).exits(4).json();
    assert_eq!(report["unreadable_count"], 1);
    assert!(report["unreadable"][0]["reason"].as_str().unwrap().contains("cannot be read further"), "{report}");
}

#[test]
fn cloud_events_are_taken_like_our_own() {
    let place = Place::new();
    let cloud = json!({
        "specversion": "1.0", "id": "e-1", "source": "urn:shop", "type": "shop.paid", "time": at(0),
        "correlationid": "order-1", "entitytype": "order", "entityid": "1",
        "changes": "{\"stage\":{\"before\":null,\"after\":\"paid\"}}", "data": {"amount": "1.10"},
    });
    place.file("a.jsonl", lines(&[cloud]));
    place.run(&["run", "a.jsonl"]).succeeds();
    assert_eq!(place.run(&["state", "order", "1", "--json"]).json(), json!({"stage": "paid"}));
    let told = &place.run(&["query", "--json"]).json_lines()[0];
    assert_eq!((&told["source"], &told["payload"]["amount"]), (&json!("urn:shop"), &json!("1.10")));
}

#[test]
fn a_file_that_is_not_there_stops_before_anything_is_taken() {
    let place = Place::new();
    place.file("a.jsonl", lines(&sprint()));
    place.run(&["run", "a.jsonl", "missing.jsonl"]).exits(2).tells(&["missing.jsonl cannot be read"]);
    assert!(!place.path("regie.db").exists());
}

const COOLDOWN: &str = r#"
[[policy]]
name = "calm"
kind = "cooldown"
match = "ask"
window = "10m"
key = "actor"
mode = "defer"
"#;

fn asks() -> Vec<Value> {
    let ask =
        |n: u32| with(event(&format!("e-{n}"), "ask", "c", &at(n)), json!({"actor": {"kind": "user", "id": "u"}}));
    vec![ask(0), ask(1), ask(2)]
}

#[test]
fn what_is_deferred_is_told_with_its_time_and_waits_for_the_next_run() {
    let place = Place::new();
    place.file("policies.toml", COOLDOWN);
    place.file("regie.toml", "policies = 'policies.toml'\nclock = 'event'\n");
    place.file("a.jsonl", lines(&asks()));
    let first = report(&place, &["a.jsonl", "--config", "regie.toml"]);
    assert_eq!((&first["deferred_count"], &first["answered"]), (&json!(2), &json!({"deferred": 2, "processed": 1})));
    assert_eq!(
        first["deferred"][0],
        json!({"event_id": "e-1", "correlation_id": "c", "until": "2026-03-02T09:10:00.000Z"})
    );
    place.run(&["run", "a.jsonl", "--config", "regie.toml"]).tells(&[
        "2 events wait",
        "2026-03-02T09:10:00.000Z",
        "--drain",
    ]);
    let drained = report(&place, &["a.jsonl", "--config", "regie.toml", "--drain"]);
    assert_eq!((&drained["timers_fired"], &drained["deferred_count"]), (&json!(2), &json!(0)));
    assert_eq!((&drained["states"], &drained["answered"]), (&json!({"processed": 3}), &json!({})));
}

#[test]
fn the_event_clock_gives_the_same_head_with_any_number_of_shards() {
    let head = |shards: &str| {
        let place = Place::new();
        place.file("policies.toml", COOLDOWN);
        place.file("a.jsonl", lines(&asks()) + &lines(&sprint()));
        let place = place.with("REGIE_POLICIES", "policies.toml");
        place.run(&["run", "a.jsonl", "--clock", "event", "--drain", "--shards", shards]).succeeds();
        place.run(&["stats", "--json"]).json()
    };
    assert_eq!(head("1"), head("3"));
}

#[test]
fn control_c_finishes_what_is_under_way_and_says_so() {
    finishes_at("-INT");
}

#[test]
fn so_does_what_service_managers_send() {
    finishes_at("-TERM");
}

fn finishes_at(signal: &str) {
    let place = Place::new();
    let mut command = place.command(&["run", "-", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(format!("{}nonsense\n", lines(&sprint())).as_bytes()).unwrap();
    let mut told = String::new();
    // The line that cannot be read is told once the events before it have gone in.
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains("<stdin>:7"), "{told}");
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    drop(input);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &report["new"]), (Some(130), &json!(6)));
    assert!(report["stopped"].as_str().unwrap().contains("interrupted"));
    place.run(&["verify"]).succeeds();
}

#[test]
fn a_journal_that_may_not_grow_refuses_keeps_all_and_goes_on_once_it_may() {
    let events: Vec<Value> = (0..400)
        .map(|n| {
            with(event(&format!("e-{n}"), "a.b", &format!("c-{}", n % 7), &at(0)), json!({"payload": "x".repeat(2000)}))
        })
        .collect();
    let place = Place::new();
    place.file("a.jsonl", lines(&events));
    place.file("small.toml", "max_bytes = 300_000\n");
    let first = place.run(&["run", "a.jsonl", "--config", "small.toml", "--json"]).exits(5).json();
    let taken = first["new"].as_u64().unwrap();
    assert!(taken < 400 && first["stopped"].as_str().unwrap().contains("no room"), "{first}");
    place.run(&["verify"]).succeeds();
    let again = report(&place, &["a.jsonl"]);
    assert_eq!((again["known"].as_u64().unwrap(), again["new"].as_u64().unwrap()), (taken, 400 - taken));
}

/// What `--answers` left, as a value a line.
fn answers(place: &Place) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path("answers.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_answer_is_added_to_a_file_in_the_order_of_the_lines() {
    let place = Place::new();
    place.file("events.jsonl", format!("nonsense\n{}", lines(&sprint())));
    report(&place, &["events.jsonl", "--answers", "answers.jsonl"]);
    report(&place, &["events.jsonl", "--answers", "answers.jsonl"]);
    let told = answers(&place);
    let ids: Vec<&str> = told.iter().map(|answer| answer["event_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["e-1", "e-2", "e-3", "e-4", "e-5", "e-6"].repeat(2));
    assert_eq!((&told[0]["status"], &told[6]["status"]), (&json!("new"), &json!("duplicate")));
    assert!((0..6).all(|nth| told[nth]["position"] == told[nth + 6]["position"] && told[nth]["position"].is_u64()));
}

#[test]
fn a_refused_event_has_its_answer_too() {
    let place = Place::new();
    let other = with(sprint()[0].clone(), json!({"payload": {"other": true}}));
    place.file("events.jsonl", lines(&[sprint()[0].clone(), other]));
    place.run(&["run", "events.jsonl", "--answers", "answers.jsonl"]).exits(4);
    let told = answers(&place);
    assert_eq!((&told[1]["status"], &told[1]["error"]["code"]), (&json!("refused"), &json!("other_content")));
}

#[test]
fn answers_that_cannot_be_told_stop_the_run_or_keep_it_from_starting() {
    let place = Place::new();
    place.file("events.jsonl", lines(&sprint()));
    place.run(&["run", "events.jsonl", "--answers", "no/such/folder"]).exits(2).tells(&["no/such/folder"]);
    assert!(!place.path("regie.db").exists());
    let ran = place.run(&["run", "events.jsonl", "--json", "--answers", "/dev/full"]).exits(5);
    assert!(ran.json()["stopped"].as_str().unwrap().contains("the answers cannot be written"));
}

#[test]
fn answers_do_not_go_where_the_run_reads_or_its_journal_writes() {
    let place = Place::new().holding(&sprint());
    place.file("policies.toml", "");
    place.file("regie.toml", "policies = 'policies.toml'");
    std::fs::create_dir(place.path("folder")).unwrap();
    std::os::unix::fs::symlink("new.db", place.path("to-new")).unwrap();
    std::os::unix::fs::symlink(place.path("regie.db-index"), place.path("to-index")).unwrap();
    std::fs::hard_link(place.path("events.jsonl"), place.path("same")).unwrap();
    let names = ["events.jsonl", "same", "regie.db", "./regie.db", "regie.db-wal", "regie.db-lock", "to-index"];
    let before = crate::support::bytes(&place.path("regie.db"));
    for name in names.iter().chain(&["folder", "to-new", "regie.toml", "policies.toml"]) {
        let run = ["run", "events.jsonl", "--config", "regie.toml", "--answers", name];
        place.run(&run).exits(2).tells(&[name]);
    }
    // Nothing is there yet, and it would be made.
    place.run(&["run", "events.jsonl", "--db", "new.db", "--answers", "new.db-index-wal"]).exits(2);
    assert!(!place.path("new.db").exists() && !place.path("new.db-index-wal").exists());
    assert_eq!(crate::support::bytes(&place.path("events.jsonl")), lines(&sprint()).into_bytes());
    assert!(crate::support::bytes(&place.path("regie.db")) == before);
}

#[test]
fn answers_begin_on_a_line_of_their_own() {
    let place = Place::new();
    place.file("events.jsonl", lines(&sprint()));
    place.file("answers.jsonl", "{\"half\":");
    report(&place, &["events.jsonl", "--answers", "answers.jsonl"]);
    report(&place, &["events.jsonl", "--answers", "answers.jsonl"]);
    let text = std::fs::read_to_string(place.path("answers.jsonl")).unwrap();
    let told: Vec<&str> = text.lines().collect();
    assert_eq!((told.len(), told[0]), (13, "{\"half\":"));
    assert!(told[1..].iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
}

#[test]
fn byte_order_marks_of_files_that_were_joined_are_passed_over_or_named() {
    let place = Place::new();
    let (events, mark) = (sprint(), "\u{feff}");
    place.file("joined.jsonl", format!("{mark}{}{mark}{}", lines(&events[..2]), lines(&events[2..])));
    assert_eq!(report(&place, &["joined.jsonl"])["new"], 6);
    place.file("run-on.jsonl", format!("{}{mark}{}\n", events[0], events[1]));
    place
        .run(&["run", "run-on.jsonl"])
        .exits(4)
        .tells(&["run-on.jsonl:1: not JSON", "a byte order mark stands before byte"]);
}

#[test]
fn a_disk_that_is_full_is_told_in_one_way_and_without_a_log() {
    let place = Place::new();
    let heavy = |n: usize| with(event(&format!("e-{n}"), "a.b", "c", &at(0)), json!({"payload": "x".repeat(9000)}));
    place.file("a.jsonl", lines(&(0..100).map(heavy).collect::<Vec<_>>()));
    place.file("small.toml", "max_bytes = 300_000\n");
    let ran = place.run(&["run", "a.jsonl", "--config", "small.toml"]).exits(5);
    ran.tells(&["stopped: there is no room left to write", "run it again to go on"])
        .never_tells(&["by itself", "ERROR"]);
}
