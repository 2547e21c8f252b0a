//! A part of the runtime that dies is started anew, and what was under way comes to what it would have: each part is killed
//! once amid work, on both journals. One that dies again and again is named, and the runtime takes nothing more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use regie::actors::agent::AgentLimits;
use regie::actors::entry::shard_of;
use regie::actors::faults::{FaultPoint, Faults};
use regie::core::event::{EventResult, Incoming, LifeState, Principal};
use regie::core::governance::{CooldownMode, KeyKind, Policy};
use regie::core::workflow::{HandlerError, Input, Moment, Reaction};
use regie::runtime::Waited;
use regie::{Builder, Handle, JournalConfig, Reason, Refused};

use crate::runtime_support::{
    Acts, Folder, Gate, Stage, at, event, note_by, one_a_second, pattern, script, set, submit_all, within,
};

const ACTORS: usize = 10;
const NOTES: usize = 200;
const TASKS: usize = 30;
const CALLS: usize = 20;

/// Panics the so-many-th time that anybody comes to a point.
fn once(point: FaultPoint, nth: usize) -> Faults {
    let visits = AtomicUsize::new(0);
    Faults::when(move |at, _| at == point && visits.fetch_add(1, Ordering::Relaxed) + 1 == nth)
}

fn each_time(point: FaultPoint) -> Faults {
    Faults::when(move |at, _| at == point)
}

/// One note of each actor in a second, one task of each in a second and the others later, and work that asks an agent.
fn busy(builder: Builder) -> Builder {
    let second = Duration::from_secs(1);
    let tasks = Policy::cooldown("tasks", pattern("agent.task"), second, KeyKind::Actor, CooldownMode::Defer);
    let asks = script("asks", "work.>", |_, input: Input<'_>, _: &Moment<'_>| -> Result<_, HandlerError> {
        Ok(match input {
            Input::Event(_) => Reaction::none().call("ask", "echo", serde_json::json!("hello")),
            other => Reaction::none().complete(&format!("{other:?}")),
        })
    });
    let echo = Acts(|task: regie::actors::agent::AgentTask| futures::future::ready(Ok(task.task)).boxed());
    let policies = set(vec![one_a_second(CooldownMode::Discard), tasks]);
    builder.policies(policies).handler(asks).agent("echo", echo, AgentLimits::default())
}

fn actor(nth: usize) -> String {
    format!("a-{}", nth % ACTORS)
}

fn task(nth: usize) -> Incoming {
    let task = event("agent.task", &format!("c-{}", nth % 17), &format!("task-{nth}"));
    task.actor(Principal::user(actor(nth))).build().unwrap()
}

fn call(nth: usize) -> Incoming {
    event("work.begin", &format!("w-{nth}"), "begin").build().unwrap()
}

fn work() -> Vec<Incoming> {
    let note = |nth| note_by(&actor(nth), &format!("c-{}", nth % 23), &format!("note-{nth}")).build().unwrap();
    (0..NOTES).map(note).chain((0..TASKS).map(task)).chain((0..CALLS).map(call)).collect()
}

/// Sends again whatever was lost or could not be taken then: ids make that safe.
async fn send_until_taken(handle: &Handle, mut left: Vec<Incoming>) -> Vec<EventResult> {
    let mut taken = Vec::new();
    while !left.is_empty() {
        let answers = submit_all(handle, std::mem::take(&mut left)).await;
        for answer in answers {
            match answer {
                Ok(result) => taken.push(result),
                Err(refused) => left.push(*passing(refused).event),
            }
        }
    }
    taken
}

#[track_caller]
fn passing(refused: Refused) -> Refused {
    assert!(may_pass(&refused.reason), "{}", refused.reason);
    refused
}

fn may_pass(reason: &Reason) -> bool {
    reason.is_passing() || matches!(reason, Reason::Journal(_))
}

fn trouble(stage: &Stage, part: &str) -> Option<String> {
    stage.handle.health().parts.into_iter().find(|it| it.name == part).and_then(|it| it.trouble)
}

/// Comes back once nothing ails the runtime, and nothing is under way or put off.
async fn is_well_and_done(stage: &Stage) {
    loop {
        stage.handle.settle().await;
        let is_well = stage.handle.health().parts.iter().all(|part| part.trouble.is_none());
        let events = if is_well { stage.handle.events(Default::default()).await } else { continue };
        // An index that panics just now is told by the query.
        if events.is_ok_and(|events| events.iter().all(|event| event.state.is_end())) {
            return;
        }
        std::thread::yield_now(); // what failed is tried again by itself
    }
}

/// How many events of a kind ended in a state.
fn count(states: &BTreeMap<String, LifeState>, kind: &str, state: LifeState) -> usize {
    states.iter().filter(|(name, it)| name.contains(kind) && **it == state).count()
}

#[track_caller]
fn assert_a_second_apart(answers: &[EventResult]) {
    let mut by_actor: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    for answer in answers {
        let Some(nth) = answer.event_id.strip_prefix("task-") else { continue };
        let went_on = answer.deferred_until.map_or(0, |until| until.micros());
        by_actor.entry(nth.parse::<usize>().unwrap() % ACTORS).or_default().push(went_on);
    }
    assert_eq!(by_actor.values().map(Vec::len).sum::<usize>(), TASKS);
    for times in by_actor.values_mut() {
        times.sort_unstable();
        assert!(times[0] == 0 && times.windows(2).all(|pair| pair[1] - pair[0] >= 1_000_000), "{times:?}");
    }
}

/// Figures as undisturbed, and the one death that was wanted.
async fn assert_all_is_done(stage: &Stage, answers: &[EventResult], part: &str) {
    let states = stage.states().await;
    assert_eq!(states.len(), NOTES + TASKS + CALLS);
    let notes = [LifeState::Processed, LifeState::Discarded].map(|state| count(&states, "/note-", state));
    assert_eq!(notes, [ACTORS, NOTES - ACTORS]);
    assert_eq!(count(&states, "/task-", LifeState::Processed), TASKS);
    assert_a_second_apart(answers);
    for nth in 0..CALLS {
        let ended = stage.handle.wait(&format!("w-{nth}").as_str().into(), None).await;
        assert!(matches!(ended, Ok(Waited::Ended { .. })), "{ended:?}");
    }
    assert_agents_are_asked(stage).await;
    let deaths = stage.handle.metrics().await.part_deaths;
    let died: Vec<_> = deaths.iter().filter(|(_, deaths)| **deaths > 0).collect();
    assert!(died.len() == 1 && died[0].0.starts_with(part) && *died[0].1 == 1, "{died:?}");
    let verified = regie::journal::verify(&mut *stage.handle.readers().truth().unwrap(), &mut |_| {}).unwrap();
    assert_eq!(verified.first_break, None);
}

/// Whatever died is in its place again.
async fn assert_agents_are_asked(stage: &Stage) {
    stage.handle.submit(call(CALLS)).await.unwrap();
    let ended = stage.handle.wait(&format!("w-{CALLS}").as_str().into(), None).await;
    assert!(format!("{ended:?}").contains("Done"), "{ended:?}");
}

async fn comes_back(journal: JournalConfig, point: FaultPoint, nth: usize, part: &str) {
    let stage = Stage::with(|builder| busy(builder).journal(journal).faults(once(point, nth))).await;
    let answers = send_until_taken(&stage.handle, work()).await;
    for second in 1..10 {
        stage.advance_to(at(second * 1_000)).await;
    }
    while part == "index" && stage.handle.metrics().await.part_deaths[part] == 0 {
        std::thread::yield_now(); // it follows in its own time
    }
    is_well_and_done(&stage).await;
    assert_all_is_done(&stage, &answers, part).await;
    stage.close().await;
}

/// Killed early and amid the work, on both journals.
fn heals(point: FaultPoint, part: &'static str) {
    for nth in [1, 5] {
        within(comes_back(JournalConfig::memory(), point, nth, part));
        let folder = Folder::new();
        within(comes_back(folder.journal(), point, nth, part));
    }
}

#[test]
fn a_shard_that_dies_when_handed_something_comes_back_and_nothing_is_lost_or_done_twice() {
    heals(FaultPoint::ShardEntry, "shard ");
}

#[test]
fn a_shard_that_dies_between_the_commit_and_the_answer_comes_back() {
    heals(FaultPoint::ShardReport, "shard ");
}

#[test]
fn a_lane_that_dies_before_it_appends_comes_back_with_its_shard() {
    heals(FaultPoint::LaneAppend, "shard ");
}

#[test]
fn a_lane_that_dies_when_its_turns_were_appended_comes_back_and_what_they_were_granted_counts() {
    heals(FaultPoint::LaneAppended, "shard ");
}

#[test]
fn a_policy_actor_that_dies_before_it_looks_comes_back_and_cooldowns_hold() {
    heals(FaultPoint::PolicyTold, "policy");
}

#[test]
fn a_policy_actor_that_dies_with_what_it_granted_comes_back_and_cooldowns_hold() {
    heals(FaultPoint::PolicyGranted, "policy");
}

#[test]
fn timers_that_die_when_told_of_an_instant_come_back_and_what_was_put_off_does() {
    heals(FaultPoint::TimersSet, "timers");
}

#[test]
fn timers_that_die_when_something_is_due_come_back_and_what_was_put_off_does() {
    heals(FaultPoint::TimersFire, "timers");
}

#[test]
fn metrics_that_die_come_back() {
    heals(FaultPoint::MetricsCount, "metrics");
}

#[test]
fn a_gate_that_dies_when_asked_comes_back_and_no_workflow_waits_for_ever() {
    heals(FaultPoint::GateCall, "agent echo");
}

#[test]
fn a_gate_that_dies_with_calls_under_way_comes_back_and_no_workflow_waits_for_ever() {
    heals(FaultPoint::GateBegun, "agent echo");
}

#[test]
fn an_index_that_panics_is_opened_anew_and_follows() {
    // It lets work gather: the first look alone is certain to come.
    let folder = Folder::new();
    within(comes_back(folder.journal(), FaultPoint::Index, 1, "index"));
}

/// The check sees that nobody died.
#[test]
#[should_panic(expected = "[]")]
fn where_nothing_dies_no_death_is_counted() {
    within(comes_back(JournalConfig::memory(), FaultPoint::LaneAppend, usize::MAX, "shard "));
}

#[test]
fn a_reader_that_panics_fails_one_query_and_is_opened_anew() {
    within(async {
        let folder = Folder::new();
        let stage = Stage::with(|builder| builder.journal(folder.journal()).faults(once(FaultPoint::Reader, 4))).await;
        stage.submit(note_by("ana", "c", "1")).await;
        let mut failed = 0;
        for _ in 0..10 {
            failed += usize::from(stage.handle.events(Default::default()).await.is_err());
        }
        // Who asked is told a moment before the death is counted.
        while stage.handle.metrics().await.part_deaths["readers"] == 0 {
            std::thread::yield_now();
        }
        assert_eq!((failed, trouble(&stage, "readers")), (1, None));
        assert_eq!(stage.handle.metrics().await.part_deaths["readers"], 1);
    });
}

#[test]
fn metrics_that_died_go_on_with_what_they_had_counted() {
    within(async {
        let stage = Stage::with(|builder| builder.faults(once(FaultPoint::MetricsCount, 3))).await;
        for nth in 0..3 {
            stage.submit(note_by("ana", "c", &nth.to_string())).await;
        }
        stage.handle.settle().await;
        assert_eq!(stage.handle.metrics().await.events.received, 2, "the one that it died of is not counted");
        stage.submit(note_by("ana", "c", "3")).await;
        assert_eq!(stage.handle.metrics().await.events.received, 3);
    });
}

/// Two names, of which the shards of a stage have one each.
fn on_two_shards() -> [&'static str; 2] {
    let names = ["one", "two", "three", "four", "five", "six"];
    let other = names.iter().find(|name| shard_of(name, 2) != shard_of(names[0], 2));
    [names[0], other.unwrap()]
}

#[test]
fn what_a_policy_actor_granted_before_it_died_is_not_granted_a_second_time() {
    let (slow, armed) = (Gate::default(), Arc::new(AtomicBool::new(false)));
    let (holds, arms) = (slow.clone(), Arc::clone(&armed));
    within(async move {
        let handler = script("slow", "work.>", move |_, input: Input<'_>, _: &Moment<'_>| {
            if matches!(input, Input::Event(event) if event.kind == "work.slow") {
                slow.pass();
            }
            Ok(Reaction::none())
        });
        let second = Duration::from_secs(1);
        let one = Policy::cooldown("one", pattern("work.>"), second, KeyKind::Actor, CooldownMode::Discard);
        let dies = Faults::when(move |at, _| at == FaultPoint::PolicyTold && arms.swap(false, Ordering::Relaxed));
        let stage = Stage::with(|builder| builder.policies(set(vec![one])).handler(handler).faults(dies)).await;
        let [here, there] = on_two_shards();
        let by = |kind, correlation, who: &str, id| event(kind, correlation, id).actor(Principal::user(who)).build();
        let granted = by("work.slow", here, "ana", "1").unwrap();
        let answer = stage.handle.enqueue(granted.clone()).await.unwrap();
        holds.wait_for(1);
        armed.store(true, Ordering::Relaxed);
        // The policies die of another's ask. Whoever asks for what was granted before gets it only if that is void by now.
        let racing = by("work.go", there, "ana", "2").unwrap();
        let racing = async { send_until_taken(&stage.handle, vec![racing]).await };
        let opens = async {
            // Long after the next one is there: were nothing void, it would have granted the other by then.
            let mut rounds = 0;
            while rounds < 2_000 {
                rounds += stage.handle.metrics().await.part_deaths["policy"];
            }
            holds.open();
            let _ = answer.await;
            send_until_taken(&stage.handle, vec![granted]).await
        };
        futures::join!(racing, opens);
        let ends: Vec<LifeState> = stage.states().await.into_values().collect();
        let processed = ends.iter().filter(|state| **state == LifeState::Processed).count();
        assert_eq!((ends.len(), processed), (2, 1), "{ends:?}");
        stage.close().await;
    });
}

#[test]
fn a_call_under_way_when_its_shard_dies_is_made_again() {
    let (called, armed) = (Gate::default(), Arc::new(AtomicBool::new(false)));
    let (calls, arms) = (called.clone(), Arc::clone(&armed));
    within(async move {
        let first_hangs = Acts(move |task: regie::actors::agent::AgentTask| {
            calls.come();
            if calls.came() == 1 {
                futures::future::pending().boxed()
            } else {
                futures::future::ready(Ok(task.task)).boxed()
            }
        });
        let dies = Faults::when(move |at, _| at == FaultPoint::ShardEntry && arms.swap(false, Ordering::Relaxed));
        let asks = script("asks", "work.>", |_, input: Input<'_>, _: &Moment<'_>| match input {
            Input::Event(_) => Ok(Reaction::none().call("ask", "slow", serde_json::json!("hello"))),
            other => Ok(Reaction::none().complete(&format!("{other:?}"))),
        });
        let build = |builder: Builder| builder.shards(1).handler(asks).faults(dies);
        let stage = Stage::with(|builder| build(builder).agent("slow", first_hangs, AgentLimits::default())).await;
        stage.handle.submit(call(1)).await.unwrap();
        called.wait_for(1);
        armed.store(true, Ordering::Relaxed);
        let lost = stage.handle.submit(note_by("ana", "c", "1").build().unwrap()).await.unwrap_err();
        assert_eq!(lost.reason, Reason::Lost);
        called.wait_for(2);
        stage.handle.settle().await;
        let ended = stage.handle.wait(&"w-1".into(), None).await;
        assert!(format!("{ended:?}").contains("Done"), "{ended:?}");
        stage.close().await;
    });
}

/// Something that every part has to do with; says why it was not taken, if that does not pass.
async fn stir(stage: &Stage, nth: usize) -> Option<Reason> {
    for event in [task(nth), call(nth)] {
        if let Err(refused) = stage.handle.submit(event).await
            && !may_pass(&refused.reason)
        {
            return Some(refused.reason);
        }
    }
    None
}

async fn is_given_up(point: FaultPoint, part: &'static str) {
    let few = |builder| busy(builder).shards(1).grace(Duration::ZERO).faults(each_time(point));
    let stage = Stage::with(few).await;
    let mut nth = 0;
    while trouble(&stage, part).is_none() {
        nth += 1;
        assert_eq!(stir(&stage, nth).await, None);
    }
    assert!(!stage.handle.health().ready);
    let reason = loop {
        nth += 1;
        match stir(&stage, nth).await {
            Some(reason) => break reason,
            None => stage.handle.settle().await,
        }
    };
    assert_eq!((reason.code(), reason.is_passing()), ("part_down", false));
    assert!(trouble(&stage, part).is_some_and(|trouble| trouble.contains("11 times")), "{:?}", trouble(&stage, part));
    let waits = stage.handle.enqueue(call(0)).await.unwrap_err();
    assert_eq!(waits.reason, reason);
    stage.close().await;
}

#[test]
fn a_shard_that_dies_again_and_again_is_named_and_nothing_more_is_taken() {
    within(is_given_up(FaultPoint::ShardEntry, "shards"));
}

#[test]
fn a_lane_that_dies_again_and_again_is_named_and_nothing_more_is_taken() {
    within(is_given_up(FaultPoint::LaneAppend, "shards"));
}

#[test]
fn a_policy_actor_that_dies_again_and_again_is_named_and_nothing_more_is_taken() {
    within(is_given_up(FaultPoint::PolicyTold, "policy"));
}

#[test]
fn timers_that_die_again_and_again_are_named_and_nothing_more_is_taken() {
    within(is_given_up(FaultPoint::TimersSet, "timers"));
}

#[test]
fn metrics_that_die_again_and_again_are_named_and_nothing_more_is_taken() {
    within(is_given_up(FaultPoint::MetricsCount, "metrics"));
}

#[test]
fn a_gate_that_dies_again_and_again_is_named_and_nothing_more_is_taken() {
    within(is_given_up(FaultPoint::GateCall, "agents"));
}
