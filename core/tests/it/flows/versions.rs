//! Flows that go on under another version: where a run stands is there too.

use std::time::Duration;

use regie_core::workflow::flow::{Flow, FlowBuilder, call, fork, sequence, wait};
use regie_core::workflow::{Record, replay_under};
use serde_json::json;

use super::run;

fn flow(version: u32) -> FlowBuilder {
    Flow::named("f").version(version).starts_on("go")
}

/// Whether a run of a flow whose first task is done can go on in another.
fn moved(from: FlowBuilder, to: FlowBuilder) -> Result<(), String> {
    let mut run = run(from.build().unwrap(), json!(1));
    run.done("a", json!(1));
    assert!(run.desk.definitions.add(to.build().unwrap()));
    let records: Vec<Record> = run.desk.records.iter().map(|bytes| Record::decode(bytes).unwrap()).collect();
    replay_under(&records, 2, &run.desk.definitions).map(drop)
}

#[test]
fn a_version_that_has_all_that_is_under_way_fits() {
    let first = || flow(1).task("a", call("x").undo("y")).task("b", call("z"));
    let longer = flow(2).task("a", call("x").undo("w")).task("b", call("z")).task("c", call("z"));
    assert_eq!(moved(first(), longer), Ok(()));
}

#[test]
fn a_version_without_a_place_for_what_is_under_way_does_not_fit() {
    let first = || flow(1).task("a", call("x").undo("y")).task("b", call("z"));
    let wide = |flow: FlowBuilder, branches: &[&str]| {
        let branches = branches.iter().fold(fork(), |all, name| all.branch(name, call("z")));
        flow.task("a", call("x")).task("f", branches)
    };
    let faults = [
        (moved(first(), flow(2).task("a", call("x").undo("y"))), "no step 'b', which is under way"),
        (moved(first(), flow(2).task("a", call("x")).task("b", call("z"))), "nothing puts step 'a' back"),
        (
            moved(
                flow(1).task("a", call("x")).task("b", wait(Duration::from_secs(9))),
                flow(2).task("a", call("x")).task("c", wait(Duration::from_secs(9))),
            ),
            "no task 'b', at which it stands",
        ),
        (
            moved(
                flow(1).task("a", call("x")).task("b", wait(Duration::from_secs(9))),
                flow(2).task("a", call("x")).task("b", sequence()),
            ),
            "task 'b', which is under way, is of another kind",
        ),
        (
            moved(wide(flow(1), &["p", "q"]), wide(flow(2), &["p", "q", "r"])),
            "task 'f', which is under way, is of another",
        ),
    ];
    for (fits, told) in faults {
        let why = fits.expect_err(told);
        assert!(why.contains("version 2 of 'f' does not fit") && why.contains(told), "{why}");
    }
}

#[test]
fn of_those_that_begin_on_the_same_type_the_first_by_name_does_and_the_others_are_named() {
    let mut definitions = regie_core::workflow::Definitions::default();
    let begins = |name: &str, on: &str| Flow::named(name).starts_on(on).task("a", call("x")).build().unwrap();
    for (name, on) in [("d", "go"), ("c", "go"), ("other", "go.>")] {
        definitions.add(begins(name, on));
    }
    assert_eq!((definitions.never_begun(), definitions.begins("c", "go")), (vec![("d", "c")], Ok(())));
}
