//! A run that is killed again and again ends like one that nobody disturbed.
//!
//! `REGIE_KILLS` says how often (10 unless said), `REGIE_SEED` repeats a run.

use std::process::Stdio;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::runtime_support::{Dice, at};
use crate::support::{Place, lines};

const EVENTS: usize = 4_000;
const POLICIES: &str = r#"
[[policy]]
name = "notes"
kind = "cooldown"
match = "agent.note"
window = "10s"
key = "actor"
mode = "discard"

[[policy]]
name = "tasks"
kind = "cooldown"
match = "agent.task"
window = "10s"
key = "actor"
mode = "defer"
"#;
const RUN: [&str; 5] = ["run", "events.jsonl", "--config", "regie.toml", "--json"];

pub(crate) fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A place with a log and what cools it.
fn place() -> Place {
    let (mut dice, mut now) = (Dice(17), 0);
    let one = |nth: usize| {
        now += dice.below(400) as i64;
        let kind = ["agent.note", "agent.task", "agent.free"][dice.below(3) as usize];
        json!({
            "id": format!("e-{nth}"), "type": kind, "correlation_id": format!("c-{}", dice.below(200)),
            "timestamp": at(now), "actor": {"kind": "agent", "id": format!("a-{}", dice.below(23))},
        })
    };
    let events: Vec<Value> = (0..EVENTS).map(one).collect();
    let place = Place::new();
    place.file("events.jsonl", lines(&events));
    place.file("policies.toml", POLICIES);
    place.file("regie.toml", "policies = \"policies.toml\"\nclock = \"event\"\n");
    place
}

/// Starts a run and kills it after so long; says whether it had ended by itself.
fn run_and_kill(place: &Place, after: Duration) -> bool {
    let mut child = place.command(&RUN).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let told = child.stderr.take().unwrap();
    let (done, ended) = channel();
    // Its other end is closed when the process is gone, however it went.
    let reader = std::thread::spawn(move || done.send(std::io::read_to_string(told).unwrap()));
    let by_itself = ended.recv_timeout(after) != Err(RecvTimeoutError::Timeout);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap().ok();
    by_itself
}

fn finish(place: &Place) -> Value {
    let all: Vec<&str> = RUN.into_iter().chain(["--drain"]).collect();
    place.run(&all).succeeds().json()
}

fn stats(place: &Place) -> Value {
    place.run(&["stats", "--json"]).succeeds().json()
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_like_one_that_nobody_disturbed() {
    let fresh = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = number_from("REGIE_SEED").unwrap_or_else(fresh);
    println!("REGIE_SEED={seed}");
    let undisturbed = place();
    assert_eq!(finish(&undisturbed)["new"], json!(EVENTS));
    let expected = stats(&undisturbed);
    assert!(expected["by_state"]["discarded"].as_u64() > Some(200), "the log tries nothing: {expected}");

    let (mut dice, place) = (Dice(seed), place());
    let mut cut = 0;
    for _ in 0..number_from("REGIE_KILLS").unwrap_or(10) {
        let ended = run_and_kill(&place, Duration::from_micros(dice.below(400_000)));
        cut += u32::from(!ended);
    }
    assert!(cut > 0, "no run was cut short");
    let report = finish(&place);
    println!("{cut} runs were cut short; the last one found {} known", report["known"]);
    place.run(&["verify"]).succeeds();
    assert_eq!(stats(&place), expected, "REGIE_SEED={seed}");
    assert_eq!(finish(&place)["known"], json!(EVENTS));
    let lives = |place: &Place| -> Vec<Value> {
        let events = place.run(&["query", "--json"]).succeeds().json_lines();
        events.iter().map(|event| json!([event["id"], event["record"]["state"]])).collect()
    };
    assert_eq!(lives(&place), lives(&undisturbed), "REGIE_SEED={seed}");
}
