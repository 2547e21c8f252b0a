//! Machines that go on under another version.

use std::time::Duration;

use regie_core::Json;
use regie_core::event::Principal;
use regie_core::workflow::machine::{Machine, MachineBuilder};
use regie_core::workflow::{Command, Definitions, Migration, Record, replay_under};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::machine_help::Floor;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum At {
    Open,
    Late,
    Done,
}

/// Waits so long, and then for a second, and is done.
fn waits(version: u32, millis: u64) -> MachineBuilder<At, u32> {
    Machine::<At, u32>::named("m", At::Open)
        .version(version)
        .starts_on("m.go")
        .on::<Json>(At::Open, "m.go", |way| way)
        .on::<Json>(At::Open, "m.late", |way| way.go(At::Late))
        .after(At::Open, Duration::from_millis(millis), |way| way.go(At::Late))
        .after(At::Late, Duration::from_secs(1), |way| way.go(At::Done))
        .completes(At::Done, |_| json!("done"))
}

fn migrated(floor: &mut Floor, definitions: Definitions, to: u32) -> Result<(), String> {
    floor.desk.definitions = definitions;
    let records: Vec<Record> =
        floor.desk.records.iter().map(|bytes| Record::decode(bytes).expect("a record")).collect();
    let state = replay_under(&records, to, &floor.desk.definitions)?;
    let (id, by, why) = ("m".to_string(), Principal::user("ada"), "better".to_string());
    let seen = floor.desk.state.sequence;
    floor.take(&Command::Migrate(Box::new(Migration { to, state, seen, id, by, why })));
    Ok(())
}

/// A run that began with version 1, which waits for a minute, and goes on under one that waits so long.
fn taken_over(millis: u64) -> Floor {
    let mut floor = Floor::new(waits(1, 60_000).build().expect("a good machine"));
    floor.send("m.go", json!(null));
    let mut both = Definitions::default();
    both.add(waits(1, 60_000).build().expect("a good machine"));
    both.add(waits(2, millis).build().expect("a good machine"));
    migrated(&mut floor, both, 2).expect("it fits");
    floor
}

#[test]
fn a_wait_that_is_longer_in_the_new_version_runs_since_the_state_was_entered() {
    let mut floor = taken_over(100_000);
    floor.wait(60_000);
    assert_eq!((floor.status().as_str(), floor.owed()), ("running", vec!["~after/100000#1 at 100000".to_string()]));
    floor.wait(40_000);
    floor.wait(1_000);
    assert_eq!(floor.status(), r#"completed with "done""#);
}

#[test]
fn a_wait_that_is_shorter_in_the_new_version_counts_from_its_first_turn_on() {
    let mut floor = taken_over(10_000);
    floor.wait(5_000);
    floor.send("m.go", json!(null));
    assert_eq!(floor.owed(), ["~after/10000#1 at 10000"]);
    let mut late = taken_over(10_000);
    late.wait(60_000);
    late.wait(1_000);
    assert_eq!(late.status(), r#"completed with "done""#);
}

#[test]
fn a_timer_of_the_old_version_is_given_up_with_its_state() {
    let mut floor = taken_over(100_000);
    floor.send("m.late", json!(null));
    assert_eq!(floor.owed(), ["~after/1000#1 at 1000"]);
}

#[test]
fn a_version_without_the_state_in_which_a_machine_is_does_not_fit() {
    let other = Machine::<At, u32>::named("m", At::Late)
        .version(2)
        .starts_on("m.go")
        .on::<Json>(At::Late, "m.go", |way| way.go(At::Done))
        .completes(At::Done, |_| json!("done"));
    let mut floor = Floor::new(waits(1, 60_000).build().expect("a good machine"));
    floor.send("m.go", json!(null));
    let mut both = Definitions::default();
    both.add(waits(1, 60_000).build().expect("a good machine"));
    both.add(other.build().expect("a good machine"));
    let why = migrated(&mut floor, both, 2).expect_err("it has no place");
    assert_eq!(why, "version 2 of 'm' does not fit: there is no state Open, in which it is");
}
