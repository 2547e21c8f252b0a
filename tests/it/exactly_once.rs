//! Events that come three times, from everywhere, count once, and each copy gets the first answer again.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regie::core::event::{EventResult, Incoming, Status};
use regie::core::governance::{CooldownMode, KeyKind, Policy};
use regie::core::query::Stats;
use regie::journal::Durability;
use regie::{Builder, Handle};

use crate::runtime_support::{Dice, Folder, Stage, note, pattern, set, within};

/// Twenty events of each of a hundred correlations, mixed; each correlation in its order.
fn log() -> Vec<Incoming> {
    let mut dice = Dice(11);
    let mut names: Vec<usize> = (0..2_000).map(|nth| nth % 100).collect();
    dice.shuffle(&mut names);
    let mut counts = [0; 100];
    let one = |correlation: usize| {
        counts[correlation] += 1;
        let id = format!("{correlation}-{}", counts[correlation]);
        note(&format!("c-{correlation}"), &id).timestamp(crate::runtime_support::at(0)).build().unwrap()
    };
    names.into_iter().map(one).collect()
}

/// Cooled within each correlation: what becomes of an event depends on those before it.
fn cooled(folder: &Folder) -> impl FnOnce(Builder) -> Builder {
    let window = Duration::from_millis(2);
    let cooldown = Policy::cooldown("one", pattern("agent.note"), window, KeyKind::Correlation, CooldownMode::Discard);
    let journal = folder.journal();
    |builder| {
        let builder = builder.policies(set(vec![cooldown])).journal(journal).durability(Durability::Relaxed);
        builder.keep(20, Duration::from_secs(60))
    }
}

/// An answer without what may differ from copy to copy.
fn told(result: EventResult) -> EventResult {
    EventResult { status: Status::New, current_state: None, processing_time_ms: 0.0, ..result }
}

/// Eight submitters that share the copies; they give the answers, by id.
fn submitters(handle: &Handle, copies: Receiver<Incoming>) -> Vec<std::thread::JoinHandle<Vec<EventResult>>> {
    let copies = Arc::new(Mutex::new(copies));
    let one = |_| {
        let (handle, copies) = (handle.clone(), Arc::clone(&copies));
        std::thread::spawn(move || {
            let next = || copies.lock().unwrap().recv().ok();
            std::iter::from_fn(next).map(|copy| futures::executor::block_on(handle.submit(copy)).unwrap()).collect()
        })
    };
    (0..8).map(one).collect()
}

/// Runs the log with so many extra copies of each event; gives what was counted, what each event was first told, and what
/// its copies were told.
async fn run(extra: usize) -> (Stats, u64, BTreeMap<String, EventResult>, Vec<EventResult>) {
    let folder = Folder::new();
    let stage = Stage::with(cooled(&folder)).await;
    let (send, copies) = channel();
    let submitters = submitters(&stage.handle, copies);
    let (mut dice, mut firsts) = (Dice(13), BTreeMap::new());
    for (nth, chunk) in log().chunks(100).enumerate() {
        let mut entered = Vec::new();
        for event in chunk {
            entered.push(stage.handle.enqueue(event.clone()).await.unwrap());
        }
        let mut copies: Vec<&Incoming> = chunk.iter().cycle().take(chunk.len() * extra).collect();
        dice.shuffle(&mut copies);
        copies.into_iter().for_each(|copy| send.send(copy.clone()).unwrap());
        for answer in entered {
            let answer = answer.await.unwrap();
            firsts.insert(answer.event_id.clone(), told(answer));
        }
        stage.clock.advance_to(crate::runtime_support::at(nth as i64 + 1));
    }
    drop(send);
    let copies = submitters.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    stage.handle.settle().await;
    let (stats, received) = (stage.stats().await, stage.handle.metrics().await.events.received);
    stage.close().await;
    (stats, received, firsts, copies)
}

#[test]
fn copies_count_once_and_each_gets_the_first_answer_again() {
    within(async {
        let (once, _, answers_once, none) = run(0).await;
        assert!(none.is_empty() && once.by_state["discarded"] > 200, "the log tries nothing: {once:?}");
        let (stats, received, firsts, copies) = run(2).await;
        assert_eq!((stats, received), (once, 2_000));
        assert_eq!(copies.len(), 4_000);
        for copy in copies {
            assert_eq!((copy.status, copy.current_state), (Status::Duplicate, copy.event_state));
            let first = &firsts[&copy.event_id];
            assert_eq!(&told(copy), first);
        }
        let what = |answers: BTreeMap<String, EventResult>| -> BTreeMap<_, _> {
            answers.into_iter().map(|(id, answer)| (id, (answer.event_state, answer.state_transitions))).collect()
        };
        assert_eq!(what(firsts), what(answers_once));
    });
}
