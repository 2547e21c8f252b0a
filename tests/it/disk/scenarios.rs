//! What is done on a disk that fails, each from a disk that was prepared without faults.

use serde_json::Value;

use super::bench::{Bench, JOURNAL};
use super::loads::{CONFIG, POLICIES, events};
use crate::support::{Ran, lines};

/// Something that a person does with a journal.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Whether an answer must survive the loss of power.
    pub(crate) strict: bool,
    /// What lies on the disk before.
    before: Before,
    sends: Sends,
    act: Act,
}

#[derive(Clone, Copy)]
struct Sends {
    events: usize,
    payload: u64,
    correlations: u64,
}

#[derive(Clone, Copy)]
enum Before {
    Nothing,
    /// A journal of so many events, closed in good order.
    Closed(usize),
    /// The same without its index.
    WithoutIndex(usize),
    /// The same with an index that proved to be corrupt.
    WithCorruptIndex(usize),
    /// A run of so many events was killed before that write of the log.
    Killed(usize, &'static str),
    /// A run of so many events had a sync of the log fail.
    Latched(usize, &'static str),
}

#[derive(Clone, Copy)]
enum Act {
    /// `regie run` with these flags.
    Run(&'static [&'static str]),
    /// A command that only reads.
    Read(&'static [&'static str]),
    /// A program that embeds Regie: see `child.rs`.
    Child(&'static str),
}

const ONE_BY_ONE: Act = Act::Run(&["--in-flight", "1"]);
const TOGETHER: Act = Act::Run(&["--in-flight", "32"]);
const RELAXED: Act = Act::Run(&["--in-flight", "1", "--durability", "relaxed"]);
/// So many of them fill the log to where a checkpoint begins.
const LARGE: Sends = Sends { events: 100, payload: 130_000, correlations: 40 };

const fn small(events: usize) -> Sends {
    Sends { events, payload: 40, correlations: 7 }
}

/// Long enough for snapshots.
const fn long(events: usize) -> Sends {
    Sends { events, payload: 40, correlations: 2 }
}

const fn strict(name: &'static str, before: Before, sends: Sends, act: Act) -> Scenario {
    Scenario { name, strict: true, before, sends, act }
}

const fn relaxed(name: &'static str, sends: Sends) -> Scenario {
    Scenario { name, strict: false, before: Before::Nothing, sends, act: RELAXED }
}

pub(crate) const SCENARIOS: [Scenario; 23] = [
    strict("first open", Before::Nothing, small(1), ONE_BY_ONE),
    strict("open again", Before::Closed(12), small(13), ONE_BY_ONE),
    strict("one by one", Before::Nothing, small(16), ONE_BY_ONE),
    strict("together", Before::Nothing, small(64), TOGETHER),
    strict("checkpoint beside commits", Before::Nothing, LARGE, ONE_BY_ONE),
    strict("large ones together", Before::Nothing, Sends { events: 20, payload: 100_000, correlations: 7 }, TOGETHER),
    strict("sent twice", Before::Closed(40), small(40), TOGETHER),
    strict("long workflows, snapshots", Before::Nothing, long(600), Act::Run(&["--in-flight", "256"])),
    strict("woken from snapshots", Before::Closed(600), long(612), Act::Run(&["--in-flight", "256"])),
    strict(
        "policies and timers",
        Before::Nothing,
        small(30),
        Act::Run(&["--config", "regie.toml", "--drain", "--in-flight", "4"]),
    ),
    strict("index missing", Before::WithoutIndex(40), small(42), ONE_BY_ONE),
    strict("index corrupt", Before::WithCorruptIndex(40), small(42), ONE_BY_ONE),
    strict("log left by a kill", Before::Killed(40, "write regie.db-wal 30 1 kill"), small(40), ONE_BY_ONE),
    strict("after a failed sync", Before::Latched(40, "sync regie.db-wal 5 1 eio"), small(40), ONE_BY_ONE),
    relaxed("relaxed", small(16)),
    relaxed("relaxed, checkpoint", LARGE),
    strict("verify", Before::Closed(40), small(40), Act::Read(&["verify"])),
    strict("query", Before::Closed(40), small(40), Act::Read(&["query", "--type", "agent.>"])),
    strict("stats without an index", Before::WithoutIndex(40), small(40), Act::Read(&["stats"])),
    strict("embedded, tries again", Before::Nothing, small(16), Act::Child("tries")),
    strict("embedded, queries beside", Before::Nothing, small(12), Act::Child("queries")),
    strict("embedded, passivates", Before::Nothing, small(24), Act::Child("passivates")),
    strict("embedded, agents", Before::Nothing, small(12), Act::Child("agents")),
];

impl Scenario {
    /// A disk as it lies before.
    pub(crate) fn prepare(&self) -> (Bench, Vec<(String, Vec<u8>)>) {
        let bench = Bench::new();
        bench.file("policies.toml", POLICIES);
        bench.file("regie.toml", CONFIG);
        let run = |count, fault: &[(&str, &str)]| {
            bench.events(&self.events()[..count]);
            bench.regie(&["run", "--in-flight", "8"], fault)
        };
        match self.before {
            Before::Nothing => {}
            Before::Closed(count) => drop(run(count, &[]).succeeds()),
            Before::WithoutIndex(count) => {
                run(count, &[]).succeeds();
                std::fs::remove_file(bench.disk().join(format!("{JOURNAL}-index"))).unwrap();
            }
            Before::WithCorruptIndex(count) => {
                run(count, &[]).succeeds();
                std::fs::write(bench.disk().join(format!("{JOURNAL}-index-bad")), "").unwrap();
            }
            Before::Killed(count, fault) => drop(run(count, &[("REGIE_DISK_FAULT", fault)]).exits(-1)),
            Before::Latched(count, fault) => {
                run(count, &[("REGIE_DISK_FAULT", fault)]).exits(5);
                assert!(bench.disk().join(format!("{JOURNAL}-latched")).exists());
            }
        }
        bench.events(&self.events());
        let files = bench.files();
        (bench, files)
    }

    fn events(&self) -> Vec<Value> {
        events(self.sends.events, self.sends.payload, self.sends.correlations)
    }

    /// What it sends.
    pub(crate) fn sent(&self) -> String {
        lines(&self.events())
    }

    /// Whether agents' ends are committed beside its events.
    pub(crate) fn has_agents(&self) -> bool {
        matches!(self.act, Act::Child("agents"))
    }

    /// Whether it sends the next event when the one before is answered.
    pub(crate) fn is_one_by_one(&self) -> bool {
        match self.act {
            Act::Run(flags) => flags.contains(&"1"),
            Act::Read(_) => false,
            Act::Child(_) => true,
        }
    }

    /// Whether the journal is latched shut before it begins.
    pub(crate) fn begins_latched(&self) -> bool {
        matches!(self.before, Before::Latched(..))
    }

    pub(crate) fn only_reads(&self) -> bool {
        matches!(self.act, Act::Read(_))
    }

    /// Whether it goes on by itself when a refusal passes.
    pub(crate) fn tries_again(&self) -> bool {
        matches!(self.act, Act::Child(_))
    }

    pub(crate) fn run(&self, bench: &Bench, disk: &[(&str, &str)]) -> Ran {
        match self.act {
            Act::Run(flags) => bench.regie(&[&["run"], flags].concat(), disk),
            Act::Read(arguments) => bench.regie(arguments, disk),
            Act::Child(act) => bench.child(act, disk),
        }
    }
}
