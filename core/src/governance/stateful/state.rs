//! One key's state, of whichever kind its policy is.

use super::super::ask::{AskId, Who};
use super::super::concurrency::Concurrency;
use super::super::cooldown::Cooldown;
use super::super::debounce::{Debounce, Place};
use super::super::decision::{Booking, Grant};
use super::super::kind::PolicyKind;
use super::super::rate::Rate;
use super::super::window::Window;
use crate::Timestamp;

#[derive(Debug)]
pub(super) enum KeyState {
    Cooldown(Cooldown),
    Window(Window),
    Rate(Rate),
    Debounce(Debounce),
    Concurrency(Concurrency),
}

impl KeyState {
    /// The empty state of a policy's key; none where the policy holds no state.
    pub(super) fn of(kind: &PolicyKind) -> Option<Self> {
        match kind {
            PolicyKind::Veto { .. }
            | PolicyKind::Escalate { .. }
            | PolicyKind::Reason(_)
            | PolicyKind::Filter(_)
            | PolicyKind::Label(_) => None,
            PolicyKind::Cooldown { .. } => Some(Self::Cooldown(Cooldown::default())),
            PolicyKind::Window { .. } => Some(Self::Window(Window::default())),
            PolicyKind::Rate { .. } => Some(Self::Rate(Rate::default())),
            PolicyKind::Debounce { .. } => Some(Self::Debounce(Debounce::default())),
            PolicyKind::Concurrency { .. } => Some(Self::Concurrency(Concurrency::default())),
        }
    }

    /// Whether it is the state of such a policy: under one name there may be another kind by now.
    pub(super) fn fits(&self, kind: &PolicyKind) -> bool {
        matches!(
            (self, kind),
            (Self::Cooldown(_), PolicyKind::Cooldown { .. })
                | (Self::Window(_), PolicyKind::Window { .. })
                | (Self::Rate(_), PolicyKind::Rate { .. })
                | (Self::Debounce(_), PolicyKind::Debounce { .. })
                | (Self::Concurrency(_), PolicyKind::Concurrency { .. })
        )
    }

    /// Reserves what an ask is granted: what an acceptance takes, or the place that a deferral books. `own` is the slot that
    /// the event comes back to.
    pub(super) fn reserve(&mut self, grant: &Grant, own: Option<Timestamp>, by: (AskId, &Who)) {
        match grant.booking() {
            Some(booking) if own == Some(booking.slot) => {} // it keeps the place that it has
            Some(_) => self.book(grant, by),
            None => self.take(grant, own, by),
        }
    }

    /// Whether those who wait here are called.
    pub(super) fn calls(&self) -> bool {
        matches!(self, Self::Concurrency(_))
    }

    /// A grant that has committed at a position while others are reserved.
    pub(super) fn committed(&mut self, grant: &Grant, who: &Who, position: u64) {
        match (self, grant) {
            (Self::Rate(key), Grant::Spent { at, interval, booked, .. }) => {
                key.was_spent_at((*at, *interval, *booked), position);
            }
            (state, grant) => state.granted(grant, who),
        }
    }

    fn take(&mut self, grant: &Grant, own: Option<Timestamp>, (ask, who): (AskId, &Who)) {
        match (self, grant) {
            (Self::Cooldown(key), Grant::Taken { at, .. }) => key.take(*at, ask),
            (Self::Window(key), Grant::Placed { opening, .. }) => {
                key.take(*opening, own.is_some_and(|slot| slot >= *opening), ask);
            }
            (Self::Rate(key), Grant::Spent { at, interval, booked, .. }) => {
                key.take((*at, *interval, *booked), own, ask)
            }
            (Self::Concurrency(key), Grant::Held { .. }) => key.take(who, ask),
            _ => {}
        }
    }

    fn book(&mut self, grant: &Grant, (ask, who): (AskId, &Who)) {
        match (self, grant) {
            (Self::Cooldown(key), Grant::Booked(booking)) => key.book(booking.slot, ask),
            (Self::Window(key), Grant::Booked(booking)) => key.book(booking.slot, ask),
            (Self::Rate(key), Grant::Booked(booking)) => key.book(booking.slot, ask),
            (Self::Debounce(key), Grant::Burst { booking, first, nth }) => {
                key.book(Place { slot: booking.slot, first: *first, nth: *nth }, who, ask);
            }
            (Self::Concurrency(key), Grant::Booked(booking)) => key.book(booking.slot, who, ask),
            _ => {}
        }
    }

    /// Makes what an ask reserved final, at a position of the journal, or gives it up.
    pub(super) fn settle(&mut self, ask: AskId, committed: Option<u64>) {
        match (self, committed) {
            (Self::Cooldown(key), Some(_)) => key.commit(ask),
            (Self::Cooldown(key), None) => key.release(ask),
            (Self::Window(key), Some(_)) => key.commit(ask),
            (Self::Window(key), None) => key.release(ask),
            (Self::Rate(key), Some(position)) => key.commit(ask, position),
            (Self::Rate(key), None) => key.release(ask),
            (Self::Debounce(key), Some(_)) => key.commit(ask),
            (Self::Debounce(key), None) => key.release(ask),
            (Self::Concurrency(key), Some(_)) => key.commit(ask),
            (Self::Concurrency(key), None) => key.release(ask),
        }
    }

    /// A committed grant, as the journal has it. One of another kind of policy is passed over, but not what it promised.
    pub(super) fn granted(&mut self, grant: &Grant, who: &Who) {
        match (self, grant) {
            (Self::Cooldown(key), Grant::Taken { at, .. }) => key.was_taken(*at),
            (Self::Window(key), Grant::Placed { opening, .. }) => key.was_placed(*opening, 1),
            (Self::Rate(key), Grant::Spent { at, interval, booked, .. }) => key.was_spent(*at, *interval, *booked),
            (Self::Concurrency(key), Grant::Held { .. }) => key.was_held(who),
            (Self::Debounce(key), Grant::Burst { booking, first, nth }) => {
                key.was_put(Place { slot: booking.slot, first: *first, nth: *nth }, who, *nth);
            }
            (state, grant) => {
                if let Some(booking) = grant.booking() {
                    state.booked(booking, who);
                }
            }
        }
    }

    fn booked(&mut self, booking: &Booking, who: &Who) {
        match self {
            Self::Cooldown(key) => key.was_booked(booking.slot),
            Self::Window(key) => key.was_booked(booking.slot),
            Self::Rate(key) => key.was_booked(booking.slot),
            Self::Debounce(_) => {} // it came when there was no burst: it goes on when it comes back
            Self::Concurrency(key) => key.was_booked(booking.slot, who),
        }
    }

    /// A booking was used or given up.
    pub(super) fn unbook(&mut self, booking: &Booking, who: &Who) {
        match self {
            Self::Cooldown(key) => key.unbook(booking.slot),
            Self::Window(key) => key.unbook(booking.slot),
            Self::Rate(key) => key.unbook(booking.slot),
            Self::Debounce(key) => key.unbook(who),
            Self::Concurrency(key) => key.unbook(booking.slot),
        }
    }

    /// How many places are booked.
    pub(super) fn bookings(&self) -> usize {
        match self {
            Self::Cooldown(key) => key.bookings(),
            Self::Window(key) => key.bookings(),
            Self::Rate(key) => key.bookings(),
            Self::Debounce(key) => key.bookings(),
            Self::Concurrency(key) => key.bookings(),
        }
    }

    /// Whether nothing here can matter any more.
    pub(super) fn is_spent(&self, kind: &PolicyKind, now: Timestamp) -> bool {
        match (self, kind) {
            (Self::Cooldown(key), PolicyKind::Cooldown { window, .. }) => key.is_spent(*window, now),
            (Self::Window(key), PolicyKind::Window { rule, .. }) => key.is_spent(rule, now),
            (Self::Rate(key), _) => key.is_spent(now),
            (Self::Debounce(key), _) => key.is_spent(),
            (Self::Concurrency(key), _) => key.is_spent(),
            _ => false,
        }
    }
}
