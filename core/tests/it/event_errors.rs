//! What is no event is refused with the exact place.

use regie_core::event::{Event, EventError, Incoming, Origin};
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
    let changes: Vec<String> = (0..=limits::CHANGES).map(|nth| format!("\"{nth}\":{{}}")).collect();
    let rows = [
        ("id", "7", "invalid type: integer"),
        ("id", "\"\"", "it has 0 bytes; 1 to 255"),
        ("id", &long, "it has 256 bytes"),
        ("id", "\"a\\u0007\"", "control character"),
        ("source", "\"a\\u0085\"", "control character"),
        ("correlation_id", "\"\"", "it has 0 bytes"),
        ("session_key", &long, "it has 256 bytes"),
        ("type", "\"a..b\"", "a segment is empty"),
        ("type", "\"a.*\"", "no wildcards"),
        ("type", "{}", "invalid type: map"),
        ("schema_version", "0", "versions count from 1"),
        ("schema_version", "-1", "invalid value"),
        ("schema_version", "1.5", "invalid type: floating point"),
        ("schema_version", "4294967296", "invalid value"),
        ("correlation_chain", "\"c\"", "invalid type: string"),
        ("correlation_chain", "[\"\"]", "it has 0 bytes"),
        ("correlation_chain", &chain, "33 entries; at most 32"),
        ("actor", "{\"kind\":\"user\"}", "missing field `id`"),
        ("actor", "{\"kind\":\"\",\"id\":\"x\"}", "it has 0 bytes"),
        ("timestamp", "\"2026-01-01T00:00:00\"", "with a zone"),
        ("timestamp", "\"2026-02-30T00:00:00Z\"", "RFC 3339"),
        ("timestamp", "1767225600", "invalid type: integer"),
        ("entity", "{\"type\":\"t\"}", "missing field `id`"),
        ("entity", "{\"type\":\"t\",\"id\":\"\\n\"}", "control character"),
        ("related", &related, "1001 entries; at most 1000"),
        ("related", "[{\"type\":\"t\",\"id\":\"\"}]", "it has 0 bytes"),
        ("changes", "[]", "invalid type: sequence"),
        ("changes", &format!("{{{}}}", changes.join(",")), "1001 entries; at most 1000"),
        ("priority", "\"P4\"", "unknown variant `P4`"),
        ("priority", "1", ""),
        ("metadata", "{\"a\":1}", "invalid type: integer"),
        ("metadata", &format!("{{{}}}", metadata.join(",")), "257 entries; at most 256"),
        ("traceparent", "\"00-x\"", "no W3C trace context"),
    ];
    for (field, value, why) in rows {
        assert_wrong(&with(field, value), field, why);
    }
}

#[test]
fn each_attribute_of_a_cloudevent_that_is_wrong_is_named() {
    let rows = [
        ("specversion", "\"0.3\"", "only CloudEvents 1.0"),
        ("specversion", "1.0", "invalid type"),
        ("id", "\"\"", "it has 0 bytes"),
        ("source", "\"\"", "it has 0 bytes"),
        ("time", "\"yesterday\"", "RFC 3339"),
        ("schemaversion", "\"one\"", "a whole number from 1"),
        ("schemaversion", "true", "a whole number from 1"),
        ("correlationchain", "\"c\"", "expected value"),
        ("correlationchain", "[\"c\"]", "invalid type: sequence"),
        ("related", "\"{}\"", "invalid type: map"),
        ("changes", "\"{\\\"a\\\":{},\\\"a\\\":{}}\"", "stands twice"),
        ("metadata", "\"{\\\"a\\\":1}\"", "invalid type: integer"),
        ("regieextensions", "\"[]\"", "invalid type: sequence"),
        ("actorkind", "\"user\"", "together with actorid"),
        ("entitytype", "\"task\"", "together with entityid"),
        ("priority", "\"high\"", "unknown variant"),
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
