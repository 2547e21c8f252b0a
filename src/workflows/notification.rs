//! Who tells how a workflow went.

use std::future::Future;
use std::sync::Arc;

use regie_actors::bus::{Delivery, HandleError, SubscriberContext};
use regie_core::workflow::{NOTIFICATION, Notification};

use crate::Builder;
use crate::bus::{Subscribe, Subscriber};

/// Tells somebody how a workflow went: by mail, in a chat, on a screen.
pub trait Notifier: Send + Sync + 'static {
    /// Tells it. What fails with [`HandleError::Retry`] is told again later, and a dead letter in the end.
    fn notify(&self, notification: Notification) -> impl Future<Output = Result<(), HandleError>> + Send;
}

impl<F, D> Notifier for F
where
    F: Fn(Notification) -> D + Send + Sync + 'static,
    D: Future<Output = Result<(), HandleError>> + Send,
{
    fn notify(&self, notification: Notification) -> impl Future<Output = Result<(), HandleError>> + Send {
        self(notification)
    }
}

struct Tells<N>(N);

impl<N: Notifier> Subscriber for Tells<N> {
    async fn handle(&self, delivery: Arc<Delivery>, _: SubscriberContext) -> Result<(), HandleError> {
        let notification = delivery.event().payload.to();
        let notification =
            notification.map_err(|error| HandleError::Reject(format!("this is no notification: {error}")))?;
        self.0.notify(notification).await
    }
}

impl Builder {
    /// Has somebody tell how workflows went, each at least once: what was not told when the process ended is told after the
    /// next start. `to` says how it is tried again; `None` as any subscriber does it.
    pub fn notifier(self, name: impl AsRef<str>, notifier: impl Notifier, to: Option<Subscribe>) -> Self {
        self.subscriber(name, to.unwrap_or_else(|| Subscribe::to(NOTIFICATION)), Tells(notifier))
    }
}
