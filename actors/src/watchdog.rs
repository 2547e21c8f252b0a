//! Names the workflow whose code holds its shard: users' pure functions run there, and must not block.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use regie_core::event::CorrelationId;
use regie_core::histogram::Histogram;
use regie_core::limits;
use tokio::sync::watch;

use crate::metrics::ShardView;

/// Who is deciding on one shard now, and since when, and how long definitions took to decide so far. A view: nothing is
/// decided by it.
#[derive(Clone, Debug)]
pub struct Holder(Arc<Held>);

#[derive(Debug)]
struct Held {
    now: watch::Sender<Option<(CorrelationId, Instant)>>,
    /// By definition; written by one shard alone.
    times: DashMap<String, Histogram>,
}

impl Default for Holder {
    fn default() -> Self {
        Self(Arc::new(Held { now: watch::Sender::new(None), times: DashMap::new() }))
    }
}

impl Holder {
    /// This one decides from now on.
    pub fn takes(&self, correlation: &CorrelationId) -> Instant {
        let now = Instant::now();
        self.0.now.send_replace(Some((correlation.clone(), now)));
        now
    }

    /// It has decided, by that definition, if it runs one.
    pub fn has_decided(&self, began: Instant, definition: Option<&str>) {
        self.0.now.send_replace(None);
        let Some(definition) = definition else { return };
        match self.0.times.get_mut(definition) {
            Some(mut times) => times.add(began.elapsed()),
            None => self.0.times.entry(definition.to_string()).or_default().add(began.elapsed()),
        }
    }

    /// How long definitions took to decide so far, by their names.
    pub fn times(&self) -> Vec<(String, Histogram)> {
        self.0.times.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect()
    }

    /// The one that holds the shard for longer than it should, and for how long.
    pub fn too_long(&self) -> Option<(CorrelationId, Duration)> {
        self.since().map(|(whose, since)| (whose, since.elapsed())).filter(|(_, held)| *held >= limits::SHARD_HELD)
    }

    fn since(&self) -> Option<(CorrelationId, Instant)> {
        self.0.now.borrow().clone()
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
