//! Middleware: layers around a subscriber.
//!
//! A layer sees a delivery before the subscriber does, and its outcome after. What it does not hand on to `next` is not
//! handled.

mod retry;
mod state_check;
mod timing;
mod tracing;

use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use regie_actors::bus::{Delivery, HandleError, SubscriberContext};

use super::subscriber::Subscriber;
pub use retry::Retry;
pub use state_check::StateCheck;
pub use timing::{Timed, Timing};
pub use tracing::Tracing;

/// A layer around a subscriber.
pub trait Layer: Send + Sync + 'static {
    /// Takes a delivery, and hands it on, or does not.
    fn handle(
        &self,
        delivery: Arc<Delivery>,
        context: SubscriberContext,
        next: Next<'_>,
    ) -> impl Future<Output = Result<(), HandleError>> + Send;
}

type Run<'a> = dyn Fn(Arc<Delivery>, SubscriberContext) -> BoxFuture<'a, Result<(), HandleError>> + Send + Sync + 'a;

/// What a layer is around.
pub struct Next<'a>(&'a Run<'a>);

impl Next<'_> {
    /// Hands a delivery on.
    pub async fn run(&self, delivery: Arc<Delivery>, context: SubscriberContext) -> Result<(), HandleError> {
        (self.0)(delivery, context).await
    }
}

/// A subscriber with a layer around it.
#[derive(Clone, Debug)]
pub struct Layered<S, L> {
    inner: S,
    layer: L,
}

impl<S, L> Layered<S, L> {
    pub(super) fn new(inner: S, layer: L) -> Self {
        Self { inner, layer }
    }
}

impl<S: Subscriber, L: Layer> Subscriber for Layered<S, L> {
    async fn handle(&self, delivery: Arc<Delivery>, context: SubscriberContext) -> Result<(), HandleError> {
        let inner = |delivery, context| self.inner.handle(delivery, context).boxed();
        self.layer.handle(delivery, context, Next(&inner)).await
    }
}
