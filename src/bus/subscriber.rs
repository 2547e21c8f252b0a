//! Subscribers with handlers.

use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use regie_actors::bus::{ActorSubscriber, Consumer, Delivery, HandleError, SubscriberContext};

use super::layers::{Layer, Layered};
use super::transform::{Transformed, Transforms};

/// Takes deliveries, each at least once: one that was not done with when the process ended comes again. Registered by
/// [`Builder::subscriber`](crate::Builder::subscriber).
pub trait Subscriber: Send + Sync + 'static {
    /// Takes one.
    fn handle(
        &self,
        delivery: Arc<Delivery>,
        context: SubscriberContext,
    ) -> impl Future<Output = Result<(), HandleError>> + Send;

    /// Puts a layer around this.
    fn layer<L: Layer>(self, layer: L) -> Layered<Self, L>
    where
        Self: Sized,
    {
        Layered::new(self, layer)
    }

    /// Puts transforms ahead of this.
    fn transform(self, transforms: Transforms) -> Transformed<Self>
    where
        Self: Sized,
    {
        Transformed::new(self, transforms)
    }
}

impl<F, D> Subscriber for F
where
    F: Fn(Arc<Delivery>) -> D + Send + Sync + 'static,
    D: Future<Output = Result<(), HandleError>> + Send,
{
    fn handle(
        &self,
        delivery: Arc<Delivery>,
        _: SubscriberContext,
    ) -> impl Future<Output = Result<(), HandleError>> + Send {
        self(delivery)
    }
}

/// Takes deliveries, and blocks its thread while it does.
pub trait BlockingSubscriber: Send + Sync + 'static {
    /// Takes one.
    fn handle(&self, delivery: Arc<Delivery>, context: SubscriberContext) -> Result<(), HandleError>;
}

impl<F> BlockingSubscriber for F
where
    F: Fn(Arc<Delivery>) -> Result<(), HandleError> + Send + Sync + 'static,
{
    fn handle(&self, delivery: Arc<Delivery>, _: SubscriberContext) -> Result<(), HandleError> {
        self(delivery)
    }
}

/// A blocking subscriber as one that layers can be put around, for
/// [`Builder::blocking_subscriber`](crate::Builder::blocking_subscriber) alone: only there it has threads of its own.
#[derive(Clone, Debug)]
pub struct Blocks<B>(pub B);

impl<B: BlockingSubscriber> Subscriber for Blocks<B> {
    async fn handle(&self, delivery: Arc<Delivery>, context: SubscriberContext) -> Result<(), HandleError> {
        self.0.handle(delivery, context)
    }
}

impl Subscriber for ActorSubscriber {
    async fn handle(&self, delivery: Arc<Delivery>, context: SubscriberContext) -> Result<(), HandleError> {
        self.hand(delivery, context).await
    }
}

/// A subscriber without its type.
pub(super) struct Boxed<S>(pub(super) S);

impl<S: Subscriber> Consumer for Boxed<S> {
    fn handle(&self, delivery: Arc<Delivery>, context: SubscriberContext) -> BoxFuture<'_, Result<(), HandleError>> {
        self.0.handle(delivery, context).boxed()
    }
}
