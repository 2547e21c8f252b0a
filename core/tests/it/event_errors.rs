//! What is no event is refused with the exact place.

use regie_core::Timestamp;
use regie_core::event::{Event, EventError, Format, Incoming, Origin};
use regie_core::limits;

use super::helpers::read;

fn wrong(field: &str, why: &str) -> EventError {
    EventError::Wrong { field: field.into(), why: why.into() }
}

/// A good event with one field more, or in another's place.
fn with(field: &str, value: &str) -> String {
    let good =
        [("id", "\"1\""), ("type", "\"t\""), ("correlation_id", "\"c\""), ("timestamp", "\"2026-01-01T00:00:00Z\"")];
    let kept = good.iter().filter(|(name, _)| *name != field).map(|(name, value)| format!("\"{name}\":{value}"));
    let all: Vec<String> = kept.chain([format!("\"{field}\":{value}")]).collect();
    format!("{{{}}}", all.join(","))
}

fn cloud(field: &str, value: &str) -> String {
    let good = [
        ("specversion", "\"1.0\""),
        ("id", "\"1\""),
        ("source", "\"s\""),
        ("type", "\"t\""),
        ("correlationid", "\"c\""),
        ("time", "\"2026-01-01T00:00:00Z\""),
    ];
    let kept = good.iter().filter(|(name, _)| *name != field).map(|(name, value)| format!("\"{name}\":{value}"));
    let all: Vec<String> = kept.chain([format!("\"{field}\":{value}")]).collect();
    format!("{{{}}}", all.join(","))
}

fn assert_wrong(text: &str, field: &str, why: &str) {
    match read(text) {
        Err(EventError::Wrong { field: told, why: reason }) => {
            assert_eq!(told, field, "{text}");
            assert!(reason.contains(why), "{text}: '{reason}' does not tell '{why}'");
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn what_has_no_shape_is_told_with_its_byte() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(limits::JSON_DEPTH), "]".repeat(limits::JSON_DEPTH));
    let keys: Vec<String> = (0..=limits::OBJECT_KEYS).map(|nth| format!("\"{nth:05}\":0")).collect();
    let (last, limit) = (limits::OBJECT_KEYS * 10 + 1, limits::OBJECT_KEYS);
    let rows = [
        ("[]".to_string(), EventError::NotAnObject { found: "an array" }),
        (" \"x\"".into(), EventError::NotAnObject { found: "a text" }),
        ("-1".into(), EventError::NotAnObject { found: "a number" }),
        ("null".into(), EventError::NotAnObject { found: "null" }),
        ("true ".into(), EventError::NotAnObject { found: "true or false" }),
        (" ".into(), EventError::NotAnObject { found: "nothing" }),
        (deep, EventError::TooDeep { limit: limits::JSON_DEPTH, at: 4 + limits::JSON_DEPTH }),
        (r#"{"a":1,"b":2,"a":3}"#.into(), EventError::DuplicateKey { key: "a".into(), at: 13 }),
        (r#"{"é":{"a":1,"\u0061":2}}"#.into(), EventError::DuplicateKey { key: "a".into(), at: 13 }),
        (format!("{{{}}}", keys.join(",")), EventError::TooManyKeys { limit, at: last }),
    ];
    for (text, error) in rows {
        assert_eq!(read(&text).err(), Some(error), "{}", &text[..text.len().min(80)]);
    }
}

#[test]
fn what_is_no_json_is_told_with_line_and_column() {
    let rows = [
        ("{\"a\":NaN}", "line 1 column 6"),
        ("{\"a\":Infinity}", "line 1 column 6"),
        ("{\n\"a\":1,}", "line 2 column 7"),
        ("{\"a\":\"\u{1}\"}", "line 1 column 6"),
        ("{\"a\":01}", "line 1 column 7"),
        ("{\"a\":1} x", "line 1 column 9"),
        ("{\"a\":1", "line 1 column 6"),
        ("nonsense", "line 1 column 2"),
    ];
    for (text, place) in rows {
        let Err(EventError::NotJson { why }) = read(text) else { panic!("{text}") };
        assert!(why.contains(place), "{text}: {why}");
    }
}

#[test]
fn bytes_that_are_too_many_or_no_utf8_are_told() {
    let large = vec![b' '; limits::EVENT_BYTES + 1];
    let error = EventError::TooLarge { bytes: large.len(), limit: limits::EVENT_BYTES };
    assert_eq!(Incoming::read(&large, Origin::File).err(), Some(error));
    assert_eq!(Incoming::read(b"{\"a\":\"\xff\"}", Origin::File).err(), Some(EventError::NotUtf8 { at: 6 }));
}

#[test]
fn what_is_missing_is_named_as_its_form_names_it() {
    for (text, field) in [
        (with("correlation_id", "null"), "correlation_id"),
        (with("type", "null"), "type"),
        (with("id", "null"), "id"),
        (with("timestamp", "null"), "timestamp"),
        (cloud("correlationid", "null"), "correlationid"),
        (cloud("id", "null"), "id"),
        (cloud("source", "null"), "source"),
        (cloud("type", "null"), "type"),
        (cloud("time", "null"), "time"),
    ] {
        assert_eq!(read(&text).err(), Some(EventError::Missing { field }), "{text}");
    }
}

#[test]
fn a_call_may_leave_out_what_a_file_may_not() {
    assert!(Incoming::read(br#"{"type":"t","correlation_id":"c"}"#, Origin::Call).is_ok());
    assert!(Incoming::read(cloud("time", "null").as_bytes(), Origin::Call).is_ok());
}

#[test]
fn each_field_of_the_envelope_that_is_wrong_is_named() {
    let long = format!("\"{}\"", "x".repeat(256));
    let chain = format!("[{}]", vec!["\"o\""; limits::CHAIN_LENGTH + 1].join(","));
    let related = format!("[{}]", vec![r#"{"type":"t","id":"i"}"#; limits::RELATED + 1].join(","));
    let metadata: Vec<String> = (0..=limits::METADATA).map(|nth| format!("\"{nth}\":\"\"")).collect();
    let changes: Vec<String> = (0..=limits::CHANGES).map(|nth| format!("\"{nth}\":{{\"after\":1}}")).collect();
    let rows = [
        ("id", "7", "a text is wanted, this is 7"),
        ("id", "\" \\t\"", "control character"),
        ("id", "\"\"", "it has 0 bytes; 1 to 255"),
        ("id", &long, "it has 256 bytes"),
        ("id", "\"a\\u0007\"", "control character"),
        ("source", "\"a\\u0085\"", "control character"),
        ("correlation_id", "\"\"", "it has 0 bytes"),
        ("session_key", &long, "it has 256 bytes"),
        ("type", "\"a..b\"", "a segment is empty"),
        ("type", "\"a.*\"", "no wildcards"),
        ("type", "{}", "a text is wanted, this is {}"),
        ("schema_version", "0", "versions count from 1"),
        ("schema_version", "-1", "a whole number from 1 to 4294967295 is wanted, this is -1"),
        ("schema_version", "1.5", "a whole number"),
        ("schema_version", "4294967296", "this is 4294967296"),
        ("correlation_chain", "\"c\"", "a list of texts is wanted, this is \"c\""),
        ("correlation_chain", "[\"\"]", "it has 0 bytes"),
        ("correlation_chain", &chain, "33 entries; at most 32"),
        (
            "actor",
            "{\"kind\":\"user\"}",
            "an object with the texts \"kind\" and \"id\" is wanted, this is {\"kind\":\"user\"}",
        ),
        ("actor", "{\"kind\":\"\",\"id\":\"x\"}", "it has 0 bytes"),
        ("timestamp", "\"2026-01-01T00:00:00\"", "with a zone"),
        ("timestamp", "\"2026-02-30T00:00:00Z\"", "RFC 3339"),
        ("timestamp", "1767225600", "a text is wanted"),
        ("entity", "{\"type\":\"t\"}", "an object with the texts \"type\" and \"id\""),
        ("entity", "{\"type\":\"t\",\"id\":\"\\n\"}", "control character"),
        ("related", &related, "1001 entries; at most 1000"),
        ("related", "[{\"type\":\"t\",\"id\":\"\"}]", "it has 0 bytes"),
        ("changes", "[]", "an object of changes by field is wanted, this is []"),
        ("changes", &format!("{{{}}}", changes.join(",")), "1001 entries; at most 1000"),
        ("priority", "\"P4\"", "one of \"P0\", \"P1\", \"P2\" and \"P3\" is wanted, this is \"P4\""),
        ("priority", "1", ""),
        ("metadata", "{\"a\":1}", "an object of texts is wanted, this is {\"a\":1}"),
        ("metadata", &format!("{{{}}}", metadata.join(",")), "257 entries; at most 256"),
        ("traceparent", "\"00-x\"", "no W3C trace context"),
    ];
    for (field, value, why) in rows {
        assert_wrong(&with(field, value), field, why);
    }
}

#[test]
fn a_name_that_is_blank_or_shows_as_something_else_is_refused() {
    let rows = [
        ("id", "\"  \"", "it is blank"),
        ("id", "\"a\\u202eb\"", "direction of text"),
        ("correlation_id", "\"\u{a0}\"", "it is blank"),
        ("source", "\"a\\u2066b\"", "direction of text"),
        ("type", "\" \"", "a segment is blank"),
        ("type", "\"a.\u{202d}b\"", "direction of text"),
    ];
    for (field, value, why) in rows {
        assert_wrong(&with(field, value), field, why);
    }
}

#[test]
fn each_attribute_of_a_cloudevent_that_is_wrong_is_named() {
    let rows = [
        ("specversion", "\"0.3\"", "only CloudEvents 1.0"),
        ("specversion", "1.0", "a text is wanted"),
        ("id", "\"\"", "it has 0 bytes"),
        ("source", "\"\"", "it has 0 bytes"),
        ("time", "\"yesterday\"", "RFC 3339"),
        ("schemaversion", "\"one\"", "a whole number from 1"),
        ("schemaversion", "true", "a whole number from 1"),
        ("correlationchain", "\"c\"", "a list of texts is wanted"),
        ("correlationchain", "[\"c\"]", "a text is wanted"),
        ("correlationid", "\" \"", "it is blank"),
        ("actorid", "\"\\u202e\"", "direction of text"),
        ("related", "\"{}\"", "a list of objects"),
        ("changes", "\"{\\\"a\\\":{},\\\"a\\\":{}}\"", "stands twice"),
        ("metadata", "\"{\\\"a\\\":1}\"", "an object of texts"),
        ("regieextensions", "\"[]\"", "an object is wanted"),
        ("actorkind", "\"user\"", "together with actorid"),
        ("entitytype", "\"task\"", "together with entityid"),
        ("priority", "\"high\"", "one of \"P0\""),
        ("data_base64", "7", "a text is wanted"),
        ("data_base64", "\"!!\"", "'!' is no letter of base64"),
        ("data_base64", "\"YQ\"", "groups of four"),
        ("data_base64", "\"YWI=YWI=\"", "'=' is no letter"),
        ("data_base64", "\"A===\"", "groups of four"),
        ("data_base64", "\"____\"", "'_' is no letter"),
    ];
    for (field, value, why) in rows {
        assert_wrong(&cloud(field, value), field, why);
    }
    let both = cloud("data", "1").replace("\"data\"", "\"data_base64\":\"\",\"data\"");
    assert_wrong(&both, "data_base64", "not both");
}

#[test]
fn what_is_built_in_code_is_checked_as_what_is_read() {
    assert_eq!(Event::new("a.*", "c").build().err(), Some(wrong("type", "a type has no wildcards")));
    assert_eq!(
        Event::new("t", "c").id("x".repeat(256)).build().err(),
        Some(wrong("id", "it has 256 bytes; 1 to 255 are taken"))
    );
}

#[test]
fn a_change_has_an_after_and_nothing_that_we_do_not_know() {
    let rows = [
        (r#"{"status":{"before":"x"}}"#, "\"after\" is missing"),
        (r#"{"status":{"before":"x","aftr":"y"}}"#, "no \"aftr\""),
        (r#"{"status":{"after":"x","by":"y"}}"#, "no \"by\""),
        (
            r#"{"status":"done"}"#,
            "an object with \"after\", and \"before\" if that is known, is wanted, this is \"done\"",
        ),
        (r#"{"a":{"after":1},"status":{}}"#, "\"after\" is missing"),
    ];
    for (changes, why) in rows {
        assert_wrong(&with("changes", changes), "changes.status", why);
        assert_wrong(&cloud("changes", &serde_json::json!(changes).to_string()), "changes.status", why);
    }
    let taken = read(&with("changes", r#"{"status":{"after":null},"n":{"before":1.10,"after":2.20}}"#)).unwrap();
    assert_eq!(taken.event().changes["n"].after.text(), "2.20");
    assert!(taken.event().changes["status"].after.is_null());
}

#[test]
fn what_we_do_not_know_beside_who_and_what_is_kept_in_the_bytes_and_is_no_fault() {
    let text = with("actor", r#"{"kind":"user","id":"ana","name":"Ana"}"#);
    let taken = read(&text).unwrap();
    assert_eq!((taken.raw().as_ref(), taken.event().actor.as_ref().unwrap().id.as_str()), (text.as_str(), "ana"));
}

#[test]
fn what_was_recorded_is_read_again_whatever_rules_have_come_since() {
    let old = [
        with("id", "\" \""),
        with("type", "\"a.\u{202e}b\""),
        with("changes", r#"{"status":{"before":"x"}}"#),
        cloud("data_base64", "\"!!\""),
    ];
    for text in old {
        let format = if text.contains("specversion") { Format::CloudEvents } else { Format::Regie };
        assert!(read(&text).is_err(), "{text}");
        assert!(Incoming::recover(format, text.as_str().into(), None, Timestamp::MIN).is_ok(), "{text}");
    }
}
