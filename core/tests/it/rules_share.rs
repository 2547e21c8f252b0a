//! Rules that spread: what may come of one event is shared out, so that it ends; and what it does not touch.

use std::collections::VecDeque;

use regie_core::automation::{Act, RULE_SOURCE, Run};
use regie_core::event::{EntityRef, Event, EventBuilder, Incoming};
use regie_core::limits;

use super::helpers::at;
use super::rules_help::{Fed, emitted, sprint, task};

fn spreads(emits: usize) -> Fed {
    let acts = vec!["{ emit = { type = \"more\" } }"; emits].join(", ");
    Fed::file(&format!("[[rule]]\nname = \"spreads\"\non = \">\"\ndo = [{acts}]\n"))
}

/// All runs that come of one event, and of what they have go out.
fn all(fed: &mut Fed, first: Incoming) -> Vec<Run> {
    let (mut ahead, mut runs) = (VecDeque::from([first]), Vec::new());
    while let Some(event) = ahead.pop_front() {
        fed.position += 1;
        for run in fed.take_built(&event).runs {
            ahead.extend((0..run.acts.len()).map(|nth| emitted(&run, nth)));
            runs.push(run);
        }
    }
    runs
}

fn first() -> Incoming {
    Event::new("first", "c").id("1").timestamp(at(1)).build().unwrap()
}

#[test]
fn a_rule_that_matches_all_and_emits_three_ends_by_itself_and_tells_why() {
    let runs = all(&mut spreads(3), first());
    let events: usize = runs.iter().map(|run| run.acts.len()).sum();
    assert!((1_000..=limits::RULE_EVENTS).contains(&events), "{events}");
    let stopped: Vec<_> = runs.iter().filter_map(|run| run.error.as_ref()).collect();
    assert!(!stopped.is_empty() && stopped.iter().all(|error| error.contains("RULE_EVENTS")), "{:?}", stopped.first());
}

#[test]
fn a_line_of_single_steps_is_stopped_by_its_depth_and_not_by_its_share() {
    let runs = all(&mut spreads(1), first());
    assert_eq!(runs.len(), limits::RULE_DEPTH + 1);
    assert!(runs.last().unwrap().error.as_ref().unwrap().contains("RULE_DEPTH"));
}

#[test]
fn the_share_of_each_counts_all_rules_all_subjects_and_each_field_of_an_update() {
    let text = r#"
[[relation]]
from = "task"
to = "sprint"

[[rule]]
name = "one"
about = "sprint"
on = "orchestration.>"
do = [{ update = { a = 1, b = 2 } }, { call = { agent = "x", task = {} } }]

[[rule]]
name = "two"
on = "orchestration.>"
do = [{ emit = { type = "more" } }]
"#;
    let of_three = ["A", "B", "C"].into_iter().fold(task("created", "1"), |event, id| event.related(sprint(id)));
    let runs = Fed::file(text).runs(of_three);
    let share = (limits::RULE_EVENTS / 10 - 1).to_string();
    let told = |run: &Run| match &run.acts[0] {
        Act::Update(update) => update.metadata["run_share"].clone(),
        _ => emitted(run, 0).event().metadata["run_share"].clone(),
    };
    assert_eq!(runs.iter().map(told).collect::<Vec<_>>(), vec![share; 4]);
}

#[test]
fn nobody_outside_says_how_much_may_come_of_an_event() {
    let share = |source: &str| {
        let event = Event::new("first", "c").source(source).metadata("run_share", "0");
        spreads(1).runs(event).remove(0).error.is_some()
    };
    assert_eq!([share("outside"), share(RULE_SOURCE)], [false, true]);
    let more = Event::new("first", "c").source(RULE_SOURCE).metadata("run_share", "99999999");
    let told = emitted(&spreads(1).runs(more).remove(0), 0).event().metadata["run_share"].clone();
    assert_eq!(told, (limits::RULE_EVENTS - 1).to_string());
}

#[test]
fn a_condition_that_cannot_be_told_is_a_failure_once_a_subject_until_it_can_be_told() {
    let mut fed =
        Fed::file("[[rule]]\nname = \"r\"\non = \"a\"\nwhen = 'event.payload.n > 0'\ndo = [{ notify = { a = 1 } }]\n");
    let about = |id: &str| Event::new("a", "c").entity(EntityRef::new("t", id));
    let bare = || Event::new("a", "c");
    let told = |event: EventBuilder| event.payload(serde_json::json!({ "n": 0 }));
    let mut counts = |event| fed.runs(event).len();
    assert_eq!([counts(about("1")), counts(about("1")), counts(about("2"))], [1, 0, 1]);
    assert_eq!([counts(bare()), counts(bare())], [1, 0]);
    assert_eq!([counts(told(about("1"))), counts(about("1")), counts(about("2"))], [0, 1, 0]);
    assert_eq!([counts(told(bare())), counts(bare())], [0, 1]);
}
