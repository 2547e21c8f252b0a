//! What may be seen of a reasoner: its gate, and what it answered, by mode.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use dashmap::DashMap;
use regie_core::limits;
use regie_core::reasoning::{Mode, Outcome};

use super::Reasoned;
use crate::gate::GateView;

/// The upper bounds of the classes that latencies are counted in, in milliseconds; a last class has none.
pub const LATENCY_MS: [u64; 9] = [1, 5, 10, 50, 100, 250, 500, 1_000, 5_000];

/// What is counted of one reasoner in one mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ModeCounts {
    /// Questions that have ended, given up ones among them.
    pub calls: u64,
    /// How they ended, by the outcome's word; those that were given up by the one who asked are in none of them.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Signals that were given, whatever policies made of them.
    pub signals: u64,
    /// The time of all that have an outcome, together.
    pub elapsed_ms: u64,
    /// The longest of them.
    pub longest_ms: u64,
    /// How many of them took at most each of [`LATENCY_MS`], and more than the one before; last those that took longer.
    pub latency: [u64; LATENCY_MS.len() + 1],
}

impl ModeCounts {
    fn count(&mut self, outcome: Option<&Reasoned>) {
        self.calls += 1;
        let Some(advice) = outcome else { return };
        *self.outcomes.entry(advice.outcome.word()).or_default() += 1;
        if matches!(advice.outcome, Outcome::Refused(_)) {
            return; // it took no time, and would make the others look fast
        }
        self.signals += advice.signals.len() as u64;
        self.elapsed_ms += advice.elapsed_ms;
        self.longest_ms = self.longest_ms.max(advice.elapsed_ms);
        let class = LATENCY_MS.iter().position(|most| advice.elapsed_ms <= *most).unwrap_or(LATENCY_MS.len());
        self.latency[class] += 1;
    }

    /// How many ended with that outcome's word.
    pub fn ended(&self, word: &str) -> u64 {
        self.outcomes.get(word).copied().unwrap_or_default()
    }
}

/// What may be seen of a reasoner.
#[derive(Debug, Default)]
pub struct ReasonerView {
    gate: GateView,
    modes: DashMap<Mode, ModeCounts>,
}

impl ReasonerView {
    /// What is counted, by mode. Beyond [`limits::MODES_COUNTED`] modes, the rest are counted together as `others`.
    pub fn modes(&self) -> BTreeMap<String, ModeCounts> {
        self.modes.iter().map(|entry| (entry.key().to_string(), entry.value().clone())).collect()
    }

    /// Questions that it works on now.
    pub fn running(&self) -> u64 {
        self.gate.running.load(Ordering::Relaxed)
    }

    /// Questions that wait now.
    pub fn waiting(&self) -> u64 {
        self.gate.waiting.load(Ordering::Relaxed)
    }

    /// Threads that were left behind, and are stuck still.
    pub fn stuck(&self) -> u64 {
        self.gate.stuck.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, mode: &Mode, outcome: Option<&Reasoned>) {
        if let Some(mut counts) = self.modes.get_mut(mode) {
            return counts.count(outcome);
        }
        let mode = if self.modes.len() < limits::MODES_COUNTED { mode.clone() } else { Mode::OTHERS };
        self.modes.entry(mode).or_default().count(outcome);
    }
}

impl AsRef<GateView> for ReasonerView {
    fn as_ref(&self) -> &GateView {
        &self.gate
    }
}
