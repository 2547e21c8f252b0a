//! What the bus holds: its subscriptions, and how far each has been offered what was committed. It outlives the actor.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use regie_core::bus::{ADVANCED, SubscriberName, When};
use regie_core::expr::View;
use regie_core::limits;

use super::inbox::{Counts, Inbox, Put};
use super::read::{Batch, Made};
use super::spec::Spec;

/// One subscription.
#[derive(Debug)]
pub(super) struct Sub {
    pub(super) spec: Spec,
    pub(super) inbox: Arc<Inbox>,
    /// Up to where it was offered everything, if it reads on by itself; none while it is served with the others.
    pub(super) cursor: Option<u64>,
}

/// What the bus holds.
///
/// Who is served with the others was offered everything up to `position`, or, should the actor have died in between, a part
/// of what follows: its inbox knows that by position.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) subs: BTreeMap<u64, Sub>,
    /// Who holds each name.
    names: HashMap<String, u64>,
    /// Who may want an event of a type, as far as patterns tell; filled when first asked.
    kinds: HashMap<String, Vec<u64>>,
    /// Those who have left with a cursor that is not recorded yet. Who takes the name takes that over.
    leaving: BTreeMap<SubscriberName, Arc<Inbox>>,
    /// Who reads on by itself.
    behind: BTreeSet<u64>,
    pub(super) position: u64,
    next: u64,
    /// How many want to know when events are processed.
    processed: usize,
    pub(super) events_read: u64,
    pub(super) deliveries: u64,
}

impl Held {
    /// Takes a subscription in that was offered everything up to a position.
    pub(super) fn add(&mut self, spec: Spec, inbox: Arc<Inbox>, cursor: u64, head: u64) {
        self.next += 1;
        let id = self.next;
        if let Some(name) = &spec.name {
            self.names.insert(name.to_string(), id);
            if spec.durable {
                self.leaving.remove(name);
            }
        }
        let cursor = cursor.min(head); // what is not there yet its inbox passes over
        for (kind, wanted) in &mut self.kinds {
            if spec.interest.fits(kind) {
                wanted.push(id);
            }
        }
        let sub = Sub { spec, inbox, cursor: Some(cursor) };
        self.processed += usize::from(sub.wants_processed());
        self.subs.insert(id, sub);
        self.behind.insert(id);
        self.join(id, cursor, head);
    }

    /// Lets one that reads on by itself join the others, if it has come as far as they. With nobody to join, that is the end
    /// of the journal.
    fn join(&mut self, id: u64, cursor: u64, head: u64) {
        let alone = !self.serves();
        if cursor < if alone { head } else { self.position } {
            return;
        }
        if alone {
            self.position = cursor;
        }
        self.behind.remove(&id);
        if let Some(sub) = self.subs.get_mut(&id) {
            sub.cursor = None;
        }
    }

    /// Whether there is anybody who is served with the others.
    pub(super) fn serves(&self) -> bool {
        self.subs.len() > self.behind.len()
    }

    /// Whether anybody wants to know when events are processed.
    pub(super) fn wants_processed(&self) -> bool {
        self.processed > 0
    }

    /// Who holds a name now.
    pub(super) fn named(&self, name: &str) -> Option<&Sub> {
        let sub = self.subs.get(self.names.get(name)?)?;
        (!sub.inbox.is_over()).then_some(sub)
    }

    /// Where the one stood who left that name, if that is not recorded yet.
    pub(super) fn left_at(&self, name: &SubscriberName) -> u64 {
        self.leaving.get(name).and_then(|inbox| inbox.through()).unwrap_or(0)
    }

    /// Those whose cursors may be to be recorded, be it that they have left.
    pub(super) fn durable(&self) -> impl Iterator<Item = (&SubscriberName, &Arc<Inbox>)> {
        let here = self.subs.values().filter_map(|sub| Some((sub.spec.name.as_ref()?, &sub.inbox)));
        here.chain(&self.leaving)
    }

    /// All that one did with is recorded.
    pub(super) fn has_recorded(&mut self, name: &SubscriberName) {
        if self.leaving.get(name).is_some_and(|inbox| inbox.to_record().is_none()) {
            self.leaving.remove(name);
        }
    }

    /// Forgets those that are over; of a durable one only once its cursor is recorded.
    pub(super) fn sweep(&mut self) {
        let gone: Vec<u64> = self.subs.iter().filter(|(_, sub)| sub.inbox.is_over()).map(|(id, _)| *id).collect();
        for id in gone {
            let Some(sub) = self.subs.remove(&id) else { continue };
            self.processed -= usize::from(sub.wants_processed());
            self.behind.remove(&id);
            self.names.retain(|_, holder| *holder != id);
            if let Some(name) = sub.spec.name.filter(|_| sub.spec.durable) {
                self.leaving.insert(name, sub.inbox);
            }
        }
        self.leaving.retain(|_, inbox| inbox.to_record().is_some());
    }

    /// Offers what was read to all who are served together.
    pub(super) fn offer(&mut self, batch: &Batch, mut each: impl FnMut()) {
        self.events_read += batch.events;
        if !batch.processed && self.wants_processed() {
            self.part_those_who_want_processed();
        }
        for made in &batch.made {
            each();
            self.offer_one(made);
        }
        self.position = batch.last.unwrap_or(self.position).max(self.position);
    }

    /// Who came while a batch was being read that does not tell of them reads on by itself.
    fn part_those_who_want_processed(&mut self) {
        for (id, sub) in &mut self.subs {
            if sub.cursor.is_none() && sub.wants_processed() {
                sub.cursor = Some(self.position);
                self.behind.insert(*id);
            }
        }
    }

    fn offer_one(&mut self, made: &Made) {
        let event = made.delivery.event();
        if !self.kinds.contains_key(&event.kind) {
            if self.kinds.len() >= limits::BUS_TYPES {
                self.kinds.clear();
            }
            let wanted = self.subs.iter().filter(|(_, sub)| sub.spec.interest.fits(&event.kind)).map(|(id, _)| *id);
            self.kinds.insert(event.kind.clone(), wanted.collect());
        }
        let Some(wanted) = self.kinds.get_mut(&event.kind) else { return };
        let view = View::new().event(event);
        let mut gone = false;
        for id in wanted.iter() {
            let Some(sub) = self.subs.get_mut(id) else {
                gone = true;
                continue;
            };
            if sub.cursor.is_some() || !sub.means(made, &view) {
                continue;
            }
            match sub.inbox.put(&made.delivery) {
                Put::Taken => self.deliveries += 1,
                Put::Gone => {}
                Put::NoRoom => {
                    sub.cursor = Some(made.delivery.position() - 1);
                    self.behind.insert(*id);
                }
            }
        }
        if gone {
            wanted.retain(|id| self.subs.contains_key(id));
        }
    }

    /// Where to read on for those who do so by themselves and have room, and how many they take: the furthest behind first.
    pub(super) fn catches_up(&self, head: u64) -> Option<(u64, usize)> {
        let wanting = self.behind.iter().filter_map(|id| self.subs.get(id));
        let reach = if self.serves() { self.position } else { head };
        let with_room = wanting.filter_map(|sub| {
            let cursor = sub.cursor.filter(|cursor| *cursor < reach)?;
            Some((cursor, sub.inbox.waits_for_room().then(|| sub.inbox.room()).flatten()?))
        });
        with_room.min_by_key(|(cursor, _)| *cursor)
    }

    /// Offers what was read after a position to those who had been offered just what was before.
    pub(super) fn catch_up(&mut self, after: u64, batch: &Batch, head: u64) {
        self.events_read += batch.events;
        let those: Vec<u64> = self.behind.iter().copied().collect();
        for id in those {
            let told = |sub: &&mut Sub| sub.cursor == Some(after) && (batch.processed || !sub.wants_processed());
            let Some(sub) = self.subs.get_mut(&id).filter(told) else { continue };
            let (cursor, put) = sub.catch_up(batch, after);
            sub.cursor = Some(cursor);
            self.deliveries += put;
            self.join(id, cursor, head);
        }
    }

    /// Has those whose handler is gone with the actor begin again after what is done with.
    pub(super) fn rewind(&mut self, name: &str) -> Option<Arc<Inbox>> {
        let id = *self.names.get(name)?;
        let sub = self.subs.get_mut(&id)?;
        sub.cursor = Some(sub.inbox.rewind()?);
        self.behind.insert(id);
        Some(Arc::clone(&sub.inbox))
    }
}

impl Sub {
    fn wants_processed(&self) -> bool {
        self.spec.interest.when == When::Processed
    }

    /// Whether it means an event whose type fits.
    fn means(&self, made: &Made, view: &View<'_>) -> bool {
        let now = match self.spec.interest.when {
            When::Committed => made.committed,
            When::Processed => made.processed,
        };
        let event = made.delivery.event();
        // A cursor that moves by the news of its own moving would never rest.
        if !now || self.spec.durable && event.kind == ADVANCED && event.correlation_id.is_own() {
            return false;
        }
        self.spec.interest.passes(event, view).unwrap_or_else(|_| {
            Counts::add(&self.inbox.counts().unfiltered, 1);
            false
        })
    }

    /// Puts in what it means; says how far it came, and how many were put in.
    fn catch_up(&self, batch: &Batch, after: u64) -> (u64, u64) {
        let mut put = 0;
        for made in &batch.made {
            let event = made.delivery.event();
            if !self.spec.interest.fits(&event.kind) || !self.means(made, &View::new().event(event)) {
                continue;
            }
            match self.inbox.put(&made.delivery) {
                Put::Taken => put += 1,
                Put::NoRoom => return (made.delivery.position() - 1, put),
                Put::Gone => break,
            }
        }
        (batch.last.unwrap_or(after), put)
    }
}

impl Drop for Held {
    /// Nobody serves them any more. Runs while a panic unwinds only where nobody takes over.
    fn drop(&mut self) {
        self.subs.values().for_each(|sub| sub.inbox.end());
    }
}

#[cfg(test)]
mod tests {
    use regie_core::Timestamp;
    use regie_core::bus::{Interest, Overflow};
    use regie_core::event::{Event, Pattern};

    use super::super::delivery::Delivery;
    use super::*;

    /// Of events of the type `a`, after a position.
    fn subscribed(held: &mut Held, when: When, after: u64, head: u64) -> Arc<Inbox> {
        let patterns = vec![Pattern::parse("a").unwrap()];
        let spec = Spec { interest: Arc::new(Interest { patterns, when, ..Interest::default() }), ..Spec::new() };
        let inbox = Arc::new(Inbox::new((8, Overflow::Wait), after, None, Arc::default()));
        held.add(spec, Arc::clone(&inbox), after, head);
        inbox
    }

    /// One event, which is committed and processed by the record at a position.
    fn one(position: u64) -> Batch {
        let event = Event::new("a", "c").id(position.to_string()).build().unwrap();
        let delivery = Arc::new(Delivery::new(&event, (position, 1), Timestamp::from_millis(0)));
        let made = vec![Made { delivery, committed: true, processed: true }];
        Batch { made, last: Some(position), events: 1, processed: true }
    }

    /// The same, read when nobody wanted to know what is processed.
    fn of_committed_alone(batch: Batch) -> Batch {
        Batch { made: Vec::new(), processed: false, ..batch }
    }

    #[test]
    fn who_begins_beyond_the_end_has_nobody_read_what_is_not_there() {
        let mut held = Held::default();
        let beyond = subscribed(&mut held, When::Committed, 100, 5);
        let now = subscribed(&mut held, When::Committed, 5, 5);
        assert_eq!((held.catches_up(5), held.position), (None, 5));
        held.offer(&one(6), || {});
        held.offer(&one(101), || {});
        assert_eq!((beyond.queued(), now.queued()), (1, 2));
    }

    #[test]
    fn who_wants_processed_ones_and_comes_while_others_are_read_for_is_told_of_them_all_the_same() {
        let mut held = Held::default();
        subscribed(&mut held, When::Committed, 5, 5);
        let processed = subscribed(&mut held, When::Processed, 5, 5);
        held.offer(&of_committed_alone(one(6)), || {});
        assert_eq!(held.catches_up(6).map(|(after, _)| after), Some(5));
        held.catch_up(5, &of_committed_alone(one(6)), 6);
        held.catch_up(5, &one(6), 6);
        assert_eq!((processed.queued(), held.catches_up(6)), (1, None));
    }

    #[test]
    fn who_has_left_is_remembered_until_the_cursor_is_recorded_and_not_after() {
        let (mut held, name) = (Held::default(), SubscriberName::new("billing").unwrap());
        let spec = Spec { name: Some(name.clone()), durable: true, ..Spec::new() };
        let inbox = Arc::new(Inbox::new((8, Overflow::Wait), 7, Some(3), Arc::default()));
        held.add(spec, Arc::clone(&inbox), 7, 7);
        inbox.leave();
        held.sweep();
        assert_eq!((held.subs.len(), held.left_at(&name), held.durable().count()), (0, 7, 1));
        inbox.is_recorded((7, 0));
        held.sweep();
        assert_eq!((held.left_at(&name), held.durable().count()), (0, 0));
    }
}
