//! What an undo does, what it refuses, and what rules would do if they were tried.

use std::collections::BTreeMap;

use regie_core::automation::{
    Changed, Evaluator, LaterChange, Recorded, RuleSet, Undo, UndoAsk, UndoRefusal, Whose, changed, dry_run, undo,
};
use regie_core::entity::{Update, plan};
use regie_core::event::{Catalogue, EntityRef, Event, EventBuilder, Incoming, Principal};
use regie_core::{Json, Timestamp, limits};

use super::helpers::at;
use super::rules_help::{set, sprint, status, task};

fn one() -> EntityRef {
    EntityRef::new("task", "1")
}

/// What the run made of the task, by a journal of these events, a second between each: the run's have `run` in their
/// metadata, those that put it back `undo`.
fn traced(events: impl IntoIterator<Item = EventBuilder>) -> Option<Changed> {
    let build = |(event, position): (EventBuilder, i64)| {
        let event = event.id(format!("e-{position}"));
        let stamped = event.clone().build().unwrap().event().timestamp != Timestamp::MIN;
        if stamped { event } else { event.timestamp(at(position)) }.build().unwrap()
    };
    let events: Vec<Incoming> = events.into_iter().zip(1..).map(build).collect();
    let whose = |event: &Event| match (event.metadata.contains_key("run"), event.metadata.contains_key("undo")) {
        (true, _) => Whose::Run,
        (_, true) => Whose::Back,
        _ => Whose::Other,
    };
    let recorded = events.iter().zip(1..);
    changed(&one(), recorded.map(|(it, position)| Recorded { event: it.event(), position, whose: whose(it.event()) }))
}

fn ask() -> UndoAsk<'static> {
    static BY: std::sync::LazyLock<Principal> = std::sync::LazyLock::new(|| Principal::user("ana"));
    UndoAsk { run: "R", is_known: true, is_undone: false, waits: None, attempt: 1, by: &BY, why: "wrong", force: false }
}

fn undone(force: bool, events: impl IntoIterator<Item = EventBuilder>) -> Result<Undo, UndoRefusal> {
    undo(&UndoAsk { force, ..ask() }, traced(events).as_slice())
}

/// What each field is to be, and is expected to be.
fn puts(undo: &Undo) -> Vec<(&str, &str, Option<&str>)> {
    let all = undo.updates.iter().flat_map(|update| update.fields.iter().map(move |(name, it)| (update, name, it)));
    all.map(|(update, name, it)| (name.as_str(), it.text(), update.expected.get(name).map(Json::text))).collect()
}

fn change(before: &str, after: &str) -> EventBuilder {
    task("status_changed", "1").change("status", before, after)
}

fn of_run(event: EventBuilder) -> EventBuilder {
    event.metadata("run", "R")
}

#[test]
fn the_fields_are_put_back_by_an_update_that_expects_what_the_run_made_of_them() {
    let undo = undone(false, [change("", "open"), of_run(change("open", "blocked")), of_run(task("noted", "1"))]);
    let undo = undo.unwrap();
    assert_eq!(puts(&undo), [("status", "\"open\"", Some("\"blocked\""))]);
    let [update] = &undo.updates[..] else { panic!("{undo:?}") };
    assert_eq!((&update.entity, &*update.correlation()), (&one(), "task-1"));
    assert_eq!(update.cause.as_deref(), Some("regie:local#e-2"));
    assert_eq!((update.metadata["undo"].as_str(), update.metadata.get("run")), ("R", None));
    assert_eq!(update.by, Principal::user("ana"));
}

#[test]
fn what_was_there_is_what_the_journal_tells_and_not_what_the_runs_event_claims() {
    let came_between = [change("", "open"), change("open", "parked"), of_run(change("open", "blocked"))];
    assert_eq!(puts(&undone(false, came_between).unwrap())[0].1, "\"parked\"");
    assert_eq!(puts(&undone(false, [of_run(change("claimed", "x"))]).unwrap())[0].1, "\"claimed\"");
}

#[test]
fn a_field_that_a_run_changed_twice_is_put_back_once_to_what_was_first() {
    let blocked = of_run(task("blocked", "1").change("status", "open", "blocked"));
    let undo = undone(false, [change("", "open"), of_run(change("open", "x")), blocked, of_run(change("x", "y"))]);
    assert_eq!(puts(&undo.unwrap()), [("status", "\"open\"", Some("\"y\""))]);
}

#[test]
fn later_changes_refuse_it_each_by_name_and_force_overwrites_them() {
    let story = || {
        [
            change("", "open"),
            of_run(change("open", "blocked").change("n", 1, 2)),
            change("blocked", "done"),
            task("progress_updated", "1").change("progress", 0, 1),
            change("done", "blocked"),
        ]
    };
    let later = |position: u64| LaterChange {
        entity: one(),
        field: "status".into(),
        event: format!("regie:local#e-{position}"),
        position,
    };
    assert_eq!(undone(false, story()), Err(UndoRefusal::Later(vec![later(3), later(5)])));
    let told = undone(false, story()).unwrap_err().to_string();
    assert!(told.contains("status of task/1 by regie:local#e-3 at 3; status of task/1 by"), "{told}");
    assert_eq!(puts(&undone(true, story()).unwrap()), [("n", "1", None), ("status", "\"open\"", None)]);
}

#[test]
fn what_is_stamped_later_lies_on_top_and_what_is_stamped_earlier_does_not() {
    let stamped = |nth: i64| [change("", "open"), of_run(change("open", "x")), change("x", "late").timestamp(at(nth))];
    assert!(matches!(undone(false, stamped(9)), Err(UndoRefusal::Later(later)) if later.len() == 1));
    assert!(undone(false, stamped(1)).is_ok());
}

#[test]
fn what_an_attempt_before_has_put_back_is_left_alone() {
    let both = of_run(change("open", "blocked").change("n", 1, 2));
    let back = || task("updated", "1").change("n", 2, 1).metadata("undo", "R");
    let undo = undo(&UndoAsk { attempt: 2, ..ask() }, traced([change("", "open"), both.clone(), back()]).as_slice());
    let undo = undo.unwrap();
    assert_eq!(puts(&undo), [("status", "\"open\"", Some("\"blocked\""))]);
    let first = undone(false, [change("", "open"), both]).unwrap();
    assert_ne!(first.updates[0].id, undo.updates[0].id, "each attempt has ids of its own");
    let all = [of_run(task("x", "1").change("n", 1, 2)), back()];
    assert_eq!(undone(false, all), Err(UndoRefusal::Nothing { run: "R".into() }));
}

#[test]
fn what_others_make_of_a_field_after_it_was_put_back_is_theirs() {
    let back = task("updated", "1").change("n", 2, 1).metadata("undo", "R");
    let theirs = task("updated", "1").change("n", 1, 7);
    let events = [of_run(task("x", "1").change("n", 1, 2).change("m", 1, 2)), back, theirs];
    assert_eq!(puts(&undone(false, events.clone()).unwrap()), [("m", "1", Some("2"))]);
    assert_eq!(puts(&undone(true, events).unwrap()), [("m", "1", None)]);
}

#[test]
fn what_waits_is_to_be_decided_first_and_what_came_to_nothing_can_be_asked_for_again() {
    let story = || traced([of_run(change("open", "blocked"))]);
    let waits = undo(&UndoAsk { waits: Some(7), ..ask() }, story().as_slice()).unwrap_err();
    assert!(waits.to_string().contains("waits at position 7"), "{waits}");
    let again = undo(&UndoAsk { is_undone: true, attempt: 2, ..ask() }, story().as_slice()).unwrap();
    assert_eq!((again.attempt, puts(&again)), (2, vec![("status", "\"open\"", Some("\"blocked\""))]));
}

#[test]
fn what_cannot_be_undone_says_why() {
    let run = || "R".to_string();
    assert_eq!(
        undone(false, [change("", "open"), of_run(task("noted", "1"))]),
        Err(UndoRefusal::Nothing { run: run() })
    );
    let refused = |ask: UndoAsk<'_>| undo(&ask, &[]).unwrap_err();
    assert_eq!(refused(UndoAsk { is_known: false, ..ask() }), UndoRefusal::Unknown { run: run() });
    assert_eq!(refused(UndoAsk { is_undone: true, ..ask() }), UndoRefusal::Undone { run: run() });
    let large = change("open", &"x".repeat(limits::RUN_BYTES));
    assert!(matches!(undone(false, [of_run(large)]), Err(UndoRefusal::TooLarge { .. })));
}

/// What an update comes to by the shipped catalogue.
fn by_catalogue(update: &Update, fields: &BTreeMap<String, Json>, at: Timestamp) -> Result<Vec<Incoming>, String> {
    plan(update, fields, &Catalogue::shipped(), at).map_err(|error| error.to_string())
}

fn tried(rules: RuleSet, events: &[EventBuilder]) -> Vec<(String, String)> {
    let built: Vec<_> = events.iter().map(|event| event.clone().timestamp(at(1)).build().unwrap()).collect();
    let events = built.iter().map(|event| (event.event(), at(9)));
    let dry = dry_run(&Evaluator::new(rules), events, &by_catalogue);
    assert_eq!((dry.errors, dry.refused), (vec![], vec![]));
    dry.runs.into_iter().map(|run| (run.rule, run.error.unwrap_or_default())).collect()
}

#[test]
fn the_shipped_four_are_tried_each_event_once_however_often_it_comes() {
    let sprint_event = |after: &str| {
        let event = Event::new("orchestration.sprint.status_changed", "s").entity(sprint("S"));
        event.id(format!("s-{after}")).change("status", None::<&str>, after)
    };
    let events = [
        task("created", "1").id("c").related(sprint("S")),
        status("1", "blocked").id("b"),
        task("blocked", "1").id("n").change("status", "open", "blocked"),
        task("priority_changed", "1").id("p").change("priority", "P1", "P0"),
        sprint_event("active"),
        status("1", "completed").id("d"),
    ];
    let thrice: Vec<_> = events.iter().flat_map(|event| [event.clone(), event.clone(), event.clone()]).collect();
    let fired: Vec<_> = tried(RuleSet::shipped(), &thrice).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(fired, ["task-blocked", "task-urgent", "session-started", "sprint-completed"]);
}

#[test]
fn an_event_that_comes_again_is_not_tried_again() {
    let rules = "[[rule]]\nname = \"each\"\non = \"a\"\ndo = [{ notify = { a = 1 } }]\n";
    let events = ["1", "2", "1"].map(|id| Event::new("a", "c").id(id));
    assert_eq!(tried(set(rules), &events).len(), 2);
}

#[test]
fn what_follows_is_tried_in_turn() {
    let rules = format!(
        "shipped = [\"sprint-completed\"]\n{}",
        "[[rule]]\nname = \"told\"\non = \"orchestration.sprint.status_changed\"\nwhen = 'entity.fields.status == \"completed\"'\ndo = [{ notify = { a = 1 } }]\n"
    );
    let events = [task("created", "1").id("c").related(sprint("S")), status("1", "completed").id("d")];
    let known = Event::new("orchestration.sprint.created", "s").id("s").entity(sprint("S")).change(
        "status",
        None::<i32>,
        "active",
    );
    let fired = tried(RuleSet::parse(&rules).unwrap(), &[vec![known], events.to_vec()].concat());
    assert_eq!(fired.into_iter().map(|(rule, _)| rule).collect::<Vec<_>>(), ["sprint-completed", "told"]);
}

#[test]
fn two_rules_that_set_each_other_off_stop_at_the_guard() {
    let rule = |name: &str, on: &str, to: &str| {
        format!("[[rule]]\nname = \"{name}\"\non = \"{on}\"\ndo = [{{ emit = {{ type = \"{to}\" }} }}]\n")
    };
    let rules = set(&(rule("ping", "a", "b") + &rule("pong", "b", "a")));
    let runs = tried(rules, &[Event::new("a", "c").id("1")]);
    assert_eq!(runs.len(), limits::RULE_DEPTH + 1);
    let (last, before) = runs.split_last().unwrap();
    assert!(last.1.contains("RULE_DEPTH") && before.iter().all(|(_, error)| error.is_empty()), "{runs:?}");
    assert_eq!(runs.iter().filter(|(rule, _)| rule == "ping").count(), limits::RULE_DEPTH / 2 + 1);
}

#[test]
fn a_cascade_without_end_is_stopped() {
    let acts = "{ emit = { type = \"a\" } }, ".repeat(2);
    let rules = set(&format!("[[rule]]\nname = \"bomb\"\non = \"a\"\ndo = [{acts}]\n"));
    let event = Event::new("a", "c").id("1").timestamp(at(0)).build().unwrap();
    let told = dry_run(&Evaluator::new(rules), [(event.event(), at(0))], &by_catalogue);
    assert!(told.runs.len() <= limits::RULE_EVENTS + 1, "{}", told.runs.len());
    let error = told.runs.last().unwrap().error.as_ref().unwrap();
    assert!(error.contains("RULE_EVENTS"), "{error}");
}
