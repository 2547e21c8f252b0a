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
    booked: Vec<Booked>,
    held: BTreeSet<HeldBy>,
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
            Grant::Booked(booking) => self.booked.push(Booked { booking, correlation, event, burst: None, waits }),
            Grant::Burst { booking, first, nth } => {
                let burst = Some(self.in_burst(&booking, first, nth));
                self.booked.push(Booked { booking, correlation, event, burst, waits });
            }
            Grant::Held { key } => drop(self.held.insert(HeldBy { policy, key, correlation, event })),
        }
    }

    /// All that stand of a burst know its latest, in whichever order they come.
    fn in_burst(&mut self, booking: &Booking, first: Timestamp, nth: u32) -> InBurst {
        let mut top = nth;
        let same = |other: &Booking| other.policy == booking.policy && other.key == booking.key;
        for other in self.booked.iter_mut().filter(|other| same(&other.booking)) {
            let Some(other) = other.burst.as_mut().filter(|other| other.first == first) else { continue };
            other.top = other.top.max(nth);
            top = top.max(other.top);
        }
        InBurst { first, nth, top }
    }

    /// A promised place was given up or used.
    pub(crate) fn release(&mut self, booking: &Booking, (correlation, event): Event<'_>) {
        self.booked.retain(|it| it.booking != *booking || it.correlation != *correlation || it.event != event);
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
        let mut booked = self.booked.clone();
        booked.sort();
        Grants { position, taken, placed, spent, booked, held: self.held.iter().cloned().collect() }
    }
}
