//! The disk fails at the n-th call of each scenario: writes and reads that fail, a full disk, short writes, failed syncs;
//! and an index that finds no room any more.
//!
//! Nothing is answered after a failed sync; the store latches and comes back through verification; a full disk is a refusal
//! that ends by itself; an index without room is in nobody's way; and no answer is ever lost, not even if power goes afterwards.
//!
//! `REGIE_FAULTS` says at how many calls of each scenario and kind (1 unless said, `all` for every one), `REGIE_SEED`
//! chooses them, `REGIE_SCENARIO` runs those alone whose name holds it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bench::Bench;
use super::log::Call;
use super::scenarios::{SCENARIOS, Scenario};
use super::trial::{ALL, Fault, KINDS, Kind, Shown, TRUTH, trial};
use crate::kill::number_from;
use crate::runtime_support::Dice;

/// What the trials of a scenario showed.
#[derive(Default)]
struct Tally {
    /// Trials whose fault did strike.
    struck: BTreeMap<Kind, u64>,
    refused: u64,
    latched: u64,
    slow: u64,
    images: u64,
    wrong: Vec<String>,
}

impl Tally {
    fn add(&mut self, kind: Kind, shown: Shown) {
        *self.struck.entry(kind).or_default() += 1;
        self.refused += u64::from(shown.refused);
        self.latched += u64::from(shown.latched);
        self.slow += u64::from(shown.slow);
        self.images += shown.images;
        self.wrong.extend(shown.wrong);
    }

    fn merge(&mut self, other: Tally) {
        for (kind, count) in other.struck {
            *self.struck.entry(kind).or_default() += count;
        }
        self.refused += other.refused;
        self.latched += other.latched;
        self.slow += other.slow;
        self.images += other.images;
        self.wrong.extend(other.wrong);
    }

    fn tell(&self, name: &str) {
        let kinds: Vec<String> =
            KINDS.iter().map(|kind| format!("{:?} {}", kind, self.struck.get(kind).unwrap_or(&0))).collect();
        let Tally { refused, latched, slow, images, wrong, .. } = self;
        let kinds = kinds.join(", ");
        println!(
            "{name}: {kinds}; {refused} refused, {latched} latched, {slow} slow, {images} images, {} wrong",
            wrong.len()
        );
    }
}

/// The faults of a kind that are tried. Where not all are, two of three are on the truth: most calls are the index's.
fn faults(kind: Kind, undisturbed: &[Call], dice: &mut Dice) -> Box<dyn Iterator<Item = Fault>> {
    let at = move |files| move |nth| Fault { kind, files: kind.files(files), nth };
    if std::env::var("REGIE_FAULTS").is_ok_and(|text| text == "all") {
        return Box::new((1..).map(at(ALL)));
    }
    let files = if dice.below(3) < 2 { TRUTH } else { ALL };
    let count = at(files)(0).places(undisturbed);
    let wanted = number_from("REGIE_FAULTS").unwrap_or(1).min(count);
    let chosen: Vec<u64> = (0..wanted).map(|nth| 1 + nth * count / wanted + dice.below(count / wanted)).collect();
    Box::new(chosen.into_iter().map(at(files)))
}

/// The calls of a scenario on a disk that is well.
fn undisturbed(scenario: &Scenario, (bench, before): &(Bench, Vec<(String, Vec<u8>)>)) -> Vec<Call> {
    bench.lay(before);
    scenario.run(bench, &[("REGIE_DISK_READS", "1")]).succeeds();
    bench.calls()
}

fn tries(scenario: &Scenario, seed: u64) -> Tally {
    let on = scenario.prepare();
    let calls = undisturbed(scenario, &on);
    let (mut tally, mut dice) = (Tally::default(), Dice(seed));
    for kind in KINDS {
        for fault in faults(kind, &calls, &mut dice) {
            // How many calls there are depends on the threads a little: a place beyond them all ends it.
            let Some(shown) = trial(scenario, &on, fault) else { break };
            tally.add(kind, shown);
        }
    }
    tally.tell(scenario.name);
    tally
}

#[test]
fn a_disk_that_fails_at_any_call_costs_no_answer_and_is_told() {
    let only = std::env::var("REGIE_SCENARIO").unwrap_or_default();
    let scenarios: Vec<&Scenario> = SCENARIOS.iter().filter(|it| it.name.contains(&only)).collect();
    let seed = number_from("REGIE_SEED").unwrap_or(1);
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tally = tries(scenario, seed);
                    all.lock().unwrap().merge(tally);
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    all.tell("all");
    assert!(
        all.wrong.is_empty(),
        "{} wrong\n{}\n",
        all.wrong.len(),
        all.wrong.iter().take(12).cloned().collect::<Vec<_>>().join("\n")
    );
    if only.is_empty() {
        assert!(
            KINDS.iter().all(|kind| all.struck.get(kind).is_some_and(|count| *count >= 15)),
            "too few faults struck"
        );
        assert!(all.refused > 10 && all.latched > 3, "too little came of it");
    }
}

#[test]
fn a_disk_without_room_for_a_journal_names_the_file_and_what_helps() {
    let bench = Bench::new();
    bench.events(&super::loads::events(1, 40, 1));
    for files in ["regie.db,regie.db-wal", "regie.db-index,regie.db-index-wal"] {
        bench.lay(&[]);
        let fault = format!("write {files} 1 1000 enospc");
        let ran = bench.regie(&["run"], &[("REGIE_DISK_FAULT", &fault)]).exits(5);
        let whole = ["there is no room left to write", "/disk/regie.db", "free some"];
        assert!(whole.iter().all(|word| ran.err.contains(word)) && ran.err.lines().count() == 1, "{files}: {ran:#?}");
    }
}
