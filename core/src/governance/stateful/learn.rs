//! Another set comes into force. Its policies' keys are what a restart would find: what the journal has of them, read while
//! others commit, and what is reserved here on top of that.

use super::look::Place;
use super::{Governor, Held, Settled};
use crate::Timestamp;
use crate::governance::ask::{Ask, Who};
use crate::governance::decision::{Booking, Grant};

/// What was told to have committed since a reading began, and where.
#[derive(Debug, Default)]
pub(super) struct Late(Vec<(u64, Since)>);

#[derive(Debug)]
enum Since {
    Released(Booking, Who),
    Granted { place: Place, grant: Grant, who: Who, waits: bool },
    Freed { place: Place, who: Who },
}

impl Late {
    /// In the order in which the journal has it: a booking is given up before another is made.
    pub(super) fn committed(&mut self, position: u64, held: &Held) {
        if let Some(booking) = &held.returning {
            self.0.push((position, Since::Released(booking.clone(), held.who.clone())));
        }
        for it in &held.reserved {
            let (place, grant) = (it.place.clone(), it.grant.clone());
            self.0.push((position, Since::Granted { place, grant, who: held.who.clone(), waits: held.waits }));
        }
    }

    /// Last of all, wherever it stands: it was granted before, and told twice is once.
    pub(super) fn freed(&mut self, place: &Place, who: &Who) {
        self.0.push((u64::MAX, Since::Freed { place: place.clone(), who: who.clone() }));
    }

    /// What the journal has after a position, in its order: lanes tell it in theirs.
    fn after(mut self, position: u64) -> impl Iterator<Item = (u64, Since)> {
        self.0.sort_by_key(|(position, _)| *position);
        self.0.into_iter().filter(move |(at, _)| *at > position)
    }
}

impl Governor {
    /// A set's policies are about to be read: what commits from now on is not forgotten until that was learnt.
    pub fn begins_to_learn(&mut self) {
        self.late = Some(Late::default());
    }

    /// They could not be read.
    pub fn learns_nothing(&mut self) {
        self.late = None;
    }

    /// Puts what was read of a set's policies in place of what is here. Keys of other policies stay until they are swept:
    /// turns that began under them may still ask. Gives the answers of those who waited and wait no more.
    pub fn learn(&mut self, read: Governor, now: Timestamp) -> Vec<Settled> {
        self.kinds = read.kinds;
        self.set = read.set;
        self.stranded.learn(read.stranded);
        let before = std::mem::replace(&mut self.keys, read.keys);
        self.keys.values_mut().for_each(|key| key.read_to = read.read_to);
        let mut waiting: Vec<Ask> = Vec::new();
        for (place, mut key) in before {
            waiting.extend(key.waiting.drain(..));
            if !self.kinds.contains_key(&place.0) {
                self.keys.insert(place, key);
            }
        }
        self.reserve_again();
        for (position, since) in self.late.take().unwrap_or_default().after(read.read_to) {
            self.catch_up(position, since);
        }
        let all = self.keys.iter().filter(|(_, key)| key.state.calls()).map(|(place, _)| place.clone());
        self.changed.extend(all); // a limit may be wider now
        waiting.sort_by_key(|ask| ask.id);
        waiting.iter().for_each(|ask| drop(self.waits.remove(&ask.id)));
        waiting.into_iter().filter_map(|ask| self.ask(ask, now)).collect()
    }

    fn reserve_again(&mut self) {
        let held = std::mem::take(&mut self.held);
        let mut in_order: Vec<_> = held.iter().collect();
        in_order.sort_by_key(|(id, _)| **id);
        for (id, it) in in_order {
            for reserved in &it.reserved {
                let Some(kind) = self.kinds.get(&reserved.place.0).cloned() else { continue };
                if let Some(state) = self.key(&reserved.place, &kind) {
                    state.reserve(&reserved.grant, reserved.own, (*id, &it.who));
                }
            }
        }
        self.held = held;
    }

    fn catch_up(&mut self, position: u64, since: Since) {
        match since {
            // Of other policies it is known here.
            Since::Released(booking, who) if self.kinds.contains_key(&booking.policy) => {
                self.unbook(&booking, &who);
            }
            Since::Released(booking, who) => self.stranded.unbook(&booking, &who),
            Since::Granted { place, grant, who, waits } => {
                grant.booking().filter(|_| waits).into_iter().for_each(|booking| self.waits(booking, &who));
                self.change(&place.0, &place.1, |state| state.committed(&grant, &who, position));
            }
            Since::Freed { place, who } => self.was_freed(&place, &who),
        }
    }
}
