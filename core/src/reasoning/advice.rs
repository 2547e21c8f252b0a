//! What comes of asking a reasoner, and what is kept of it.

use serde::{Deserialize, Serialize};

use super::filter::{Filtered, Sifted};
use super::mode::Mode;
use super::outcome::{Outcome, ReasonError};
use super::signal::{Signal, SignalDraft};
use crate::limits;

/// Who was asked what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who.
    pub reasoner: String,
    /// What for.
    pub mode: Mode,
}

/// What came of asking a reasoner, before any signal is filtered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Who was asked.
    pub reasoner: String,
    /// What for.
    pub mode: Mode,
    /// What became of it.
    pub outcome: Outcome,
    /// Its signals; none unless the outcome is [`Outcome::Ok`].
    pub signals: Vec<Signal>,
    /// Milliseconds from the question to the answer.
    pub elapsed_ms: u64,
}

impl Advice {
    /// Of an answer: its signals if every one of them is in order. One that is not makes the whole answer invalid, for
    /// what else it says rests on the same reasoning.
    pub fn of(asked: Asked, answer: Result<Vec<SignalDraft>, ReasonError>, elapsed_ms: u64) -> Self {
        let Asked { reasoner, mode } = &asked;
        let signals = answer.map_err(Outcome::from).and_then(|drafts| {
            signals(drafts, |draft, confidence| Signal {
                kind: draft.kind,
                confidence,
                rationale: draft.rationale,
                payload: draft.payload,
                reasoner: reasoner.clone(),
                mode: mode.clone(),
                elapsed_ms,
            })
            .map_err(Outcome::Invalid)
        });
        match signals {
            Ok(signals) => Self { signals, ..Self::without(asked, Outcome::Ok, elapsed_ms) },
            Err(outcome) => Self::without(asked, outcome, elapsed_ms),
        }
    }

    /// Of what brought no signals.
    pub fn without(asked: Asked, outcome: Outcome, elapsed_ms: u64) -> Self {
        let Asked { reasoner, mode } = asked;
        Self { reasoner, mode, outcome: outcome.bounded(), signals: Vec::new(), elapsed_ms }
    }
}

fn signals(
    drafts: Vec<SignalDraft>,
    make: impl Fn(SignalDraft, super::signal::Confidence) -> Signal,
) -> Result<Vec<Signal>, String> {
    let (count, limit) = (drafts.len(), limits::SIGNALS);
    if count > limit {
        return Err(format!("{count} signals; at most {limit} are taken"));
    }
    let (bytes, limit) = (drafts.iter().map(SignalDraft::bytes).sum::<usize>(), limits::ADVICE_BYTES);
    if bytes > limit {
        return Err(format!("signals of {bytes} bytes; at most {limit} are taken"));
    }
    let checked = drafts.into_iter().enumerate().map(|(at, draft)| match draft.check() {
        Ok(confidence) => Ok(make(draft, confidence)),
        Err(why) => Err(format!("signal {}: {why}", at + 1)),
    });
    checked.collect()
}

/// What is kept of asking a reasoner about an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasoning {
    /// The policy that wanted to know.
    pub policy: String,
    /// Who was asked.
    pub reasoner: String,
    /// What for.
    pub mode: Mode,
    /// What became of it.
    pub outcome: Outcome,
    /// The signals that passed.
    pub signals: Vec<Signal>,
    /// Those that did not, each with the policy that dropped it.
    pub filtered: Vec<Filtered>,
    /// Milliseconds from the question to the answer.
    pub elapsed_ms: u64,
}

impl Reasoning {
    /// Of advice that a policy asked for, its signals sifted by `sift`.
    pub fn new(policy: impl Into<String>, advice: Advice, sift: impl FnOnce(Vec<Signal>) -> Sifted) -> Self {
        let Advice { reasoner, mode, outcome, signals, elapsed_ms } = advice;
        let Sifted { passed, filtered } = sift(signals);
        Self { policy: policy.into(), reasoner, mode, outcome, signals: passed, filtered, elapsed_ms }
    }
}
