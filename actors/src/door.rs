//! The door of a full runtime: who waits for room goes in by priority, fair by key, so that a flood of one key or of what is
//! less pressing keeps nobody out.
//!
//! Whoever finds room goes straight in and never comes here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use regie_core::event::Priority;
use regie_core::governance::FairQueue;
use regie_core::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// One who waits for room.
#[derive(Debug)]
struct Comer {
    priority: Priority,
    key: String,
    enter: oneshot::Sender<OwnedSemaphorePermit>,
}

/// The way to the door. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Door {
    comers: mpsc::Sender<Comer>,
    /// How many wait: a view, by which newcomers see that they are not the first.
    waiting: Arc<AtomicUsize>,
}

impl Door {
    /// A door to so many places, kept on a pool until the places are closed.
    pub fn keep(places: Arc<Semaphore>, pool: &tokio::runtime::Handle) -> Self {
        let (comers, coming) = mpsc::channel(limits::WAITERS);
        let waiting = Arc::new(AtomicUsize::new(0));
        pool.spawn(keep(places, coming));
        Self { comers, waiting }
    }

    /// Whether somebody waits: then a newcomer is not the first.
    pub fn has_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Waits for a place. Nothing once there will be none.
    ///
    /// # Cancellation
    /// Who stops waiting is passed over.
    pub async fn wait(&self, priority: Priority, key: &str) -> Option<OwnedSemaphorePermit> {
        let _counted = Counted::one(&self.waiting);
        let (enter, entered) = oneshot::channel();
        self.comers.send(Comer { priority, key: key.to_string(), enter }).await.ok()?;
        entered.await.ok()
    }
}

/// One that is counted for as long as it waits.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn one(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::AcqRel);
        Self(waiting)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn keep(places: Arc<Semaphore>, mut coming: mpsc::Receiver<Comer>) {
    let mut queue: FairQueue<oneshot::Sender<OwnedSemaphorePermit>> = FairQueue::default();
    loop {
        if queue.is_empty() {
            let Some(first) = coming.recv().await else { return };
            queue.push(first.priority, &first.key, first.enter);
        }
        // With the places closed, all who wait are told by the loss of this.
        let Ok(mut place) = Arc::clone(&places).acquire_owned().await else { return };
        while queue.len() < limits::WAITERS
            && let Ok(comer) = coming.try_recv()
        {
            queue.push(comer.priority, &comer.key, comer.enter);
        }
        while let Some(next) = queue.pop() {
            match next.send(place) {
                Ok(()) => break,
                Err(unused) => place = unused, // it waits no more
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::stream::{FuturesUnordered, StreamExt};

    use super::*;

    fn pool() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn the_more_pressing_go_first_and_a_flood_of_one_key_keeps_nobody_out() {
        let pool = pool();
        let places = Arc::new(Semaphore::new(0));
        let door = Door::keep(Arc::clone(&places), pool.handle());
        let order = pool.block_on(async {
            let mut waiting = FuturesUnordered::new();
            let wait = |priority, key: &'static str| {
                let door = door.clone();
                let mut entering = Box::pin(async move { door.wait(priority, key).await.map(|place| (place, key)) });
                assert!(entering.as_mut().now_or_never().is_none());
                waiting.push(entering);
            };
            (0..20).for_each(|_| wait(Priority::P2, "flood"));
            wait(Priority::P2, "other");
            wait(Priority::P0, "urgent");
            // All of them stand at the door before it opens.
            while door.comers.capacity() < door.comers.max_capacity() - 21 {
                tokio::task::yield_now().await;
            }
            places.add_permits(1);
            let mut order = Vec::new();
            while let Some(entered) = waiting.next().await {
                let (place, key) = entered.unwrap();
                order.push(key);
                drop(place);
            }
            order
        });
        assert!(order[..3].contains(&"urgent") && order[..4].contains(&"other"), "{order:?}");
        assert_eq!((order.len(), door.has_waiting()), (22, false));
    }

    #[test]
    fn who_stops_waiting_is_passed_over_and_a_closed_door_tells_all() {
        let pool = pool();
        let places = Arc::new(Semaphore::new(0));
        let door = Door::keep(Arc::clone(&places), pool.handle());
        pool.block_on(async {
            let mut gone = Box::pin(door.wait(Priority::P0, "gone"));
            assert!(gone.as_mut().now_or_never().is_none());
            drop(gone);
            let mut stays = Box::pin(door.wait(Priority::P3, "stays"));
            assert!(stays.as_mut().now_or_never().is_none());
            places.add_permits(1);
            assert!(stays.await.is_some());
            let mut late = Box::pin(door.wait(Priority::P0, "late"));
            assert!(late.as_mut().now_or_never().is_none() || places.available_permits() == 0);
            places.close();
            let _ = late.await;
        });
    }
}
