//! Letting in, and handing over.

use actix::prelude::*;
use regie_core::event::CorrelationId;
use regie_core::limits;
use regie_core::workflow::State;

use super::slot::{Asker, Held, Phase, Slot};
use super::{AwaitEnd, Directory, Shard, Wanted};
use crate::entry::{Entry, hash_of};
use crate::metrics::ShardView;
use crate::refused::Reason;
use crate::workflow::Deliver;
use crate::workflow::view;

impl Shard {
    pub(super) fn enter(&mut self, entry: Entry) {
        let correlation = entry.correlation.clone();
        self.admit(&correlation, Asker::Entry(entry));
    }

    pub(super) fn await_end(&mut self, message: AwaitEnd) {
        let AwaitEnd { correlation, wanted, reply } = message;
        let now = self.links.clock.now();
        let kept = match wanted {
            Wanted::Forget => self.results.forget(&correlation),
            Wanted::Kept => self.results.get(&correlation, now).cloned(),
            // One in memory knows better.
            Wanted::End if !self.slots.contains_key(&correlation) => self.results.get(&correlation, now).cloned(),
            Wanted::End | Wanted::Look | Wanted::Whole => None,
        };
        match (kept, wanted) {
            // Who does not wait any more does not care.
            (Some(view), _) => drop(reply.send(view)),
            (None, Wanted::Kept | Wanted::Forget) => {} // dropping the reply tells it
            // Nobody is made for a look at one that does not exist.
            (None, Wanted::Look | Wanted::Whole) if self.is_unheard_of(&correlation) => {
                drop(reply.send(view(&State::default())))
            }
            (None, Wanted::End | Wanted::Look | Wanted::Whole) => {
                self.admit(&correlation, Asker::Look { wanted, reply });
            }
        }
        self.show();
    }

    /// Whether the journal certainly does not know it.
    fn is_unheard_of(&self, correlation: &CorrelationId) -> bool {
        matches!(&self.directory, Directory::Known(known) if !known.contains(&hash_of(correlation)))
            && !self.slots.contains_key(correlation)
    }

    fn admit(&mut self, correlation: &CorrelationId, asker: Asker) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let held = Held { ticket, asker, attempts: 0 };
        let Some(slot) = self.slots.get_mut(correlation) else {
            let mut slot = Box::new(Slot::new());
            slot.waiting.push_back(held);
            self.slots.insert(correlation.clone(), slot);
            return self.wake(correlation);
        };
        slot.touched = std::time::Instant::now();
        // What the runtime itself sends, it sends again: a workflow's mailbox has room for all that its shard holds.
        let limit = if held.is_external() { limits::QUEUED_PER_WORKFLOW } else { 4 * limits::QUEUED_PER_WORKFLOW };
        if slot.held() >= limit {
            let queued = slot.held();
            return self.refuse(held, Reason::Crowded { queued });
        }
        match &slot.phase {
            Phase::Live(_) => self.hand_over(correlation, held),
            Phase::Waking | Phase::Resting => slot.waiting.push_back(held),
            Phase::Down(until) => match until.checked_duration_since(std::time::Instant::now()) {
                Some(left) => {
                    let reason = down(slot, left);
                    self.refuse(held, reason);
                }
                None => {
                    slot.deaths = None;
                    slot.phase = Phase::Waking;
                    slot.waiting.push_back(held);
                    self.left.insert(correlation.clone(), self.links.head());
                    self.wake(correlation);
                }
            },
        }
    }

    /// Hands a task to a live workflow. Should it have died this instant, the task is handed over again after its revival.
    fn hand_over(&mut self, correlation: &CorrelationId, held: Held) {
        let Some(slot) = self.slots.get_mut(correlation) else { return };
        let item = held.item(slot.last_error());
        slot.handed.push_back(held);
        if let Phase::Live(workflow) = &slot.phase {
            // Full is out of the question, its capacity being above what a shard holds; closed is told by its lifeline.
            if let Err(SendError::Full(_)) = workflow.try_send(Deliver(item)) {
                tracing::error!(%correlation, "a workflow's mailbox is smaller than what its shard holds");
            }
        }
    }

    /// Hands over whatever has waited, to a workflow that has just come to life.
    pub(super) fn hand_over_waiting(&mut self, correlation: &CorrelationId) {
        let waiting = self.slots.get_mut(correlation).map(|slot| std::mem::take(&mut slot.waiting));
        waiting.into_iter().flatten().for_each(|held| self.hand_over(correlation, held));
    }

    pub(super) fn refuse(&self, held: Held, reason: Reason) {
        match held.asker {
            Asker::Entry(entry) => {
                ShardView::up(&self.view.refused);
                entry.answer(Err(reason));
            }
            Asker::Look { .. } => {} // dropping the reply tells it
        }
    }

    pub(super) fn refuse_all(&mut self, correlation: &CorrelationId, reason: &Reason) {
        let Some(slot) = self.slots.get_mut(correlation) else { return };
        let held: Vec<Held> = slot.handed.drain(..).chain(slot.waiting.drain(..)).collect();
        held.into_iter().for_each(|held| self.refuse(held, reason.clone()));
    }
}

pub(super) fn down(slot: &Slot, left: std::time::Duration) -> Reason {
    let deaths = slot.deaths.as_ref();
    Reason::Down {
        deaths: deaths.map_or(0, |deaths| deaths.in_window),
        last: deaths.map_or(String::new(), |deaths| deaths.last_error.clone()),
        retry_after_s: left.as_secs() + 1,
    }
}
