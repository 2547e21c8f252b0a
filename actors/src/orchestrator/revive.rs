//! After a death: behind a fence, after a backoff, from the journal, with the same tasks again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use regie_core::event::CorrelationId;
use regie_core::limits;

use super::Shard;
use super::admit::down;
use super::slot::{Deaths, Held, Phase, Slot};
use crate::lane::Fence;
use crate::metrics::ShardView;

impl Shard {
    /// A life is over. Of one that was let go there is no slot any more.
    pub(super) fn gone(&mut self, correlation: &CorrelationId, epoch: u64) {
        let Some(slot) = self.slots.get_mut(correlation).filter(|slot| slot.epoch == epoch) else { return };
        slot.epoch = 0; // nothing that it may still say counts
        let rest = if std::mem::take(&mut slot.stale) {
            Duration::ZERO
        } else {
            ShardView::up(&self.view.restarts);
            let rest = slot.died();
            let error = slot.last_error().unwrap_or_default().to_string();
            tracing::warn!(%correlation, error, rest_ms = rest.as_millis() as u64, "a workflow died; it is read anew");
            rest
        };
        let handed = std::mem::take(&mut slot.handed);
        for held in handed.into_iter().rev() {
            slot.waiting.push_front(held);
        }
        let storm = slot
            .deaths
            .as_ref()
            .is_some_and(|deaths| deaths.in_a_row > limits::RESTARTS || deaths.in_window > limits::RESTARTS_IN_WINDOW);
        slot.phase = if storm { Phase::Down(Instant::now() + limits::RESTART_WINDOW) } else { Phase::Resting };
        if storm {
            ShardView::up(&self.view.storms);
            let reason = down(slot, limits::RESTART_WINDOW);
            self.refuse_all(correlation, &reason);
        }
        self.read_anew(correlation, rest);
    }

    fn read_anew(&mut self, correlation: &CorrelationId, rest: Duration) {
        let fence = self.links.lane.send(Fence { correlation: correlation.clone() });
        let correlation = correlation.clone();
        let fenced = async move {
            // A lane that is gone takes nothing more: there is nothing to wait for.
            let _ = fence.await;
            if !rest.is_zero() {
                tokio::time::sleep(rest).await;
            }
        };
        self.awaited.push(fenced, move |(), shard, _| shard.rested(&correlation));
    }

    fn rested(&mut self, correlation: &CorrelationId) {
        let head = self.links.head();
        let Some(slot) = self.slots.get_mut(correlation).filter(|slot| matches!(slot.phase, Phase::Resting)) else {
            return;
        };
        // What it appended before it died may have no position here yet: the journal's end is late enough.
        self.left.insert(correlation.clone(), head);
        if slot.waiting.is_empty() && !self.out.contains_key(correlation) && slot.deaths.is_none() {
            slot.in_ring = false;
            self.slots.remove(correlation);
            return;
        }
        slot.phase = Phase::Waking;
        self.wake(correlation);
    }
}

impl Slot {
    /// Counts a death, and says how long to rest. The one that the workflow blamed has one attempt more; if it could blame
    /// nobody, everyone who was there has.
    fn died(&mut self) -> Duration {
        let deaths = self.deaths.get_or_insert_with(|| Box::new(Deaths::new()));
        if deaths.window_began.elapsed() > limits::RESTART_WINDOW {
            deaths.window_began = Instant::now();
            deaths.in_window = 0;
        }
        deaths.in_window += 1;
        deaths.in_a_row += 1;
        let blamed = deaths.blamed.take();
        let doubled = limits::RESTART_BACKOFF * 2_u32.pow(deaths.in_a_row.min(16) - 1);
        let blame = |held: &mut VecDeque<Held>| {
            let guilty = held.iter_mut().filter(|held| blamed.is_none_or(|ticket| held.ticket == ticket));
            guilty.for_each(|held| held.attempts += 1);
        };
        blame(&mut self.handed);
        jitter(doubled.min(limits::RESTART_BACKOFF_MAX))
    }
}

/// Between half and all of it, so that many that died together do not come back together.
fn jitter(rest: Duration) -> Duration {
    let drawn = u64::from(uuid::Uuid::now_v7().as_bytes()[15]); // its last byte is random
    rest / 2 + rest * u32::try_from(drawn).unwrap_or(0) / 512
}
