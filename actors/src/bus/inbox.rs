//! A subscription's inbox: the bus puts deliveries in, one subscriber takes them out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use regie_core::bus::{Acks, Overflow, Push, Queue};
use regie_core::limits;
use tokio::sync::Notify;

use super::delivery::Delivery;

/// Why deliveries are missing, or no more come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Missed {
    /// The oldest were dropped for want of room; what follows came after them.
    #[error("{count} deliveries were dropped for want of room")]
    Dropped {
        /// How many.
        count: u64,
    },
    /// The subscription has ended for want of room.
    #[error("disconnected for want of room: the delivery at position {at} and those after it were not taken")]
    Disconnected {
        /// The position of the first that was not taken.
        at: u64,
    },
}

/// What became of a delivery that was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Taken,
    NoRoom,
    Gone,
}

/// Rung for the bus: something is to be looked at.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Notify,
    gone: AtomicBool,
    acked: AtomicBool,
    crowded: AtomicBool,
}

impl Bell {
    pub(super) async fn rung(&self) {
        self.rung.notified().await;
    }

    /// Whether a subscription has ended since this was last asked.
    pub(super) fn take_gone(&self) -> bool {
        self.gone.swap(false, Ordering::AcqRel)
    }

    /// Whether something was acknowledged since this was last asked.
    pub(super) fn take_acked(&self) -> bool {
        self.acked.swap(false, Ordering::AcqRel)
    }

    /// Whether so much was that a cursor is to be recorded at once.
    pub(super) fn take_crowded(&self) -> bool {
        self.crowded.swap(false, Ordering::AcqRel)
    }
}

/// What is counted of one subscription.
#[derive(Debug, Default)]
pub struct Counts {
    /// Put into its queue.
    pub delivered: AtomicU64,
    /// Done with; of a durable one.
    pub acknowledged: AtomicU64,
    /// Dropped for want of room.
    pub dropped: AtomicU64,
    /// Failed tries that were tried again.
    pub retries: AtomicU64,
    /// Dead letters.
    pub letters: AtomicU64,
    /// Tries that panicked.
    pub panics: AtomicU64,
    /// Events for which its filter gave no answer; they were not delivered.
    pub unfiltered: AtomicU64,
}

impl Counts {
    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// A subscription's inbox.
#[derive(Debug)]
pub struct Inbox {
    // lock: two hands reach into one queue from different threads, and the one that puts drops the oldest; held for the length
    // of a push or a pop, and never while something is waited for.
    state: Mutex<State>,
    bell: Arc<Bell>,
    counts: Counts,
}

#[derive(Debug)]
struct State {
    queue: Queue<Arc<Delivery>>,
    /// Direct messages that were taken out and given back, before what is in the queue.
    returned: VecDeque<Arc<Delivery>>,
    /// The position of the last that was put in: what comes again is known by it.
    through: u64,
    /// Whether the bus waits for room.
    behind: bool,
    over: Option<Over>,
    waker: Option<Waker>,
    /// Of a durable subscription.
    acks: Option<Acks>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Disconnected(u64),
    Told,
}

impl Inbox {
    /// One that was offered everything up to a position. Of a durable one, how far that is recorded.
    pub(super) fn new(
        (most, overflow): (usize, Overflow),
        through: u64,
        recorded: Option<u64>,
        bell: Arc<Bell>,
    ) -> Self {
        let queue = Queue::new(most, limits::SUBSCRIPTION_BYTES, overflow);
        let acks = recorded.map(|recorded| Acks::resumed(through, recorded));
        let returned = VecDeque::new();
        let state = State { queue, returned, through, behind: false, over: None, waker: None, acks };
        Self { state: Mutex::new(state), bell, counts: Counts::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is counted of it.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Puts a delivery in; one that was put in before is known by its position.
    pub(super) fn put(&self, delivery: &Arc<Delivery>) -> Put {
        let mut state = self.lock();
        if state.over.is_some() {
            return Put::Gone;
        }
        if delivery.position() <= state.through {
            return Put::Taken;
        }
        let put = match state.queue.push(Arc::clone(delivery), delivery.bytes()) {
            Push::Taken => {
                state.through = delivery.position();
                Counts::add(&self.counts.delivered, 1);
                Put::Taken
            }
            Push::NoRoom => {
                state.behind = true;
                return Put::NoRoom;
            }
            Push::Ends => {
                state.over = Some(Over::Disconnected(delivery.position()));
                Put::Gone
            }
        };
        wake(state);
        put
    }

    /// Puts in what was sent to this one alone; says whether it fits.
    pub(super) fn put_direct(&self, delivery: Delivery) -> Put {
        let mut state = self.lock();
        let bytes = delivery.bytes();
        match (state.over, state.queue.fits(bytes)) {
            (Some(_), _) => return Put::Gone,
            (None, false) => return Put::NoRoom,
            (None, true) => state.queue.push(Arc::new(delivery), bytes),
        };
        Counts::add(&self.counts.delivered, 1);
        wake(state);
        Put::Taken
    }

    /// Gives a direct message back that nobody could take: it stands nowhere else.
    pub(super) fn put_back(&self, delivery: Arc<Delivery>) {
        let mut state = self.lock();
        if state.over.is_none() {
            state.returned.push_back(delivery);
        }
        wake(state);
    }

    /// The next delivery, or what is missing before it; nothing once no more come.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Arc<Delivery>, Missed>>> {
        let mut state = self.lock();
        let dropped = state.queue.take_dropped();
        if dropped > 0 {
            Counts::add(&self.counts.dropped, dropped);
            return Poll::Ready(Some(Err(Missed::Dropped { count: dropped })));
        }
        let may_hand_out = state.acks.as_ref().is_none_or(|acks| acks.outstanding() < limits::UNACKNOWLEDGED);
        if may_hand_out && let Some(delivery) = state.returned.pop_front().or_else(|| state.queue.pop()) {
            if let Some(acks) = &mut state.acks
                && !delivery.is_direct()
            {
                acks.hand_out(delivery.position());
            }
            if state.behind && state.queue.has_room() {
                state.behind = false;
                self.bell.rung.notify_one();
            }
            return Poll::Ready(Some(Ok(delivery)));
        }
        match state.over {
            Some(Over::Disconnected(at)) => {
                state.over = Some(Over::Told);
                Poll::Ready(Some(Err(Missed::Disconnected { at })))
            }
            Some(Over::Told) => Poll::Ready(None),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// A delivery is done with. Says whether it was out.
    pub fn done(&self, delivery: &Delivery) -> bool {
        let mut state = self.lock();
        let Some(acks) = &mut state.acks else { return false };
        if !acks.done(delivery.position()) {
            return false;
        }
        let since = acks.since();
        wake(state); // it may have waited for this
        Counts::add(&self.counts.acknowledged, 1);
        if since >= limits::ACKNOWLEDGED_AT_ONCE {
            self.bell.crowded.store(true, Ordering::Release);
            self.bell.rung.notify_one();
        } else if !self.bell.acked.swap(true, Ordering::AcqRel) {
            self.bell.rung.notify_one();
        }
        true
    }

    /// The cursor that is to be recorded, if it has moved, and how many were acknowledged since it was.
    pub(super) fn to_record(&self) -> Option<(u64, u64)> {
        let state = self.lock();
        let acks = state.acks.as_ref()?;
        Some((acks.to_record()?, acks.since()))
    }

    pub(super) fn is_recorded(&self, (through, since): (u64, u64)) {
        if let Some(acks) = &mut self.lock().acks {
            acks.is_recorded(through, since);
        }
    }

    /// Up to where a durable one is done with.
    pub(super) fn through(&self) -> Option<u64> {
        self.lock().acks.as_ref().map(Acks::through)
    }

    /// Begins again after what is done with: what was handed out was lost with whoever held it. Direct messages stay, for
    /// they stand nowhere else.
    pub(super) fn rewind(&self) -> Option<u64> {
        let mut state = self.lock();
        let through = state.acks.as_mut()?.rewind();
        state.queue.retain(|delivery| delivery.is_direct());
        (state.through, state.behind) = (through, false);
        Some(through)
    }

    /// No more come; what is in the queue still does.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        if state.over.is_none() {
            state.over = Some(Over::Told);
        }
        wake(state);
    }

    /// Nobody takes anything out any more.
    pub fn leave(&self) {
        let mut state = self.lock();
        state.over = Some(Over::Told);
        state.returned.clear();
        state.queue.clear();
        drop(state);
        self.bell.gone.store(true, Ordering::Release);
        self.bell.rung.notify_one();
    }

    pub(super) fn is_over(&self) -> bool {
        self.lock().over.is_some()
    }

    /// How many more it takes; whether it is worth reading on for it.
    pub(super) fn room(&self) -> Option<usize> {
        let state = self.lock();
        state.queue.has_room().then(|| state.queue.room())
    }

    /// Has the bell rung once there is room; says whether there is now.
    pub(super) fn waits_for_room(&self) -> bool {
        let mut state = self.lock();
        state.behind = !state.queue.has_room();
        !state.behind
    }

    pub(super) fn queued(&self) -> usize {
        self.lock().queue.len()
    }
}

/// Wakes whoever waits, once the lock is free.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use regie_core::Timestamp;
    use regie_core::event::Event;

    use super::*;

    fn delivery(position: u64) -> Delivery {
        let event = Event::new("a", "c").id(position.to_string()).build().unwrap();
        Delivery::new(&event, (position, 1), Timestamp::from_millis(0))
    }

    fn durable() -> Inbox {
        Inbox::new((8, Overflow::Wait), 0, Some(0), Arc::default())
    }

    fn next(inbox: &Inbox) -> Option<u64> {
        match inbox.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(delivery))) => Some(delivery.position()),
            _ => None,
        }
    }

    #[test]
    fn what_was_said_to_it_directly_is_still_there_when_it_begins_again() {
        let inbox = durable();
        assert_eq!(inbox.put(&Arc::new(delivery(1))), Put::Taken);
        assert_eq!(inbox.put_direct(delivery(0)), Put::Taken);
        assert_eq!(inbox.rewind(), Some(0));
        assert_eq!((next(&inbox), next(&inbox)), (Some(0), None));
    }

    #[test]
    fn what_was_said_to_it_directly_and_is_given_back_comes_before_the_rest() {
        let inbox = durable();
        inbox.put(&Arc::new(delivery(1)));
        inbox.put_back(Arc::new(delivery(0)));
        assert_eq!((next(&inbox), next(&inbox), next(&inbox)), (Some(0), Some(1), None));
    }
}
