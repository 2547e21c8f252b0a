//! Bringing a workflow into memory: a new one at once, a known one from its snapshot and what came after.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use regie_core::event::CorrelationId;
use regie_core::limits;
use regie_core::workflow::State;
use regie_journal::StoreError;

use super::slot::Phase;
use super::{Directory, Shard};
use crate::entry::hash_of;
use crate::metrics::ShardView;
use crate::refused::Reason;
use crate::workflow::{Body, Workflow};

/// How long a wake waits for the index to cover what it must.
const PATIENCE: Duration = Duration::from_secs(10);

impl Shard {
    /// Brings a workflow into memory, now or when others have come; its slot is there and waits.
    pub(super) fn wake(&mut self, correlation: &CorrelationId) {
        let least = match &mut self.directory {
            Directory::Known(known) => {
                if known.insert(hash_of(correlation)) {
                    return self.alive(correlation, Body::new(State::default(), 0));
                }
                0
            }
            Directory::Any(least) => *least,
        };
        if self.waking >= limits::WAKES_IN_FLIGHT {
            return self.to_wake.push_back(correlation.clone());
        }
        self.waking += 1;
        let whose = correlation.clone();
        let covered = self.left.get(correlation).copied().unwrap_or(0).max(least);
        let definitions = Arc::clone(&self.links.definitions);
        let read = self.links.readers.clone();
        let read = async move {
            read.run(move |reader| {
                reader.caught_up(covered, PATIENCE)?;
                Body::read(reader, &whose, &definitions)
            })
            .await
        };
        let correlation = correlation.clone();
        self.awaited.push(read, move |body, shard, _| {
            shard.waking -= 1;
            match body {
                Ok(body) => {
                    shard.tell_what_was_missed(&correlation, &body.state);
                    shard.alive(&correlation, body);
                }
                Err(error) => shard.cannot_wake(&correlation, error),
            }
            if let Some(next) = shard.to_wake.pop_front() {
                shard.wake(&next);
            }
        });
    }

    fn alive(&mut self, correlation: &CorrelationId, body: Body) {
        let epoch = self.next_epoch;
        self.next_epoch += 1;
        let Some(slot) = self.slots.get_mut(correlation) else { return };
        self.left.remove(correlation);
        if body.state.run().is_some_and(|run| !run.status.is_over()) {
            self.results.forget(correlation); // it went on after its end, and died before that was told here
        }
        if body.state.sequence == 0 {
            slot.due = Some(None); // nobody has set a timer for one that is new
        }
        slot.epoch = epoch;
        slot.stale = false;
        let workflow = Workflow::new(Rc::clone(&self.links), correlation.clone(), epoch, body);
        slot.phase = Phase::Live(workflow.live());
        if !slot.in_ring {
            slot.in_ring = true;
            self.ring.push_back(correlation.clone());
        }
        ShardView::up(&self.view.woken);
        self.hand_over_waiting(correlation);
        self.make_room();
    }

    fn cannot_wake(&mut self, correlation: &CorrelationId, error: StoreError) {
        self.tell_unreadable(correlation, &error);
        self.refuse_all(correlation, &Reason::Journal(error));
        self.slots.remove(correlation);
    }

    /// What passes is told once by whoever it keeps, and to each that is refused; here it would be a flood. So would damage
    /// that many workflows meet: it is told each time that their number has doubled.
    fn tell_unreadable(&mut self, correlation: &CorrelationId, error: &StoreError) {
        if error.is_passing() {
            return tracing::debug!(%correlation, %error, "a workflow cannot be read now");
        }
        self.unreadable += 1;
        if self.unreadable.is_power_of_two() {
            tracing::error!(%correlation, %error, so_far = self.unreadable, "a workflow cannot be read");
        } else {
            tracing::debug!(%correlation, %error, "another workflow cannot be read");
        }
    }
}
