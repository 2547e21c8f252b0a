//! What policies have granted, folded in memory: for the store in memory.

use std::collections::{BTreeMap, BTreeSet};

use regie_core::Timestamp;
use regie_core::event::CorrelationId;
use regie_core::governance::{Arrival, Booking, Grant};

use crate::grants::{Booked, Grants, HeldBy, InBurst, Places, Spent, Taken};

/// A policy and its key.
type At = (String, String);

/// An event: its correlation and its sequence.
type Event<'a> = (&'a CorrelationId, u64);

/// The fold.
#[derive(Default)]
pub(crate) struct Granted {
    taken: BTreeMap<At, Timestamp>,
    placed: BTreeMap<At, (Timestamp, u64)>,
    spent: BTreeMap<At, Arrival>,
    booked: BTreeMap<Stand, Standing>,
    /// By policy, key and first instant: the latest of each burst, and how many of it stand.
    bursts: BTreeMap<(At, Timestamp), (u32, usize)>,
    held: BTreeSet<HeldBy>,
}

/// A booking, and whose it is.
type Stand = (At, Timestamp, CorrelationId, u64);

struct Standing {
    /// When its burst began, and which of it it is.
    burst: Option<(Timestamp, u32)>,
    waits: bool,
}

impl Granted {
    /// A policy granted an event something; whether the event waits without a time.
    pub(crate) fn grant(&mut self, (policy, grant): (String, Grant), (correlation, event): Event<'_>, waits: bool) {
        let correlation = correlation.clone();
        match grant {
            Grant::Taken { key, at } => {
                let latest = self.taken.entry((policy, key)).or_insert(at);
                *latest = at.max(*latest);
            }
            Grant::Placed { key, opening } => {
                let (latest, count) = self.placed.entry((policy, key)).or_insert((opening, 0));
                if opening > *latest {
                    (*latest, *count) = (opening, 0);
                }
                *count += u64::from(opening == *latest);
            }
            Grant::Spent { key, at, interval, booked } => {
                let at_key = (policy, key);
                let known = self.spent.get(&at_key).copied();
                self.spent.insert(at_key, Arrival::after(known, at, interval, booked));
            }
            Grant::Booked(booking) => drop(self.book(booking, (correlation, event), Standing { burst: None, waits })),
            Grant::Burst { booking, first, nth } => {
                let burst = ((booking.policy.clone(), booking.key.clone()), first);
                let standing = Standing { burst: Some((first, nth)), waits };
                if self.book(booking, (correlation, event), standing) {
                    let (top, standing) = self.bursts.entry(burst).or_default();
                    (*top, *standing) = (nth.max(*top), *standing + 1);
                }
            }
            Grant::Held { key } => drop(self.held.insert(HeldBy { policy, key, correlation, event })),
        }
    }

    /// Tells whether it was not known yet.
    fn book(&mut self, booking: Booking, (correlation, event): (CorrelationId, u64), standing: Standing) -> bool {
        let stand = ((booking.policy, booking.key), booking.slot, correlation, event);
        let is_new = !self.booked.contains_key(&stand);
        self.booked.entry(stand).or_insert(standing);
        is_new
    }

    /// A promised place was given up or used.
    pub(crate) fn release(&mut self, booking: &Booking, (correlation, event): Event<'_>) {
        let at = (booking.policy.clone(), booking.key.clone());
        let gone = self.booked.remove(&(at.clone(), booking.slot, correlation.clone(), event));
        let Some((first, _)) = gone.and_then(|gone| gone.burst) else { return };
        let burst = (at, first);
        if let Some((_, standing)) = self.bursts.get_mut(&burst) {
            *standing -= 1;
            if *standing == 0 {
                self.bursts.remove(&burst);
            }
        }
    }

    /// A place that was held is free.
    pub(crate) fn free(&mut self, policy: String, key: String, (correlation, event): Event<'_>) {
        self.held.remove(&HeldBy { policy, key, correlation: correlation.clone(), event });
    }

    /// All of it, up to a position.
    pub(crate) fn all(&self, position: u64) -> Grants {
        let at = |(policy, key): &At| (policy.clone(), key.clone());
        let taken = self.taken.iter().map(|(key, instant)| {
            let (policy, key) = at(key);
            Taken { policy, key, at: *instant }
        });
        let placed = self.placed.iter().map(|(key, (opening, count))| {
            let (policy, key) = at(key);
            Places { policy, key, opening: *opening, count: *count }
        });
        let spent = self.spent.iter().map(|(key, arrival)| {
            let (policy, key) = at(key);
            Spent { policy, key, arrival: *arrival }
        });
        let (taken, placed, spent) = (taken.collect(), placed.collect(), spent.collect());
        let booked = self.booked.iter().map(|((at, slot, correlation, event), standing)| {
            let top = |first: Timestamp| self.bursts.get(&(at.clone(), first)).map_or(0, |(top, _)| *top);
            let burst = standing.burst.map(|(first, nth)| InBurst { first, nth, top: top(first) });
            let booking = Booking { policy: at.0.clone(), key: at.1.clone(), slot: *slot };
            Booked { booking, correlation: correlation.clone(), event: *event, burst, waits: standing.waits }
        });
        let booked = booked.collect();
        Grants { position, taken, placed, spent, booked, held: self.held.iter().cloned().collect() }
    }
}
