//! Bad input: each is a clear error with its place, and harms nothing beside it.

use serde_json::json;

use crate::support::{Place, event, lines};

const GOOD: &str = r#"{"id":"ok","type":"a.b","correlation_id":"c","timestamp":"2026-01-01T00:00:00Z"}"#;

const CLOUD: &str = r#"{"specversion":"1.0","id":"c","source":"s","type":"a.b","correlationid":"c","time":"2026-01-01T00:00:00Z","data_base64":"DATA"}"#;

/// A line like the good one, with something else in it.
fn line(with: &str) -> Vec<u8> {
    let (id, _) = with.split_once(':').unwrap_or_default();
    let fields = [
        (r#""id""#, r#""id":"bad""#),
        (r#""type""#, r#""type":"a.b""#),
        (r#""correlation_id""#, r#""correlation_id":"c""#),
        (r#""timestamp""#, r#""timestamp":"2026-01-01T00:00:00Z""#),
    ];
    let rest: Vec<&str> = fields.iter().filter(|(name, _)| *name != id).map(|(_, field)| *field).collect();
    format!("{{{},{with}}}", rest.join(",")).into_bytes()
}

fn nested(levels: usize) -> String {
    format!("\"payload\":{}{}", "[".repeat(levels), "]".repeat(levels))
}

/// Every kind of bad line, and what its report must say.
fn bad_lines() -> Vec<(Vec<u8>, &'static str)> {
    vec![
        (b"not json".to_vec(), "not JSON"),
        (b"[1,2]".to_vec(), "an event is a JSON object, this is an array"),
        (b"{\"id\":\"x\"".to_vec(), "not JSON"),
        (line(r#""payload":NaN"#), "not JSON"),
        (line(r#""id":7"#), "\"id\""),
        (line(r#""changes":[]"#), "\"changes\""),
        (line(r#""priority":"P9""#), "\"priority\""),
        (line(r#""correlation_id":null"#), "\"correlation_id\" is missing"),
        (line(r#""type":null"#), "\"type\" is missing"),
        (line(r#""id":null"#), "\"id\" is missing"),
        (line(r#""timestamp":null"#), "\"timestamp\" is missing"),
        (line(r#""timestamp":"2026-01-01T00:00:00""#), "zone"),
        (line(&format!(r#""payload":"{}""#, "x".repeat(5 * 1024 * 1024))), "at most 1048576 are taken"),
        (line(&nested(200)), "nested deeper than 64 levels"),
        (line(&format!(r#""id":"{}""#, "x".repeat(256))), "256 bytes"),
        (line(r#""id":"a\u0007b""#), "control character"),
        (line(r#""schema_version":0"#), "\"schema_version\""),
        (line(r#""schema_version":"two""#), "\"schema_version\""),
        (line(r#""payload":{"a":1,"a":2}"#), "stands twice"),
        ([&line(r#""payload":"?""#)[..], b"\xff"].concat(), "not UTF-8"),
        (line(r#""type":"a..b""#), "\"type\""),
        (line(r#""traceparent":"00-x""#), "\"traceparent\""),
        (line(r#""id":"  ""#), "it is blank"),
        (line(r#""id":"a\u202eb""#), "direction of text"),
        (line(r#""actor":"ana""#), "an object with the texts \"kind\" and \"id\" is wanted, this is \"ana\""),
        (line(r#""changes":{"status":{"before":"x","aftr":"y"}}"#), "\"changes.status\": a change has"),
        (b"null".to_vec(), "an event is a JSON object, this is null"),
        (CLOUD.replace("DATA", "!!").into_bytes(), "\"data_base64\": '!' is no letter of base64"),
    ]
}

#[test]
fn each_bad_line_is_told_with_file_line_and_reason_and_the_good_one_after_it_is_taken() {
    for (bad, reason) in bad_lines() {
        let place = Place::new();
        place.file("in.jsonl", [&bad[..], b"\n", GOOD.as_bytes()].concat());
        let report = place.run(&["run", "in.jsonl", "--json"]).exits(4).tells(&["in.jsonl:1: "]).json();
        let told = &report["unreadable"][0];
        assert_eq!((&told["line"], &report["new"]), (&json!(1), &json!(1)), "{reason}");
        assert!(told["reason"].as_str().unwrap().contains(reason), "{reason}: {told}");
    }
}

#[test]
fn all_bad_lines_of_one_file_are_told_at_once() {
    let place = Place::new();
    let all: Vec<u8> = bad_lines().into_iter().flat_map(|(bad, _)| [bad, b"\n".to_vec()].concat()).collect();
    place.file("in.jsonl", [&all[..], GOOD.as_bytes()].concat());
    let report = place.run(&["run", "in.jsonl", "--json"]).exits(4).json();
    assert_eq!((&report["unreadable_count"], &report["new"]), (&json!(bad_lines().len()), &json!(1)));
    let numbers: Vec<u64> =
        report["unreadable"].as_array().unwrap().iter().map(|it| it["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=bad_lines().len() as u64).collect::<Vec<_>>());
}

#[test]
fn what_only_looks_odd_is_taken() {
    let odd = [
        r#""timestamp":"1969-12-31T23:59:59.5Z""#,
        r#""timestamp":"2026-01-01T01:00:00+01:00""#,
        r#""schema_version":99"#,
        r#""payload":{"amount":1.10000000000000000000001}"#,
        r#""unknown":{"deep":[1]}"#,
    ];
    for odd in odd {
        let place = Place::new();
        place.file("in.jsonl", line(odd));
        place.run(&["run", "in.jsonl"]).succeeds();
    }
}

#[test]
fn unknown_fields_and_every_digit_come_out_again() {
    let place = Place::new();
    let text = line(r#""unknown":{"deep":[1]},"payload":{"amount":1.10000000000000000000001}"#);
    place.file("in.jsonl", &text);
    place.run(&["run", "in.jsonl"]).succeeds();
    assert_eq!(place.run(&["query", "--raw"]).out.trim_end().as_bytes(), &text[..]);
    place.run(&["query", "--json"]).tells(&["1.10000000000000000000001", r#""unknown":{"deep":[1]}"#]);
}

#[test]
fn an_event_cannot_give_orders_to_the_terminal() {
    let place = Place::new();
    place.file("in.jsonl", format!("{}\n", event("e", "a.b", "c", "2026-01-01T00:00:00Z")).replace(
        "\"id\"", "\"payload\":{\"\u{9b}2J\":1},\"changes\":{\"\u{9b}31m\":{\"after\":1}},\"entity\":{\"type\":\"t\",\"id\":\"i\"},\"id\""));
    place.run(&["run", "in.jsonl"]).succeeds();
    for command in [&["show", "c"][..], &["query"], &["state", "t", "i"]] {
        assert!(!place.run(command).succeeds().out.contains('\u{9b}'), "{command:?}");
    }
}

#[test]
fn a_byte_order_mark_at_the_start_of_a_file_is_passed_over() {
    let place = Place::new();
    place
        .file("in.jsonl", [b"\xef\xbb\xbf", GOOD.as_bytes(), b"\n", CLOUD.replace("DATA", "AAEC").as_bytes()].concat());
    assert_eq!(place.run(&["run", "in.jsonl", "--json"]).succeeds().json()["new"], 2);
    let marked = [b"\xef\xbb\xbf", GOOD.as_bytes()].concat();
    assert_eq!(place.run_with_input(&["run", "-", "--json"], &marked).succeeds().json()["known"], 1);
}

#[test]
fn an_empty_file_is_no_fault() {
    let place = Place::new();
    place.file("in.jsonl", lines(&[]));
    place.run(&["run", "in.jsonl"]).succeeds().tells(&["0 events", "nothing changed"]);
}
