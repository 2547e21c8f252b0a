//! Power is lost at every moment of a load: Strict loses nothing that was answered, Relaxed keeps an unbroken beginning.
//!
//! `REGIE_IMAGES` says how many images of the disk are tried (600 unless said), `REGIE_SEED` chooses them. A recording depends
//! on how the threads fall out: a seed repeats the choice, not the bytes, and a failing image is kept. `REGIE_LOAD` tries
//! those alone whose name holds it.

use regie::journal::Durability;

use super::loads::{Beside, LOADS, Load};
use super::replay::Loss;
use super::sweep::Seen;
use crate::kill::number_from;

/// Images in hundredths that each load gets: those of large files take longer.
const SHARES: [u64; 6] = [26, 12, 26, 8, 22, 6];

/// Images of a disk that lies: most of them must be caught.
const CONTROL: u64 = 60;

fn images() -> u64 {
    number_from("REGIE_IMAGES").unwrap_or(600)
}

fn sweep(load: Load, images: u64, disk: &[(&str, &str)]) -> Seen {
    let recording = load.record(disk);
    let seen = recording.sweep(images, number_from("REGIE_SEED").unwrap_or(1));
    let Beside { checkpointed, begun_anew } = recording.beside();
    let beside = format!("{checkpointed} writes of checkpoints, log begun anew {begun_anew} times");
    println!("{}: {} calls, {beside}; {seen}", load.name, recording.calls.len());
    seen
}

#[test]
fn whatever_power_loss_leaves_opens_verifies_and_holds_what_was_promised() {
    let only = std::env::var("REGIE_LOAD").unwrap_or_default();
    let loads = LOADS.into_iter().zip(SHARES).filter(|(load, _)| load.name.contains(&only));
    let all = loads.map(|(load, share)| {
        let seen = sweep(load, images() * share / 100, &[]);
        // Relaxed may lose its end to power loss, and the recordings must try that; Strict may not, and its check saw to it.
        let lost_something = seen.shortened > 0;
        assert_eq!(lost_something, load.durability == Durability::Relaxed, "{}", load.name);
        seen
    });
    let seen = Seen::sum(all);
    println!("all: {seen}");
    assert_eq!(seen.failed, 0, "\n{}\n", seen.failures.join("\n"));
    assert!([Loss::ProcessOnly, Loss::Dropped, Loss::Torn, Loss::Reordered].iter().all(|it| seen.images[it] > 20));
    assert!(seen.answered * 2 > seen.all() && seen.resumed * 40 > seen.all(), "{seen}");
}

#[test]
fn a_disk_whose_syncs_do_nothing_is_caught() {
    let seen = sweep(LOADS[0], CONTROL, &[("REGIE_DISK_LIES", "*")]);
    assert!(seen.failed * 4 > seen.all(), "only {} of {} were caught", seen.failed, seen.all());
}

#[test]
fn a_disk_on_which_the_syncs_of_the_log_alone_do_nothing_is_caught() {
    let seen = sweep(LOADS[0], CONTROL, &[("REGIE_DISK_LIES", "regie.db-wal")]);
    assert!(seen.failed * 4 > seen.all(), "only {} of {} were caught", seen.failed, seen.all());
}
