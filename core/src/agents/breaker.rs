//! The breaker: stops asking an agent that fails, and asks again with a few probes after a while.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::workflow::AgentOutcome;

/// In how many slices a window is counted: what is older than the window goes a slice at a time.
const SLICES: u32 = 10;

/// When a breaker opens, and for how long.
///
/// ```
/// use std::time::Duration;
/// use regie_core::agents::BreakerRule;
/// // Open after five failures in a row, or once half of at least 20 calls of a minute have failed.
/// let rule = BreakerRule::default().ratio(50, Duration::from_secs(60), 20).open_for(Duration::from_secs(30));
/// assert_eq!((rule.failures, rule.probes), (5, 1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRule {
    /// Failures in a row that open it; 0 for any number.
    pub failures: u32,
    /// The share of failures that opens it.
    pub ratio: Option<FailureRatio>,
    /// How long it stays open.
    pub open: Duration,
    /// Probes that are let through at once after that, each of which must go well to close it; at least one.
    pub probes: u32,
}

/// A share of failures among the calls of some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureRatio {
    /// In per cent.
    pub percent: u32,
    /// Of the calls that ended within this.
    pub window: Duration,
    /// Of so many calls at the least.
    pub least: u32,
}

impl Default for BreakerRule {
    fn default() -> Self {
        Self { failures: 5, ratio: None, open: Duration::from_secs(30), probes: 1 }
    }
}

impl BreakerRule {
    /// Opens after so many failures in a row.
    #[must_use]
    pub fn failures(mut self, in_a_row: u32) -> Self {
        self.failures = in_a_row;
        self
    }

    /// Opens, too, once so many per cent of the calls of some time have failed, of which there were so many at the least.
    #[must_use]
    pub fn ratio(mut self, percent: u32, window: Duration, least: u32) -> Self {
        self.ratio = Some(FailureRatio { percent, window, least });
        self
    }

    /// Stays open for so long.
    #[must_use]
    pub fn open_for(mut self, open: Duration) -> Self {
        self.open = open;
        self
    }

    /// Closes after so many probes that went well.
    #[must_use]
    pub fn probes(mut self, probes: u32) -> Self {
        self.probes = probes;
        self
    }
}

/// How a breaker stands. What the journal keeps of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Calls go through.
    #[default]
    Closed,
    /// None goes through until then.
    Open {
        /// Until when.
        until: Timestamp,
        /// Why it opened.
        why: String,
    },
    /// Probes alone go through.
    HalfOpen,
}

/// How the end of a call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// The agent did what it is there for.
    Well,
    /// It did not.
    Ill,
    /// It says nothing about the agent.
    Neither,
}

impl Counts {
    /// Of an outcome; without one the call was given up by who asked. Errors, time-outs and panics are failures. A rejection for
    /// good is an answer like another: what was asked is at fault.
    pub fn of(outcome: Option<&AgentOutcome>) -> Self {
        match outcome {
            Some(AgentOutcome::Done(_) | AgentOutcome::Rejected { is_final: true, .. }) => Counts::Well,
            None | Some(AgentOutcome::Refused(_)) => Counts::Neither,
            Some(
                AgentOutcome::Failed(_)
                | AgentOutcome::TimedOut { .. }
                | AgentOutcome::Panicked(_)
                | AgentOutcome::Rejected { .. },
            ) => Counts::Ill,
        }
    }
}

/// Leave to make one call. Its end is told with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {
    /// In which phase it was given: what ends in a later one counts no more.
    changes: u64,
}

/// Why a call is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shut {
    /// The breaker is open.
    #[error("its breaker is open until {until}: {why} (BREAKER_OPEN)")]
    Open {
        /// Until when.
        until: Timestamp,
        /// Why it opened.
        why: String,
    },
    /// It is being probed.
    #[error("its breaker lets no more than {probes} probes through at once (BREAKER_HALF_OPEN)")]
    Probing {
        /// How many are.
        probes: u32,
    },
}

/// The state of one breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    rule: BreakerRule,
    phase: Phase,
    changes: u64,
    in_a_row: u32,
    slices: VecDeque<Slice>,
    probes_out: u32,
    probes_well: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slice {
    began: Timestamp,
    calls: u32,
    failures: u32,
}

impl Breaker {
    /// One that stands so: as the journal tells, or closed.
    pub fn new(rule: BreakerRule, phase: Phase) -> Self {
        let slices = VecDeque::new();
        Self { rule, phase, changes: 0, in_a_row: 0, slices, probes_out: 0, probes_well: 0 }
    }

    /// How it stands. One that is open stays so until it is asked after its time.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// How often that has changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Why a call would not be made now, if it would not.
    pub fn shut(&self, now: Timestamp) -> Option<Shut> {
        let probes = self.rule.probes.max(1);
        match &self.phase {
            Phase::Open { until, why } if now < *until => Some(Shut::Open { until: *until, why: why.clone() }),
            Phase::HalfOpen if self.probes_well < probes && self.probes_out + self.probes_well >= probes => {
                Some(Shut::Probing { probes })
            }
            _ => None,
        }
    }

    /// Asks for leave to make a call. Its end must be told.
    ///
    /// # Errors
    /// If it is not to be made.
    pub fn ask(&mut self, now: Timestamp) -> Result<Leave, Shut> {
        if let Some(shut) = self.shut(now) {
            return Err(shut);
        }
        match self.phase {
            Phase::Open { .. } => self.go(Phase::HalfOpen),
            Phase::HalfOpen if self.probes_well >= self.rule.probes.max(1) => self.go(Phase::Closed),
            _ => {}
        }
        self.probes_out += u32::from(self.phase == Phase::HalfOpen);
        Ok(Leave { changes: self.changes })
    }

    /// Tells how a call ended that had leave.
    pub fn ended(&mut self, now: Timestamp, leave: Leave, counts: Counts) {
        if leave.changes != self.changes {
            return;
        }
        match self.phase {
            Phase::Closed => self.count(now, counts),
            Phase::HalfOpen => self.probed(now, counts),
            Phase::Open { .. } => {}
        }
    }

    /// Goes on under another rule, standing as it stands: if as many probes went well as that asks for, it closes with the next call.
    pub fn rule(&mut self, rule: BreakerRule) {
        self.rule = rule;
    }

    fn count(&mut self, now: Timestamp, counts: Counts) {
        match counts {
            Counts::Neither => return,
            Counts::Well => self.in_a_row = 0,
            Counts::Ill => self.in_a_row += 1,
        }
        let ratio = self.rule.ratio.map(|ratio| (ratio, self.add(now, ratio.window, counts == Counts::Ill)));
        if self.rule.failures > 0 && self.in_a_row >= self.rule.failures {
            return self.open(now, format!("{} calls in a row failed", self.in_a_row));
        }
        if let Some((ratio, (calls, failures))) = ratio
            && calls >= ratio.least.max(1)
            && u64::from(failures) * 100 >= u64::from(ratio.percent) * u64::from(calls)
            && failures > 0
        {
            self.open(now, format!("{failures} of {calls} calls failed"));
        }
    }

    /// Counts one more in the window: the calls of it, and the failures among them.
    fn add(&mut self, now: Timestamp, window: Duration, failed: bool) -> (u32, u32) {
        let began = now.before(window);
        self.slices.retain(|slice| slice.began > began);
        let width = window / SLICES;
        if self.slices.back().is_none_or(|slice| now.since(slice.began) >= width) {
            self.slices.push_back(Slice { began: now, calls: 0, failures: 0 });
        }
        if let Some(slice) = self.slices.back_mut() {
            slice.calls += 1;
            slice.failures += u32::from(failed);
        }
        let sum = |(calls, failures): (u32, u32), slice: &Slice| (calls + slice.calls, failures + slice.failures);
        self.slices.iter().fold((0, 0), sum)
    }

    fn probed(&mut self, now: Timestamp, counts: Counts) {
        self.probes_out = self.probes_out.saturating_sub(1);
        match counts {
            Counts::Neither => {}
            Counts::Ill => self.open(now, "a probe failed".into()),
            Counts::Well => {
                self.probes_well += 1;
                if self.probes_well >= self.rule.probes.max(1) {
                    self.go(Phase::Closed);
                }
            }
        }
    }

    fn open(&mut self, now: Timestamp, why: String) {
        self.go(Phase::Open { until: now.after(self.rule.open), why });
    }

    fn go(&mut self, phase: Phase) {
        self.phase = phase;
        self.changes += 1;
        (self.in_a_row, self.probes_out, self.probes_well) = (0, 0, 0);
        self.slices.clear();
    }
}
