//! Letting go: who has been idle for long leaves memory, and so does the longest idle one when there are too many.

use std::sync::atomic::Ordering;
use std::time::Instant;

use regie_core::event::CorrelationId;

use super::Shard;
use super::slot::Phase;
use crate::entry::Entry;
use crate::metrics::ShardView;
use crate::workflow::{Ends, Leave, WorkflowView};

impl Shard {
    /// Lets go of everyone who has been idle for long.
    pub(super) fn let_idle_go(&mut self) {
        let now = Instant::now();
        for _ in 0..self.ring.len() {
            let Some(correlation) = self.ring.pop_front() else { break };
            let idle =
                self.slots.get(&correlation).is_some_and(|slot| now.duration_since(slot.touched) >= self.keep.idle);
            self.keep_or_let_go(correlation, idle);
        }
        self.forget_left();
        // Who has given up waiting keeps no place.
        self.work_ends.retain(|_, waiting| {
            waiting.retain(|reply| !reply.is_closed());
            !waiting.is_empty()
        });
        let waits = |entry: &Entry| entry.reply.as_ref().is_some_and(|reply| !reply.is_closed());
        self.event_ends.retain(|_, events| {
            events.retain(|_, waiting| {
                waiting.retain(waits);
                !waiting.is_empty()
            });
            !events.is_empty()
        });
        self.judgements.retain(|_, events| {
            events.retain(|_, waiting| {
                waiting.retain(|(entry, _)| waits(entry));
                !waiting.is_empty()
            });
            !events.is_empty()
        });
        self.results.sweep(self.links.clock.now());
        self.show();
    }

    /// Keeps how a run ended, for those who ask later; or lets go of that where it goes on after all.
    pub(super) fn run_ended(&mut self, correlation: &CorrelationId, ends: Ends, view: Option<&WorkflowView>) {
        match ends {
            Ends::No => {}
            Ends::GoesOn => {
                self.results.forget(correlation);
                if let Some(slot) = self.slots.get_mut(correlation) {
                    slot.leaves = false;
                }
            }
            Ends::Over => {
                if let Some(view) = view {
                    self.results.keep(correlation, view, self.links.clock.now());
                }
                if let Some(slot) = self.slots.get_mut(correlation) {
                    slot.leaves = true;
                }
            }
        }
    }

    /// Lets go at once of one whose run is over, if nothing of it is under way any more.
    pub(super) fn leave_if_over(&mut self, correlation: &CorrelationId) {
        let Some(slot) = self.slots.get(correlation).filter(|slot| slot.leaves) else { return };
        if self.is_busy(correlation) || !matches!(slot.phase, Phase::Live(_)) {
            return;
        }
        self.left_ring += usize::from(slot.in_ring);
        self.let_go(correlation);
        // Looked for one by one in the ring, each would cost a walk around it.
        if self.left_ring > 64 && 2 * self.left_ring > self.ring.len() {
            let slots = &self.slots;
            self.ring.retain(|correlation| slots.get(correlation).is_some_and(|slot| slot.in_ring));
            self.left_ring = 0;
        }
    }

    /// Shows those who look how much is held here.
    pub(super) fn show(&self) {
        let waiters = self.work_ends.len() + self.event_ends.len() + self.judgements.len();
        let (results, bytes) = self.results.count();
        let view = &self.view;
        for (counter, count) in [
            (&view.live, self.slots.len()),
            (&view.waiters, waiters),
            (&view.out, self.out.len() + self.asked.len()),
            (&view.results, results),
            (&view.result_bytes, bytes),
        ] {
            counter.store(count as u64, Ordering::Relaxed);
        }
    }

    /// Lets go of the first in the ring that can go, while there are too many. One that is busy goes to the ring's end.
    pub(super) fn make_room(&mut self) {
        // Where all are busy, a walk around the whole ring at each wake would hold the shard.
        const LOOKS: usize = 64;
        let mut looked_at = 0;
        while self.slots.len() > self.keep.live && looked_at < self.ring.len().min(LOOKS) {
            looked_at += 1;
            let Some(correlation) = self.ring.pop_front() else { break };
            self.keep_or_let_go(correlation, true);
        }
        self.view.live.store(self.slots.len() as u64, Ordering::Relaxed);
    }

    /// Forgets who has left, once the index covers what they did.
    fn forget_left(&mut self) {
        let indexed = self.links.readers.readers().indexed();
        self.left.retain(|_, position| *position > indexed);
    }

    fn keep_or_let_go(&mut self, correlation: CorrelationId, wanted: bool) {
        let busy = self.is_busy(&correlation);
        let Some(slot) = self.slots.get_mut(&correlation) else {
            self.left_ring = self.left_ring.saturating_sub(1);
            return;
        };
        if !matches!(slot.phase, Phase::Live(_)) {
            slot.in_ring = false; // it comes back to the ring when it comes back to life
            return;
        }
        if busy || !wanted {
            return self.ring.push_back(correlation);
        }
        self.let_go(&correlation);
    }

    /// Whether something of a workflow is under way.
    fn is_busy(&self, correlation: &CorrelationId) -> bool {
        self.slots.get(correlation).is_some_and(|slot| slot.held() > 0)
            || self.out.contains_key(correlation)
            || self.asked.contains_key(correlation)
    }

    /// Lets go of a live one of which nothing is under way.
    fn let_go(&mut self, correlation: &CorrelationId) {
        let Some(slot) = self.slots.remove(correlation) else { return };
        if let Phase::Live(workflow) = &slot.phase {
            // If it cannot be told, it ends all the same: its last address goes with the slot.
            let _ = workflow.try_send(Leave);
        }
        if slot.position > self.links.readers.readers().indexed() {
            self.left.insert(correlation.clone(), slot.position);
            if self.left.len() >= self.left.capacity() {
                self.forget_left(); // before it grows: most are covered by now
            }
        }
        ShardView::up(&self.view.passivated);
    }
}
