//! Facts: what the journal holds.
//!
//! The order of the variants is the binary format: new ones go to the end, and none is ever changed or removed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::effect::{Effect, EffectEnd, EffectKey};
use super::operation::Operation;
use crate::event::{CorrelationId, Format, Identity, LifeState, Pattern, Principal};
use crate::governance::{Booking, Judgement};
use crate::reasoning::Reasoning;
use crate::{Digest, Json};

/// One thing that happened. Facts keep the context in which they were decided, so that replay needs nothing else.
///
/// An event is referred to by the sequence of the record that received it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fact {
    /// The correlation began; the first fact of its first record, and of no other.
    Opened {
        /// Its id.
        correlation: CorrelationId,
    },
    /// An event came in and is pending.
    Received {
        /// The form of its bytes.
        format: Format,
        /// Its bytes as they came.
        raw: Arc<str>,
        /// Who it is within its correlation: follows from the bytes, kept so that replay need not read them.
        identity: Identity,
        /// The id that the runtime made, if it came without.
        made_id: Option<String>,
        /// Whether the runtime itself emitted it, so that its cause must be in this journal.
        emitted: bool,
    },
    /// Governance judged an event.
    Judged {
        /// Which event.
        event: u64,
        /// The verdict and all that led to it.
        judgement: Judgement,
    },
    /// A promised place was given up or used.
    Released {
        /// Which.
        booking: Booking,
    },
    /// An event moved in its life.
    Moved {
        /// Which event.
        event: u64,
        /// Where to.
        to: LifeState,
        /// Why.
        reason: String,
        /// Who did it, if not the runtime itself.
        by: Option<Principal>,
    },
    /// A handler took over the correlation.
    Started {
        /// The definition's name.
        definition: String,
        /// Its version, which the run keeps.
        version: u32,
    },
    /// The handler noted a fact of its own, which its state follows.
    Noted {
        /// The fact, as the handler serialises it.
        data: Json,
    },
    /// An effect is owed from now on.
    Owes {
        /// Its key.
        key: EffectKey,
        /// What is asked.
        effect: Effect,
    },
    /// An owed effect ended.
    Ended {
        /// Its key.
        key: EffectKey,
        /// How.
        end: EffectEnd,
    },
    /// The handler could not take an input, for good; it was parked.
    Parked {
        /// What the input was: an event, or the end of an effect.
        input: String,
        /// How often it was tried.
        attempts: u32,
        /// What went wrong at last.
        error: String,
    },
    /// The run is over.
    Finished {
        /// How.
        end: RunEnd,
    },
    /// A policy set came into force; only in `regie/policies`.
    PolicySet {
        /// The digest of its text.
        digest: Digest,
        /// Its text.
        text: String,
        /// Who put it there.
        by: Option<Principal>,
    },
    /// The reasoners that were asked about an event have answered, or their time was up.
    Reasoned {
        /// Which event.
        event: u64,
        /// What each said, and which of its signals count.
        reasonings: Vec<Reasoning>,
    },
    /// An escalated event waits for a person without end: what the policy decides when the time is up could not be done.
    Kept {
        /// Which event.
        event: u64,
    },
    /// The place that an event held at a concurrency limit is free again.
    Freed {
        /// The policy.
        policy: String,
        /// Its key.
        key: String,
        /// Which event held it.
        event: u64,
    },
    /// A rule set came into force; only in `regie/rules`.
    RuleSet {
        /// The digest of its text.
        digest: Digest,
        /// Its text.
        text: String,
        /// Who put it there.
        by: Option<Principal>,
    },
    /// Somebody did something to the run.
    Operated {
        /// What.
        operation: Operation,
        /// Its id: asked twice is done once.
        id: String,
        /// Who.
        by: Principal,
        /// Why.
        why: String,
    },
    /// The run goes on no more: what it did is put back, and what it still owed is given up.
    Compensating {
        /// How it ends after that.
        then: RunEnd,
    },
    /// An effect is owed no more: the definition gave it up.
    GivenUp {
        /// Its key.
        key: EffectKey,
    },
    /// The run is one that another workflow asked for, and is told how it ends.
    RunsFor {
        /// Which workflow.
        workflow: CorrelationId,
        /// Its effect.
        key: EffectKey,
    },
    /// A step waits for a person: the definition has no way on by itself.
    Halted {
        /// The step.
        step: String,
        /// How often it was tried.
        attempts: u32,
        /// What went wrong at last.
        error: String,
    },
    /// A deferred event waits for its run, and for no time: the definition has no place for it as the run stands.
    Awaits {
        /// Which event.
        event: u64,
        /// Its type.
        kind: String,
        /// Whether the definition has not seen it yet: it is given to it as soon as those before it were.
        queued: bool,
    },
    /// Events that wait for the run are given to the definition again: those of these types, and no others.
    Recalled {
        /// The types.
        kinds: Vec<Pattern>,
    },
    /// The run goes on under another version of its definition, from this state.
    Migrated {
        /// The version.
        version: u32,
        /// The state, as that version serialises it.
        state: Json,
    },
    /// The workflow that an open event was to begin is not wanted any more: it begins none.
    Unwanted {
        /// Which event.
        event: u64,
        /// Who it was to run for.
        by: Principal,
        /// Why.
        why: String,
    },
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RunEnd {
    /// As its definition wanted.
    Completed {
        /// What it gives.
        output: Json,
    },
    /// It failed; later events of it are only recorded, as skipped.
    Failed {
        /// Why.
        error: String,
    },
    /// It was cancelled, and what it had done is put back as far as its definition says how.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// It was ended at once, and nothing was put back.
    Terminated {
        /// Why.
        reason: String,
    },
}
