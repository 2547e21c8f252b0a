//! Machines: transitions, guards, actions, waits, and what becomes of an event that has no place.

use std::time::Duration;

use regie_core::Json;
use regie_core::event::Event;
use regie_core::event::LifeState::{Deferred, Discarded, Escalated, Processed};
use regie_core::workflow::machine::{Given, Machine, MachineBuilder, Unmatched};
use regie_core::workflow::{Command, EffectEnd, Fact, Record};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::machine_help::{Floor, Order, Stage, order};

#[test]
fn an_order_goes_its_way_to_the_end() {
    let mut floor = Floor::paid();
    assert_eq!(
        (floor.stage(), floor.owed()),
        (Stage::Reserving, vec!["reserve#1 stock 10".into(), "~after/60000#1 at 60000".into()])
    );
    floor.done("reserve", json!("shelf 3"));
    assert_eq!((floor.stage(), floor.owed()), (Stage::Charging, vec!["charge#1 bank 10".to_string()]));
    floor.done("charge", json!(7));
    assert_eq!(floor.status(), "completed with 10");
    assert_eq!(floor.order().data(), &Order { price: 10, paid: 10, log: vec!["left".into(), "shelf 3".into()] });
}

#[test]
fn the_first_transition_whose_guards_hold_is_taken_and_one_that_stays_leaves_nothing() {
    let mut floor = Floor::new(order().build().expect("a good machine"));
    floor.send("order.placed", json!(10));
    floor.send("order.paid", json!({ "amount": 4 }));
    assert_eq!((floor.stage(), floor.order().data().log.len()), (Stage::New, 0));
    floor.send("order.paid", json!({ "amount": 6 }));
    assert_eq!((floor.stage(), floor.order().data().paid), (Stage::Reserving, 10));
}

#[test]
fn the_journal_tells_what_was_done_by_name() {
    let floor = Floor::paid();
    let record = Record::decode(floor.desk.records.last().expect("a record")).expect("a record");
    let took = record.facts.iter().find_map(|fact| match fact {
        Fact::Noted { data } if data.text().contains("took") => Some(data.value()),
        _ => None,
    });
    let told = json!({ "took": { "from": "New", "to": "Reserving", "on": "order.paid", "guards": ["enough"],
        "did": ["leave", "count it", "start reserve"] } });
    assert_eq!(took, Some(told));
}

#[test]
fn a_refused_event_is_discarded_and_the_reason_names_state_and_event() {
    let mut floor = Floor::paid();
    let (state, reason) = floor.send("order.paid", json!({ "amount": 1 }));
    assert_eq!((state, reason.as_str()), (Discarded, "'order.paid' has no transition in state Reserving"));
    assert_eq!(floor.order().data().paid, 10);
}

#[test]
fn an_event_that_is_refused_begins_no_machine() {
    let machine = order().starts_on("order.>").build();
    assert!(machine.is_err(), "starts_on is said once");
    let mut floor =
        Floor::new(order().otherwise_for("order.placed", Unmatched::Ignore).build().expect("a good machine"));
    assert_eq!(floor.send("order.other", json!(1)).0, Processed, "no machine begins on it");
    assert!(floor.desk.state.run().is_none());
}

#[test]
fn a_kept_event_waits_for_its_state_and_those_that_wait_are_taken_in_order() {
    let mut floor = Floor::new(order().otherwise(Unmatched::Keep).build().expect("a good machine"));
    floor.send("order.placed", json!(10));
    let (state, reason) = floor.send("order.lost", json!(null));
    assert_eq!(state, Deferred);
    assert_eq!(reason, "awaiting transition: 'order.lost' has no transition in state New");
    floor.send("order.paid", json!({ "amount": 10 }));
    assert_eq!(floor.desk.state.open().len(), 1, "it has no place there either");
    floor.done("reserve", json!("a"));
    floor.done("charge", json!(1));
    assert_eq!((floor.status().as_str(), floor.desk.state.open().len()), ("completed with 10", 0));
}

#[test]
fn events_before_their_time_find_their_places_one_after_the_other() {
    let machine = chain().build().expect("a good machine");
    let mut floor = Floor::new(chain().build().expect("a good machine"));
    floor.send("c.start", json!(null));
    for kind in ["c.third", "c.second"] {
        assert_eq!(floor.send(kind, json!(null)).0, Deferred);
    }
    assert_eq!(floor.send("c.first", json!(null)).0, Processed);
    assert_eq!(floor.stand(&machine).data(), &["first", "second", "third"].map(String::from).to_vec());
    assert_eq!(floor.status(), "completed with 3");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum At {
    One,
    Two,
    Three,
    End,
}

fn says(text: &'static str) -> impl Fn(&mut Vec<String>, &Given<'_, Json>) {
    move |log, _| log.push(text.to_string())
}

/// Takes its three events in that order alone.
fn chain() -> MachineBuilder<At, Vec<String>> {
    Machine::named("chain", At::One)
        .starts_on("c.start")
        .otherwise(Unmatched::Keep)
        .otherwise_for("c.start", Unmatched::Ignore)
        .on::<Json>(At::One, "c.first", |way| way.act("say", says("first")).go(At::Two))
        .on::<Json>(At::Two, "c.second", |way| way.act("say", says("second")).go(At::Three))
        .on::<Json>(At::Three, "c.third", |way| way.act("say", says("third")).go(At::End))
        .completes(At::End, |log| json!(log.len()))
}

#[test]
fn what_the_next_state_has_no_place_for_waits_on_without_being_given_to_it() {
    let switch = Machine::<At, u32>::named("switch", At::One)
        .starts_on("s.start")
        .otherwise(Unmatched::Keep)
        .otherwise_for("s.start", Unmatched::Ignore)
        .on::<Json>(At::One, "s.on", |way| way.go(At::Two))
        .on::<Json>(At::Two, "s.off", |way| way.go(At::One))
        .build();
    let mut floor = Floor::new(switch.expect("a good machine"));
    for kind in ["s.start", "s.off", "s.off", "s.off", "s.on"] {
        floor.send(kind, json!(null));
    }
    assert_eq!(floor.desk.records.len(), 6, "one of the three is taken, and the others leave no record");
    assert_eq!(floor.desk.state.open().keys().copied().collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn an_ignored_event_is_recorded_with_the_reason() {
    let mut floor =
        Floor::new(order().otherwise_for("order.noted", Unmatched::Ignore).build().expect("a good machine"));
    floor.send("order.placed", json!(10));
    let (state, reason) = floor.send("order.noted", json!("x"));
    assert_eq!((state, reason.as_str()), (Processed, "ignored: 'order.noted' has no transition in state New"));
    assert_eq!(floor.send("order.other", json!("x")).0, Discarded, "the others are refused as before");
}

#[test]
fn a_payload_that_cannot_be_read_is_for_a_person_with_its_place() {
    let mut floor = Floor::new(order().build().expect("a good machine"));
    floor.send("order.placed", json!(10));
    let (state, reason) = floor.send("order.paid", json!({ "amount": "ten" }));
    assert_eq!(state, Escalated);
    assert!(
        reason.contains("'order.paid' cannot be read in state New") && reason.contains("line 1 column"),
        "{reason}"
    );
    assert_eq!(floor.stage(), Stage::New);
}

#[test]
fn a_wait_that_runs_out_leads_on_and_one_whose_state_was_left_does_not() {
    let mut late = Floor::paid();
    late.wait(59_999);
    assert_eq!(late.stage(), Stage::Reserving);
    late.wait(1);
    assert_eq!(late.stage(), Stage::Lost);
    let mut left = Floor::paid();
    left.done("reserve", json!("a"));
    left.wait(100_000);
    assert_eq!((left.stage(), left.owed()), (Stage::Charging, vec!["charge#1 bank 10".to_string()]));
}

/// Tells others when it is over, and asks again each second until then.
fn teller() -> MachineBuilder<At, u32> {
    Machine::named("teller", At::One)
        .starts_on("t.start")
        .on::<Json>(At::One, "t.start", |way| way)
        .after(At::One, Duration::from_secs(1), |way| {
            way.act("count", |count, _| *count += 1).send("remind", |_, _| Event::new("t.remind", "others")).go(At::One)
        })
        .on::<Json>(At::One, "t.end", |way| way.go(At::End))
        .enter(At::End, |deeds| deeds.send("tell", |count, _| Event::new("t.told", "others").payload(json!(count))))
        .completes(At::End, |count| json!(count))
}

fn sent(floor: &mut Floor, step: &str, end: EffectEnd) {
    let key = floor.key(step);
    floor.take(&Command::EffectEnded { key, end });
}

#[test]
fn a_state_that_is_entered_again_sets_its_waits_anew_and_sends_have_names_of_their_own() {
    let mut floor = Floor::new(teller().build().expect("a good machine"));
    floor.send("t.start", json!(null));
    floor.wait(1_000);
    floor.wait(1_000);
    assert_eq!(floor.owed(), ["~after/1000#3 at 3000", "~send/1/remind#1", "~send/2/remind#1"]);
    sent(&mut floor, "~send/1/remind", EffectEnd::Sent { position: 1, state: Processed });
    floor.wait(1_000);
    assert_eq!(floor.owed()[1..], ["~send/1/remind#2", "~send/2/remind#1"], "a name is free again");
}

#[test]
fn what_the_last_state_sends_is_recorded_before_the_machine_ends() {
    let mut floor = Floor::new(teller().build().expect("a good machine"));
    floor.send("t.start", json!(null));
    floor.send("t.end", json!(null));
    assert_eq!((floor.status().as_str(), floor.owed()), ("running", vec!["~send/1/tell#1".to_string()]));
    assert_eq!(floor.send("t.end", json!(null)).0, Processed, "it ends already");
    sent(&mut floor, "~send/1/tell", EffectEnd::Sent { position: 1, state: Processed });
    assert_eq!(floor.status(), "completed with 0");
}

#[test]
fn what_cannot_be_sent_fails_the_machine_unless_a_transition_takes_it() {
    let refused = || EffectEnd::NotSent { reason: "no such place".into() };
    let mut floor = Floor::new(teller().build().expect("a good machine"));
    floor.send("t.start", json!(null));
    floor.wait(1_000);
    sent(&mut floor, "~send/1/remind", refused());
    assert_eq!(floor.status(), "failed ('remind' was not sent: no such place)");
    let caught =
        teller().on_not_sent(At::One, "remind", |way| way.guard("why", |_, why| why.contains("place")).go(At::End));
    let mut floor = Floor::new(caught.build().expect("a good machine"));
    floor.send("t.start", json!(null));
    floor.wait(1_000);
    sent(&mut floor, "~send/1/remind", refused());
    assert_eq!(floor.owed(), ["~send/1/tell#1"]);
}

#[test]
fn a_version_is_its_runs_own() {
    let machine = order().version(7).build().expect("a good machine");
    let mut floor = Floor::new(machine);
    floor.send("order.placed", json!(10));
    assert_eq!(floor.desk.state.run().map(|run| run.version), Some(7));
}
