//! What of a durable subscription has been handed out and acknowledged, and where its cursor stands.

use std::collections::BTreeSet;

/// Deliveries that are out, by position, and the cursor that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acks {
    out: BTreeSet<u64>,
    last: u64,
    recorded: u64,
    since: u64,
}

impl Acks {
    /// Nothing is out, and everything up to a position is done with and recorded as such.
    pub fn from(position: u64) -> Self {
        Self::resumed(position, position)
    }

    /// Nothing is out, and everything up to a position is done with; how far that is recorded stands beside it.
    pub fn resumed(position: u64, recorded: u64) -> Self {
        Self { out: BTreeSet::new(), last: position, recorded, since: 0 }
    }

    /// One was handed out.
    pub fn hand_out(&mut self, position: u64) {
        self.last = self.last.max(position);
        self.out.insert(position);
    }

    /// One is done with. Says whether it was out.
    pub fn done(&mut self, position: u64) -> bool {
        let was_out = self.out.remove(&position);
        self.since += u64::from(was_out);
        was_out
    }

    /// Up to where everything is done with.
    pub fn through(&self) -> u64 {
        self.out.first().map_or(self.last, |first| first - 1)
    }

    /// How many are out.
    pub fn outstanding(&self) -> usize {
        self.out.len()
    }

    /// How many were done with since the cursor was recorded.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// The cursor that is to be recorded, if it has moved.
    pub fn to_record(&self) -> Option<u64> {
        Some(self.through()).filter(|through| *through > self.recorded)
    }

    /// The cursor was recorded, at a time when so many were done with.
    pub fn is_recorded(&mut self, through: u64, since: u64) {
        self.recorded = self.recorded.max(through);
        self.since = self.since.saturating_sub(since);
    }

    /// What is out was lost, and will be handed out again: where to begin.
    pub fn rewind(&mut self) -> u64 {
        let through = self.through();
        self.out.clear();
        self.last = through;
        through
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stops_before_the_first_that_is_not_done_with() {
        let mut acks = Acks::from(10);
        [12, 15, 17].into_iter().for_each(|position| acks.hand_out(position));
        assert!(acks.done(15) && !acks.done(15) && !acks.done(99));
        assert_eq!((acks.through(), acks.to_record(), acks.outstanding()), (11, Some(11), 2));
        acks.done(12);
        assert_eq!(acks.through(), 16);
        acks.done(17);
        assert_eq!((acks.through(), acks.since()), (17, 3));
        acks.is_recorded(17, 3);
        assert_eq!((acks.to_record(), acks.since()), (None, 0));
    }

    #[test]
    fn what_was_done_with_before_and_not_recorded_is_still_to_be() {
        let mut acks = Acks::resumed(10, 4);
        assert_eq!((acks.through(), acks.to_record()), (10, Some(10)));
        acks.is_recorded(10, 0);
        assert_eq!(acks.to_record(), None);
    }

    #[test]
    fn what_was_lost_begins_after_the_cursor() {
        let mut acks = Acks::from(0);
        [3, 5, 8].into_iter().for_each(|position| acks.hand_out(position));
        acks.done(3);
        acks.done(8);
        assert_eq!((acks.rewind(), acks.outstanding(), acks.through()), (4, 0, 4));
    }
}
