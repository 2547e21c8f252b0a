//! Of any number of events of one key that race within one window, one goes on: in every round, over a kill, and when what
//! the first was granted is never written.
//!
//! `REGIE_RACERS` and `REGIE_ROUNDS` say how many (1,000 and 10 unless said), `REGIE_SEED` repeats the kills.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use regie::actors::faults::{FaultPoint, Faults};
use regie::core::event::{EventResult, Incoming, LifeState};
use regie::{JournalConfig, Refused};
use serde_json::json;
use tokio::sync::Barrier;

use super::kinds::{assert_one_went_on, racer, under};
use super::size;
use crate::kill::number_from;
use crate::runtime_support::{Dice, Folder, Gate, Stage, at, within_at_most};
use crate::scene::{Scene, tell};

const LONG: Duration = Duration::from_secs(900);

fn racers(round: usize, count: usize) -> Vec<Incoming> {
    (0..count).map(|nth| racer(round, nth).build().unwrap()).collect()
}

/// A task each, on all cores, that start together; the clock goes on under them, from one instant to another.
async fn race(
    stage: &Stage,
    events: Vec<Incoming>,
    (from, to): (i64, i64),
    told: fn(&EventResult),
) -> Vec<Result<EventResult, Refused>> {
    let pool = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let count = events.len();
    let (start, entered) = (Arc::new(Barrier::new(count)), Arc::new(AtomicU64::new(0)));
    let run = |event| {
        let (handle, clock) = (stage.handle.clone(), stage.clock.clone());
        let (start, entered) = (Arc::clone(&start), Arc::clone(&entered));
        pool.spawn(async move {
            start.wait().await;
            let share = entered.fetch_add(1, Ordering::Relaxed) as i64 * (to - from) / count as i64;
            clock.advance_to(at(from + share));
            // Waits at the door where more race than are let in at once.
            let answer = match handle.enqueue(event).await {
                Ok(answer) => answer.await,
                Err(refused) => Err(refused),
            };
            answer.iter().for_each(told);
            answer
        })
    };
    let tasks: Vec<_> = events.into_iter().map(run).collect();
    join_all(tasks).await.into_iter().map(|done| done.unwrap()).collect()
}

async fn one_round(kind: &'static str, round: usize, racing: usize) {
    let stage = Stage::with(under(kind, JournalConfig::memory())).await;
    let answers = race(&stage, racers(round, racing), (0, 900), |_| {}).await;
    let answers: Vec<EventResult> = answers.into_iter().map(Result::unwrap).collect();
    assert_one_went_on(kind, &answers);
    if kind == "debounce" {
        assert_the_last_of_the_burst_goes_on(&stage, &answers).await;
    }
    stage.close().await;
}

async fn assert_the_last_of_the_burst_goes_on(stage: &Stage, answers: &[EventResult]) {
    let last = answers.iter().filter_map(|answer| answer.deferred_until).max().unwrap();
    stage.advance_to(at(last.micros() / 1_000 - 1)).await;
    let in_state = async |state: &str| stage.stats().await.by_state.get(state).copied().unwrap_or(0);
    assert_eq!(in_state("processed").await, 0);
    stage.advance_to(at(last.micros() / 1_000)).await;
    assert_eq!((in_state("processed").await, in_state("discarded").await), (1, answers.len() as u64 - 1));
}

fn rounds(kind: &'static str) {
    let (racing, rounds) = (size("REGIE_RACERS", 1_000), size("REGIE_ROUNDS", 10));
    (0..rounds).for_each(|round| within_at_most(LONG, one_round(kind, round, racing)));
    println!("{kind}: one of {racing} went on in each of {rounds} rounds");
}

#[test]
fn of_racers_at_a_cooldown_that_discards_one_goes_on() {
    rounds("cooldown-discard");
}

#[test]
fn of_racers_at_a_cooldown_that_defers_one_goes_on() {
    rounds("cooldown-defer");
}

#[test]
fn of_racers_at_a_session_window_that_discards_one_goes_on() {
    rounds("window-discard");
}

#[test]
fn of_racers_at_a_session_window_that_defers_one_goes_on() {
    rounds("window-defer");
}

#[test]
fn of_racers_at_a_rate_that_discards_one_goes_on() {
    rounds("rate-discard");
}

#[test]
fn of_racers_at_a_rate_that_defers_one_goes_on() {
    rounds("rate-defer");
}

#[test]
fn of_racers_at_a_debounce_one_goes_on() {
    rounds("debounce");
}

#[test]
fn of_racers_at_a_concurrency_limit_one_goes_on() {
    rounds("concurrency");
}

/// How many race where some of them are killed.
fn killed_racers() -> usize {
    size("REGIE_KILLED_RACERS", 300)
}

/// The race in a process that will be killed: each answer is told. In waves, so that a kill finds some that are written, some
/// on their way and some that have not come yet.
pub(crate) async fn scene(kind: &str, journal: JournalConfig) {
    let stage = Stage::with(under(kind, journal)).await;
    let mut events = racers(0, killed_racers());
    while !events.is_empty() {
        let wave = events.split_off(events.len() - events.len().min(killed_racers() / 10 + 1));
        race(&stage, wave, (0, 400), |answer| tell(&json!(answer))).await;
    }
    stage.close().await;
}

/// Kills a race when so many have their answer, and lets all race again over the journal that it left.
fn over_a_kill(kind: &'static str, after: usize) {
    let folder = Folder::new();
    let mut scene = Scene::start(&format!("race:{kind}"), &folder.path());
    let mut told: Vec<_> = (0..after).map_while(|_| scene.next()).collect();
    told.extend(scene.kill());
    let told: Vec<EventResult> = told.into_iter().map(|it| serde_json::from_value(it).unwrap()).collect();
    within_at_most(LONG, async move {
        let stage = Stage::at(at(400), under(kind, folder.journal())).await;
        let answers = race(&stage, racers(0, killed_racers()), (400, 900), |_| {}).await;
        let answers: Vec<EventResult> = answers.into_iter().map(Result::unwrap).collect();
        assert_one_went_on(kind, &answers);
        let by_correlation: HashMap<_, _> = answers.iter().map(|it| (it.correlation_id.as_str(), it)).collect();
        for first in &told {
            let again = by_correlation[first.correlation_id.as_str()];
            assert_eq!((first.event_state, first.deferred_until), (again.event_state, again.deferred_until));
            assert_eq!(first.policy_decisions, again.policy_decisions);
        }
        println!("{kind}: killed when {} of {} had their answers", told.len(), answers.len());
        stage.close().await;
    });
}

#[test]
fn of_racers_that_are_killed_and_race_again_one_goes_on() {
    let fresh = || u64::from(std::process::id());
    let seed = number_from("REGIE_SEED").unwrap_or_else(fresh);
    println!("REGIE_SEED={seed}");
    let mut dice = Dice(seed);
    for _ in 0..size("REGIE_RACE_KILLS", 1) {
        for kind in ["cooldown-discard", "cooldown-defer", "window-defer", "rate-defer", "debounce", "concurrency"] {
            over_a_kill(kind, dice.below(killed_racers() as u64) as usize);
        }
    }
}

/// Who has the grant holds at a gate until the others stand behind it.
fn at_the_gate(gate: &Gate, of: &'static str) -> Faults {
    let gate = gate.clone();
    Faults::when(move |point, correlation| {
        if point == FaultPoint::Decide && correlation.as_str() == of {
            gate.pass();
        }
        false
    })
}

/// The first holds the grant and is too large for the journal, so that its append fails; the others wait meanwhile.
async fn whose_append_fails(kind: &'static str) {
    let (folder, gate) = (Folder::new(), Gate::default());
    let capped = JournalConfig::Sqlite { path: folder.path(), max_bytes: Some(512 * 1024) };
    let stage = Stage::with(|builder| under(kind, capped)(builder).shards(4).faults(at_the_gate(&gate, "c-1-0"))).await;
    let large = racer(1, 0).payload(json!("x".repeat(900_000))).build().unwrap();
    let first = stage.handle.enqueue(large).await.unwrap();
    gate.wait_for(1);
    let mut others = Vec::new();
    for event in racers(2, 100) {
        others.push(stage.handle.enqueue(event).await.unwrap());
    }
    gate.open();
    assert_eq!(first.await.unwrap_err().reason.code(), "disk_full", "{kind}");
    let answers: Vec<EventResult> = join_all(others).await.into_iter().map(Result::unwrap).collect();
    assert_one_went_on(kind, &answers);
    stage.close().await;
}

#[test]
fn where_the_append_of_the_one_fails_another_goes_on_and_none_was_refused_for_it() {
    for kind in ["cooldown-discard", "cooldown-defer", "window-discard", "window-defer", "rate-discard", "rate-defer"] {
        within_at_most(LONG, whose_append_fails(kind));
    }
    within_at_most(LONG, whose_append_fails("concurrency"));
}

/// The workflow of the one dies before its append; it comes again, behind those who waited.
#[test]
fn where_the_workflow_of_the_one_dies_one_goes_on() {
    for kind in ["cooldown-discard", "window-discard", "rate-discard", "cooldown-defer", "rate-defer", "concurrency"] {
        within_at_most(LONG, async move {
            let deaths = Arc::new(AtomicU64::new(0));
            let died = Arc::clone(&deaths);
            let five = Faults::when(move |point, _| {
                point == FaultPoint::Decide
                    && died.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| (it < 5).then_some(it + 1)).is_ok()
            });
            let stage = Stage::with(|builder| under(kind, JournalConfig::memory())(builder).faults(five)).await;
            let answers = race(&stage, racers(0, 200), (0, 900), |_| {}).await;
            let answers: Vec<EventResult> = answers.into_iter().map(Result::unwrap).collect();
            assert_eq!(deaths.load(Ordering::SeqCst), 5);
            assert!(answers.iter().all(|answer| answer.event_state != Some(LifeState::Escalated)));
            assert_one_went_on(kind, &answers);
            stage.close().await;
        });
    }
}
