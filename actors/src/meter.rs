//! What users count, beside what the runtime counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use regie_core::histogram::{Histogram, Spread};
use regie_core::limits;
use serde::Serialize;

/// What names beyond [`limits::METERS`] are counted as, all together.
const OTHERS: &str = "others";

/// Counts, levels and durations of your own, told with the runtime's. Agents, subscribers and handlers hold a clone of it.
///
/// What is metered is no fact: it lives as long as the process. A handler decides again where a turn is redone, so that what
/// it counts may be counted twice; what must be exact is asked of the journal.
///
/// ```
/// use std::time::Duration;
///
/// let meter = regie_actors::meter::Meter::default();
/// meter.count("orders placed", 2);
/// meter.level("orders open", 1.0);
/// meter.time("fill", Duration::from_millis(20));
/// let readings = meter.readings();
/// assert_eq!((readings.counts["orders placed"], readings.levels["orders open"]), (2, 1.0));
/// assert_eq!(readings.times["fill"].count, 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Held>);

#[derive(Debug, Default)]
struct Held {
    counts: DashMap<String, u64>,
    levels: DashMap<String, f64>,
    times: DashMap<String, Histogram>,
}

/// What a meter shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Readings {
    /// What was counted.
    pub counts: BTreeMap<String, u64>,
    /// What stands somewhere.
    pub levels: BTreeMap<String, f64>,
    /// What took a while.
    pub times: BTreeMap<String, Spread>,
}

impl Meter {
    /// So many more of something.
    pub fn count(&self, name: &str, more: u64) {
        reading(&self.0.counts, name, |count| *count = count.saturating_add(more));
    }

    /// Something stands there now.
    pub fn level(&self, name: &str, now: f64) {
        reading(&self.0.levels, name, |level| *level = now);
    }

    /// Something took so long.
    pub fn time(&self, name: &str, took: Duration) {
        reading(&self.0.times, name, |times| times.add(took));
    }

    /// What it shows now.
    pub fn readings(&self) -> Readings {
        let times = self.0.times.iter().filter_map(|it| Some((it.key().clone(), it.value().spread()?)));
        Readings {
            counts: self.0.counts.iter().map(|it| (it.key().clone(), *it.value())).collect(),
            levels: self.0.levels.iter().map(|it| (it.key().clone(), *it.value())).collect(),
            times: times.collect(),
        }
    }
}

/// Changes one reading; names beyond the bound share one. Two that come at once may go over it by as many as there are threads.
fn reading<T: Default>(all: &DashMap<String, T>, name: &str, change: impl FnOnce(&mut T)) {
    if let Some(mut known) = all.get_mut(name) {
        return change(&mut known);
    }
    let has_room = all.len() < limits::METERS && name.len() <= limits::METER_NAME_BYTES;
    change(&mut all.entry(if has_room { name.to_string() } else { OTHERS.to_string() }).or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_are_counted_together() {
        let meter = Meter::default();
        (0..limits::METERS + 5).for_each(|nth| meter.count(&format!("n{nth}"), 1));
        meter.count(&"x".repeat(limits::METER_NAME_BYTES + 1), 1);
        meter.count("n0", 1);
        let counts = meter.readings().counts;
        assert_eq!((counts.len(), counts[OTHERS], counts["n0"]), (limits::METERS + 1, 6, 2));
    }
}
