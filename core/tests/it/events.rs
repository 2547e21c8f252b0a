//! Events as they travel: our envelope there and back, bytes that are no event, trace contexts.

use std::collections::BTreeMap;

use proptest::prelude::*;
use regie_core::event::{
    Change, EntityRef, Event, EventError, Format, Incoming, Origin, Principal, Priority, reorders,
};
use regie_core::workflow::{Fact, Record};
use regie_core::{Digest, Json, Timestamp};

use super::helpers::{at, json, read, shared};

/// An id or a key: anything but control characters, sometimes of the full 255 bytes.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z0-9./:_-]{1,12}",
        2 => "\\PC{1,40}".prop_filter("a name", |it| !it.trim().is_empty() && !it.chars().any(is_refused)),
        1 => "[a-z]{255}",
    ]
}

fn is_refused(letter: char) -> bool {
    letter.is_control() || reorders(letter)
}

fn entity() -> impl Strategy<Value = EntityRef> {
    (name(), name()).prop_map(|(kind, id)| EntityRef::new(kind, id))
}

/// The text of a JSON value: numbers with more digits than a parser keeps, escapes, odd spaces.
pub(crate) fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just("null".to_string()),
        any::<bool>().prop_map(|it| it.to_string()),
        any::<i32>().prop_map(|it| it.to_string()),
        "-?[1-9][0-9]{0,30}\\.[0-9]{1,30}",
        "-?[1-9][0-9]{0,5}[eE][+-]?[0-9]{1,3}",
        "\\PC{0,20}".prop_map(|it| Json::of(&it).to_string()),
        Just(r#""\u0041\n\/""#.to_string()),
    ];
    let tree = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[ {}]", all.join(" , "))),
            proptest::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|all| {
                let fields = all.into_iter().map(|(key, value)| format!("\"{key}\" :{value}"));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }),
        ]
    });
    tree.prop_map(|text| json(&text))
}

/// Names that our envelope does not have; some mean something to CloudEvents.
fn extension() -> impl Strategy<Value = (String, Json)> {
    const OWN: [&str; 19] = [
        "id",
        "source",
        "type",
        "schema_version",
        "correlation_id",
        "causation_id",
        "correlation_chain",
        "session_key",
        "actor",
        "timestamp",
        "entity",
        "related",
        "changes",
        "priority",
        "payload",
        "metadata",
        "traceparent",
        "specversion",
        "",
    ];
    let meaning = ["subject", "time", "data", "data_base64", "datacontenttype", "correlationid", "regieextensions"];
    let name = prop_oneof![
        proptest::sample::select(meaning.to_vec()).prop_map(String::from),
        "[a-z0-9]{1,8}",
        "[A-Za-z_ \\-é]{1,8}",
    ];
    let name = name.prop_filter("not a field of ours", |name| !OWN.contains(&name.as_str()));
    (name, value())
}

type Who = (String, String, String, Option<String>, Option<(String, String)>, Option<EntityRef>);

fn who() -> impl Strategy<Value = Who> {
    let actor = proptest::option::of((name(), name()));
    (name(), name(), name(), proptest::option::of(name()), actor, proptest::option::of(entity()))
}

/// Any event that may be.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    let change = (value(), value()).prop_map(|(before, after)| Change { before, after });
    let maps = (
        proptest::collection::btree_map("\\PC{0,8}", change, 0..3),
        proptest::collection::btree_map("\\PC{0,8}", "\\PC{0,8}", 0..3),
        proptest::collection::vec(extension(), 0..4).prop_map(|all| all.into_iter().collect::<BTreeMap<_, _>>()),
    );
    let lists = (proptest::collection::vec(name(), 0..3), proptest::collection::vec(entity(), 0..3));
    let stamp = -62_135_596_800_000_000_i64..253_402_300_799_999_999;
    let trace = proptest::option::of(Just("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_string()));
    let rest = (1_u32..i32::MAX as u32, proptest::sample::select(Priority::ALL.to_vec()), value(), stamp, trace);
    (who(), maps, lists, rest, proptest::option::of(name())).prop_map(|(who, maps, lists, rest, cause)| {
        let (id, source, correlation, session_key, actor, entity) = who;
        let (schema_version, priority, payload, stamp, traceparent) = rest;
        let cause = cause.filter(|it| it.split('#').all(|part| !part.is_empty()));
        Event {
            id,
            source,
            kind: "orchestration.task.created".into(),
            schema_version,
            correlation_id: correlation.into(),
            causation_id: cause,
            correlation_chain: lists.0.into_iter().map(Into::into).collect(),
            session_key,
            actor: actor.map(|(kind, id)| Principal { kind, id }),
            timestamp: Timestamp::from_micros(stamp),
            entity,
            related: lists.1,
            changes: maps.0,
            priority,
            payload,
            metadata: maps.1,
            traceparent,
            extensions: maps.2,
        }
    })
}

proptest! {
    #[test]
    fn our_envelope_is_read_as_it_was_written(event in event()) {
        let text = serde_json::to_string(&event).expect("JSON");
        let incoming = read(&text).expect("a good event");
        prop_assert_eq!((incoming.event(), incoming.format()), (&event, Format::Regie));
        let again = Incoming::recover(Format::Regie, incoming.raw().clone(), None, at(0)).expect("known");
        prop_assert_eq!((again.event(), again.identity()), (&event, incoming.identity()));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Incoming::read(&bytes, Origin::Call);
    }

    #[test]
    fn no_damage_to_an_event_makes_the_reader_panic(
        event in event(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cloud in any::<bool>(),
    ) {
        let text = if cloud { regie_core::event::to_cloudevent(&event).to_string() } else { Json::of(&event).to_string() };
        let mut bytes = text.into_bytes();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = Incoming::read(&bytes, Origin::Call);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Record::decode(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        let _ = Record::decode(&bytes);
    }

    #[test]
    fn no_damage_to_a_record_makes_the_decoder_panic(
        event in event(),
        place in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let incoming = read(&Json::of(&event).to_string()).expect("a good event");
        let (raw, identity) = (incoming.raw().clone(), incoming.identity());
        let facts = vec![Fact::Received { format: Format::Regie, raw, identity, made_id: None, emitted: false }];
        let record = Record { sequence: 1, at: at(0), facts };
        let mut bytes = record.encode(Digest::ZERO).bytes;
        prop_assert_eq!(Record::decode(&bytes), Ok(record));
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let _ = Record::decode(&bytes);
        bytes.truncate(place);
        prop_assert!(Record::decode(&bytes).is_err(), "what is cut off is no record");
    }
}

#[test]
fn what_nobody_knows_is_kept_digit_by_digit() {
    let text = r#"{"id":"1","type":"t","correlation_id":"c","timestamp":"2026-01-01T00:00:00Z","x":1.10000000000000000000001,"y":{"z" : 123456789012345678901234567890},"payload":-0.0e10}"#;
    let event = read(text).expect("a good event");
    assert_eq!(event.raw().as_ref(), text);
    assert_eq!(event.event().extensions["x"].text(), "1.10000000000000000000001");
    assert_eq!(event.event().extensions["y"].text(), r#"{"z" : 123456789012345678901234567890}"#);
    assert_eq!(event.event().payload.text(), "-0.0e10");
}

#[test]
fn a_trace_context_is_taken_or_refused_as_the_standard_has_it() {
    let Some(text) = shared("traceparent_vectors.json") else { return };
    let all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let vectors = all["vectors"].as_array().expect("a list");
    assert!(vectors.len() >= 17, "only {}", vectors.len());
    for vector in vectors {
        let trace = vector["traceparent"].as_str().expect("a text");
        let built = Event::new("t", "c").id("1").traceparent(trace).build();
        assert_eq!(built.is_ok(), vector["valid"].as_bool().expect("a boolean"), "{vector}");
        if let Err(error) = built {
            assert!(matches!(error, EventError::Wrong { field, .. } if field == "traceparent"));
        }
    }
}

#[test]
fn an_event_without_id_or_time_is_named_and_stamped_once() {
    let mut event = Incoming::read(br#"{"type":"t","correlation_id":"c"}"#, Origin::Call).expect("a good event");
    event.name("made".into());
    event.name("again".into());
    event.stamp(at(7));
    event.stamp(at(8));
    assert_eq!((event.made_id(), event.event().timestamp), (Some("made"), at(7)));
    let again = Incoming::recover(Format::Regie, event.raw().clone(), event.made_id(), at(7)).expect("known");
    assert_eq!((again.event(), again.identity()), (event.event(), event.identity()));
}
