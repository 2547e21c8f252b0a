//! What an undo does, what it refuses, and what rules would do if they were tried.

use std::collections::BTreeMap;

use regie_core::automation::{
    Evaluator, LaterChange, Recorded, RuleSet, Told, Undo, UndoAsk, UndoRefusal, World, dry_run, undo,
};
use regie_core::entity::{Update, plan};
use regie_core::event::{Catalogue, EntityRef, Event, EventBuilder, Incoming, Origin, Principal};
use regie_core::{Json, Timestamp, limits};

use super::helpers::at;
use super::rules_help::{set, sprint, status, task};

/// A journal of some events, and who told which field last.
struct Story {
    events: Vec<Incoming>,
    world: World,
}

impl Story {
    fn of(events: impl IntoIterator<Item = EventBuilder>) -> Self {
        let mut story = Self { events: Vec::new(), world: World::new() };
        events.into_iter().for_each(|event| story.add(event));
        story
    }

    fn add(&mut self, event: EventBuilder) {
        let position = self.events.len() as u64 + 1;
        let event = event.id(format!("e-{position}")).timestamp(at(i64::try_from(position).unwrap())).build().unwrap();
        self.world.tell(event.event(), position, &[]);
        self.events.push(event);
    }

    fn told(&self, entity: &EntityRef, field: &str) -> Option<Told> {
        let (_, at, position, value) = self.world.told(entity).find(|(name, ..)| *name == field)?;
        let event = format!("regie:local#e-{position}");
        Some(Told { event, position, at, value: value.clone() })
    }

    fn undo_with(&self, ask: &UndoAsk<'_>) -> Result<Undo, UndoRefusal> {
        let of_run = |event: &Incoming| event.event().metadata.get("run").map(String::as_str) == Some(ask.run);
        let numbered = self.events.iter().zip(1_u64..).filter(|(event, _)| of_run(event));
        let events: Vec<_> = numbered.map(|(event, position)| Recorded { event: event.event(), position }).collect();
        undo(ask, &events, |entity, field| self.told(entity, field))
    }

    fn undo(&self, force: bool) -> Result<Undo, UndoRefusal> {
        self.undo_with(&UndoAsk { force, ..ask() })
    }

    /// The fields once the undo is done.
    fn after(mut self, undo: &Undo) -> BTreeMap<String, Json> {
        for event in read(undo) {
            self.world.tell(event.event(), self.world.position() + 1, &[]);
        }
        self.world.fields(&EntityRef::new("task", "1"))
    }
}

fn ask() -> UndoAsk<'static> {
    static BY: std::sync::LazyLock<Principal> = std::sync::LazyLock::new(|| Principal::user("ana"));
    UndoAsk { run: "R", is_known: true, is_undone: false, by: &BY, why: "wrong", force: false, now: at(3) }
}

fn read(undo: &Undo) -> Vec<Incoming> {
    undo.events.iter().map(|event| Incoming::read(event.text().as_bytes(), Origin::File).unwrap()).collect()
}

fn change(before: &str, after: &str) -> EventBuilder {
    task("status_changed", "1").change("status", before, after)
}

fn of_run(event: EventBuilder) -> EventBuilder {
    event.metadata("run", "R")
}

#[test]
fn the_fields_are_put_back_by_events_of_the_same_types() {
    let story = Story::of([change("", "open"), of_run(change("open", "blocked")), of_run(task("noted", "1"))]);
    let undo = story.undo(false).unwrap();
    let [event] = &read(&undo)[..] else { panic!("{undo:?}") };
    let event = event.event();
    let change = &event.changes["status"];
    assert_eq!((change.before.text(), change.after.text()), ("\"blocked\"", "\"open\""));
    assert_eq!((event.kind.as_str(), &*event.correlation_id), ("orchestration.task.status_changed", "task-1"));
    assert_eq!(event.causation_id.as_deref(), Some("regie:local#e-2"));
    assert_eq!((event.metadata["undo"].as_str(), event.metadata.get("run")), ("R", None));
    assert_eq!(event.actor, Some(Principal::user("ana")));
    assert_eq!(story.after(&undo)["status"].text(), "\"open\"");
}

#[test]
fn a_field_that_a_run_changed_twice_is_put_back_once_to_what_was_first() {
    let blocked = of_run(task("blocked", "1").change("status", "open", "blocked"));
    let story =
        Story::of([change("", "open"), of_run(change("open", "blocked")), blocked, of_run(change("blocked", "x"))]);
    let undo = story.undo(false).unwrap();
    assert_eq!(undo.events.len(), 1);
    assert_eq!(story.after(&undo)["status"].text(), "\"open\"");
}

#[test]
fn later_changes_refuse_it_each_by_name_and_force_overwrites_them() {
    let story = Story::of([
        change("", "open"),
        of_run(change("open", "blocked").change("n", 1, 2)),
        change("blocked", "done"),
        task("progress_updated", "1").change("progress", 0, 1),
    ]);
    let later = |field: &str| LaterChange {
        entity: EntityRef::new("task", "1"),
        field: field.into(),
        event: "regie:local#e-3".into(),
        position: 3,
    };
    assert_eq!(story.undo(false), Err(UndoRefusal::Later(vec![later("status")])));
    assert!(story.undo(false).unwrap_err().to_string().contains("status of task/1 by regie:local#e-3 at 3"));
    let undo = story.undo(true).unwrap();
    assert_eq!(read(&undo)[0].event().changes["status"].before.text(), "\"done\"", "its claim fits");
    let after = story.after(&undo);
    assert_eq!((after["status"].text(), after["n"].text(), after["progress"].text()), ("\"open\"", "1", "1"));
}

#[test]
fn what_is_put_back_is_the_latest_whatever_the_stamps_say() {
    let story = Story::of([change("", "open"), of_run(change("open", "blocked"))]);
    let undo = story.undo_with(&UndoAsk { now: Timestamp::MIN, ..ask() }).unwrap();
    assert_eq!(story.after(&undo)["status"].text(), "\"open\"");
}

#[test]
fn what_cannot_be_undone_says_why() {
    let story = Story::of([change("", "open"), of_run(task("noted", "1"))]);
    let run = || "R".to_string();
    assert_eq!(story.undo(false), Err(UndoRefusal::Nothing { run: run() }));
    assert_eq!(story.undo_with(&UndoAsk { is_known: false, ..ask() }), Err(UndoRefusal::Unknown { run: run() }));
    assert_eq!(story.undo_with(&UndoAsk { is_undone: true, ..ask() }), Err(UndoRefusal::Undone { run: run() }));
    let large = change("open", &"x".repeat(limits::RUN_BYTES));
    assert!(matches!(Story::of([of_run(large)]).undo(true), Err(UndoRefusal::TooLarge { .. })));
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
