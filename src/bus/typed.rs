//! Deliveries with their payloads read as a type of the user's.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use regie_actors::bus::{Delivery, Missed};
use serde::de::DeserializeOwned;

use super::subscription::Subscription;

/// A delivery with its payload.
#[derive(Clone, Debug)]
pub struct Typed<T> {
    /// The payload.
    pub payload: T,
    /// The delivery.
    pub delivery: Arc<Delivery>,
}

/// Why there is no payload.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError {
    /// Deliveries are missing, or no more come.
    #[error(transparent)]
    Missed(#[from] Missed),
    /// The payload is not what was wanted. The next one may be.
    #[error("position {}: the payload is not what was wanted: {why}", .delivery.position())]
    Payload {
        /// The delivery.
        delivery: Arc<Delivery>,
        /// Why, with the line and column in the payload.
        why: String,
    },
}

/// A subscription whose payloads are read as a type of yours.
#[derive(Debug)]
pub struct TypedSubscription<T> {
    raw: Subscription,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> TypedSubscription<T> {
    pub(super) fn new(raw: Subscription) -> Self {
        Self { raw, of: PhantomData }
    }

    /// The next one; nothing once no more come.
    pub async fn next(&mut self) -> Option<Result<Typed<T>, TypedError>> {
        StreamExt::next(self).await
    }

    /// As [`Subscription::ack`].
    pub fn ack(&self, delivery: &Delivery) -> bool {
        self.raw.ack(delivery)
    }
}

impl<T: DeserializeOwned> Stream for TypedSubscription<T> {
    type Item = Result<Typed<T>, TypedError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.raw).poll_next(context));
        Poll::Ready(next.map(|delivery| {
            let delivery = delivery?;
            match delivery.event().payload.to() {
                Ok(payload) => Ok(Typed { payload, delivery }),
                Err(error) => Err(TypedError::Payload { delivery, why: error.to_string() }),
            }
        }))
    }
}
