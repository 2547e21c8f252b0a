//! Seeds: one, or many over all cores; a failure is a seed, told with the command that runs it again.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::simulation::four::Four;
use crate::simulation::tally::Tally;
use crate::simulation::world::{End, World};

/// A seed that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    pub(crate) why: String,
}

thread_local! {
    /// Whether panics of this thread are noted and not printed.
    static NOTED: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Lives through one seed.
pub(crate) fn run(seed: u64, four: Four, verbose: bool) -> Result<End, Failure> {
    note_panics();
    NOTED.set(true);
    let end = catch_unwind(AssertUnwindSafe(|| World::new(seed, four, verbose).run()));
    NOTED.set(false);
    end.map_err(|_| Failure { seed, why: LAST.take() })
}

/// Many panics are on purpose here, and caught; the one that ends a seed is told by whoever ran it.
fn note_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match NOTED.get() {
            true => LAST.set(info.to_string()),
            false => loud(info),
        }));
    });
}

/// Lives through many seeds over all cores, until one fails.
pub(crate) fn run_all(seeds: Range<u64>) -> Result<Tally, Failure> {
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let worker = || {
        let mut tally = Tally::default();
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let end = run(seed, Four::default(), false).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            assert!(end.tally.commands() >= 50, "seed {seed} has but {} commands", end.tally.commands());
            tally.add(&end.tally);
        }
        Ok(tally)
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        let mut whole = Tally::default();
        for worker in workers {
            whole.add(&worker.join().expect("a worker")?);
        }
        Ok(whole)
    })
}

/// The first seed of these that fails with such a core, and how many were lived through before it.
pub(crate) fn first_failure(four: Four, seeds: Range<u64>) -> Option<(u64, Failure)> {
    let start = seeds.start;
    seeds.into_iter().find_map(|seed| Some((seed - start, run(seed, four, false).err()?)))
}

/// What a failure says to whoever reads it.
pub(crate) fn report(failure: &Failure) -> String {
    let Failure { seed, why } = failure;
    format!(
        "seed {seed} fails: {why}\n\nrun it again, step by step:\n\n    REGIE_SEED={seed} cargo test --test simulation one_seed -- --nocapture\n"
    )
}
