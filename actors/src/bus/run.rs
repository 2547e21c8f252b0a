//! Handing a subscriber's deliveries to its handler: in order, tried again, and given up as dead letters.

use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures::future::{Either, join, join_all, select};
use regie_core::Timestamp;
use regie_core::bus::Letter;
use regie_core::limits;
use regie_core::workflow::{AgentOutcome, EffectKey};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot, watch};

use super::delivery::Delivery;
use super::hand::Hand;
use super::inbox::{Counts, Inbox};
use super::spec::SubscriberSpec;
use super::{Links, cursor};
use crate::agent::{Call, abortable};

/// How soon a gate that is not there, or a journal that does not take a letter, is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// One subscriber's deliveries, from its inbox to its handler.
pub(super) struct Runner {
    pub(super) subscriber: SubscriberSpec,
    pub(super) inbox: Arc<Inbox>,
    pub(super) links: Links,
    pub(super) closing: watch::Receiver<bool>,
}

/// How one try ended.
enum Tried {
    Done,
    /// It was not tried: its gate is not there now.
    Lost,
    Failed {
        why: String,
        rejected: bool,
    },
}

/// A delivery that waits in a lane for those before it.
struct Waiting<'r> {
    delivery: Arc<Delivery>,
    /// Held until its turn comes.
    room: Option<SemaphorePermit<'r>>,
    inbox: &'r Inbox,
    is_done: bool,
}

impl Drop for Waiting<'_> {
    /// The bus is gone. A direct message is given back, for the next one to find.
    fn drop(&mut self) {
        if self.delivery.is_direct() && !self.is_done {
            self.inbox.put_back(Arc::clone(&self.delivery));
        }
    }
}

/// What may wait in lanes, so that one that stands still holds up no other: as many bytes as a queue may hold, and as many
/// deliveries as may be out.
struct Room {
    left: Semaphore,
    most: usize,
}

impl Room {
    fn new(lanes: usize) -> Self {
        // A lane that is alone holds up nobody: its deliveries wait in the inbox.
        let most = if lanes == 1 { 1 } else { limits::SUBSCRIPTION_BYTES };
        Self { left: Semaphore::new(most), most }
    }

    async fn take(&self, delivery: &Delivery) -> Option<SemaphorePermit<'_>> {
        let least = limits::SUBSCRIPTION_BYTES / limits::UNACKNOWLEDGED;
        let takes = delivery.bytes().max(least).min(self.most);
        self.left.acquire_many(u32::try_from(takes).unwrap_or(u32::MAX)).await.ok()
    }
}

impl Runner {
    /// Runs until the subscription ends, or the runtime is to: then what is under way is finished, and no more begun.
    pub(super) async fn run(self) {
        let lanes = self.subscriber.lanes.max(1);
        let room = Room::new(lanes);
        // Bounded by the room there is for all of them together.
        let (ways, inboxes): (Vec<_>, Vec<_>) = (0..lanes).map(|_| mpsc::unbounded_channel()).unzip();
        join(self.spread(ways, &room), join_all(inboxes.into_iter().map(|lane| self.lane(lane)))).await;
    }

    /// Each correlation has one lane, so that its deliveries stay in order.
    async fn spread<'r>(&'r self, ways: Vec<mpsc::UnboundedSender<Waiting<'r>>>, room: &'r Room) {
        loop {
            let next = std::pin::pin!(poll_fn(|context| self.inbox.poll(context)));
            let delivery = match select(std::pin::pin!(self.closes()), next).await {
                Either::Left(_) | Either::Right((None, _)) => return,
                Either::Right((Some(Err(_)), _)) => continue,
                Either::Right((Some(Ok(delivery)), _)) => delivery,
            };
            let lane = (hash(&**delivery.correlation()) % ways.len() as u64) as usize;
            let mut waiting = Waiting { delivery, room: None, inbox: &self.inbox, is_done: false };
            waiting.room = room.take(&waiting.delivery).await;
            if ways[lane].send(waiting).is_err() {
                return;
            }
        }
    }

    async fn lane(&self, mut lane: mpsc::UnboundedReceiver<Waiting<'_>>) {
        while let Some(mut waiting) = lane.recv().await {
            drop(waiting.room.take());
            // What is not done with comes again at the next start.
            if self.is_closing() || !self.handle(&waiting.delivery).await {
                return;
            }
            waiting.is_done = true;
            self.inbox.done(&waiting.delivery);
        }
    }

    /// Has one delivery handled, or given up as a dead letter. Says no if the runtime is to end before that.
    async fn handle(&self, delivery: &Arc<Delivery>) -> bool {
        let (first_at, mut failed) = (self.links.clock.now(), 0);
        loop {
            let (why, rejected) = match self.attempt(delivery, failed + 1).await {
                Tried::Done => return true,
                Tried::Lost if self.rests(AGAIN).await => continue,
                Tried::Lost => return false,
                Tried::Failed { why, rejected } => (why, rejected),
            };
            failed += 1;
            let wait = self.subscriber.retry.wait(failed, hash(&delivery.position()));
            match wait.filter(|_| !rejected) {
                None => return self.give_up(delivery, (failed, first_at), why).await,
                Some(wait) => {
                    Counts::add(&self.inbox.counts().retries, 1);
                    let (subscriber, position) = (self.subscriber.name.as_str(), delivery.position());
                    tracing::debug!(subscriber, position, failed, why, "a delivery failed; it is tried again");
                    if !self.rests(wait).await {
                        return false;
                    }
                }
            }
        }
    }

    async fn attempt(&self, delivery: &Arc<Delivery>, attempt: u32) -> Tried {
        let name = &self.subscriber.name;
        let Some(gate) = self.links.agents.gate(&name.agent()) else { return Tried::Lost };
        let rejected = AtomicBool::new(false);
        let hand = Arc::new(Hand { delivery: Arc::clone(delivery), attempt, rejected });
        let (task, _on_its_way) = self.subscriber.hands.put(Arc::clone(&hand));
        let (_handle, abort) = abortable();
        let (reply, outcome) = oneshot::channel();
        let key = EffectKey { step: delivery.position().to_string(), attempt };
        if gate.try_send(Call { correlation: name.cursor(), key, task, timeout: None, abort, reply }).is_err() {
            return Tried::Lost;
        }
        let Ok(outcome) = outcome.await else { return Tried::Lost };
        if matches!(outcome, AgentOutcome::Panicked(_)) {
            Counts::add(&self.inbox.counts().panics, 1);
        }
        match outcome.failure() {
            None => Tried::Done,
            Some(why) => Tried::Failed { why, rejected: hand.rejected.load(std::sync::atomic::Ordering::Acquire) },
        }
    }

    /// Keeps what was given up as a dead letter; it is done with only once that is durable.
    async fn give_up(&self, delivery: &Delivery, (attempts, first_at): (u32, Timestamp), error: String) -> bool {
        let (subscriber, position) = (self.subscriber.name.clone(), delivery.position());
        tracing::warn!(%subscriber, position, attempts, error, "a delivery was given up");
        if delivery.is_direct() {
            return true; // it stands nowhere, and nobody could try it again
        }
        let event = delivery.event();
        let letter = Letter {
            subscriber,
            correlation: event.correlation_id.clone(),
            source: event.source.clone(),
            id: event.id.clone(),
            kind: event.kind.clone(),
            position,
            error,
            attempts,
            first_at,
            last_at: self.links.clock.now(),
        };
        while let Err(why) = cursor::submit(&self.links.router, &self.links.busy, letter.event()).await {
            tracing::warn!(subscriber = %letter.subscriber, position, %why, "a dead letter was not kept; it is tried again");
            if why.is_latched() || !self.rests(AGAIN).await {
                return false; // the next life delivers it anew
            }
        }
        Counts::add(&self.inbox.counts().letters, 1);
        true
    }

    /// Waits; says no if the runtime is to end meanwhile.
    async fn rests(&self, wait: Duration) -> bool {
        let slept = self.links.clock.sleep(wait);
        matches!(select(std::pin::pin!(self.closes()), slept).await, Either::Right(_))
    }

    fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    async fn closes(&self) {
        // Without a bus there is nothing to run for.
        let _ = self.closing.clone().wait_for(|closing| *closing).await;
    }
}

fn hash(what: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
