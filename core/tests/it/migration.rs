//! Versions of a definition: a run keeps its own, and goes on under another only if its records can be read there.

use regie_core::event::{Pattern, Principal};
use regie_core::workflow::{
    Command, Definitions, Fact, Handler, HandlerError, Input, Migration, Moment, Operation, Reaction, Record, Refusal,
    State, evolve, replay_under,
};
use regie_core::{Json, limits};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::helpers::{Desk, event, submit};

/// Adds up: one for each event, times its version. Its facts are of that type.
struct Adds<F> {
    version: u32,
    fact: fn() -> F,
    worth: fn(F) -> u64,
}

impl<F: Serialize + DeserializeOwned + 'static> Handler for Adds<F> {
    type State = u64;
    type Fact = F;

    fn name(&self) -> &str {
        "adds"
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn starts_on(&self) -> Pattern {
        Pattern::parse("add").expect("a pattern")
    }

    fn decide(&self, _: &u64, input: Input<'_>, _: &Moment<'_>) -> Result<Reaction<F>, HandlerError> {
        let reaction = Reaction::none().note((self.fact)());
        Ok(match input {
            Input::Event(event) if event.id == "last" => reaction.complete("done"),
            Input::Event(event) if event.id == "first" => reaction.call("work", "agent", Json::null()),
            _ => reaction,
        })
    }

    fn evolve(&self, sum: &mut u64, fact: F) {
        *sum += (self.worth)(fact) * u64::from(self.version);
    }
}

#[derive(Serialize, Deserialize)]
struct Renamed {
    by: u64,
}

/// Version 1 and 2 read the same facts; version 3 has others.
fn program(versions: &[u32]) -> Definitions {
    let mut definitions = Definitions::default();
    for version in versions.iter().copied() {
        let free = match version {
            3 => definitions.add(Adds { version, fact: || Renamed { by: 1 }, worth: |fact: Renamed| fact.by }),
            _ => definitions.add(Adds { version, fact: || 1_u64, worth: |fact| fact }),
        };
        assert!(free);
    }
    definitions
}

/// A run of version 1 with two events, in a program that has all three by now.
fn begun() -> Desk {
    let mut desk = Desk::new(program(&[1]));
    for id in ["first", "second"] {
        desk.take(&submit(event("add", id))).expect("taken");
    }
    desk.definitions = program(&[1, 2, 3]);
    desk
}

fn records(desk: &Desk) -> Vec<Record> {
    desk.records.iter().map(|bytes| Record::decode(bytes).expect("a record")).collect()
}

fn migration(desk: &Desk, to: u32) -> Migration {
    let state = replay_under(&records(desk), to, &desk.definitions).unwrap_or_else(|_| Json::of(&0));
    let (id, by, why) = ("m".to_string(), Principal::user("ada"), "better".to_string());
    Migration { to, state, seen: desk.state.sequence, id, by, why }
}

fn stands(desk: &Desk) -> (u32, String) {
    let run = desk.state.run().expect("a run");
    (run.version, desk.state.told(&desk.definitions).expect("a state").text().to_string())
}

fn refused(desk: &mut Desk, migration: Migration) -> String {
    desk.take(&Command::Migrate(Box::new(migration))).expect_err("refused").to_string()
}

#[test]
fn a_run_keeps_its_version_beside_a_newer_one_and_new_runs_take_the_newest() {
    let mut desk = begun();
    desk.take(&submit(event("add", "third"))).expect("taken");
    assert_eq!(stands(&desk), (1, "3".into()));
    let mut new = Desk::new(program(&[1, 2]));
    new.take(&submit(event("add", "first"))).expect("taken");
    assert_eq!(stands(&new), (2, "2".into()));
}

#[test]
fn a_run_goes_on_under_another_version_from_what_its_records_give_there() {
    let mut desk = begun();
    let migration = migration(&desk, 2);
    assert_eq!(migration.state.text(), "4");
    let owed: Vec<_> = desk.state.owed().keys().cloned().collect();
    desk.take(&Command::Migrate(Box::new(migration))).expect("taken over");
    assert_eq!((stands(&desk), desk.state.owed().keys().cloned().collect::<Vec<_>>()), ((2, "4".into()), owed));
    desk.take(&submit(event("add", "third"))).expect("taken");
    assert_eq!(stands(&desk), (2, "6".into()));
    let facts: Vec<Fact> = records(&desk).into_iter().flat_map(|record| record.facts).collect();
    let told = |fact: &Fact| matches!(fact, Fact::Operated { operation: Operation::Migrate { to: 2 }, why, .. } if why == "better");
    assert!(facts.iter().any(told), "{facts:?}");
}

#[test]
fn a_run_that_was_taken_over_is_read_again_as_it_stands_and_without_its_definition_too() {
    let mut desk = begun();
    desk.take(&Command::Migrate(Box::new(migration(&desk, 2)))).expect("taken over");
    desk.take(&submit(event("add", "third"))).expect("taken");
    for (program, told) in [(program(&[1, 2]), Some("6")), (program(&[2]), Some("6")), (program(&[]), None)] {
        let mut state = State::default();
        records(&desk).iter().try_for_each(|record| evolve(&mut state, record, &program)).expect("legal");
        let run = state.run().expect("a run");
        assert_eq!((run.version, state.told(&program).as_ref().map(Json::text)), (2, told));
    }
    // And on to where it came from.
    assert_eq!(replay_under(&records(&desk), 1, &desk.definitions).expect("it fits").text(), "3");
}

#[test]
fn a_run_that_went_there_and_back_goes_there_again() {
    let mut desk = begun();
    for (to, id) in [(2, "m1"), (1, "m2"), (2, "m3")] {
        let migration = Migration { id: id.into(), ..migration(&desk, to) };
        assert_eq!(replay_under(&records(&desk), to, &desk.definitions).map(drop), Ok(()), "to {to}");
        desk.take(&Command::Migrate(Box::new(migration))).expect("taken over");
    }
    assert_eq!(stands(&desk), (2, "4".into()));
}

#[test]
fn records_that_a_version_cannot_read_are_named_and_nothing_is_done() {
    let desk = begun();
    let why = replay_under(&records(&desk), 3, &desk.definitions).expect_err("other facts");
    assert!(why.contains("sequence 1") && why.contains("cannot be read"), "{why}");
    assert!(replay_under(&records(&desk), 9, &desk.definitions).expect_err("none").contains("no version 9"));
    assert_eq!(replay_under(&[], 2, &desk.definitions), Err("there is no run".into()));
}

#[test]
fn a_run_is_taken_over_once_as_it_was_read_signed_and_while_it_runs() {
    let mut desk = begun();
    let good = migration(&desk, 2);
    let with = |change: fn(&mut Migration)| {
        let mut other = good.clone();
        change(&mut other);
        other
    };
    assert!(refused(&mut desk, with(|it| it.seen = 1)).contains("read up to sequence 1, and is at 2"));
    assert!(refused(&mut desk, with(|it| it.to = 1)).contains("has that version already"));
    assert!(refused(&mut desk, with(|it| it.to = 9)).contains("version 9, which this program does not have"));
    assert!(refused(&mut desk, with(|it| it.why = " ".into())).contains("\"why\": it is blank"));
    assert!(refused(&mut desk, with(|it| it.state = Json::of("text"))).contains("cannot read the state that is given"));
    let large = with(|it| it.state = Json::of(&"x".repeat(limits::REACTION_BYTES)));
    assert!(refused(&mut desk, large).contains("at most"));
    let (by, operation) = (Principal::user("ada"), Operation::Migrate { to: 2 });
    let bare = Command::Operate { operation, id: "o".into(), by, why: "so".into() };
    assert!(matches!(desk.take(&bare), Err(Refusal::NotNow { .. })));
    assert_eq!((desk.records.len(), stands(&desk)), (2, (1, "2".into())));
    desk.take(&Command::Migrate(Box::new(good.clone()))).expect("taken over");
    assert!(matches!(desk.take(&Command::Migrate(Box::new(good))), Err(Refusal::Over { .. })));
    desk.take(&submit(event("add", "last"))).expect("it ends");
    let late = Migration { id: "n".into(), ..migration(&desk, 1) };
    assert!(refused(&mut desk, late).contains("it is over"));
}
