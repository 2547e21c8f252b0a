//! A line in the log for each delivery.

use std::sync::Arc;

use regie_actors::bus::{Delivery, HandleError, SubscriberContext};

use super::{Layer, Next};

/// Logs each delivery and its outcome: at `debug` what was taken, at `warn` what was not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracing;

impl Layer for Tracing {
    async fn handle(
        &self,
        delivery: Arc<Delivery>,
        context: SubscriberContext,
        next: Next<'_>,
    ) -> Result<(), HandleError> {
        let (subscriber, attempt, position) = (context.subscriber.clone(), context.attempt, delivery.position());
        let (kind, correlation) = (delivery.event().kind.clone(), delivery.correlation().clone());
        let done = next.run(delivery, context).await;
        match &done {
            Ok(()) => tracing::debug!(%subscriber, position, kind, %correlation, attempt, "taken"),
            Err(why) => tracing::warn!(%subscriber, position, kind, %correlation, attempt, %why, "not taken"),
        }
        done
    }
}
