//! A subscription: a stream of deliveries.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use regie_actors::bus::{Delivery, Inbox, Missed};
use serde::de::DeserializeOwned;

use super::typed::TypedSubscription;

/// A subscription: a stream of deliveries, in the journal's order. Dropping it ends it; a durable one goes on where it was
/// acknowledged, whenever its name is subscribed again.
#[derive(Debug)]
pub struct Subscription {
    inbox: Arc<Inbox>,
}

impl Subscription {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox }
    }

    /// The next delivery, or what is missing before it; nothing once no more come.
    pub async fn next(&mut self) -> Option<Result<Arc<Delivery>, Missed>> {
        poll_fn(|context| self.inbox.poll(context)).await
    }

    /// Of a durable one: this delivery is done with, and will not come again once that is recorded, within 256 deliveries or
    /// 100 ms, and when the runtime shuts down. Says whether it was out.
    pub fn ack(&self, delivery: &Delivery) -> bool {
        self.inbox.done(delivery)
    }

    /// The same deliveries with their payloads read as a type of yours.
    pub fn typed<T: DeserializeOwned>(self) -> TypedSubscription<T> {
        TypedSubscription::new(self)
    }
}

impl Stream for Subscription {
    type Item = Result<Arc<Delivery>, Missed>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inbox.poll(context)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.inbox.leave();
    }
}
