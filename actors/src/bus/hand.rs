//! The agent that a subscriber with a handler is registered as: its gate gives it concurrency, time limits and isolation.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::{Message, Recipient};
use dashmap::DashMap;
use futures::future::BoxFuture;
use regie_core::bus::{Letter, SubscriberName};
use regie_core::entity::EntityState;
use regie_core::event::{Catalogue, EntityRef};
use regie_core::{Json, Timestamp};
use regie_journal::StoreError;
use serde::{Deserialize, Serialize};

use super::delivery::Delivery;
use super::read;
use crate::agent::{Agent, AgentError, AgentTask, BlockingAgent};
use crate::clock::Clock;
use crate::entities::read_state;
use crate::pool::ReaderPool;

/// How long a look at an entity waits for the index.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a handler did not take a delivery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// It may be taken another time.
    #[error("{0}")]
    Retry(String),
    /// It will never be taken: a dead letter at once.
    #[error("{0}")]
    Reject(String),
}

/// Takes deliveries.
pub trait Consumer: Send + Sync + 'static {
    /// Takes one.
    fn handle(&self, delivery: Arc<Delivery>, context: SubscriberContext) -> BoxFuture<'_, Result<(), HandleError>>;
}

/// One delivery, as an actix message: see [`ActorSubscriber`].
#[derive(Clone, Message)]
#[rtype(result = "Result<(), HandleError>")]
pub struct Delivered {
    /// The delivery.
    pub delivery: Arc<Delivery>,
    /// What else there is to know.
    pub context: SubscriberContext,
}

/// An actix actor of yours as a subscriber, by its recipient. It runs where you started it; it must not hold its own arbiter.
/// Where it does not answer, the delivery is tried again as the subscription says.
pub struct ActorSubscriber(pub Recipient<Delivered>);

impl ActorSubscriber {
    /// Hands it one, and waits for what it says.
    ///
    /// # Errors
    /// What the actor says; [`HandleError::Retry`] where it does not answer.
    pub async fn hand(&self, delivery: Arc<Delivery>, context: SubscriberContext) -> Result<(), HandleError> {
        let silent = |error| Err(HandleError::Retry(format!("the actor does not answer: {error}")));
        self.0.send(Delivered { delivery, context }).await.unwrap_or_else(silent)
    }
}

/// What a handler knows besides the delivery. Cheap to clone.
#[derive(Clone)]
pub struct SubscriberContext {
    /// The subscriber's name.
    pub subscriber: SubscriberName,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// When it will be stopped.
    pub deadline: Timestamp,
    tools: Tools,
}

impl SubscriberContext {
    /// The state of an entity by all that was committed up to a delivery, and perhaps more; nothing if nothing is known.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn entity(&self, entity: &EntityRef, least: u64) -> Result<Option<EntityState>, StoreError> {
        let (entity, catalogue) = (entity.clone(), self.tools.catalogue.clone());
        let read = self.tools.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            read_state(reader, &entity, None, &catalogue)
        });
        read.await
    }

    /// Comes back after a duration, by the runtime's clock.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.tools.clock.sleep(duration)
    }
}

/// What handlers are given of the runtime.
#[derive(Clone)]
struct Tools {
    readers: ReaderPool,
    clock: Clock,
    pool: tokio::runtime::Handle,
    catalogue: Catalogue,
}

/// A delivery on its way to the handler, and what that said besides its outcome.
pub(super) struct Hand {
    pub(super) delivery: Arc<Delivery>,
    pub(super) attempt: u32,
    pub(super) rejected: AtomicBool,
}

/// What is on its way to one subscriber's handler, by the number that its task has. A view: one that is not here is read
/// from the journal.
pub struct Hands {
    name: SubscriberName,
    on_the_way: DashMap<u64, Arc<Hand>>,
    next: AtomicU64,
    tools: OnceLock<Tools>,
}

#[derive(Serialize, Deserialize)]
struct Task {
    hand: u64,
}

impl Hands {
    /// Of a subscriber.
    pub fn new(name: SubscriberName) -> Arc<Self> {
        Arc::new(Self { name, on_the_way: DashMap::new(), next: AtomicU64::new(1), tools: OnceLock::new() })
    }

    /// Gives handlers what they need of the runtime, before anything can be handed to them.
    pub(crate) fn equip(&self, readers: ReaderPool, clock: Clock, pool: tokio::runtime::Handle, catalogue: Catalogue) {
        let _ = self.tools.set(Tools { readers, clock, pool, catalogue }); // once a runtime
    }

    /// Puts one on its way: its task.
    pub(super) fn put(self: &Arc<Self>, hand: Arc<Hand>) -> (Json, Taken) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.on_the_way.insert(number, hand);
        (Json::of(&Task { hand: number }), Taken { hands: Arc::clone(self), number })
    }

    async fn find(&self, task: &AgentTask) -> Result<Arc<Hand>, AgentError> {
        if let Ok(Task { hand }) = task.task.to() {
            let found = self.on_the_way.get(&hand).map(|entry| Arc::clone(entry.value()));
            return found.ok_or_else(|| AgentError::new("the delivery was given up"));
        }
        let letter: Letter = task.task.to().map_err(|_| AgentError::new("this is neither a delivery nor a letter"))?;
        let tools = self.tools()?;
        let catalogue = tools.catalogue.clone();
        let read = tools.readers.run(move |reader| read::again(reader, letter.position, &catalogue)).await;
        let delivery = read.map_err(|error| AgentError::new(error.to_string()))?;
        let missing = || AgentError::new(format!("no event was delivered at position {}", letter.position));
        let delivery = Arc::new(delivery.ok_or_else(missing)?);
        Ok(Arc::new(Hand { delivery, attempt: letter.attempts.saturating_add(1), rejected: AtomicBool::new(false) }))
    }

    fn tools(&self) -> Result<&Tools, AgentError> {
        self.tools.get().ok_or_else(|| AgentError::new("the bus has not begun yet"))
    }
}

/// A delivery that is on its way until this is dropped.
pub(super) struct Taken {
    hands: Arc<Hands>,
    number: u64,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.hands.on_the_way.remove(&self.number);
    }
}

/// The agent of a subscriber.
pub struct Consumes {
    hands: Arc<Hands>,
    consumer: Arc<dyn Consumer>,
}

impl Consumes {
    /// Has a consumer take what is handed to it.
    pub fn new(hands: Arc<Hands>, consumer: Arc<dyn Consumer>) -> Self {
        Self { hands, consumer }
    }

    async fn take(&self, task: AgentTask) -> Result<Json, AgentError> {
        let hand = self.hands.find(&task).await?;
        let (subscriber, tools) = (self.hands.name.clone(), self.hands.tools()?.clone());
        let context = SubscriberContext { subscriber, attempt: hand.attempt, deadline: task.deadline, tools };
        match self.consumer.handle(Arc::clone(&hand.delivery), context).await {
            Ok(()) => Ok(Json::null()),
            Err(HandleError::Retry(why)) => Err(AgentError::new(why)),
            Err(HandleError::Reject(why)) => {
                hand.rejected.store(true, Ordering::Release);
                Err(AgentError::new(why))
            }
        }
    }
}

impl Agent for Consumes {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        self.take(task).await
    }
}

impl BlockingAgent for Consumes {
    fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        // What waits for time around the handler finds it there.
        let _pool = self.hands.tools()?.pool.enter();
        futures::executor::block_on(self.take(task))
    }
}
