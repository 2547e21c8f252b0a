//! One table of how fast Regie is, each figure as a ratio to a floor measured in the same run.
//!
//! `cargo bench --bench performance` prints all of it; names after `--` choose parts: `memory-turns`, `governed`, `durable`,
//! `bytes`, `recovery`, `restart`, `growth`, `overload`, `backtest`, `bus`, and of workflows `steps`, `flows`, `asleep`, `flat`,
//! `ends`, `neighbours`; `--one-in=10` measures a tenth of each. `docs/performance.md` tells what the floors are and how the
//! figures came to be.

mod actix_floor;
mod backtest;
mod bus;
mod bytes;
mod disk_floor;
mod durable;
mod events;
mod governed;
mod growth;
mod measure;
mod memory_turns;
mod overload;
mod recovery;
mod restart;
mod workflows;

/// As the binaries do. The floors have it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is measured: `cargo bench` does all of it, with `--one-in=10` a tenth; anything else only shows that it runs.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    /// By what sizes are divided.
    divisor: usize,
}

impl Scale {
    /// A size, scaled.
    pub(crate) fn of(self, size: usize) -> usize {
        (size / self.divisor).max(1)
    }

    /// A size, scaled, but no less than that.
    pub(crate) fn at_least(self, least: usize, size: usize) -> usize {
        self.of(size).max(least)
    }
}

/// One row of the table.
pub(crate) struct Figure {
    /// What it is.
    pub(crate) name: String,
    /// Ours, in its unit.
    pub(crate) ours: String,
    /// The floor's, in the same.
    pub(crate) floor: String,
    /// What is compared over time.
    pub(crate) ratio: String,
    /// What it is to be.
    pub(crate) goal: &'static str,
}

type Part = (&'static str, fn(Scale) -> Vec<Figure>);

const PARTS: [Part; 16] = [
    ("memory-turns", memory_turns::figures),
    ("governed", governed::figures),
    ("durable", durable::figures),
    ("bytes", bytes::figures),
    ("recovery", recovery::figures),
    ("restart", restart::figures),
    ("growth", growth::figures),
    ("overload", overload::figures),
    ("backtest", backtest::figures),
    ("bus", bus::figures),
    ("steps", workflows::steps::figures),
    ("flows", workflows::flows::figures),
    ("asleep", workflows::asleep::figures),
    ("flat", workflows::flat::figures),
    ("ends", workflows::ends::figures),
    ("neighbours", workflows::neighbours::figures),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(job) = arguments.iter().position(|argument| argument == "--child") {
        return bytes::child(&arguments[job + 1..]);
    }
    let full = arguments.iter().any(|argument| argument == "--bench");
    let one_in = arguments.iter().find_map(|argument| argument.strip_prefix("--one-in=")?.parse().ok());
    let scale = Scale { divisor: one_in.unwrap_or(if full { 1 } else { 500 }).max(1) };
    let chosen: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|it| *it == name);
    println!("{:<50} {:>14} {:>14} {:>7}  goal", "figure", "ours", "floor", "ratio");
    for (_, figures) in PARTS.into_iter().filter(|(name, _)| wanted(name)) {
        for Figure { name, ours, floor, ratio, goal } in figures(scale) {
            println!("{name:<50} {ours:>14} {floor:>14} {ratio:>7}  {goal}");
        }
    }
}
