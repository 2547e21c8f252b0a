//! CloudEvents: there and back, and what the official SDKs send.

use std::collections::BTreeMap;

use proptest::prelude::*;
use regie_core::Json;
use regie_core::event::{Event, Format, Incoming, Origin, to_cloudevent};
use serde_json::Value;

use super::events;
use super::helpers::{from_base64, json, read, shared};

proptest! {
    #[test]
    fn an_event_comes_back_from_a_cloudevent_as_it_was(event in events::event()) {
        let cloud = to_cloudevent(&event);
        let incoming = read(cloud.text()).expect("a good event");
        prop_assert_eq!((incoming.event(), incoming.format()), (&event, Format::CloudEvents));
    }

    #[test]
    fn attributes_are_those_that_the_standard_allows(event in events::event()) {
        let cloud: BTreeMap<String, Json> = to_cloudevent(&event).to().expect("an object");
        for (name, value) in cloud.iter().filter(|(name, _)| *name != "data") {
            let legal = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) || name == "data_base64";
            prop_assert!(legal, "{name}");
            match value.value() {
                Value::String(_) | Value::Bool(_) => {}
                Value::Number(number) => prop_assert!(number.as_i64().is_some_and(|it| i32::try_from(it).is_ok()), "{number}"),
                other => prop_assert!(false, "{name} is {other}"),
            }
        }
    }
}

/// A CloudEvent with these attributes more.
fn cloud(more: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"1","source":"s","type":"t","correlationid":"c","time":"2026-01-01T00:00:00Z"{more}}}"#
    )
}

/// Reads it, writes it, and gives what was written.
fn through(more: &str) -> Value {
    to_cloudevent(read(&cloud(more)).expect("a good event").event()).value()
}

#[test]
fn what_came_as_an_attribute_goes_out_as_one() {
    let out =
        through(r#","subject":"x","datacontenttype":"text/xml","dataschema":"u","ours":7,"flag":true,"data":"<a/>""#);
    assert_eq!(
        (&out["subject"], &out["datacontenttype"], &out["dataschema"]),
        (&"x".into(), &"text/xml".into(), &"u".into())
    );
    assert_eq!((&out["ours"], &out["flag"], &out["data"]), (&7.into(), &true.into(), &"<a/>".into()));
}

#[test]
fn binary_data_goes_out_as_it_came() {
    assert_eq!(through(r#","data_base64":"AAEC""#)["data_base64"], "AAEC");
}

#[test]
fn a_subject_that_is_not_the_entity_is_kept() {
    let out = through(r#","subject":"x","entitytype":"task","entityid":"1""#);
    assert_eq!((&out["subject"], &out["entityid"]), (&"x".into(), &"1".into()));
    assert_eq!(through(r#","entitytype":"task","entityid":"1""#)["subject"], "task/1");
}

#[test]
fn an_unknown_field_of_ours_does_not_pass_for_an_attribute_of_theirs() {
    let text = r#"{"id":"1","type":"t","correlation_id":"c","timestamp":"2026-01-01T00:00:00Z","time":"never","correlationid":"x"}"#;
    let out = to_cloudevent(read(text).expect("a good event").event()).value();
    assert_eq!((&out["time"], &out["correlationid"]), (&"2026-01-01T00:00:00.000Z".into(), &"c".into()));
    assert!(out["regieextensions"].as_str().expect("a text").contains("never"));
}

#[test]
fn an_event_that_was_not_named_yet_can_be_written_too() {
    let event = Event::new("t", "c").payload(json("1.10")).build().expect("a good event");
    assert!(to_cloudevent(event.event()).text().contains(r#""data":1.10"#));
}

#[test]
fn what_the_official_sdks_send_is_read_or_refused_with_its_reason() {
    let Some(text) = shared("cloudevents/sdk_wire.jsonl") else { return };
    let messages = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let (mut taken, mut refused) = (0, 0);
    for message in messages.filter(|message| message["mode"] == "structured") {
        let body = from_base64(message["body_b64"].as_str().expect("a text"));
        // They know no correlation: with one, each must be read.
        refused += usize::from(Incoming::read(&body, Origin::Call).is_err());
        let body = String::from_utf8(body).expect("UTF-8");
        let body = body.replacen('{', r#"{"correlationid":"c","#, 1);
        let Ok(incoming) = Incoming::read(body.as_bytes(), Origin::Call) else { continue };
        taken += 1;
        assert_as_sent(&message, incoming.event());
    }
    println!("{taken} taken with a correlation, {refused} refused without");
    assert!(taken > 0 && refused >= taken);
}

fn assert_as_sent(message: &Value, event: &Event) {
    let expected = &message["expect_attributes_at_least"];
    let found = [("id", &event.id), ("source", &event.source), ("type", &event.kind)];
    found.into_iter().for_each(|(name, found)| assert_eq!(expected[name], found.as_str(), "{message}"));
    if let Some(subject) = expected.get("subject") {
        assert_eq!(&event.extensions["subject"].value(), subject);
    }
    let data = &message["expect_data_json"];
    assert!(data.is_null() || *data == event.payload.value(), "{message}");
    if let Some(bytes) = message["expect_data_b64"].as_str().filter(|_| event.payload.is_null()) {
        assert_eq!(event.extensions["data_base64"].value(), bytes);
    }
}
