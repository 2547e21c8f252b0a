//! The waits of a machine's state, as timers that run since it was entered, under whatever version that was.

use std::time::Duration;

use super::model::{MachineData, MachineState, Table};
use super::standing::MachineFact;
use super::turn::{Ask, Turn};
use crate::Timestamp;

/// What the timer of a state is named by, before its wait in milliseconds.
const AFTER: &str = "~after/";

impl<S: MachineState, D: MachineData> Turn<'_, S, D> {
    /// The timers of the state that it is in.
    pub(super) fn set_timers(&mut self) {
        let waits = self.table.waits(self.state());
        if !waits.is_empty() {
            self.time(self.moment.now, &waits, &[]);
        }
    }

    /// The waits of the state run since then; some of them are set already.
    fn time(&mut self, since: Timestamp, waits: &[u64], set: &[u64]) {
        let new = waits.iter().filter(|wait| !set.contains(wait));
        let timers = new.map(|wait| Ask::Timer(timer_of(*wait), since.after(Duration::from_millis(*wait))));
        self.asks.extend(timers);
        self.note(MachineFact::Timed { since, waits: waits.to_vec() });
    }

    /// What the definition says of its state's waits counts, also where it came to that state under another version.
    pub(super) fn keep_time(&mut self) {
        let waits = self.table.waits(self.state());
        let Some((since, set)) = self.stand.timed.clone().filter(|(_, set)| *set != waits && !self.is_over()) else {
            return;
        };
        self.left.extend(set.iter().filter(|wait| !waits.contains(wait)).map(|wait| timer_of(*wait)));
        self.time(since, &waits, &set);
    }

    /// A timer came that the state does not have. If nobody noted since when it is there, it is by that timer.
    pub(super) fn time_by(&mut self, timer: &str) {
        let gone = timer.strip_prefix(AFTER).and_then(|wait| wait.parse::<i64>().ok());
        let (Some(gone), None) = (gone, &self.stand.timed) else { return };
        let waits = self.table.waits(self.state());
        if !waits.is_empty() {
            let since = Timestamp::from_micros(self.moment.now.micros().saturating_sub(gone.saturating_mul(1_000)));
            self.left.extend(waits.iter().map(|wait| timer_of(*wait)));
            self.time(since, &waits, &[]);
        }
    }

    /// The timers that its state may have set, under whatever version.
    pub(super) fn timers(&self) -> Vec<String> {
        let set = self.stand.timed.iter().flat_map(|(_, set)| set.clone());
        let mut waits: Vec<u64> = self.table.waits(self.state()).into_iter().chain(set).collect();
        waits.sort_unstable();
        waits.dedup();
        waits.into_iter().map(timer_of).collect()
    }
}

/// The timer of a state, by its wait.
fn timer_of(wait: u64) -> String {
    format!("{AFTER}{wait}")
}

impl<S: MachineState, D> Table<S, D> {
    /// The wait of a timer, by its name.
    pub(super) fn wait_of(&self, timer: &str, state: &S) -> Option<Duration> {
        let millis: u64 = timer.strip_prefix(AFTER)?.parse().ok()?;
        self.waits(state).contains(&millis).then(|| Duration::from_millis(millis))
    }
}
