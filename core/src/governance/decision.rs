//! What governance says of an event, as it is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Json, Timestamp, reasoning};

/// What one policy said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PolicyOutcome {
    /// The event may go on.
    Passed,
    /// The event is stopped for good.
    Discarded,
    /// The event comes back later.
    Deferred,
    /// A person decides.
    Escalated,
}

/// A place at a key that was promised to an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Booking {
    /// The policy that promised it.
    pub policy: String,
    /// The key: what the policy counts by, such as one actor; empty where it counts all together.
    pub key: String,
    /// When the event may go on; where it waits for a place without a time, since when.
    pub slot: Timestamp,
}

/// How far apart the events of a rate are, exactly: that many microseconds, divided by the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// The period.
    pub micros: u64,
    /// How many events there are in it.
    pub parts: u32,
}

/// What a decision took from a policy's state. The policy's state is the fold of these, and each tells all that the fold
/// needs. The order of the variants is the binary format: new ones go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grant {
    /// The event goes on and counts at this key from this instant.
    Taken {
        /// The key.
        key: String,
        /// The instant that it counts from: the slot of a booked return, otherwise when it was judged.
        at: Timestamp,
    },
    /// The event has a booked place.
    Booked(Booking),
    /// The event goes on and has a place in a session.
    Placed {
        /// The key.
        key: String,
        /// When the session began.
        opening: Timestamp,
    },
    /// The event goes on and spends from a rate.
    Spent {
        /// The key.
        key: String,
        /// The instant that it counts from.
        at: Timestamp,
        /// How much it spends.
        interval: Interval,
        /// Whether the instant is that of a booked slot, which is rounded up to a whole microsecond.
        booked: bool,
    },
    /// The event is the latest of a burst, and has a booked place.
    Burst {
        /// The place.
        booking: Booking,
        /// When the burst began.
        first: Timestamp,
        /// Which of the burst it is, from 1.
        nth: u32,
    },
    /// The event goes on and holds a place until that is freed.
    Held {
        /// The key.
        key: String,
    },
}

impl Grant {
    /// The place that it books, if it books one.
    pub fn booking(&self) -> Option<&Booking> {
        match self {
            Grant::Booked(booking) | Grant::Burst { booking, .. } => Some(booking),
            _ => None,
        }
    }
}

/// One policy's decision on one event. Every policy that was looked at leaves one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyDecision {
    /// The policy's name.
    pub policy: String,
    /// The short digest of the policy's own text.
    pub version: String,
    /// What it said.
    pub outcome: PolicyOutcome,
    /// Why, for people.
    pub reason: String,
    /// What it looked at: keys, counts, instants.
    #[serde(default)]
    pub observed: BTreeMap<String, Json>,
    /// When.
    pub at: Timestamp,
    /// Milliseconds until this policy would let an event of this key go on.
    #[serde(default)]
    pub remaining_ms: Option<u64>,
    /// What it took from the policy's state.
    #[serde(default)]
    pub grant: Option<Grant>,
}

/// What all policies together say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The event goes on.
    Accepted,
    /// It comes back at that instant.
    Deferred {
        /// When.
        until: Timestamp,
        /// Why: the reason of the policy that decided.
        reason: String,
    },
    /// It is stopped.
    Discarded {
        /// Why.
        reason: String,
    },
    /// A person decides.
    Escalated {
        /// Why.
        reason: String,
    },
    /// A person decides, and if nobody has until then, the policy does.
    EscalatedUntil {
        /// Why.
        reason: String,
        /// When the policy decides.
        until: Timestamp,
        /// What it decides then.
        then: Lapse,
    },
    /// Nothing yet: reasoners are asked first, and the event is pending until they have answered or their time is up.
    Asking {
        /// Who.
        asks: Vec<reasoning::Ask>,
    },
    /// It comes back when a place is free: nobody knows when.
    Waiting {
        /// Why.
        reason: String,
    },
}

/// What becomes of an escalated event that nobody has resolved in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lapse {
    /// It goes on.
    Approve,
    /// It is discarded.
    Reject,
}

/// A verdict with all that led to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// What all policies together say.
    pub verdict: Verdict,
    /// What each of them said, in the order in which they were looked at.
    pub decisions: Vec<PolicyDecision>,
    /// The digest of the policy set that was in force; none where there is no policy at all.
    pub set: Option<Digest>,
    /// When it was judged.
    pub at: Timestamp,
}

impl Judgement {
    /// The judgement where no policy has a say.
    pub fn free(at: Timestamp, set: Option<Digest>) -> Self {
        Self { verdict: Verdict::Accepted, decisions: Vec::new(), set, at }
    }

    /// The place that it books, if it books one.
    pub fn booking(&self) -> Option<&Booking> {
        self.decisions.iter().find_map(|decision| decision.grant.as_ref()?.booking())
    }

    /// Whether it puts the event off to a place that is promised, and by whom: the same policy as before, if there was one.
    /// A promised place is no wait without end; policies that send an event from one to the other might be.
    pub fn is_promised(&self, booked_by: Option<&str>) -> bool {
        self.booking().is_some_and(|booking| booked_by.is_none_or(|before| before == booking.policy))
    }
}
