//! `regie show`: the story of a correlation.

use serde_json::{Value, json};

use crate::support::{Place, event, sprint, with};

const POLICIES: &str = r#"
[[policy]]
name = "calm"
kind = "cooldown"
match = "ask"
window = "10m"
mode = "defer"
reason = "one question in ten minutes"
"#;

fn asking() -> Place {
    let place = Place::new().with("REGIE_POLICIES", "policies.toml");
    place.file("policies.toml", POLICIES);
    let ask = |id: &str, time: &str| event(id, "ask", "desk", &format!("2026-03-02T{time}Z"));
    place.holding(&[ask("e-1", "09:00:00"), ask("e-2", "09:04:00"), event("e-3", "tick", "t", "2026-03-02T09:30:00Z")])
}

#[test]
fn the_story_has_moves_with_times_reasons_policy_decisions_and_the_chain() {
    let story = asking().with("COLUMNS", "80").run(&["show", "desk"]).succeeds().fits(80);
    story.tells(&[
        "2 events: 2 processed",
        "the chain of 3 records holds",
        "calm passed",
        "calm deferred: one question in ten minutes, 360000 ms remain",
        "09:04:00.000  pending → deferred: one question in ten minutes",
        "e-2: deferred → pending: its time has come",
    ]);
}

#[test]
fn the_story_for_programs_has_every_record_and_every_move() {
    let story = asking().run(&["show", "desk", "--json"]).succeeds().json();
    let second = &story["events"][1];
    let states: Vec<&Value> = second["state_transitions"].as_array().unwrap().iter().map(|it| &it["to"]).collect();
    assert_eq!(states, ["pending", "deferred", "pending", "processed"]);
    assert_eq!((&second["event"]["id"], &second["state"]), (&json!("e-2"), &json!("processed")));
    assert_eq!((&story["chain"]["holds"], &story["records"].as_array().unwrap().len()), (&json!(true), &3));
    assert_eq!(story["records"][0]["facts"][0], json!({"fact": "opened", "correlation_id": "desk"}));
}

#[test]
fn a_deferred_event_is_told_with_the_time_at_which_it_comes_back() {
    let place = Place::new().with("REGIE_POLICIES", "policies.toml");
    place.file("policies.toml", POLICIES);
    let ask = |id: &str, time: &str| event(id, "ask", "desk", &format!("2026-03-02T{time}Z"));
    let place = place.holding(&[ask("e-1", "09:00:00"), ask("e-2", "09:04:00")]);
    let story = place.run(&["show", "desk", "--json"]).json();
    assert_eq!(story["events"][1]["deferred_until"], "2026-03-02T09:10:00.000Z");
}

#[test]
fn changes_cause_and_circumstances_are_told() {
    let place = Place::new().holding(&sprint());
    place.run(&["show", "task-001"]).succeeds().tells(&[
        "status: \"pending\" → \"in_progress\"",
        "by user:ana, about task/TASK-001",
        "session s-1",
    ]);
}

#[test]
fn long_texts_are_wrapped_and_nothing_is_wider_than_the_terminal() {
    let long = "word ".repeat(60) + &"x".repeat(300);
    let events = [with(
        event("e-1", "a.b", &"c".repeat(200), "2026-03-02T09:00:00Z"),
        json!({"changes": {"text": {"before": null, "after": long}}, "entity": {"type": "t", "id": "i".repeat(200)}}),
    )];
    let place = Place::new().with("COLUMNS", "60").holding(&events);
    place.run(&["show", &"c".repeat(200)]).succeeds().fits(60);
    place.run(&["query"]).succeeds().fits(60);
    place.run(&["state", "t", &"i".repeat(200)]).succeeds();
}

#[test]
fn a_correlation_that_nobody_knows_has_an_exit_code_of_its_own() {
    let place = Place::new().holding(&sprint());
    place.run(&["show", "nobody"]).exits(3).tells(&["nothing is known of 'nobody'"]);
    assert_eq!(place.run(&["show", "nobody", "--json"]).exits(3).json(), Value::Null);
}
