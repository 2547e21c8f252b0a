//! Who waits without a time where nobody is called from: at a concurrency limit that is in force no more.

use std::collections::BTreeSet;

use super::super::ask::Who;
use super::super::decision::Booking;
use crate::Timestamp;

/// What they have booked, and who they are.
#[derive(Debug, Default)]
pub(super) struct Stranded(BTreeSet<(Timestamp, Who)>);

impl Stranded {
    /// The journal has one who waits.
    pub(super) fn was_booked(&mut self, booking: &Booking, who: &Who) {
        self.0.insert((booking.slot, who.clone()));
    }

    /// It waits no more.
    pub(super) fn unbook(&mut self, booking: &Booking, who: &Who) {
        self.0.remove(&(booking.slot, who.clone()));
    }

    /// What another reading knows too.
    pub(super) fn learn(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// All of them, in the order in which they came: each is to come back, and is told once.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Who> + use<> {
        std::mem::take(&mut self.0).into_iter().map(|(_, who)| who)
    }
}
