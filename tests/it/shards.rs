//! The number of shards and a panic in between change no figure: a cooled log against a fold written here.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flate2::read::GzDecoder;
use regie::actors::faults::{FaultPoint, Faults};
use regie::core::Timestamp;
use regie::core::event::{Event, Incoming, LifeState, Origin, Principal};
use regie::core::governance::{CooldownMode, KeyKind, Policy, PolicySet};
use regie::{ClockKind, JournalConfig};

use crate::runtime_support::{Dice, Folder, at, event, pattern, set, states, within};

const WINDOW: Duration = Duration::from_secs(10);

/// What became of a log: where each event ended, until when it was put off, and how many workflows were recreated.
#[derive(Debug, Default, PartialEq)]
struct Came {
    states: BTreeMap<String, LifeState>,
    deferred: BTreeMap<String, Timestamp>,
    restarts: u64,
}

/// Three thousand events of two hundred correlations and 23 actors; some come late.
fn made_log() -> Vec<Incoming> {
    let (mut dice, mut now) = (Dice(7), 0);
    let one = |nth: i64| {
        now += dice.below(400) as i64;
        let late = if nth % 50 == 0 { dice.below(2_000) as i64 } else { 0 };
        let kind = ["agent.note", "agent.task", "agent.free"][dice.below(3) as usize];
        let built = event(kind, &format!("c-{}", dice.below(200)), &format!("e-{nth}"));
        let actor = Principal::agent(format!("a-{}", dice.below(23)));
        built.actor(actor).timestamp(at(now - late)).build().unwrap()
    };
    (0..3_000).map(one).collect()
}

fn cooled(window: Duration) -> PolicySet {
    let cooldown = |name, kind, mode| Policy::cooldown(name, pattern(kind), window, KeyKind::Actor, mode);
    set(vec![
        cooldown("notes", "agent.note", CooldownMode::Discard),
        cooldown("tasks", "agent.task", CooldownMode::Defer),
    ])
}

fn name(event: &Event) -> String {
    format!("{}/{}", event.correlation_id, event.id)
}

/// The same by a fold: who comes within a window of the last of its actor is stopped, or put off behind those put off.
fn fold(log: &[Incoming], window: Duration) -> Came {
    let (mut came, mut now, mut free) = (Came::default(), Timestamp::MIN, HashMap::new());
    for event in log.iter().map(Incoming::event) {
        now = now.max(event.timestamp);
        let cooled = event.actor.as_ref().filter(|_| event.kind != "agent.free");
        let free_at = free.entry((event.kind.clone(), cooled.cloned())).or_insert(Timestamp::MIN);
        let waits = cooled.is_some() && *free_at > now;
        let state = if waits && event.kind != "agent.task" { LifeState::Discarded } else { LifeState::Processed };
        came.states.insert(name(event), state);
        if state == LifeState::Processed {
            came.deferred.extend(waits.then(|| (name(event), *free_at)));
            *free_at = (*free_at).max(now).after(window);
        }
    }
    came
}

/// The same by a runtime.
async fn run(log: Vec<Incoming>, shards: usize, policies: PolicySet, faults: Faults) -> Came {
    let builder = regie::builder().clock(ClockKind::EventTime).shards(shards).policies(policies).faults(faults);
    let runtime = builder.start().await.unwrap();
    let handle = runtime.handle();
    let mut deferred = BTreeMap::new();
    for event in log {
        handle.advance_to(event.event().timestamp).await;
        let name = name(event.event());
        let answer = handle.submit(event).await.unwrap();
        deferred.extend(answer.deferred_until.map(|until| (name, until)));
    }
    handle.drain().await;
    let came = Came { states: states(&handle).await, deferred, restarts: handle.metrics().await.restarts };
    runtime.shutdown().await;
    came
}

/// Panics in the third turn of one correlation, after its event was granted its place.
fn one_panic() -> Faults {
    let (turns, done) = (std::sync::atomic::AtomicUsize::new(0), AtomicBool::new(false));
    Faults::when(move |at, correlation| {
        let here = at == FaultPoint::Decide && &**correlation == "c-7";
        here && turns.fetch_add(1, Ordering::Relaxed) == 2 && !done.swap(true, Ordering::Relaxed)
    })
}

#[test]
fn a_cooled_log_with_a_panic_gives_the_figures_of_a_fold_and_one_restart_with_any_number_of_shards() {
    let log = made_log();
    let expected = Came { restarts: 1, ..fold(&log, WINDOW) };
    let count = |state| expected.states.values().filter(|it| **it == state).count();
    assert!(count(LifeState::Discarded) > 200 && expected.deferred.len() > 200, "the log tries nothing");
    for shards in [1, 2, 7] {
        let came = within(run(log.clone(), shards, cooled(WINDOW), one_panic()));
        assert_eq!(came, expected, "{shards} shards");
    }
}

/// The comparison sees a window that is off by a second, and that nobody panicked.
#[test]
fn another_window_gives_other_figures_and_without_a_panic_nobody_is_restarted() {
    let log = made_log();
    let came = within(run(log.clone(), 2, cooled(WINDOW), Faults::default()));
    assert_eq!(came, fold(&log, WINDOW));
    assert_ne!(came, fold(&log, WINDOW + Duration::from_secs(1)));
}

#[test]
fn a_run_that_is_cut_in_two_gives_the_figures_of_one() {
    let log = made_log();
    let (folder, expected) = (Folder::new(), fold(&log, WINDOW));
    let mut deferred = BTreeMap::new();
    for half in log.chunks(log.len().div_ceil(2)) {
        let journal = folder.journal();
        let came = within(run_part(half.to_vec(), journal));
        deferred.extend(came.deferred);
        if came.states.len() == log.len() {
            assert_eq!(Came { deferred: std::mem::take(&mut deferred), ..came }, expected);
        }
    }
    assert!(deferred.is_empty(), "the second half was not seen");
}

/// A part of a log, in a file; what is deferred at its end stays for the next part, unless all is in.
async fn run_part(log: Vec<Incoming>, journal: JournalConfig) -> Came {
    let builder = regie::builder().clock(ClockKind::EventTime).shards(2).policies(cooled(WINDOW)).journal(journal);
    let runtime = builder.durability(regie::journal::Durability::Relaxed).start().await.unwrap();
    let handle = runtime.handle();
    let mut came = Came::default();
    for event in log {
        handle.advance_to(event.event().timestamp).await;
        let name = name(event.event());
        let answer = handle.submit(event).await.unwrap();
        came.deferred.extend(answer.deferred_until.map(|until| (name, until)));
    }
    if states(&handle).await.len() == 3_000 {
        handle.drain().await;
    }
    came.states = states(&handle).await;
    runtime.shutdown().await;
    came
}

#[test]
fn event_time_goes_on_from_where_it_was() {
    within(async {
        let folder = Folder::new();
        let builder = || regie::builder().clock(ClockKind::EventTime).journal(folder.journal());
        for (stamp, now) in [(5_000, 5_000), (2_000, 5_000), (6_000, 6_000)] {
            let runtime = builder().start().await.unwrap();
            let handle = runtime.handle();
            handle.advance_to(at(stamp)).await;
            let event = event("agent.free", "c", &stamp.to_string()).timestamp(at(stamp)).build().unwrap();
            let answer = handle.submit(event).await.unwrap();
            assert_eq!((handle.now(), answer.state_transitions[0].at), (at(now), at(now)));
            runtime.shutdown().await;
        }
    });
}

fn real_log(file: &str) -> Option<Vec<Incoming>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(file);
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).ok()?).read_to_string(&mut text).unwrap();
    Some(text.lines().map(|line| Incoming::read(line.as_bytes(), Origin::File).unwrap()).collect())
}

#[test]
fn a_real_log_cooled_by_actor_gives_the_figures_of_a_fold() {
    let Some(log) = real_log("env_permit_receipt.jsonl.gz") else { return println!("skipped: no data") };
    let expected = real_fold(&log);
    assert!(expected.values().filter(|state| **state == LifeState::Discarded).count() > 100, "the log tries nothing");
    for shards in [1, 7] {
        let hourly = Policy::cooldown("hourly", pattern(">"), HOUR, KeyKind::Actor, CooldownMode::Discard);
        let came = within(run(log.clone(), shards, set(vec![hourly]), Faults::default()));
        assert_eq!(came.states, expected, "{shards} shards");
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

/// One in an hour of each actor; an event without one is not subject to it.
fn real_fold(log: &[Incoming]) -> BTreeMap<String, LifeState> {
    let (mut now, mut last) = (Timestamp::MIN, HashMap::new());
    let mut one = |event: &Event| {
        now = now.max(event.timestamp);
        let Some(actor) = event.actor.clone() else { return LifeState::Processed };
        if last.get(&actor).is_some_and(|last: &Timestamp| now.since(*last) < HOUR) {
            return LifeState::Discarded;
        }
        last.insert(actor, now);
        LifeState::Processed
    };
    log.iter().map(|event| (name(event.event()), one(event.event()))).collect()
}
