//! What enters a shard, and the way there.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Instant;

use actix::{Message, Recipient};
use regie_core::Timestamp;
use regie_core::event::{CorrelationId, EventResult};
use regie_core::workflow::Command;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use crate::busy::UnderWay;
use crate::refused::Reason;

/// What a workflow is to do.
#[derive(Clone, Debug)]
pub enum Work {
    /// Take a command.
    Command(Arc<Command>),
    /// Look at what it owes: take what is due, and let go out again what is under way no more.
    Due,
}

/// How long the one who asks waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// Until the event is recorded with its verdict.
    #[default]
    Judged,
    /// Until its life is over.
    Ended,
}

/// The answer to an entry. Work that is no submit has no result.
pub type Answer = Result<Option<EventResult>, Reason>;

/// Something for one workflow. Whoever drops it unanswered has lost it, and its sender is told so.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Entry {
    /// Whose.
    pub correlation: CorrelationId,
    /// What.
    pub work: Work,
    /// In event time, when it entered: what it is decided by.
    pub as_of: Option<Timestamp>,
    /// Until when the sender waits.
    pub until: Until,
    /// Where the answer goes.
    pub reply: Option<oneshot::Sender<Answer>>,
    /// When it entered.
    pub since: Instant,
    /// Its place among those who may be under way; given back with the answer.
    pub permit: Option<OwnedSemaphorePermit>,
    /// Counts it as under way; none while it waits for something that may take days.
    pub under_way: Option<UnderWay>,
}

impl Entry {
    /// Answers, and gives back what it held.
    pub fn answer(self, answer: Answer) {
        // Before the answer: who has it finds its place free.
        drop(self.permit);
        drop(self.under_way);
        if let Some(reply) = self.reply {
            // Who does not wait any more does not care.
            let _ = reply.send(answer);
        }
    }
}

/// Where all shards are, in their order; none where one has not been up yet.
pub type Places<M> = Arc<[Option<Recipient<M>>]>;

/// The way to the shard of a correlation. Cheap to clone; it follows when a shard is restarted.
#[derive(Clone, Debug)]
pub struct Router(watch::Receiver<Places<Entry>>);

impl Router {
    /// Over a list of shards that its owner keeps up to date.
    pub fn new(shards: watch::Receiver<Places<Entry>>) -> Self {
        Self(shards)
    }

    /// Sends an entry to its shard; one that cannot be sent is answered here.
    pub fn send(&self, entry: Entry) {
        let shards = Arc::clone(&self.0.borrow());
        let refused = match shards.get(shard_of(&entry.correlation, shards.len())).and_then(Option::as_ref) {
            None => return entry.answer(Err(Reason::Closing)),
            Some(shard) => shard.try_send(entry),
        };
        match refused {
            Ok(()) => {}
            Err(actix::prelude::SendError::Full(entry)) => {
                entry.answer(Err(Reason::Full { limit: regie_core::limits::ADMISSION }))
            }
            Err(actix::prelude::SendError::Closed(entry)) => entry.answer(Err(Reason::Lost)),
        }
    }

    /// Comes back once there are shards to send to.
    pub async fn up(&self) {
        // With the sender gone, nobody will ever start any.
        let _ = self.0.clone().wait_for(|shards| shards.iter().all(Option::is_some)).await;
    }
}

/// The shard of a correlation, among so many. The same for the same count in every process.
pub fn shard_of(correlation: &str, shards: usize) -> usize {
    (hash_of(correlation) % shards.max(1) as u64) as usize
}

/// A hash that is the same in every process.
pub fn hash_of(correlation: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(correlation)
}
