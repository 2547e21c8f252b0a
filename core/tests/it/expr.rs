//! What an expression sees of an event and of what else is known, and what it comes to.

use regie_core::event::{EntityRef, Event, Incoming, Principal};
use regie_core::expr::{EvalError, Program, View};
use regie_core::{Json, Timestamp};

use crate::expr_refused::scope;
use crate::helpers::json;

fn full() -> Incoming {
    let payload = json(
        r#"{"amount": 120, "big": 9223372036854775808, "rate": 0.5, "whole": 2.0, "none": null, "tags": ["a", "é"], "n\"": 1}"#,
    );
    let event = Event::new("order.paid", "order-1").id("e-1").source("shop").actor(Principal::user("ana"));
    let event = event.entity(EntityRef::new("order", "1")).related(EntityRef::new("item", "7")).payload(payload);
    let event = event.change("status", "open", "paid").timestamp(Timestamp::from_millis(1_000)).cause("e-0");
    event.session("s-1").metadata("team", "red").build().expect("a good event")
}

fn bare() -> Incoming {
    Event::new("order.paid", "order-1").build().expect("a good event")
}

fn holds(text: &str, event: &Incoming) -> Result<bool, EvalError> {
    let program = Program::condition(text, &scope()).unwrap_or_else(|error| panic!("{text}: {error}"));
    program.truth(&View::new().event(event.event()).now(Timestamp::from_millis(61_000)))
}

fn all_hold(event: &Incoming, texts: &[&str]) {
    for text in texts {
        assert_eq!(holds(text, event), Ok(true), "{text}");
    }
}

#[test]
fn every_field_of_an_event_is_seen() {
    all_hold(
        &full(),
        &[
            "event.type == 'order.paid' && event.id == 'e-1' && event.source == 'shop'",
            "event.schema_version == 1 && event.priority == 'P2'",
            "event.correlation_id == 'order-1' && event.correlation_chain == []",
            "event.causation_id == 'e-0' && event.session_key == 's-1'",
            "event.actor.kind == 'user' && event.actor.id == 'ana'",
            "event.entity.type == 'order' && event.entity == {'type': 'order', 'id': '1'}",
            "event.related.exists(r, r.type == 'item' && r.id == '7')",
            "event.changes.status.before == 'open' && event.changes['status'].after == 'paid'",
            "event.changes.all(field, field == 'status')",
            "event.metadata.team == 'red' && 'team' in event.metadata",
            "event.timestamp == timestamp('1970-01-01T00:00:01Z')",
            "now - event.timestamp == duration('60s') && now.getMinutes() == 1",
            "event['type'] == event.type && .event.type == event.type",
            "event.traceparent == null && event.extensions == {}",
        ],
    );
}

#[test]
fn numbers_are_whole_where_they_are_written_so() {
    all_hold(
        &full(),
        &[
            "event.payload.amount == 120 && type(event.payload.amount) == int",
            "event.payload.big == 9223372036854775808u && type(event.payload.big) == uint",
            "event.payload.rate == 0.5 && type(event.payload.whole) == double && event.payload.whole == 2",
            "event.payload.tags == ['a', 'é'] && event.payload.tags[1].size() == 1",
            "event.payload['n\"'] == 1",
        ],
    );
}

#[test]
fn what_an_event_has_not_is_null_and_is_not_had() {
    all_hold(
        &bare(),
        &[
            "event.actor == null && event.entity == null && event.payload == null && event.session_key == null",
            "!has(event.actor) && !has(event.actor.kind) && !has(event.payload) && !has(event.payload.amount)",
            "!has(event.causation_id) && has(event.type) && event.related.size() == 0",
            "event.?actor.?kind.orValue('none') == 'none' && event.?payload.?amount.orValue(7) == 7",
        ],
    );
    all_hold(
        &full(),
        &[
            "has(event.actor) && has(event.actor.kind) && has(event.payload.amount) && has(event.payload.none)",
            "!has(event.payload.nothing) && event.?payload.?nothing.orValue(7) == 7",
            "[1].all(event, event == 1)",
        ],
    );
}

#[test]
fn a_failure_says_what_failed() {
    let failure = |text: &str, event: &Incoming| holds(text, event).expect_err(text).to_string();
    assert_eq!(failure("event.payload.nothing > 1", &full()), "no such key: 'nothing'");
    assert_eq!(failure("event.actor.kind == 'user'", &bare()), "null has no fields");
    assert_eq!(failure("event.payload.amount / 0 == 1", &full()), "division by zero");
    assert_eq!(failure("event.payload.amount + 'x' == 'x'", &full()), "'add' does not take (int, string)");
    assert_eq!(
        failure("event.payload.amount", &full()),
        "the condition came out as int, which is neither true nor false"
    );
    assert_eq!(failure("workflow.status == 'open'", &full()), "'workflow' is not known here");
}

#[test]
fn what_decides_alone_decides_beside_a_failure() {
    all_hold(&full(), &["event.payload.nothing > 1 || true", "true || event.payload.nothing > 1"]);
    assert_eq!(holds("event.payload.nothing > 1 && false", &full()), Ok(false));
    assert_eq!(holds("false && workflow.status == 'open'", &full()), Ok(false));
    assert!(holds("event.payload.nothing > 1 || false", &full()).is_err());
}

#[test]
fn patterns_are_found_whether_they_are_written_out_or_come_with_the_event() {
    all_hold(&full(), &["event.type.matches('^order[.]')", "matches(event.type, r'paid$')"]);
    all_hold(&full(), &["event.type.matches(event.type) && !event.type.matches('x') && 'a'.matches('a')"]);
    let long = Event::new("t", "c").payload(Json::of(&"a".repeat(2_000))).build().expect("good");
    assert!(holds("'a'.matches(event.payload)", &long).expect_err("long").to_string().contains("2000 bytes"));
}

#[test]
fn values_by_name_are_seen_and_a_program_says_which_it_uses() {
    let (signals, workflow) = (json(r#"[{"kind":"risk","confidence":0.9}]"#), json(r#"{"status":"open"}"#));
    let text = "signals.exists(s, s.kind == 'risk' && s.confidence > 0.8) && workflow.status == 'open'";
    let program = Program::condition(text, &scope()).expect("good");
    assert_eq!(program.names().collect::<Vec<_>>(), ["signals", "workflow"]);
    assert!(program.uses("signals") && !program.uses("now") && program.text() == text);
    let view = View::new().json("signals", &signals).json("workflow", &workflow);
    assert_eq!(program.truth(&view), Ok(true));
    assert_eq!(program.truth(&view), Ok(true));
    assert!(matches!(program.truth(&View::new()), Err(EvalError::Input { .. })));
}

#[test]
fn what_cannot_be_read_is_told_by_its_name() {
    let (large, huge) = (Json::of(&"x".repeat(2_000_000)), json(r#"{"n": 1e999}"#));
    let program = Program::condition("entity == null", &scope()).expect("good");
    let failure = |json: &Json| program.truth(&View::new().json("entity", json)).expect_err("unreadable").to_string();
    assert!(failure(&large).contains("'entity' has 2000002 bytes"));
    assert!(failure(&huge).contains("out of range"));
}

#[test]
fn a_value_comes_back_as_json() {
    let value = |text: &str| {
        let program = Program::compile(text, &scope()).expect(text);
        program.value(&View::new().event(full().event())).map(|json| json.to_string())
    };
    assert_eq!(value("event.payload.amount * 2"), Ok("240".to_string()));
    assert_eq!(value("[event.actor.id, null, 1.5, true]"), Ok(r#"["ana",null,1.5,true]"#.to_string()));
    assert_eq!(
        value("{'at': event.timestamp, 1: duration('90m')}"),
        Ok(r#"{"1":"5400s","at":"1970-01-01T00:00:01.000Z"}"#.to_string())
    );
    assert_eq!(value("duration('-1.5s')"), Ok("\"-1.5s\"".to_string()));
    assert!(matches!(value("b'x'"), Err(EvalError::NoJson(_))));
    assert!(matches!(value("0.0 / 0.0"), Err(EvalError::NoJson(_))));
}

#[test]
fn a_program_is_shared_by_threads() {
    let program = Program::condition("event.type.matches('paid')", &scope()).expect("good");
    let threads = (0..4).map(|_| {
        let program = program.clone();
        std::thread::spawn(move || program.truth(&View::new().event(full().event())))
    });
    assert!(threads.collect::<Vec<_>>().into_iter().all(|thread| thread.join().expect("no panic") == Ok(true)));
}

#[test]
fn a_view_is_used_by_many_programs() {
    let event = full();
    let view = View::new().event(event.event());
    for amount in 0..10 {
        let text = format!("event.payload.amount > {}", amount * 20);
        let program = Program::condition(&text, &scope()).expect("good");
        assert_eq!(program.truth(&view), Ok(amount < 6));
    }
}
