//! The simulation: a second interpreter of decide, append, evolve and pending, in one thread a seed, without a clock
//! and without actors. Dice choose what happens next: clients that come twice or under identities of others; agents
//! that fail, hang and repeat themselves; rules that follow the journal, and a subscription with its dead letters;
//! stores that refuse or do not know; deaths, crashes, other programs, snapshots that cannot be relied on. In one world
//! of three there are workflows too, and people who operate on them. A plain model holds every record, answer and effect
//! against the words of the rules.
//!
//! ```text
//! cargo test --test simulation                                            10,000 seeds
//! REGIE_SEEDS=5000..9000 cargo test --test simulation many_seeds          others; scripts/simulate.sh for a million
//! REGIE_SEED=7 cargo test --test simulation one_seed -- --nocapture       one of them, step by step
//! ```

mod simulation {
    pub(crate) mod automation;
    pub(crate) mod clients;
    pub(crate) mod dice;
    pub(crate) mod disk;
    pub(crate) mod effects;
    pub(crate) mod faults;
    pub(crate) mod four;
    pub(crate) mod log;
    pub(crate) mod memory;
    pub(crate) mod model;
    pub(crate) mod people;
    pub(crate) mod policies;
    pub(crate) mod program;
    pub(crate) mod reasoners;
    pub(crate) mod rules;
    pub(crate) mod script;
    pub(crate) mod seeds;
    pub(crate) mod subscription;
    pub(crate) mod tally;
    pub(crate) mod turn;
    pub(crate) mod workflows;
    pub(crate) mod world;
}

use std::ops::Range;

use simulation::four::{BUGS, Bug, Four};
use simulation::seeds::{first_failure, report, run, run_all};

/// A seed is many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds that CI lives through.
const SEEDS: Range<u64> = 0..10_000;
/// Seeds within which each seeded bug must be caught.
const CAUGHT_WITHIN: u64 = 200;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("REGIE_SEEDS") else { return SEEDS };
    let bounds = text.split_once("..").unwrap_or(("0", &text));
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("REGIE_SEEDS={text} is no number of seeds"));
    number(bounds.0)..number(bounds.1)
}

#[test]
fn many_seeds_hold_and_every_fault_has_fired() {
    let seeds = seeds();
    let tally = run_all(seeds.clone()).unwrap_or_else(|failure| panic!("{}", report(&failure)));
    println!("{} seeds, {} commands\n{tally}", seeds.end - seeds.start, tally.commands());
    let missing = if seeds.end - seeds.start < 1_000 { Vec::new() } else { tally.missing() };
    assert!(missing.is_empty(), "these never happened: {missing:?}");
}

/// The one that a failure names; without one, the first.
#[test]
fn one_seed_holds() {
    let named = std::env::var("REGIE_SEED").ok();
    let seed = named.as_deref().map_or(0, |text| text.parse().expect("REGIE_SEED is a number"));
    let end = run(seed, Four::default(), named.is_some()).unwrap_or_else(|failure| panic!("{}", report(&failure)));
    println!("seed {seed} ends with {}\n{}", end.digest, end.tally);
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    for seed in 0..50 {
        let [one, other] = [run(seed, Four::default(), false), run(seed, Four::default(), false)];
        assert_eq!(one, other, "seed {seed}");
        assert_ne!(one.map(|end| end.digest), run(seed + 1, Four::default(), false).map(|end| end.digest));
    }
}

#[test]
fn every_bug_that_is_put_in_is_caught() {
    for bug in BUGS {
        let (before, failure) = first_failure(Four(Some(bug)), 0..CAUGHT_WITHIN)
            .unwrap_or_else(|| panic!("{bug:?} is not caught within {CAUGHT_WITHIN} seeds"));
        let why = failure.why.lines().nth(1).unwrap_or_default();
        println!("{bug:?}: caught after {before} seeds: {why}");
    }
}

#[test]
fn a_failing_seed_tells_how_to_run_it_again() {
    let (_, failure) = first_failure(Four(Some(Bug::AnswersEarly)), 0..CAUGHT_WITHIN).expect("it is caught");
    let command = format!("REGIE_SEED={} cargo test --test simulation", failure.seed);
    assert!(report(&failure).contains(&command) && failure.why.contains("answered before"), "{}", report(&failure));
    assert_eq!(run(failure.seed, Four(Some(Bug::AnswersEarly)), false), Err(failure), "it fails again, the same way");
}
