//! Places among the calls that run: as many as there may be now, given in the order in which they were asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore};

/// Places whose number can be changed. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places(Arc<Inner>);

struct Inner {
    most: AtomicUsize,
    taken: AtomicUsize,
    /// Told when a place is free, or there are more.
    freed: Notify,
    /// Whose turn it is to take the next place. One permit, so that nobody is overtaken.
    turn: Semaphore,
}

/// A place, until it is dropped: on whatever thread that is.
pub(super) struct Taken(Places);

impl Places {
    pub(super) fn new(most: usize) -> Self {
        let (most, taken) = (AtomicUsize::new(most.max(1)), AtomicUsize::new(0));
        Self(Arc::new(Inner { most, taken, freed: Notify::new(), turn: Semaphore::new(1) }))
    }

    /// There are so many from now on. Who has one keeps it.
    pub(super) fn set(&self, most: usize) {
        self.0.most.store(most.max(1), Ordering::Release);
        self.0.freed.notify_one();
    }

    /// Comes back with a place once all who asked before have theirs, there is one, and `ready` has come back.
    pub(super) async fn take(&self, ready: impl Future<Output = ()>) -> Taken {
        // Never closed; and were it, nothing would run too much that the queue does not bound.
        let _turn = self.0.turn.acquire().await;
        let taken = loop {
            if let Some(taken) = self.try_take() {
                break taken;
            }
            self.0.freed.notified().await; // one that came before is not missed: it is kept for whoever asks next
        };
        ready.await;
        taken
    }

    /// Only whoever's turn it is comes here: others can but free places.
    fn try_take(&self) -> Option<Taken> {
        let is_free = self.0.taken.load(Ordering::Acquire) < self.0.most.load(Ordering::Acquire);
        is_free.then(|| {
            self.0.taken.fetch_add(1, Ordering::AcqRel);
            Taken(self.clone())
        })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let places = &self.0.0;
        places.taken.fetch_sub(1, Ordering::AcqRel);
        places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::ready;

    use super::*;

    fn now(places: &Places) -> Option<Taken> {
        places.take(ready(())).now_or_never()
    }

    #[test]
    fn there_are_as_many_places_as_were_said_last_and_who_has_one_keeps_it() {
        let places = Places::new(2);
        let (first, second) = (now(&places), now(&places));
        assert!(first.is_some() && second.is_some() && now(&places).is_none());
        places.set(1);
        drop(first);
        assert!(now(&places).is_none(), "one still has a place, and there is one");
        drop(second);
        let third = now(&places);
        assert!(third.is_some() && now(&places).is_none());
        places.set(2);
        assert!(now(&places).is_some());
    }

    #[test]
    fn who_asked_first_is_first_and_who_gives_up_holds_nobody() {
        let places = Places::new(1);
        let held = now(&places);
        let mut first = Box::pin(places.take(ready(())));
        let mut second = Box::pin(places.take(ready(())));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(held);
        assert!(second.as_mut().now_or_never().is_none(), "it is not its turn");
        drop(first);
        assert!(second.now_or_never().is_some());
    }
}
