//! `regie escalations`: by a process that opens the journal, and by the one that owns it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::process::{Child, ChildStdin, Stdio};

use regie::actors::clock::Clock;
use regie::core::Timestamp;
use regie::core::event::EventBuilder;
use regie::core::governance::CooldownMode;
use regie::core::workflow::{HandlerError, Input, Moment, Reaction};
use regie::journal::{Journal, SqliteOptions};
use regie::{Builder, ClockKind, JournalConfig};
use serde_json::{Value, json};

use crate::runtime_support::{cannot_judge_orders, event, note_by, one_a_second, order, script, set, within};
use crate::support::{Place, Ran};

const NOON: &str = "2026-03-02T12:00:00Z";

fn owned(place: &Place, at: &str) -> Builder {
    let clock = Clock::manual(Timestamp::parse(at).unwrap());
    let policies = set(vec![cannot_judge_orders(), one_a_second(CooldownMode::Defer)]);
    let journal = JournalConfig::sqlite(place.path("regie.db"));
    regie::builder().shards(2).journal(journal).clock(ClockKind::Given(clock)).policies(policies)
}

/// A place whose journal has taken these events at an instant; orders of them wait.
fn having_taken(events: Vec<EventBuilder>, at: &str, more: impl FnOnce(Builder) -> Builder) -> Place {
    let place = Place::new();
    let builder = more(owned(&place, at));
    within(async move {
        let runtime = builder.start().await.unwrap();
        for event in events {
            runtime.handle().submit(event.build().unwrap()).await.unwrap();
        }
        runtime.shutdown().await;
    });
    place
}

fn waiting(events: Vec<EventBuilder>) -> Place {
    having_taken(events, NOON, |builder| builder)
}

pub(crate) fn one() -> Place {
    waiting(vec![order("ana", "order-4", "e4")])
}

fn decide(place: &Place, what: &str, id: &str, by: &str, more: &[&str]) -> Ran {
    let all = [&["escalations", what, id, "--by", by, "--why", "known"], more].concat();
    place.run(&all)
}

fn approve(place: &Place, id: &str) -> Ran {
    decide(place, "approve", id, "ana", &[])
}

pub(crate) fn listed(place: &Place) -> Vec<Value> {
    place.run(&["escalations", "list", "--json"]).succeeds().json_lines()
}

/// A `regie run -` that owns the journal until its input is closed.
fn owner(place: &Place) -> (Child, ChildStdin) {
    let mut command = place.command(&["run", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"nonsense\n").unwrap();
    // It reads lines once it owns the journal.
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    (child, input)
}

#[test]
fn what_waits_is_listed_for_people_and_for_programs() {
    let place = waiting(vec![order("ana", "order-4", "e4"), order("ben", "order-5", "e5")]).with("COLUMNS", "80");
    let words = ["position", "lapses", "e4", "order-4", "ana", "2026-03-02", "12:00:00", "poison", "2 events wait"];
    place.run(&["escalations", "list"]).succeeds().tells(&words).fits(80);
    let first = &listed(&place)[0];
    assert_eq!((&first["event"]["id"], &first["lapses"]), (&json!("e4"), &json!(null)));
    assert_eq!(first["since"], "2026-03-02T12:00:00.000Z");
    let of_ben = place.run(&["escalations", "list", "--actor", "ben", "--json"]).succeeds().json_lines();
    assert_eq!((of_ben.len(), &of_ben[0]["event"]["id"]), (1, &json!("e5")));
}

#[test]
fn an_approved_event_goes_on_and_nothing_waits_any_more() {
    let place = one();
    approve(&place, "e4").succeeds().tells(&["e4  processed", "in order-4", "by user:ana: known"]);
    assert_eq!(listed(&place), Vec::<Value>::new());
    place.run(&["show", "order-4"]).succeeds().tells(&["escalated → processed", "user:ana", "known"]);
    place.run(&["verify"]).succeeds();
}

#[test]
fn a_rejected_event_is_discarded_and_the_answer_is_there_for_programs() {
    let place = one();
    let answer = decide(&place, "reject", "e4", "agent:bot-1", &["--json"]).succeeds().json();
    assert_eq!((&answer["event_state"], &answer["event_id"]), (&json!("discarded"), &json!("e4")));
    let last = answer["state_transitions"].as_array().unwrap().last().unwrap();
    assert_eq!(last["by"], json!({"kind": "agent", "id": "bot-1"}));
}

#[test]
fn who_asks_again_is_told_who_decided_and_when() {
    // The id is of another event too, which is newer and never waited.
    let place = waiting(vec![order("ana", "order-4", "e4"), note_by("ana", "notes", "e4")]);
    approve(&place, "e4").succeeds();
    let again = decide(&place, "reject", "e4", "ben", &[]).exits(3);
    again.tells(&["'e4' was already processed by user:ana at 20", "known"]);
    let told = decide(&place, "reject", "2", "ben", &["--json"]).exits(3).json();
    assert_eq!((&told["status"], &told["current_state"]), (&json!("refused"), &json!("processed")));
    assert_eq!(told["error"]["code"], "not_escalated");
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() {
    let place = waiting(vec![order("ana", "order-4", "e4"), note_by("ana", "notes", "n1")]);
    approve(&place, "e9").exits(3).tells(&["no event 'e9' waits", "escalations list"]);
    approve(&place, "n1").exits(3).tells(&["'n1' does not wait for a decision: it is processed"]);
    assert_eq!(decide(&place, "approve", "e9", "ana", &["--json"]).exits(3).json(), Value::Null);
    approve(&Place::new(), "e4").exits(5).tells(&["there is no journal"]);
}

#[test]
fn a_name_that_several_have_is_refused_until_it_is_said_which() {
    let both = || waiting(vec![order("ana", "order-4", "e4"), order("ana", "order-5", "e4").source("shop")]);
    let place = both();
    let words = ["2 events that wait are meant by 'e4'", "position 2 in order-4", "position 3 in order-5, source shop"];
    approve(&place, "e4").exits(2).tells(&words);
    assert_eq!(listed(&place).len(), 2);
    for (id, more) in
        [("3", &[][..]), ("shop#e4", &[]), ("e4", &["--source", "shop"]), ("e4", &["--correlation", "order-5"])]
    {
        let place = both();
        decide(&place, "approve", id, "ana", more).succeeds().tells(&["in order-5"]);
        assert_eq!(listed(&place)[0]["event"]["correlation_id"], "order-4");
    }
}

#[test]
fn a_decision_without_who_or_why_is_wrong_use() {
    let place = one();
    let run = |more: &[&str]| place.run(&[&["escalations", "approve", "e4"], more].concat());
    run(&["--by", "ana"]).exits(2);
    run(&["--why", "known"]).exits(2);
    run(&["--by", "ana", "--why", ""]).exits(2);
    run(&["--by", ":ana", "--why", "known"]).exits(2);
    run(&["--by", "ana", "--why", "  "]).exits(2).tells(&["why"]);
    assert_eq!(listed(&place).len(), 1);
}

#[test]
fn the_process_that_owns_the_journal_takes_the_decision() {
    let place = one();
    let (mut owner, input) = owner(&place);
    approve(&place, "e4").succeeds().tells(&["e4  processed"]);
    decide(&place, "reject", "e4", "ben", &[]).exits(3).tells(&["already processed by user:ana"]);
    place.run(&["run", "-"]).exits(5).tells(&["owned by another process", &owner.id().to_string()]);
    assert!(place.path("regie.db-socket").exists(), "who may not own the journal has removed its owner's socket");
    drop(input);
    assert_eq!(owner.wait().unwrap().code(), Some(4));
    assert!(!place.path("regie.db-socket").exists());
    place.run(&["verify"]).succeeds();
}

#[test]
fn an_owner_that_was_killed_is_in_nobodys_way() {
    let place = waiting(vec![order("ana", "order-4", "e4"), order("ana", "order-5", "e5")]);
    let (mut killed, _input) = owner(&place);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(place.path("regie.db-socket").exists(), "the kill has left nothing behind to try");
    approve(&place, "e4").succeeds();
    let (mut next, input) = owner(&place);
    approve(&place, "e5").succeeds();
    drop(input);
    next.wait().unwrap();
}

#[test]
fn an_owner_that_cannot_be_asked_is_named() {
    let place = one();
    let builder = owned(&place, NOON).control(false);
    let runtime = within(async move { builder.start().await.unwrap() });
    let words = ["owned by another process", &std::process::id().to_string(), "cannot be asked", "end it"];
    approve(&place, "e4").exits(5).tells(&words);
    drop(runtime);
}

#[test]
fn an_owner_that_dies_in_the_middle_leaves_it_unknown_and_to_ask_again_is_safe() {
    let place = one();
    let opened = Journal::open(SqliteOptions::at(place.path("regie.db"))).unwrap();
    let listener = UnixListener::bind(place.path("regie.db-socket")).unwrap();
    let dies = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    });
    approve(&place, "e4").exits(6).tells(&["not known whether", "'regie show order-4'", "again is safe"]);
    let asked: Value = serde_json::from_str(&dies.join().unwrap()).unwrap();
    assert_eq!((&asked["command"], &asked["position"]), (&json!("resolve"), &json!(2)));
    drop(opened);
    approve(&place, "e4").succeeds();
}

#[test]
fn of_several_who_decide_at_once_by_processes_one_decides_and_the_others_are_told_who() {
    let place = one();
    let spawn = |who: &str| {
        let mut command = place.command(&["escalations", "approve", "e4", "--by", who, "--why", "known"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let started: Vec<Child> = ["ana", "ben", "eva", "ida"].map(spawn).into();
    let ran: Vec<Ran> = started.into_iter().map(|child| Ran::of(child.wait_with_output().unwrap())).collect();
    let mut codes: Vec<i32> = ran.iter().map(|ran| ran.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 3, 3, 3], "{ran:#?}");
    assert!(
        ran.iter().filter(|ran| ran.code == 3).all(|ran| ran.err.contains("already processed by user:")),
        "{ran:#?}"
    );
}

#[test]
fn a_decision_starts_nothing_else_though_it_is_overdue() {
    let events = vec![note_by("ana", "a", "n1"), note_by("ana", "b", "n2"), order("ana", "order-4", "e4")];
    let place = waiting(events);
    approve(&place, "e4").succeeds();
    let states = &place.run(&["stats", "--json"]).succeeds().json()["by_state"];
    assert_eq!(*states, json!({"processed": 2, "deferred": 1}));
    place.run(&["run", "-"]).succeeds();
    assert_eq!(place.run(&["stats", "--json"]).succeeds().json()["by_state"], json!({"processed": 3}));
}

/// When the event was resolved, as the journal tells.
fn resolved_at(more: &[&str], at: &str) -> Timestamp {
    let place = having_taken(vec![order("ana", "order-4", "e4")], at, |builder| builder);
    let answer = decide(&place, "approve", "e4", "ana", &[&["--json"], more].concat()).succeeds().json();
    Timestamp::parse(answer["state_transitions"].as_array().unwrap().last().unwrap()["at"].as_str().unwrap()).unwrap()
}

#[test]
fn a_decision_is_recorded_by_the_machines_time_or_the_journals_and_never_before_what_was_recorded() {
    let before = Clock::system().now();
    assert!(resolved_at(&[], NOON) >= before);
    assert_eq!(resolved_at(&["--clock", "event"], NOON), Timestamp::parse(NOON).unwrap());
    let far = "2199-01-01T00:00:00Z";
    assert_eq!(resolved_at(&[], far), Timestamp::parse(far).unwrap());
}

#[test]
fn an_event_of_a_workflow_that_this_program_does_not_have_waits_on() {
    let refuses = script("orders", "work.>", |_, input: Input<'_>, _: &Moment<'_>| match input {
        Input::Event(event) if event.kind == "work.bad" => Err(HandlerError("not like this".into())),
        _ => Ok(Reaction::<u64>::none()),
    });
    let events = vec![event("work.begin", "c", "1"), event("work.bad", "c", "e4")];
    let place = having_taken(events, NOON, |builder| builder.handler(refuses));
    approve(&place, "e4").exits(4).tells(&["'orders' version 1", "still waits"]);
    assert_eq!(listed(&place).len(), 1);
}
