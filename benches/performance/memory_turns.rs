//! Governed turns in memory, for each second of a core's time.

use crate::events::{events, policies};
use crate::measure::{Stopwatch, median, rate};
use crate::{Figure, Scale, actix_floor, governed};

const ROUNDS: usize = 5;
const IN_FLIGHT: usize = 512;

/// Ours, the floor, and a bare pipeline.
pub(crate) fn figures(scale: Scale) -> Vec<Figure> {
    let count = scale.of(200_000);
    let (mut ours, mut floor, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(governed::once(count, policies()).0);
        let given = events(count);
        let watch = Stopwatch::start();
        actix_floor::run(given, IN_FLIGHT);
        floor.push(rate(count, watch.processor()));
        let passed = scale.of(2_000_000);
        let watch = Stopwatch::start();
        actix_floor::pipeline(passed);
        bare.push(rate(passed, watch.processor()));
    }
    let ratio = |other: &[f64]| median(ours.iter().zip(other).map(|(ours, other)| ours / other).collect());
    let (to_floor, to_bare) = (ratio(&floor), ratio(&bare));
    let (ours, floor, bare) = (median(ours), median(floor), median(bare));
    let figure = |name: &str, floor: f64, ratio: String, goal| Figure {
        name: name.into(),
        ours: format!("{ours:.0}"),
        floor: format!("{floor:.0}"),
        ratio,
        goal,
    };
    vec![
        figure("turns/s per core, in memory; bare actors", floor, format!("{to_floor:.2}"), ">= 0.5"),
        figure("the same; bare pipeline of four actors", bare, format!("{to_bare:.3}"), "told"),
    ]
}
