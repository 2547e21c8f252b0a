//! Whether the state of the entity is such that a delivery makes sense now.

use std::sync::Arc;

use regie_actors::bus::{Delivery, HandleError, SubscriberContext};
use regie_core::Json;
use regie_core::bus::Interest;
use regie_core::expr::{ExprError, Program, View};
use regie_core::governance::entity_seen;

use super::{Layer, Next};

/// Hands on only what a condition over `event` and `entity` holds for. The entity is that of the event, in the state that it
/// has when the delivery is handled; null where there is none.
#[derive(Clone, Debug)]
pub struct StateCheck {
    condition: Program,
    rejects: bool,
}

impl StateCheck {
    /// What the condition does not hold for is done with, without the subscriber.
    ///
    /// # Errors
    /// If it is no such condition; with the place.
    pub fn or_skip(condition: &str) -> Result<Self, ExprError> {
        Ok(Self { condition: Interest::condition(condition)?, rejects: false })
    }

    /// What the condition does not hold for becomes a dead letter.
    ///
    /// # Errors
    /// As [`StateCheck::or_skip`].
    pub fn or_reject(condition: &str) -> Result<Self, ExprError> {
        Ok(Self { condition: Interest::condition(condition)?, rejects: true })
    }

    async fn holds(&self, delivery: &Delivery, context: &SubscriberContext) -> Result<bool, HandleError> {
        let event = delivery.event();
        let mut seen = Json::null();
        if let Some(entity) = event.entity.as_ref().filter(|_| self.condition.uses("entity")) {
            let read = context.entity(entity, delivery.position()).await;
            let state = read.map_err(|error| HandleError::Retry(error.to_string()))?;
            seen = state.map_or(seen, |state| entity_seen(entity, &state.fields, delivery.position()));
        }
        let truth = self.condition.truth(&View::new().event(event).json("entity", &seen));
        truth.map_err(|error| HandleError::Reject(format!("the state cannot be checked: {error}")))
    }
}

impl Layer for StateCheck {
    async fn handle(
        &self,
        delivery: Arc<Delivery>,
        context: SubscriberContext,
        next: Next<'_>,
    ) -> Result<(), HandleError> {
        match (self.holds(&delivery, &context).await?, self.rejects) {
            (true, _) => next.run(delivery, context).await,
            (false, false) => Ok(()),
            (false, true) => Err(HandleError::Reject(format!("'{}' does not hold now", self.condition.text()))),
        }
    }
}
