//! Tries again at once, within one try of the subscription.

use std::sync::Arc;

use regie_actors::bus::{Delivery, HandleError, SubscriberContext};
use regie_core::bus;

use super::{Layer, Next};

/// Tries again what may be taken another time, within the subscriber's time limit: for what passes in a moment. What fails
/// for good is left to the subscription's own retries, each of which comes through here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retry(pub bus::Retry);

impl Layer for Retry {
    async fn handle(
        &self,
        delivery: Arc<Delivery>,
        context: SubscriberContext,
        next: Next<'_>,
    ) -> Result<(), HandleError> {
        let mut failed = 0;
        loop {
            let why = match next.run(Arc::clone(&delivery), context.clone()).await {
                Err(HandleError::Retry(why)) => why,
                done => return done,
            };
            failed += 1;
            match self.0.wait(failed, delivery.position()) {
                Some(wait) => context.sleep(wait).await,
                None => return Err(HandleError::Retry(why)),
            }
        }
    }
}
