//! A machine that does not hold is refused with all its faults, each with its place.

use std::time::Duration;

use regie_core::Json;
use regie_core::event::Event;
use regie_core::limits;
use regie_core::retry::Retry;
use regie_core::workflow::machine::{Machine, MachineBuilder, Unmatched};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct At(String);

/// Shown as it is.
impl std::fmt::Debug for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.split('!').next().unwrap_or_default())
    }
}

fn s(name: &str) -> At {
    At(name.into())
}

type Written = MachineBuilder<At, u32>;

/// Begins in a, ends in z; nothing is wrong with it.
fn good() -> Written {
    Machine::named("m", s("a"))
        .starts_on("m.go")
        .on::<Json>(s("a"), "m.go", |way| way.go(s("z")))
        .completes(s("z"), |data| json!(data))
}

fn faults(machine: Written) -> Vec<String> {
    machine.build().err().map_or_else(Vec::new, |error| error.faults.iter().map(ToString::to_string).collect())
}

#[test]
fn nothing_is_wrong_with_a_good_one() {
    assert_eq!(faults(good()), Vec::<String>::new());
}

fn go(from: &str, kind: &str, to: &str) -> Written {
    good().on::<Json>(s(from), kind, |way| way.go(s(to)))
}

/// A machine with a fault of its shape, and what is told of it.
fn shapes() -> Vec<(Written, &'static str)> {
    let second = Duration::from_secs(1);
    vec![
        (good().completes(s("y"), |_| json!(1)), "state y: no transition leads to it"),
        (go("a", "m.x", "b").enter(s("b"), |deeds| deeds.act("x", |_, _| ())), "state b: a dead end"),
        (go("a", "m.x", "b").on::<Json>(s("b"), "m.x", |way| way.go(s("b"))), "state b: a dead end"),
        (go("a", "m.x", "nowhere"), "state a, transition 2 (m.x): it leads to state nowhere, of which nothing is said"),
        (
            go("a", "m.go", "z"),
            "state a, transition 2 (m.go): it is never taken: transition 1 (m.go), which has no guard",
        ),
        (good().on::<Json>(s("a"), "m.*", |way| way), ""),
        (
            go("a", "order.*", "z").on::<Json>(s("a"), "*.paid", |way| way),
            "state a, transition 3 (*.paid): it is ambiguous: some events fit transition 2 (order.*) too, and neither",
        ),
        (go("a", "order.*", "z").on::<Json>(s("a"), "*.paid", |way| way.guard("x", |_, _| true)), ""),
        (go("z", "m.x", "a"), "state z: the machine ends in it: nothing leads out of it"),
        (good().leave(s("z"), |deeds| deeds.act("x", |_, _| ())), "state z: the machine ends in it"),
        (good().fails(s("z"), |_| String::new()), "state z: it is said more than once how"),
        (good().on::<Json>(s("a"), "m.x", |way| way.go(s("z")).go(s("a"))), "it leads to more than one state"),
        (
            go("a", "m.x", "b").after(s("b"), second, |way| way.go(s("c"))).after(s("c"), second, |way| way.go(s("b"))),
            "state b: time alone leads round without end",
        ),
    ]
}

/// The same of names.
fn names() -> Vec<(Written, &'static str)> {
    vec![
        (good().on::<Json>(s("a"), "m..x", |way| way), "state a, transition 2 (m..x): 'm..x' is no pattern"),
        (good().starts_on("m.other"), "starts_on: it is said more than once"),
        (Machine::named("m", s("a")).completes(s("a"), |_| json!(1)), "the machine: nothing begins it"),
        (Machine::named("m", s("a")).starts_on("m.x"), "state a: the machine begins in it, and nothing is said of it"),
        (Machine::named("", s("a")), "the machine: its name has 1 to 255 bytes"),
        (Machine::named("regie.mine", s("a")), "the machine: names that begin with 'regie.'"),
        (good().version(0), "the machine: versions begin at 1"),
        (good().otherwise_for("x.", Unmatched::Keep), "otherwise_for: 'x.' is no pattern"),
        (good().on::<Json>(s("z!2"), "m.x", |way| way.go(s("a"))), "state z: 2 states have this Debug text"),
        (good().step("pack", "x", |step| step), "step 'pack': nothing starts it"),
        (good().step("~pack", "x", |step| step), "step '~pack': its name has 1 to 200 bytes"),
        (good().step("a", "x", |step| step).step("a", "y", |step| step), "step 'a': it is said twice"),
        (good().step("a", "", |step| step), "step 'a': an agent's name has"),
        (
            good().step("a", "x", |step| step.undo("\n", |_| json!(1))),
            "step 'a': what puts it back: an agent's name has",
        ),
        (good().step("a", "x", |step| step.within(Duration::ZERO)), "step 'a': a time limit has at least 1 ms"),
        (good().step("a", "x", |step| step.retry(Retry::times(0))), "step 'a': it is tried once at least"),
        (
            good().step("a", "x", |step| step.undo("y", |_| json!(1)).undo_with(Retry::times(0), None)),
            "step 'a': what puts it back: it is tried once at least",
        ),
        (good().enter(s("a"), |deeds| deeds.start("none", |_, _| json!(1))), "state a, entry: there is no step 'none'"),
        (
            good().step("pack", "x", |step| step).enter(s("a"), |deeds| deeds.start("pakc", |_, _| json!(1))),
            "did you mean 'pack'?",
        ),
        (
            good().step("a", "x", |step| step).enter(s("z"), |deeds| deeds.start("a", |_, _| json!(1))),
            "state z: the machine ends in it: a step that starts there",
        ),
        (good().on_done::<Json>(s("a"), "none", |way| way), "(none done): there is no step 'none'"),
        (good().on_failed(s("a"), "none", |way| way), "(none failed): there is no step 'none'"),
        (good().on_not_sent(s("a"), "none", |way| way), "nothing is sent by the name 'none'"),
        (good().after(s("a"), Duration::ZERO, |way| way.go(s("z"))), "a wait has at least 1 ms"),
        (good().after(s("a"), Duration::from_micros(1_500), |way| way.go(s("z"))), "a wait is in whole milliseconds"),
        (good().on::<Json>(s("a"), "m.x", |way| way.guard("", |_, _| true)), "the name of a guard has"),
        (
            good().on::<Json>(s("a"), "m.x", |way| way.guard("g", |_, _| true).guard("g", |_, _| true)),
            "two guards are named 'g'",
        ),
        (good().on::<Json>(s("a"), "m.x", |way| way.act("\u{7}", |_, _| ())), "the name of an action has"),
        (good().on::<Json>(s("a"), "m.x", |way| way.send("", |_, _| Event::new("m.x", "c"))), "the name of an action"),
    ]
}

#[test]
fn every_fault_is_named_with_its_place() {
    for (machine, told) in shapes().into_iter().chain(names()) {
        let faults = faults(machine);
        if told.is_empty() {
            assert_eq!(faults, Vec::<String>::new());
        } else {
            assert!(faults.iter().any(|fault| fault.contains(told)), "'{told}' is not among {faults:#?}");
        }
    }
}

#[test]
fn a_round_with_a_way_out_is_no_fault() {
    let second = Duration::from_secs(1);
    let round = |more: fn(Written) -> Written| {
        let ways = good().on::<Json>(s("a"), "m.x", |way| way.go(s("b"))).after(s("b"), second, |way| way.go(s("c")));
        faults(more(ways.after(s("c"), second, |way| way.go(s("b")))))
    };
    assert_eq!(round(|machine| machine).len(), 1);
    assert!(round(|machine| machine.on::<Json>(s("c"), "m.x", |way| way.go(s("z")))).is_empty());
    let guarded = |machine: Written| {
        machine.after(s("c"), Duration::from_millis(5), |way| way.guard("late", |_, _| true).go(s("z")))
    };
    assert!(round(guarded).is_empty());
}

#[test]
fn guards_that_differ_may_share_an_event_and_those_that_do_not_may_not() {
    let two = |one: &'static str, other: &'static str| {
        let way = |name: &'static str, machine: Written| {
            machine.on::<Json>(s("a"), "m.x", |way| way.guard(name, |_, _| true).go(s("z")))
        };
        faults(way(other, way(one, good())))
    };
    assert!(two("one", "other").is_empty());
    assert!(two("one", "one")[0].contains("which has the same guards"));
}

#[test]
fn all_faults_are_told_at_once() {
    let bad =
        good().version(0).starts_on("..").step("~", "", |step| step).on::<Json>(s("b"), "x.", |way| way.go(s("q")));
    assert!(faults(bad).len() >= 8);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_looked_at() {
    let many = (0..10_000).fold(good(), |machine, at| machine.on::<Json>(s("a"), format!("m.x{at}"), |way| way));
    assert_eq!(
        faults(many),
        [format!("the machine: it has 10001 transitions; at most {} may be", limits::MACHINE_TRANSITIONS)]
    );
    let states = (0..2_000).fold(good(), |machine, at| machine.fails(s(&at.to_string()), |_| String::new()));
    assert_eq!(faults(states).len(), 1);
}

#[test]
fn a_transition_that_asks_for_more_than_a_turn_may_is_refused() {
    let sends = |count: usize| {
        good().enter(s("z"), |deeds| (0..count).fold(deeds, |deeds, _| deeds.send("x", |_, _| Event::new("m.x", "c"))))
    };
    assert!(faults(sends(600)).is_empty());
    assert_eq!(
        faults(sends(601)),
        ["state a, transition 1 (m.go): it asks for 601 effects at once; at most 600 may be"]
    );
}

#[test]
fn what_begins_it_has_a_place_unless_it_may_wait() {
    let apart = || {
        Machine::<At, u32>::named("m", s("a"))
            .starts_on("m.begin")
            .on::<Json>(s("a"), "m.go", |way| way.go(s("z")))
            .completes(s("z"), |_| json!(1))
    };
    assert!(faults(apart())[0].contains("'m.begin' has no transition in state a, and is refused"));
    assert!(faults(apart().otherwise(Unmatched::Keep)).is_empty());
}
