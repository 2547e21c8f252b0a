//! Runs of workflows: one row each, as the facts tell it, whether the index followed or was built anew.

use regie_core::Json;
use regie_core::event::Principal;
use regie_core::query::{RunCondition, RunFilter};
use regie_core::workflow::{EffectEnd, EffectKey, Fact, Operation, RunEnd, Standing, Unpark};
use regie_journal::{Journal, Opened, Turn};

use crate::helpers::{OpenedExt, Place, Story, at};

fn started(definition: &str, version: u32) -> Fact {
    Fact::Started { definition: definition.into(), version }
}

fn operated(operation: Operation) -> Fact {
    Fact::Operated { operation, id: "o".into(), by: Principal::user("ana"), why: "because".into() }
}

fn failed(error: &str) -> Fact {
    Fact::Finished { end: RunEnd::Failed { error: error.into() } }
}

fn completed() -> Fact {
    Fact::Finished { end: RunEnd::Completed { output: Json::null() } }
}

fn halted() -> Fact {
    Fact::Halted { step: "pay".into(), attempts: 3, error: "no".into() }
}

/// An end that the definition could not take.
fn untaken() -> Vec<Fact> {
    let ended = Fact::Ended { key: EffectKey { step: "pay".into(), attempt: 1 }, end: EffectEnd::TimerFired };
    vec![ended, Fact::Parked { input: "the end of step pay#1".into(), attempts: 1, error: "no".into() }]
}

/// An event that its definition could not take: it waits as an event, and not as something of the run.
fn poison() -> Fact {
    Fact::Parked { input: "event e".into(), attempts: 3, error: "no".into() }
}

/// Seven runs in every state, one of the runtime's own, and a ledger without one.
fn turns(story: &mut Story) -> Vec<Turn> {
    vec![
        story.facts("done", vec![started("order", 1), completed()]),
        story.facts("failed", vec![started("order", 1)]),
        story.facts("waits", vec![started("order", 2), poison(), halted()]),
        story.facts("paused", vec![started("order", 2), operated(Operation::Pause)]),
        story.facts("again", vec![started("trade", 1), failed("first")]),
        story.facts("back", vec![started("trade", 1)]),
        story.facts("stopped", vec![started("trade", 1), halted()]),
        story.facts("regie/run/1", vec![started("regie.run", 1)]),
        story.facts("ledger", vec![Fact::Noted { data: Json::null() }]),
        story.facts("failed", vec![failed("no money")]),
        story.facts("waits", untaken()),
        story.facts("waits", vec![operated(Operation::Unpark(Unpark::Skip))]),
        story.facts("again", vec![operated(Operation::Retry)]),
        story.facts("back", vec![Fact::Compensating { then: RunEnd::Cancelled { reason: "so".into() } }]),
        story.facts(
            "stopped",
            vec![
                operated(Operation::Terminate),
                Fact::Finished { end: RunEnd::Terminated { reason: "because".into() } },
            ],
        ),
    ]
}

fn told(opened: &mut Opened, filter: &RunFilter) -> Vec<String> {
    let runs = opened.reader().runs(filter).unwrap();
    let flags = |paused: bool, parked: u32| match (paused, parked) {
        (true, _) => " paused".to_string(),
        (false, 0) => String::new(),
        (false, many) => format!(" parked {many}"),
    };
    let one = |stored: regie_journal::StoredRun| {
        let run = &stored.run;
        let why = run.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
        let marks = flags(run.paused, run.parked);
        format!(
            "{} {}/{} {}{why}{marks} @{}",
            stored.correlation, run.definition, run.version, run.status, stored.position
        )
    };
    runs.into_iter().map(one).collect()
}

const ALL: [&str; 7] = [
    "done order/1 completed @1",
    "failed order/1 failed (no money) @10",
    "waits order/2 running parked 1 @12",
    "paused order/2 running paused @4",
    "again trade/1 running @13",
    "back trade/1 compensating (so) @14",
    "stopped trade/1 terminated (because) @15",
];

fn names(opened: &mut Opened, filter: RunFilter) -> Vec<String> {
    told(opened, &filter).into_iter().map(|line| line.split(' ').next().unwrap().to_string()).collect()
}

#[test]
fn runs_stand_as_their_facts_tell_whether_in_one_batch_or_many_or_built_anew() {
    let (place, mut story) = (Place::new(), Story::default());
    let mut opened = place.open();
    for turn in turns(&mut story) {
        opened.writer.append(&[turn]).unwrap();
        opened.catch_up();
    }
    assert_eq!(told(&mut opened, &RunFilter::default()), ALL);
    opened.close();
    std::fs::remove_file(place.beside("-index")).unwrap();
    assert_eq!(told(&mut place.open(), &RunFilter::default()), ALL);
    let mut memory = Journal::memory();
    memory.writer.append(&turns(&mut Story::default())).unwrap();
    assert_eq!(told(&mut memory, &RunFilter::default()), ALL);
}

#[test]
fn runs_are_chosen_by_definition_status_time_and_page() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&turns(&mut story));
    let mut opened = place.open();
    let filter = |condition| RunFilter { condition: Some(condition), ..RunFilter::default() };
    let status = |status| filter(RunCondition::Status(status));
    assert_eq!(names(&mut opened, status(Standing::Running)), ["waits", "paused", "again"]);
    assert_eq!(names(&mut opened, status(Standing::Compensating)), ["back"]);
    assert_eq!(names(&mut opened, status(Standing::Failed)), ["failed"]);
    assert_eq!(names(&mut opened, filter(RunCondition::Paused)), ["paused"]);
    assert_eq!(names(&mut opened, filter(RunCondition::Parked)), ["waits"]);
    let of = |name: &str, version| RunFilter { definition: Some(name.into()), version, ..RunFilter::default() };
    assert_eq!(names(&mut opened, of("order", Some(1))), ["done", "failed"]);
    assert_eq!(names(&mut opened, of("trade", None)), ["again", "back", "stopped"]);
    assert_eq!(names(&mut opened, of("nothing", None)), [""; 0]);
    assert_eq!(names(&mut opened, RunFilter { own: true, ..RunFilter::default() }).len(), 8);
    let since = |from, to| RunFilter { started_from: from, started_to: to, ..RunFilter::default() };
    assert_eq!(names(&mut opened, since(Some(at(0)), Some(at(1)))).len(), 7);
    assert_eq!(
        names(&mut opened, since(Some(at(1)), None)).len() + names(&mut opened, since(None, Some(at(0)))).len(),
        0
    );
}

#[test]
fn pages_give_every_run_once_in_order() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&turns(&mut story));
    let mut opened = place.open();
    let mut reader = opened.reader();
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = reader.runs(&RunFilter { limit: Some(2), after, ..RunFilter::default() }).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.cursor().to_string().parse().unwrap());
        pages.push(page.iter().map(|run| run.correlation.to_string()).collect::<Vec<_>>().join(" "));
    }
    assert_eq!(pages, ["done failed", "waits paused", "again back", "stopped"]);
}

#[test]
fn one_run_is_found_by_its_correlation_and_several_by_the_beginning_of_its_name() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&turns(&mut story));
    let mut opened = place.open();
    let mut reader = opened.reader();
    assert_eq!(reader.run("failed").unwrap().unwrap().run.error.as_deref(), Some("no money"));
    assert_eq!((reader.run("ledger").unwrap(), reader.run("nobody").unwrap()), (None, None));
    let mut named = |beginning: &str, limit| -> Vec<String> {
        reader.runs_named(beginning, limit).unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        (named("", 2), named("pau", 9), named("x", 9)),
        (vec!["again".into(), "back".into()], vec!["paused".into()], vec![])
    );
    assert_eq!(named("regie", 9), [""; 0]);
}

#[test]
fn counts_are_by_status_and_by_definition_and_the_rate_is_of_those_that_ended() {
    let (place, mut story) = (Place::new(), Story::default());
    place.write(&turns(&mut story));
    let mut opened = place.open();
    let stats = opened.reader().run_stats(&RunFilter::default(), at(60)).unwrap();
    assert_eq!((stats.all.workflows, stats.all.ended, stats.all.paused, stats.all.parked), (7, 3, 1, 1));
    assert_eq!(stats.all.by_status[&Standing::Running], 3);
    assert_eq!(stats.all.success_rate, Some(1.0 / 3.0));
    assert_eq!((stats.ended_last_day, stats.ended_per_hour), (3, 0.125));
    assert_eq!(stats.by_definition["order"].success_rate, Some(0.5));
    assert_eq!(stats.by_definition.keys().collect::<Vec<_>>(), ["order", "trade"]);
    let later = opened.reader().run_stats(&RunFilter::default(), at(2 * 86_400)).unwrap();
    assert_eq!(later.ended_last_day, 0);
}
