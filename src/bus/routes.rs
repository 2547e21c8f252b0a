//! Content routing: which of several subscribers takes a delivery, by conditions over the event.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use regie_actors::bus::{Consumer, Delivery, HandleError, SubscriberContext};
use regie_core::bus::Interest;
use regie_core::expr::{ExprError, Program, View};

use super::subscriber::{Boxed, Subscriber};

/// Subscribers, each with a condition over the event: the first whose condition holds takes the delivery. A condition that
/// has no answer does not hold. What nobody takes is rejected, unless there is one for all the rest.
#[derive(Clone, Default)]
#[must_use]
pub struct Routes {
    routes: Vec<Route>,
    rest: Option<Route>,
}

#[derive(Clone)]
struct Route {
    name: String,
    condition: Option<Program>,
    taken: Arc<AtomicU64>,
    unanswered: Arc<AtomicU64>,
    subscriber: Arc<dyn Consumer>,
}

/// How often each route was chosen, by name.
#[derive(Clone, Debug)]
pub struct RouteCounts(Vec<(String, Arc<AtomicU64>, Arc<AtomicU64>)>);

impl RouteCounts {
    /// How often each was chosen.
    pub fn taken(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(name, taken, _)| (name.clone(), taken.load(Ordering::Relaxed))).collect()
    }

    /// How often each one's condition had no answer.
    pub fn unanswered(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(name, _, unanswered)| (name.clone(), unanswered.load(Ordering::Relaxed))).collect()
    }
}

impl Routes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route for what a condition over `event` holds for.
    ///
    /// # Errors
    /// If it is no such condition; with the place.
    pub fn when(
        mut self,
        condition: &str,
        name: impl Into<String>,
        subscriber: impl Subscriber,
    ) -> Result<Self, ExprError> {
        let condition = Some(Interest::filter(condition)?);
        self.routes.push(Route::new(name.into(), condition, subscriber));
        Ok(self)
    }

    /// Who takes all the rest.
    pub fn otherwise(mut self, name: impl Into<String>, subscriber: impl Subscriber) -> Self {
        self.rest = Some(Route::new(name.into(), None, subscriber));
        self
    }

    /// How often each is chosen: to be kept before this is registered.
    pub fn counts(&self) -> RouteCounts {
        let all = self.routes.iter().chain(&self.rest);
        RouteCounts(all.map(|it| (it.name.clone(), Arc::clone(&it.taken), Arc::clone(&it.unanswered))).collect())
    }

    fn choose(&self, delivery: &Delivery) -> Option<&Route> {
        let view = View::new().event(delivery.event());
        self.routes.iter().find(|route| route.holds(&view)).or(self.rest.as_ref())
    }
}

impl Route {
    fn new(name: String, condition: Option<Program>, subscriber: impl Subscriber) -> Self {
        let (taken, unanswered) = (Arc::default(), Arc::default());
        Self { name, condition, taken, unanswered, subscriber: Arc::new(Boxed(subscriber)) }
    }

    fn holds(&self, view: &View<'_>) -> bool {
        let truth = self.condition.as_ref().map_or(Ok(true), |condition| condition.truth(view));
        truth.unwrap_or_else(|why| {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(route = self.name, %why, "a route's condition has no answer, and does not hold");
            false
        })
    }
}

impl Subscriber for Routes {
    async fn handle(&self, delivery: Arc<Delivery>, context: SubscriberContext) -> Result<(), HandleError> {
        let Some(route) = self.choose(&delivery) else {
            return Err(HandleError::Reject("no route takes it".into()));
        };
        route.taken.fetch_add(1, Ordering::Relaxed);
        let why = route.condition.as_ref().map_or("no other condition holds", Program::text);
        tracing::debug!(route = route.name, position = delivery.position(), why, "routed");
        route.subscriber.handle(delivery, context).await
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.routes.iter().chain(&self.rest).map(|route| &route.name)).finish()
    }
}
