//! Names the workflow whose code holds its shard: users' pure functions run there, and must not block.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regie_core::event::CorrelationId;
use regie_core::limits;
use tokio::sync::watch;

use crate::metrics::ShardView;

/// Who is deciding on one shard now, and since when. A view: nothing is decided by it.
#[derive(Clone, Debug)]
pub struct Holder(Arc<watch::Sender<Option<(CorrelationId, Instant)>>>);

impl Default for Holder {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Holder {
    /// This one decides from now on.
    pub fn takes(&self, correlation: &CorrelationId) {
        self.0.send_replace(Some((correlation.clone(), Instant::now())));
    }

    /// It has decided.
    pub fn is_free(&self) {
        self.0.send_replace(None);
    }

    /// The one that holds the shard for longer than it should, and for how long.
    pub fn too_long(&self) -> Option<(CorrelationId, Duration)> {
        self.since().map(|(whose, since)| (whose, since.elapsed())).filter(|(_, held)| *held >= limits::SHARD_HELD)
    }

    fn since(&self) -> Option<(CorrelationId, Instant)> {
        self.0.borrow().clone()
    }
}

/// Looks at all shards again and again, and names who holds one for too long: once for each time.
pub async fn watch(shards: Vec<(Holder, Arc<ShardView>)>) {
    let mut told: Vec<Option<Instant>> = vec![None; shards.len()];
    let mut interval = tokio::time::interval(limits::SHARD_HELD / 2);
    loop {
        interval.tick().await;
        for (at, (holder, view)) in shards.iter().enumerate() {
            let Some((correlation, since)) = holder.since().filter(|(_, since)| since.elapsed() >= limits::SHARD_HELD)
            else {
                continue;
            };
            if told[at] != Some(since) {
                told[at] = Some(since);
                ShardView::up(&view.held);
                let held_ms = since.elapsed().as_millis() as u64;
                tracing::error!(%correlation, shard = at, held_ms, "a handler or condition holds its shard: it must not block");
            }
        }
    }
}
