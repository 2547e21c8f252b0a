//! Deferred events come back at their instants and in their order: none early, none lost, none twice, over a restart and a
//! kill.
//!
//! `REGIE_RETURNS` and `REGIE_KEYS` say how many in how many keys (5,000 in 100 unless said).

use std::collections::BTreeMap;
use std::time::Duration;

use regie::core::event::{Incoming, LifeState};
use regie::core::governance::CooldownMode;
use regie::core::workflow::Fact;
use regie::{Builder, Handle, JournalConfig};

use super::size;
use crate::runtime_support::{Dice, Folder, Stage, at, note_by, one_a_second, set, submit_all, within_at_most};

const SECOND: i64 = 1_000;
/// At how many instants on the way it is looked at how many have come back.
const LOOKS: usize = 20;

/// So many events of each of so many keys. A key begins at an instant of its own within the first second, and each of its
/// events has a slot a second after the one before.
#[derive(Clone, Copy)]
struct Load {
    keys: usize,
    each: usize,
}

impl Load {
    fn begins(self, key: usize) -> i64 {
        (key as i64 * 7) % SECOND
    }

    fn ends(self) -> i64 {
        (self.each as i64 + 1) * SECOND
    }

    /// How many are to have gone on by an instant.
    fn gone_by(self, millis: i64) -> u64 {
        let slots = |key| (millis - self.begins(key)).div_euclid(SECOND) + 1;
        (0..self.keys).map(|key| slots(key).clamp(0, self.each as i64) as u64).sum()
    }

    fn events_of(self, key: usize) -> Vec<Incoming> {
        let event = |nth| note_by(&format!("a-{key}"), &format!("c-{key}"), &format!("e-{nth}")).build().unwrap();
        (0..self.each).map(event).collect()
    }
}

fn governed(journal: JournalConfig) -> impl FnOnce(Builder) -> Builder {
    |builder| builder.policies(set(vec![one_a_second(CooldownMode::Defer)])).journal(journal)
}

async fn send(stage: &Stage, load: Load) {
    for instant in 0..SECOND {
        stage.clock.advance_to(at(instant));
        for key in (0..load.keys).filter(|key| load.begins(*key) == instant) {
            let answers = submit_all(&stage.handle, load.events_of(key)).await;
            assert!(answers.iter().all(Result::is_ok));
        }
    }
    stage.handle.settle().await;
}

async fn assert_gone(stage: &Stage, load: Load, millis: i64) {
    stage.handle.advance_to(at(millis)).await; // each at its instant: one that is late puts off those behind it
    stage.handle.settle().await;
    assert_eq!(
        stage.stats().await.by_state.get("processed").copied().unwrap_or(0),
        load.gone_by(millis),
        "at {millis}"
    );
}

/// When each event of a key went on, in the journal's order, with the place there.
async fn went_on(handle: &Handle, key: usize) -> Vec<(String, i64, u64)> {
    let mut names = BTreeMap::new();
    let mut gone = Vec::new();
    for stored in handle.records(&format!("c-{key}").as_str().into()).await.unwrap() {
        for fact in &stored.record.facts {
            match fact {
                Fact::Received { raw, .. } => {
                    let event: serde_json::Value = serde_json::from_str(raw).unwrap();
                    names.insert(stored.record.sequence, event["id"].as_str().unwrap().to_string());
                }
                Fact::Moved { event, to: LifeState::Processed, .. } => {
                    gone.push((names[event].clone(), stored.record.at.micros(), stored.position));
                }
                _ => {}
            }
        }
    }
    gone
}

/// All of a key in their order, each at its slot, and all together in the order of their slots.
async fn assert_each_at_its_slot(handle: &Handle, load: Load) {
    let mut all = Vec::new();
    for key in 0..load.keys {
        let gone = went_on(handle, key).await;
        let slot = |nth: usize| (load.begins(key) + nth as i64 * SECOND) * 1_000;
        let names: Vec<(String, i64)> = gone.iter().map(|(name, at, _)| (name.clone(), *at)).collect();
        assert_eq!(names, (0..load.each).map(|nth| (format!("e-{nth}"), slot(nth))).collect::<Vec<_>>(), "key {key}");
        all.extend(gone.into_iter().map(|(_, at, position)| (position, at)));
    }
    all.sort_unstable();
    assert!(all.is_sorted_by_key(|(_, at)| *at), "one came back before another that was due earlier");
}

async fn come_back(load: Load) {
    let folder = Folder::new();
    let stage = Stage::with(governed(folder.journal())).await;
    send(&stage, load).await;
    stage.close().await;
    let mut dice = Dice(11);
    let mut instants: Vec<i64> = (0..LOOKS).map(|_| SECOND + dice.below(load.ends() as u64 - 1_000) as i64).collect();
    instants.sort_unstable();
    let (before, after) = instants.split_at(LOOKS / 2);

    let stage = Stage::at(at(SECOND), governed(folder.journal())).await;
    for instant in before {
        assert_gone(&stage, load, *instant).await;
    }
    let image = folder.image(); // as a kill would leave it
    let stage = Stage::at(at(before[before.len() - 1]), governed(image.journal())).await;
    for instant in after {
        assert_gone(&stage, load, *instant).await;
    }
    assert_gone(&stage, load, load.ends()).await;
    assert_each_at_its_slot(&stage.handle, load).await;
    stage.close().await;
}

#[test]
fn what_was_deferred_comes_back_in_order_over_a_restart_and_a_kill() {
    let keys = size("REGIE_KEYS", 100);
    let load = Load { keys, each: size("REGIE_RETURNS", 5_000) / keys };
    within_at_most(Duration::from_secs(3_600), come_back(load));
    println!("{} events of {} keys went on at their slots", load.keys * load.each, load.keys);
}
