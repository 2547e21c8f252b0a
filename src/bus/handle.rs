//! The bus, as a handle and a builder show it.

use std::sync::Arc;

use regie_actors::agent::AgentSpec;
use regie_actors::bus::{
    Add, BusStats, Consumer, Consumes, Hands, Look, NotTold, SubscribeError, SubscriberSpec, Tell, TellError,
};
use regie_actors::system::StartError;
use regie_core::bus::SubscriberName;
use regie_core::event::Incoming;

use super::subscribe::Subscribe;
use super::subscriber::{Boxed, Subscriber};
use super::subscription::Subscription;
use crate::Handle;

impl Handle {
    /// Subscribes. What is committed after this has come back is delivered, if the subscription means it; a durable one goes
    /// on where it was acknowledged.
    ///
    /// # Errors
    /// If what is asked for is wrong, somebody holds the name, or the journal cannot be read.
    pub async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscription, SubscribeError> {
        let inbox = self.core.bus.ask(Add(subscribe.spec()?)).await.ok_or(SubscribeError::Closing)??;
        Ok(Subscription::new(inbox))
    }

    /// Puts an event into the queue of one named subscription, and nowhere else: it is not recorded, not judged, and not
    /// tried again after a restart.
    ///
    /// # Errors
    /// If its queue is full, or there is no such subscription now; the event is handed back.
    pub async fn tell(&self, name: &str, event: Incoming) -> Result<(), NotTold> {
        let gone = NotTold { name: name.into(), why: TellError::Gone, event: Box::new(event.clone()) };
        self.core.bus.ask(Tell { name: name.into(), event }).await.unwrap_or(Err(gone))
    }

    /// What may be seen of the bus.
    pub async fn bus_stats(&self) -> BusStats {
        self.core.bus.ask(Look).await.unwrap_or_default()
    }
}

/// A subscriber as a builder was told of it. Each runtime that is started of that builder has its own.
#[derive(Clone)]
pub(crate) struct Registered {
    name: String,
    subscribe: Subscribe,
    consumer: Arc<dyn Consumer>,
    blocks: bool,
}

impl Registered {
    pub(crate) fn new(name: &str, subscribe: Subscribe, subscriber: impl Subscriber, blocks: bool) -> Self {
        let subscribe = subscribe.durable(name);
        Self { name: name.to_string(), subscribe, consumer: Arc::new(Boxed(subscriber)), blocks }
    }

    /// Its subscription, and the agent that its gate stands in front of.
    pub(crate) fn start(self) -> Result<(SubscriberSpec, AgentSpec), StartError> {
        let refused = |why| StartError::Subscriber { name: self.name.clone(), why };
        let spec = self.subscribe.spec().map_err(refused)?;
        let name = SubscriberName::new(&self.name).map_err(|why| refused(why.into()))?;
        let Subscribe { retry, limits, .. } = self.subscribe;
        let hands = Hands::new(name.clone());
        let consumes = Consumes::new(Arc::clone(&hands), self.consumer);
        let agent = match self.blocks {
            true => AgentSpec::blocking(name.agent(), consumes, limits),
            false => AgentSpec::new(name.agent(), consumes, limits),
        };
        Ok((SubscriberSpec { name, spec, retry, lanes: limits.concurrency, hands }, agent))
    }
}
