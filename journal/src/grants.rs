//! What policies have granted: the fold of the facts that say so, from which a governor starts.

use regie_core::Timestamp;
use regie_core::event::CorrelationId;
use regie_core::governance::{Arrival, Booking, Governor, Grant};

/// A key of a cooldown that counts from an instant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// The policy.
    pub policy: String,
    /// Its key.
    pub key: String,
    /// The latest instant that was granted there.
    pub at: Timestamp,
}

/// A key of a session window of which places have been taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Places {
    /// The policy.
    pub policy: String,
    /// Its key.
    pub key: String,
    /// When the latest session began in which one was taken.
    pub opening: Timestamp,
    /// How many were taken there.
    pub count: u64,
}

/// A key of a rate of which some has been spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The policy.
    pub policy: String,
    /// Its key.
    pub key: String,
    /// What that comes to.
    pub arrival: Arrival,
}

/// A place that an event was promised and has not used yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Booked {
    /// Which place.
    pub booking: Booking,
    /// The correlation of the event.
    pub correlation: CorrelationId,
    /// The event, by the sequence of the record that received it.
    pub event: u64,
    /// Where it stands in its burst, if it is of one.
    pub burst: Option<InBurst>,
    /// Whether it waits without a time, until it is called.
    pub waits: bool,
}

/// Where an event stands in its burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InBurst {
    /// When the burst began.
    pub first: Timestamp,
    /// Which of the burst it is.
    pub nth: u32,
    /// The latest of the burst: where it is another, that has overtaken it.
    pub top: u32,
}

/// A place at a concurrency limit that an event holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldBy {
    /// The policy.
    pub policy: String,
    /// Its key.
    pub key: String,
    /// The correlation of the event.
    pub correlation: CorrelationId,
    /// The event, by the sequence of the record that received it.
    pub event: u64,
}

/// Everything granted up to a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The position up to which this is the fold; what follows there is in the rows after it.
    pub position: u64,
    /// Keys of cooldowns that count.
    pub taken: Vec<Taken>,
    /// Keys of session windows that count.
    pub placed: Vec<Places>,
    /// Keys of rates that count.
    pub spent: Vec<Spent>,
    /// Places that are booked.
    pub booked: Vec<Booked>,
    /// Places that are held.
    pub held: Vec<HeldBy>,
}

impl Grants {
    /// Tells a governor that has only begun; what follows is for [`Governor::replay`].
    pub fn tell(&self, governor: &mut Governor) {
        governor.was_read_to(self.position);
        for it in &self.taken {
            governor.was_taken(&it.policy, &it.key, it.at);
        }
        for it in &self.placed {
            governor.was_placed(&it.policy, &it.key, (it.opening, it.count));
        }
        for it in &self.spent {
            governor.stands_at(&it.policy, &it.key, it.arrival);
        }
        for Booked { booking, correlation, event, burst, waits } in &self.booked {
            let who = (correlation.clone(), *event);
            if *waits {
                governor.waits(booking, &who);
            }
            match burst {
                Some(burst) => governor.was_put(booking, (burst.first, burst.nth, burst.top), &who),
                None => governor.was_booked(booking, &who),
            }
        }
        for it in &self.held {
            let who = (it.correlation.clone(), it.event);
            governor.was_granted(&it.policy, &Grant::Held { key: it.key.clone() }, &who);
        }
    }
}
