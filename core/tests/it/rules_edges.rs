//! When rules fire: on the edge, for each subject, whatever moves; against a model that looks at everything anew each time.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use regie_core::Json;
use regie_core::automation::{Committed, Evaluator, Knowledge, RuleSet, Takeover};
use regie_core::event::{EntityRef, Event, EventBuilder, Incoming};

use super::helpers::at;
use super::rules_help::{Fed, now, set, sprint, status, task};

const SPRINTS: &str = r#"
[[relation]]
from = "task"
to = "sprint"

[[rule]]
name = "done"
about = "sprint"
on = "orchestration.>"
when = 'related.task.all(t, t[?"status"].orValue("") == "completed")'
do = [{ update = { status = "completed" } }]
"#;

fn created(id: &str, of: &str) -> EventBuilder {
    task("created", id).change("status", None::<&str>, "pending").related(sprint(of))
}

fn done(of: &str) -> Vec<(String, String)> {
    vec![("done".to_string(), of.to_string())]
}

#[test]
fn a_sprint_is_done_with_its_last_task_and_again_when_one_was_reopened() {
    let mut fed = Fed::file(SPRINTS);
    assert_eq!(fed.fires(Event::new("orchestration.sprint.created", "s").entity(sprint("S"))), []);
    assert_eq!(fed.fires(created("1", "S")), []);
    assert_eq!(fed.fires(created("2", "S")), []);
    assert_eq!(fed.fires(status("1", "completed")), []);
    assert_eq!(fed.fires(status("2", "completed")), done("S"));
    assert_eq!(fed.fires(status("2", "completed")), [], "it held before");
    assert_eq!(fed.fires(status("1", "pending")), [], "a task reopened reopens nothing");
    assert_eq!(fed.fires(status("1", "completed")), done("S"));
}

#[test]
fn a_task_that_moves_is_looked_at_where_it_was_and_where_it_is() {
    let mut fed = Fed::file(SPRINTS);
    fed.fires(created("1", "A"));
    fed.fires(created("2", "A"));
    fed.fires(created("3", "B"));
    fed.fires(status("1", "completed"));
    assert_eq!(fed.fires(task("assigned", "2").related(sprint("B"))), done("A"), "its last open task left it");
    assert_eq!(fed.fires(status("3", "completed")), [], "B has the task that came");
    assert_eq!(fed.fires(status("2", "completed")), done("B"));
}

#[test]
fn what_a_field_tells_is_looked_at_as_it_is_after_the_event() {
    let by_field =
        SPRINTS.replace("to = \"sprint\"\n", "to = \"sprint\"\nids = 'entity.fields[?\"sprint\"].orValue([])'\n");
    let mut fed = Fed::file(&by_field);
    fed.fires(status("1", "completed"));
    let moves = |to: &str| task("assigned", "1").change("sprint", None::<i32>, to);
    assert_eq!(fed.fires(moves("A")), done("A"), "the event itself brings it there");
    assert_eq!(fed.fires(moves("B")), done("B"));
    assert_eq!(fed.fires(moves("A")), done("A"), "without a task it was not done");
}

#[test]
fn a_condition_that_looks_a_step_further_has_its_subjects_found_there() {
    let rule = |nth: &str| {
        format!(
            "[[rule]]\nname = \"packed\"\nabout = \"order\"\non = \"package.made\"\nwhen = 'related.item.all(item, {nth})'\ndo = [{{ notify = {{ a = 1 }} }}]\n"
        )
    };
    let item = |id: &str| EntityRef::new("item", id);
    let order =
        || Event::new("order.placed", "o").entity(EntityRef::new("order", "o")).related(item("1")).related(item("2"));
    let package =
        |id: &str, of: &str| Event::new("package.made", "p").entity(EntityRef::new("package", id)).related(item(of));
    let mut fed = Fed::file(&rule("item.related[?\"package\"].orValue([]).size() > 0"));
    assert_eq!(
        [order(), package("a", "1"), package("b", "2"), package("c", "2")].map(|it| fed.fires(it).len()),
        [0, 0, 1, 0]
    );
    let mut fed = Fed::file(&rule("true"));
    assert_eq!([order(), package("a", "1")].map(|it| fed.fires(it).len()), [0, 0], "none is near");
}

#[test]
fn without_a_subject_each_match_fires_and_without_a_condition_too() {
    let rule = |when: &str| format!("[[rule]]\nname = \"r\"\non = \"a\"\n{when}do = [{{ notify = {{ a = 1 }} }}]\n");
    let about = || Event::new("a", "c").entity(EntityRef::new("t", "1")).payload(Json::of(&1));
    let bare = || Event::new("a", "c").payload(Json::of(&1));
    let mut fed = Fed::file(&rule("when = 'event.payload == 1'\n"));
    assert_eq!([fed.fires(bare()).len(), fed.fires(bare()).len()], [1, 1]);
    assert_eq!([fed.fires(about()).len(), fed.fires(about()).len()], [1, 0]);
    let mut fed = Fed::file(&rule(""));
    assert_eq!([fed.fires(about()).len(), fed.fires(about()).len()], [1, 1]);
}

#[test]
fn an_undo_moves_the_edge_and_fires_nothing() {
    let mut fed = Fed::file(SPRINTS);
    fed.fires(created("1", "S"));
    let undone = |after: &str| status("1", after).source("regie:update").metadata("undo", "some run");
    assert_eq!(fed.fires(undone("completed")), []);
    assert_eq!(fed.fires(status("1", "completed")), [], "it holds since the undo");
    assert_eq!(fed.fires(undone("pending")), []);
    assert_eq!(fed.fires(status("1", "completed")), done("S"));
}

#[test]
fn a_condition_that_fails_is_that_rules_alone_and_its_edge_stays() {
    let rule = |name: &str, when: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\non = \"orchestration.>\"\nwhen = '{when}'\ndo = [{{ notify = {{ a = 1 }} }}]\n"
        )
    };
    let mut fed = Fed::file(&(rule("bad", "event.payload.n > 0") + &rule("good", "event.priority == \"P2\"")));
    let runs = fed.runs(status("1", "x"));
    assert!(runs[0].rule == "bad" && runs[0].acts.is_empty());
    assert!(runs[0].error.as_ref().unwrap().contains("when: "), "{:?}", runs[0].error);
    assert!(runs[1].rule == "good" && runs[1].error.is_none());
    let n = |n: i32| status("1", "x").payload(serde_json::json!({"n": n}));
    assert!(fed.runs(n(1))[0].error.is_none(), "it rises");
    assert!(fed.runs(status("1", "x"))[0].error.is_some());
    assert_eq!(fed.runs(n(2)), [], "it has been up all the time");
}

#[test]
fn what_was_taken_in_and_what_is_the_runtimes_own_fires_nothing() {
    let mut fed = Fed::file("[[rule]]\nname = \"r\"\non = \">\"\ndo = [{ notify = { a = 1 } }]\n");
    let event = Event::new("a", "c").id("1").timestamp(at(0)).build().unwrap();
    fed.position = 7;
    assert_eq!(fed.take_built(&event).runs.len(), 1);
    assert_eq!(fed.take_built(&event).runs, []);
    fed.position = 6;
    assert_eq!(fed.take_built(&event).runs, []);
    fed.position = 7;
    let own = Event::new("a", "regie/run/1").entity(EntityRef::new("t", "1")).change("x", None::<i32>, 1);
    assert_eq!(fed.runs(own), []);
    assert!(fed.evaluator.world().is_empty());
    assert_eq!(fed.evaluator.world().position(), 8);
}

#[test]
fn another_set_keeps_the_edges_of_the_rules_that_stay_as_they_are() {
    let mut fed = Fed::file(SPRINTS);
    fed.fires(created("1", "S"));
    assert_eq!(fed.fires(status("1", "completed")), done("S"));
    let other = r#"[[rule]]
name = "o"
on = "orchestration.>"
when = "event.id == 'never'"
do = [{ notify = { a = 1 } }]
"#;
    assert_eq!(fed.evaluator.take_over(set(&format!("{other}{SPRINTS}"))), Takeover::GoesOn);
    assert_eq!(fed.fires(status("1", "completed")), []);
    assert_eq!(fed.evaluator.take_over(set(&SPRINTS.replace("\"\"", "\"none\""))), Takeover::GoesOn);
    assert_eq!(fed.fires(status("1", "completed")), done("S"), "another text is another rule");
}

#[test]
fn other_relations_have_the_world_learnt_anew() {
    let mut fed = Fed::file(SPRINTS);
    let events =
        [created("1", "S"), status("1", "completed")].map(|event| event.id("x").timestamp(at(1)).build().unwrap());
    let by_field =
        SPRINTS.replace("to = \"sprint\"\n", "to = \"sprint\"\nids = 'entity.fields[?\"sprint\"].orValue(null)'\n");
    fed.runs(created("1", "S"));
    assert_eq!(fed.evaluator.take_over(set(&by_field)), Takeover::LearnAnew);
    for (event, position) in events.iter().zip(1..) {
        fed.evaluator.learn(&Committed { event: event.event(), position, recorded_at: at(0), by: position });
    }
    let task = EntityRef::new("task", "1");
    let named: Vec<_> = fed.evaluator.world().related(&task).into_iter().map(|it| it.id.clone()).collect();
    assert_eq!(named, ["S"], "what the event names is known, if not by the relation");
}

#[test]
fn what_is_kept_goes_on_as_if_nothing_had_been() {
    let mut fed = Fed::file(SPRINTS);
    fed.fires(created("1", "S"));
    fed.fires(status("1", "completed"));
    let json = serde_json::to_string(fed.evaluator.knowledge()).unwrap();
    let known: Knowledge = serde_json::from_str(&json).unwrap();
    assert_eq!(&known, fed.evaluator.knowledge());
    assert_eq!(serde_json::to_string(&known).unwrap(), json, "equal knowledge has equal bytes");
    let (evaluator, takeover) = Evaluator::resume(known, set(SPRINTS));
    assert_eq!(takeover, Takeover::GoesOn);
    fed.evaluator = evaluator;
    assert_eq!(fed.fires(status("1", "completed")), []);
}

/// One step of a random history: which thing, what happens to it, when it says that it was, and whether it is an undo.
#[derive(Clone, Debug)]
struct Step {
    task: u8,
    what: What,
    at: i64,
    undo: bool,
}

#[derive(Clone, Debug)]
enum What {
    Status(bool),
    Moves(BTreeSet<u8>),
    /// An event about a sprint names the task.
    NamedBy(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let what = prop_oneof![
        4 => any::<bool>().prop_map(What::Status),
        2 => prop::collection::btree_set(0_u8..3, 1..3).prop_map(What::Moves),
        1 => (0_u8..3).prop_map(What::NamedBy),
    ];
    let step = (0_u8..5, what, 0_i64..6, prop::bool::weighted(0.1));
    prop::collection::vec(step.prop_map(|(task, what, at, undo)| Step { task, what, at, undo }), 1..60)
}

fn event(step: &Step, nth: usize) -> Incoming {
    let id = step.task.to_string();
    let event = match &step.what {
        What::Status(yes) => status(&id, if *yes { "completed" } else { "open" }),
        What::Moves(to) => to.iter().fold(task("assigned", &id), |event, to| event.related(sprint(&to.to_string()))),
        What::NamedBy(of) => Event::new("orchestration.sprint.metadata_updated", format!("sprint-{of}"))
            .entity(sprint(&of.to_string()))
            .related(EntityRef::new("task", &id)),
    };
    let event = if step.undo { event.source("regie:update").metadata("undo", "r") } else { event };
    event.id(nth.to_string()).timestamp(at(step.at)).build().unwrap()
}

/// For which sprints the rule holds after these steps, from nothing each time.
fn holds(steps: &[Step]) -> BTreeSet<u8> {
    let mut of: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
    let mut named: BTreeSet<(u8, u8)> = BTreeSet::new();
    let mut latest: BTreeMap<u8, (i64, bool)> = BTreeMap::new();
    for step in steps {
        match &step.what {
            What::Moves(to) => drop(of.insert(step.task, to.clone())),
            What::NamedBy(sprint) => drop(named.insert((*sprint, step.task))),
            What::Status(yes) => {
                let known = latest.entry(step.task).or_insert((step.at, *yes));
                if known.0 <= step.at {
                    *known = (step.at, *yes);
                }
            }
        }
    }
    let tasks = |sprint: u8| {
        (0..5)
            .filter(|task| of.get(task).is_some_and(|of| of.contains(&sprint)) || named.contains(&(sprint, *task)))
            .collect::<Vec<u8>>()
    };
    let is_done = |task: &u8| latest.get(task).is_some_and(|(_, yes)| *yes);
    (0..3).filter(|sprint| !tasks(*sprint).is_empty() && tasks(*sprint).iter().all(is_done)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_edges_are_those_of_a_model_that_looks_at_everything_anew(steps in steps()) {
        let mut evaluator = Evaluator::new(set(SPRINTS));
        for nth in 0..steps.len() {
            let event = event(&steps[nth], nth);
            let position = nth as u64 + 1;
            let (recorded_at, by) = (now(position), position);
            let taken = evaluator.take(&Committed { event: event.event(), position, recorded_at, by });
            let fired: BTreeSet<u8> =
                taken.runs.iter().map(|run| run.subject.as_ref().unwrap().id.parse().unwrap()).collect();
            let (before, after) = (holds(&steps[..nth]), holds(&steps[..=nth]));
            let wanted = if steps[nth].undo { BTreeSet::new() } else { &after - &before };
            prop_assert_eq!((nth, fired), (nth, wanted));
            prop_assert_eq!(taken.errors, []);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn each_sprint_is_done_once_with_the_last_of_its_tasks(
        sizes in prop::collection::vec(1_usize..50, 1..12),
        seed in any::<u64>(),
    ) {
        let mut fed = Fed::new(RuleSet::shipped());
        let mut tasks: Vec<(usize, String)> =
            sizes.iter().enumerate().flat_map(|(of, size)| (0..*size).map(move |nth| (of, format!("{of}-{nth}")))).collect();
        for (of, id) in &tasks {
            prop_assert_eq!(fed.runs(created(id, &of.to_string())), []);
        }
        tasks.sort_by_key(|(_, id)| regie_core::Digest::of(format!("{seed}{id}").as_bytes()));
        let mut open = sizes;
        for (of, id) in &tasks {
            open[*of] -= 1;
            let fired = fed.fires(status(id, "completed"));
            let wanted = vec![("sprint-completed".to_string(), of.to_string())];
            prop_assert_eq!(fired, if open[*of] == 0 { wanted } else { Vec::new() });
        }
    }
}
