//! The catalogue: what the shipped types take and refuse, versions, and schemas that are none.

use std::sync::Arc;

use regie_core::event::{
    Breach, Catalogue, Change, EntityRef, Event, EventBuilder, EventType, Incoming, Origin, Told, UpcastError,
};
use regie_core::{Json, limits};
use serde_json::{Value, json};

fn task(what: &str) -> EventBuilder {
    Event::new(format!("orchestration.task.{what}"), "task-1").entity(EntityRef::new("task", "TASK-1"))
}

fn checked(catalogue: &Catalogue, event: EventBuilder) -> Result<(), Breach> {
    catalogue.check(event.build().expect("a good event").event())
}

fn shipped(event: EventBuilder) -> Result<(), Breach> {
    checked(&Catalogue::shipped(), event)
}

/// Pointer, what was wanted and what is there.
fn told(refused: Result<(), Breach>) -> (String, String, String) {
    let breach = refused.expect_err("a breach");
    (breach.pointer, breach.wanted, breach.found)
}

fn is(told_: &(String, String, String), pointer: &str, wanted: &str, found: &str) -> bool {
    (told_.0.as_str(), told_.1.as_str(), told_.2.as_str()) == (pointer, wanted, found)
}

#[test]
fn what_makes_a_shipped_event_useless_is_refused_with_its_place() {
    let table: [(EventBuilder, &str, &str, &str); 10] = [
        (task("status_changed"), "/changes/status", "a value", "nothing"),
        (task("status_changed").change("status", "open", 7), "/changes/status/after", "a text", "7"),
        (
            task("status_changed").change("status", "a", ""),
            "/changes/status/after",
            "a text of at least 1 characters",
            "\"\"",
        ),
        (
            task("progress_updated").change("progress", 0, 101),
            "/changes/progress/after",
            "a number of at most 100",
            "101",
        ),
        (task("progress_updated").change("progress", 0, -1), "/changes/progress/after", "a number of at least 0", "-1"),
        (task("progress_updated").change("progress", 0, "50"), "/changes/progress/after", "a number", "\"50\""),
        (task("blocked").change("status", "a", "b"), "/changes/status/after", "\"blocked\"", "\"b\""),
        (task("created").entity(EntityRef::new("sprint", "S")), "/entity/type", "\"task\"", "\"sprint\""),
        (Event::new("orchestration.task.created", "c"), "/entity", "an entity of type \"task\"", "nothing"),
        (Event::new("orchestration.alert.raised", "c"), "/payload", "an object", "null"),
    ];
    for (event, pointer, wanted, found) in table {
        let told = told(shipped(event));
        assert!(is(&told, pointer, wanted, found), "{told:?}");
    }
}

#[test]
fn what_people_add_to_a_shipped_event_is_taken() {
    let free = json!({"anything": [1, {"at": "all"}]});
    let more = task("status_changed").change("status", Value::Null, "open").change("colour", 1, [2]).payload(free);
    assert_eq!(shipped(more.related(EntityRef::new("moon", "1"))), Ok(()));
    assert_eq!(shipped(task("progress_updated").change("progress", "?", 99.5)), Ok(()));
    assert_eq!(shipped(task("blocked").change("blocked_by", Value::Null, "the vault")), Ok(()));
    assert_eq!(shipped(Event::new("orchestration.startup", "c")), Ok(()));
    assert_eq!(shipped(task("never_heard_of").schema_version(9)), Ok(()));
}

#[test]
fn every_event_of_the_example_is_one_of_its_type() {
    let (text, catalogue) = (include_str!("../../../examples/data/agent_platform_day.jsonl"), Catalogue::shipped());
    let mut known = 0;
    for line in text.lines() {
        // Some of its lines are no events, on purpose.
        let Ok(event) = Incoming::read(line.as_bytes(), Origin::File) else { continue };
        assert_eq!(catalogue.check(event.event()), Ok(()), "{line}");
        known += usize::from(catalogue.get(&event.event().kind).is_some());
    }
    assert!(known > 150, "only {known} are of a known type");
}

fn order(version: u32) -> EventType {
    let whole = json!({"required": ["amount"], "properties": {"amount": {"type": "integer"}}});
    EventType::new("order.paid").version(version).payload(whole)
}

fn paid(version: u32, payload: Value) -> EventBuilder {
    Event::new("order.paid", "o-1").schema_version(version).payload(payload)
}

fn cents(told: Told) -> Result<Told, String> {
    let euros = told.payload.value()["euros"].as_i64().ok_or("no euros")?;
    Ok(Told { payload: Json::from(json!({"amount": euros * 100})), ..told })
}

#[test]
fn a_newer_version_is_refused_naming_both() {
    let catalogue = Catalogue::empty().with(order(2)).unwrap();
    let told = told(checked(&catalogue, paid(3, json!({"amount": 1}))));
    assert!(is(&told, "/schema_version", "a version up to 2", "3"), "{told:?}");
    assert_eq!(checked(&catalogue, paid(2, json!({"amount": 1}))), Ok(()));
}

#[test]
fn an_older_version_is_brought_up_step_by_step_and_its_bytes_stay() {
    let renamed = |told: Told| {
        let mut changes = told.changes.clone();
        let change = changes.remove("state").ok_or("no state")?;
        changes.insert("status".into(), Change { after: Json::of("paid"), ..change });
        Ok(Told { changes, ..told })
    };
    let catalogue = Catalogue::empty().with(order(3).upcast(1, cents).upcast(2, renamed)).unwrap();
    let old = paid(1, json!({"euros": 12})).change("state", "open", "p").build().unwrap();
    assert_eq!(catalogue.check(old.event()), Ok(()));
    let raw = Arc::clone(old.raw());
    let new = catalogue.bring_up(old.event()).unwrap();
    assert_eq!((new.payload.text(), new.schema_version), (r#"{"amount":1200}"#, 3));
    assert_eq!((new.changes["status"].after.text(), new.changes.len()), ("\"paid\"", 1));
    assert_eq!((old.raw(), old.event().schema_version), (&raw, 1));
}

#[test]
fn an_upcaster_that_is_missing_refuses_or_panics_is_an_error_of_its_own() {
    let brought = |it: EventType| {
        let catalogue = Catalogue::empty().with(it).unwrap();
        let old = paid(1, json!({})).build().unwrap();
        assert_eq!(catalogue.check(old.event()).unwrap_err().pointer, "/schema_version");
        catalogue.bring_up(old.event()).unwrap_err()
    };
    assert!(matches!(brought(order(2)), UpcastError::Missing { version: 1, from: 1, latest: 2, .. }));
    assert!(matches!(brought(order(3).upcast(1, Ok)), UpcastError::Missing { from: 2, .. }));
    assert!(brought(order(2).upcast(1, cents)).to_string().contains("no euros"));
    assert!(brought(order(2).upcast(1, |_| panic!("at the moon"))).to_string().contains("at the moon"));
}

#[test]
fn what_is_brought_up_is_held_against_the_latest_schema() {
    let catalogue = Catalogue::empty().with(order(2).upcast(1, Ok)).unwrap();
    let told = told(checked(&catalogue, paid(1, json!({"amount": "much"}))));
    assert!(is(&told, "/payload/amount", "a whole number", "\"much\""), "{told:?}");
}

fn refused(payload: Value) -> String {
    Catalogue::empty().with(EventType::new("t").payload(payload)).expect_err("no schema").to_string()
}

#[test]
fn a_schema_that_is_none_is_refused_when_it_is_registered() {
    for bad in [json!({"type": "txt"}), json!({"required": "a"}), json!({"pattern": "("}), json!(7), json!("x")] {
        assert!(refused(bad.clone()).starts_with("the event type 't': payload: "), "{bad}");
    }
}

#[test]
fn nothing_is_looked_up_elsewhere_and_no_schema_refers_to_itself() {
    for elsewhere in
        ["http://localhost/s.json", "file:///etc/passwd", "other.json", "https://json-schema.org/draft/2020-12/schema"]
    {
        assert!(refused(json!({"$ref": elsewhere})).contains("not looked up"), "{elsewhere}");
    }
    assert!(refused(json!({"$id": "http://x/", "type": "object"})).contains("'$id' is not taken"));
    assert!(refused(json!({"$schema": "http://localhost/mine"})).contains("http://localhost/mine"));
    assert!(refused(json!({"properties": {"a": {"$ref": "#"}}})).contains("itself"));
    let good = json!({"$defs": {"id": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/id"}, "$id": {}}});
    let catalogue = Catalogue::empty().with(EventType::new("t").payload(good)).unwrap();
    let told = told(checked(&catalogue, Event::new("t", "c").payload(json!({"a": 1}))));
    assert_eq!(told.0, "/payload/a");
}

#[test]
fn what_a_schema_comes_to_is_bounded() {
    // Each level refers twice to the next: 2^30 parts in 30 lines.
    let level = |n: usize| {
        (
            format!("l{n}"),
            json!({"anyOf": [{"$ref": format!("#/$defs/l{}", n + 1)}, {"$ref": format!("#/$defs/l{}", n + 1)}]}),
        )
    };
    let mut levels: serde_json::Map<String, Value> = (0..30).map(level).collect();
    levels.insert("l30".into(), json!({"type": "string"}));
    assert!(refused(json!({"$defs": levels, "$ref": "#/$defs/l0"})).contains("at most 10000"));
    assert!(refused(json!({"const": "x".repeat(limits::SCHEMA_BYTES)})).contains("bytes"));
    let deep = (0..limits::JSON_DEPTH).fold(json!({}), |inner, _| json!({"not": inner}));
    assert!(refused(deep).contains("nested deeper"));
}

#[test]
fn a_type_that_is_not_sound_is_refused() {
    let task = || EventType::new("my.task").entity("task");
    let table = [
        (EventType::new("a.*"), "name"),
        (EventType::new(""), "name"),
        (EventType::new("t").version(0), "version"),
        (EventType::new("t").fields(["a"]), "entity"),
        (EventType::new("t").checked(), "entity"),
        (EventType::new("t").entity(" "), "entity"),
        (EventType::new("t").upcast(1, Ok), "upcast"),
        (task().fields(["a"]).only_when("b", 1), "when"),
        (task().creates(), "creates"),
        (EventType::new("my.sprint").entity("sprint").rest(), "rest"),
    ];
    for (it, part) in table {
        assert_eq!(Catalogue::shipped().with(it).expect_err(part).part, part);
    }
}

#[test]
fn a_type_of_ones_own_gives_way_to_a_later_one_of_the_same_name() {
    let catalogue = Catalogue::empty().with(order(1)).unwrap();
    assert!(checked(&catalogue, paid(1, json!({}))).is_err());
    let catalogue = catalogue.with(EventType::new("order.paid")).unwrap();
    assert_eq!(checked(&catalogue, paid(1, json!({}))), Ok(()));
}

#[test]
fn a_number_beyond_all_floats_is_a_breach_and_not_null() {
    let catalogue = Catalogue::empty().with(EventType::new("t").payload(json!({"type": ["object", "null"]}))).unwrap();
    let text = br#"{"id":"1","type":"t","correlation_id":"c","payload":{"a":1e999}}"#;
    let event = Incoming::read(text, Origin::Call).unwrap();
    assert_eq!(catalogue.check(event.event()).unwrap_err().pointer, "/payload");
}

#[test]
fn a_pointer_escapes_names_and_a_breach_names_the_field_again() {
    let schema = json!({"additionalProperties": {"properties": {"after": {"type": "string"}}}});
    let catalogue = Catalogue::empty().with(EventType::new("t").changes(schema)).unwrap();
    let breach = checked(&catalogue, Event::new("t", "c").change("a/b~c", 0, 1)).unwrap_err();
    assert_eq!(breach.pointer, "/changes/a~1b~0c/after");
    assert_eq!(breach.field().as_deref(), Some("a/b~c"));
}
