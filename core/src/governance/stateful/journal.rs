//! What the journal tells a governor when it starts: what its index has folded, and the records after that.

use super::look::Place;
use super::state::KeyState;
use super::{Governor, Who};
use crate::Timestamp;
use crate::event::CorrelationId;
use crate::governance::debounce;
use crate::governance::decision::{Booking, Grant, Verdict};
use crate::governance::kind::PolicyKind;
use crate::governance::rate::Arrival;
use crate::workflow::{Fact, Record};

impl Governor {
    /// Folds a record of the journal: the state that a restart finds again.
    pub fn replay(&mut self, correlation: &CorrelationId, record: &Record) {
        let mut event = record.sequence;
        for fact in &record.facts {
            match fact {
                // A place is released by the event that has just moved.
                Fact::Moved { event: moved, .. } => event = *moved,
                Fact::Released { booking } => drop(self.unbook(booking, &(correlation.clone(), event))),
                Fact::Freed { policy, key, event } => {
                    self.was_freed(&(policy.clone(), key.clone()), &(correlation.clone(), *event));
                }
                Fact::Judged { event, judgement } => {
                    let who = (correlation.clone(), *event);
                    let waits = matches!(judgement.verdict, Verdict::Waiting { .. });
                    let granted = judgement.decisions.iter().filter_map(|it| Some((&it.policy, it.grant.as_ref()?)));
                    for (policy, grant) in granted {
                        grant.booking().filter(|_| waits).into_iter().for_each(|booking| self.waits(booking, &who));
                        self.was_granted(policy, grant, &who);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether a record tells anything to [`Governor::replay`].
    pub fn cares_for(record: &Record) -> bool {
        record.facts.iter().any(|fact| match fact {
            Fact::Judged { judgement, .. } => judgement.decisions.iter().any(|decision| decision.grant.is_some()),
            Fact::Released { .. } | Fact::Freed { .. } => true,
            _ => false,
        })
    }

    /// A committed grant, as the journal has it.
    pub fn was_granted(&mut self, policy: &str, grant: &Grant, who: &Who) {
        let key = match grant {
            Grant::Taken { key, .. } | Grant::Placed { key, .. } | Grant::Spent { key, .. } | Grant::Held { key } => {
                key
            }
            Grant::Booked(booking) | Grant::Burst { booking, .. } => &booking.key,
        };
        // A booking tells its policy itself.
        let policy = grant.booking().map_or(policy, |booking| &booking.policy);
        self.change(policy, key, |state| state.granted(grant, who));
    }

    /// One that waits without a time, as the journal has it. If what it waits at is in force, it is called from there.
    pub fn waits(&mut self, booking: &Booking, who: &Who) {
        if !matches!(self.kinds.get(&booking.policy), Some(PolicyKind::Concurrency { .. })) {
            self.stranded.was_booked(booking, who);
        }
    }

    /// A committed acceptance of a cooldown, as the journal has it.
    pub fn was_taken(&mut self, policy: &str, key: &str, at: Timestamp) {
        self.change(policy, key, |state| {
            if let KeyState::Cooldown(cooldown) = state {
                cooldown.was_taken(at);
            }
        });
    }

    /// A committed booking, as the journal has it.
    pub fn was_booked(&mut self, booking: &Booking, who: &Who) {
        self.was_granted(&booking.policy, &Grant::Booked(booking.clone()), who);
    }

    /// A committed place in a burst, as the journal has it, and the latest of the burst that was committed while it stood.
    pub fn was_put(&mut self, booking: &Booking, place: (Timestamp, u32, u32), who: &Who) {
        let (first, nth, top) = place;
        let place = debounce::Place { slot: booking.slot, first, nth };
        self.change(&booking.policy, &booking.key, |state| match state {
            KeyState::Debounce(burst) => burst.was_put(place, who, top),
            other => other.granted(&Grant::Booked(booking.clone()), who),
        });
    }

    /// How many committed acceptances there are in the latest session of a key.
    pub fn was_placed(&mut self, policy: &str, key: &str, (opening, count): (Timestamp, u64)) {
        self.change(policy, key, |state| {
            if let KeyState::Window(window) = state {
                window.was_placed(opening, count);
            }
        });
    }

    /// What the committed acceptances of a rate's key come to.
    pub fn stands_at(&mut self, policy: &str, key: &str, arrival: Arrival) {
        self.change(policy, key, |state| {
            if let KeyState::Rate(rate) = state {
                rate.stands_at(arrival);
            }
        });
    }

    pub(super) fn was_freed(&mut self, place: &Place, who: &Who) {
        // Whether the policy is in force or not: it may be again.
        if let Some(key) = self.keys.get_mut(place) {
            if let KeyState::Concurrency(limit) = &mut key.state {
                limit.was_freed(who);
            }
            self.has_changed(place);
        }
    }

    pub(super) fn unbook(&mut self, booking: &Booking, who: &Who) -> Place {
        let place = (booking.policy.clone(), booking.key.clone());
        self.stranded.unbook(booking, who);
        if let Some(key) = self.keys.get_mut(&place) {
            key.state.unbook(booking, who);
            self.has_changed(&place);
        }
        place
    }

    pub(super) fn change(&mut self, policy: &str, key: &str, change: impl FnOnce(&mut KeyState)) {
        let Some(kind) = self.kinds.get(policy).cloned() else { return };
        let place = (policy.to_string(), key.to_string());
        if let Some(state) = self.key(&place, &kind) {
            change(state);
            self.has_changed(&place);
        }
    }
}
