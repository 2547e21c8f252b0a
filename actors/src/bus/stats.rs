//! What may be seen of the bus.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::held::{Held, Sub};
use super::inbox::Counts;

/// What may be seen of the bus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BusStats {
    /// Its subscriptions, in the order in which they began.
    pub subscriptions: Vec<SubscriptionStats>,
    /// Events that it read.
    pub events_read: u64,
    /// Deliveries that it put into queues.
    pub deliveries: u64,
    /// The position of the journal's last record.
    pub head: u64,
    /// Up to where it has read for those who are not behind.
    pub position: u64,
}

/// What may be seen of one subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SubscriptionStats {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its patterns.
    pub patterns: Vec<String>,
    /// Whether its cursor is kept.
    pub durable: bool,
    /// Deliveries that were put into its queue.
    pub delivered: u64,
    /// Deliveries that are done with; of a durable one.
    pub acknowledged: u64,
    /// Deliveries in its queue now.
    pub queued: u64,
    /// Deliveries that were dropped for want of room.
    pub dropped: u64,
    /// Records of the journal that it has still to be offered, where it reads on by itself.
    pub behind: u64,
    /// Failed tries that were tried again.
    pub retries: u64,
    /// Deliveries that were given up.
    pub dead_letters: u64,
    /// Tries that panicked.
    pub panics: u64,
    /// Events for which its filter gave no answer; they were not delivered.
    pub unfiltered: u64,
    /// Whether it takes deliveries.
    pub connected: bool,
}

impl BusStats {
    pub(super) fn of(held: &Held, head: u64) -> Self {
        let subscriptions = held.subs.values().map(|sub| of_one(sub, head)).collect();
        let Held { events_read, deliveries, position, .. } = *held;
        Self { subscriptions, events_read, deliveries, head, position }
    }
}

fn of_one(sub: &Sub, head: u64) -> SubscriptionStats {
    let counts: &Counts = sub.inbox.counts();
    let told = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    SubscriptionStats {
        name: sub.spec.name.as_ref().map(ToString::to_string),
        patterns: sub.spec.interest.patterns.iter().map(ToString::to_string).collect(),
        durable: sub.spec.durable,
        delivered: told(&counts.delivered),
        acknowledged: told(&counts.acknowledged),
        queued: sub.inbox.queued() as u64,
        dropped: told(&counts.dropped),
        behind: sub.cursor.map_or(0, |cursor| head.saturating_sub(cursor)),
        retries: told(&counts.retries),
        dead_letters: told(&counts.letters),
        panics: told(&counts.panics),
        unfiltered: told(&counts.unfiltered),
        connected: !sub.inbox.is_over(),
    }
}
