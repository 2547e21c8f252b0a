//! The bus: who is told of what was committed.
//!
//! A subscription names types by patterns, and may filter by a condition over the event. It has a queue of its own, and
//! chooses what becomes of a delivery for which there is no room. Whoever submits never waits for it.
//!
//! ```
//! use regie::bus::Subscribe;
//! use regie::core::event::Event;
//! # futures::executor::block_on(async {
//! let runtime = regie::builder().start().await?;
//! let handle = runtime.handle();
//! let mut paid = handle.subscribe(Subscribe::to("order.paid").filter("event.payload.amount > 100")?).await?;
//!
//! handle.submit(Event::new("order.paid", "o-1").payload(serde_json::json!({"amount": 120})).build()?).await?;
//! let delivery = paid.next().await.unwrap()?;
//! assert_eq!(delivery.event().correlation_id.as_str(), "o-1");
//! # runtime.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! `docs/bus.md` tells the whole of it.

mod handle;
pub mod layers;
mod letters;
mod routes;
mod subscribe;
mod subscriber;
mod subscription;
mod transform;
mod typed;

pub(crate) use handle::Registered;
pub use layers::{Layer, Layered, Next};
pub use letters::{DeadLetter, LetterFilter, LetterKind, dead_letters};
pub use regie_actors::bus::{
    ActorSubscriber, BusStats, Delivered, Delivery, From, HandleError, Missed, NotTold, SubscribeError,
    SubscriberContext, SubscriptionStats, TellError,
};
pub use regie_core::bus::{Letter, Overflow, Retry};
pub use routes::{RouteCounts, Routes};
pub use subscribe::Subscribe;
pub use subscriber::{BlockingSubscriber, Blocks, Subscriber};
pub use subscription::Subscription;
pub use transform::{TransformError, TransformFault, Transformed, Transforms};
pub use typed::{Typed, TypedError, TypedSubscription};
