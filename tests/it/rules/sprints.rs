//! Sprints whose tasks are finished in random order by eight threads, some of them twice: each is completed once, with its
//! last task.

use std::collections::{BTreeMap, BTreeSet};

use regie::core::automation::RuleSet;
use regie::core::event::{EntityRef, Event, Incoming};
use regie::core::query::Filter;
use regie::journal::StoredEvent;

use super::runs;
use crate::runtime_support::{Dice, Stage, at, within_at_most};

/// Sprints in CI; `scripts/rules.sh` has 1,000.
fn sprints() -> u64 {
    std::env::var("REGIE_SPRINTS").ok().map_or(40, |text| text.parse().expect("a number of sprints"))
}

const THREADS: usize = 8;

/// What one thread does with the tasks that are its own: each task's events in their order, and many of them twice.
fn work(tasks: &[(u64, u64)], dice: &mut Dice) -> Vec<Incoming> {
    let mut steps: Vec<Vec<Incoming>> = tasks.iter().map(|task| task_steps(*task, dice)).collect();
    let mut all = Vec::new();
    while !steps.is_empty() {
        let nth = dice.below(steps.len() as u64) as usize;
        let event = steps[nth].remove(0);
        if dice.below(4) == 0 {
            all.push(event.clone());
        }
        all.push(event);
        steps.retain(|steps| !steps.is_empty());
    }
    all
}

fn task_steps((sprint, task): (u64, u64), dice: &mut Dice) -> Vec<Incoming> {
    let mut path = vec!["in_progress", "completed"];
    if dice.below(5) == 0 {
        path.extend(["in_progress", "completed"]); // it is reopened
    }
    path.iter().enumerate().map(|(nth, status)| changed(sprint, task, nth as i64, status)).collect()
}

fn changed(sprint: u64, task: u64, nth: i64, status: &str) -> Incoming {
    let (id, correlation) = (format!("s-{nth}"), format!("task-{sprint}-{task}"));
    Event::new("orchestration.task.status_changed", correlation.as_str())
        .id(id)
        .timestamp(at(1_000 + nth))
        .entity(EntityRef::new("task", correlation))
        .change("status", (), status)
        .build()
        .unwrap()
}

fn created(sprint: u64, task: u64) -> Incoming {
    let correlation = format!("task-{sprint}-{task}");
    Event::new("orchestration.task.created", correlation.as_str())
        .id("made")
        .timestamp(at(0))
        .entity(EntityRef::new("task", correlation))
        .related(EntityRef::new("sprint", format!("sprint-{sprint}")))
        .change("status", (), "pending")
        .build()
        .unwrap()
}

/// How often each sprint went from not all to all of its tasks completed, by a count over the journal's order.
fn completions(events: &[StoredEvent], sizes: &BTreeMap<u64, u64>) -> BTreeMap<u64, Vec<u64>> {
    let mut done: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    let mut rises: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for stored in events {
        let event = stored.incoming.event();
        let Some(task) = event.entity.as_ref().filter(|entity| entity.kind == "task") else { continue };
        let sprint: u64 = task.id.split('-').nth(1).unwrap().parse().unwrap();
        let of_sprint = done.entry(sprint).or_default();
        let was_all = of_sprint.len() as u64 == sizes[&sprint];
        match event.changes["status"].after.text() {
            "\"completed\"" => drop(of_sprint.insert(task.id.clone())),
            _ => drop(of_sprint.remove(&task.id)),
        }
        if !was_all && of_sprint.len() as u64 == sizes[&sprint] {
            rises.entry(sprint).or_default().push(stored.position);
        }
    }
    rises
}

#[test]
fn each_sprint_is_completed_once_and_its_rule_fires_each_time_that_its_last_task_is_done() {
    within_at_most(std::time::Duration::from_secs(1_200), async {
        let stage = Stage::with(|builder| builder.rules(RuleSet::shipped())).await;
        let mut dice = Dice(7);
        let sizes: BTreeMap<u64, u64> = (0..sprints()).map(|sprint| (sprint, 1 + dice.below(50))).collect();
        let mut tasks: Vec<(u64, u64)> =
            sizes.iter().flat_map(|(sprint, size)| (0..*size).map(|task| (*sprint, task))).collect();
        for (sprint, task) in &tasks {
            drop(stage.handle.enqueue(created(*sprint, *task)).await.unwrap());
        }
        stage.settle().await;
        dice.shuffle(&mut tasks);
        let threads: Vec<_> = tasks
            .chunks(tasks.len().div_ceil(THREADS))
            .map(|tasks| {
                let (events, handle) = (work(tasks, &mut dice), stage.handle.clone());
                std::thread::spawn(move || {
                    futures::executor::block_on(async {
                        for event in events {
                            drop(handle.enqueue(event).await.unwrap());
                        }
                    });
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        stage.settle().await;
        let mut events = stage.handle.events(Filter::default()).await.unwrap();
        events.sort_by_key(|stored| stored.position);
        let expected = completions(&events, &sizes);
        let mut fired: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for report in runs(&stage.handle).await {
            let sprint = report.run.subject.unwrap().id.split('-').nth(1).unwrap().parse().unwrap();
            fired.entry(sprint).or_default().push(report.run.trigger.position);
        }
        fired.values_mut().for_each(|positions| positions.sort_unstable());
        assert_eq!(fired, expected);
        assert_eq!(expected.len() as u64, sprints());
        for sprint in sizes.keys() {
            let told = events.iter().map(|stored| stored.incoming.event());
            let told = told.filter(|event| *event.correlation_id == *format!("sprint/sprint-{sprint}"));
            assert_eq!(told.count(), 1, "sprint {sprint}: {:?}", expected[sprint]);
        }
        stage.close().await;
    });
}
