//! How much is under way, so that it can be waited for that nothing is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts what is under way. A view: nothing is decided by it.
#[derive(Clone, Debug, Default)]
pub struct Busy(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: AtomicUsize,
    idle: Notify,
}

/// Something under way, until it is dropped.
#[derive(Debug)]
pub struct UnderWay(Arc<Inner>);

impl Busy {
    /// Begins something.
    pub fn begin(&self) -> UnderWay {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        UnderWay(Arc::clone(&self.0))
    }

    /// How much is under way.
    pub fn count(&self) -> usize {
        self.0.count.load(Ordering::Acquire)
    }

    /// Comes back once nothing is under way.
    pub async fn settled(&self) {
        loop {
            let idle = self.0.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable(); // before looking, so that an end in between is not missed
            if self.count() == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
