//! Transforms ahead of a subscriber: each makes another event of the one before.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use regie_actors::bus::{Delivery, HandleError, SubscriberContext};
use regie_core::event::Event;
use regie_core::workflow::panic_text;

use super::subscriber::Subscriber;

type Step = dyn Fn(Event) -> Result<Event, String> + Send + Sync;

/// Transforms, in order, by name. They are pure: what one refuses it refuses always, so that it becomes a dead letter at once.
#[derive(Clone, Default)]
#[must_use]
pub struct Transforms(Vec<Named>);

#[derive(Clone)]
struct Named {
    name: String,
    /// The type of what it gives; the type of what it was given unless said.
    gives: Option<String>,
    step: Arc<Step>,
}

/// A transform that gave no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transform '{step}' {fault}")]
pub struct TransformError {
    /// Which.
    pub step: String,
    /// What went wrong.
    pub fault: TransformFault,
}

/// What went wrong with a transform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransformFault {
    /// It refused the event.
    #[error("refused the event: {0}")]
    Refused(String),
    /// It panicked.
    #[error("panicked: {0}")]
    Panicked(String),
    /// It gave an event of another type than it declared.
    #[error("gave a '{given}' and declares '{declared}'")]
    OtherType {
        /// What it declares.
        declared: String,
        /// What it gave.
        given: String,
    },
}

impl Transforms {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that leaves the type as it is.
    pub fn then<E: fmt::Display>(
        self,
        name: impl Into<String>,
        step: impl Fn(Event) -> Result<Event, E> + Send + Sync + 'static,
    ) -> Self {
        self.add(name.into(), None, step)
    }

    /// One that gives an event of that type.
    pub fn then_gives<E: fmt::Display>(
        self,
        name: impl Into<String>,
        kind: impl Into<String>,
        step: impl Fn(Event) -> Result<Event, E> + Send + Sync + 'static,
    ) -> Self {
        self.add(name.into(), Some(kind.into()), step)
    }

    fn add<E: fmt::Display>(
        mut self,
        name: String,
        gives: Option<String>,
        step: impl Fn(Event) -> Result<Event, E> + Send + Sync + 'static,
    ) -> Self {
        let step = Arc::new(move |event| step(event).map_err(|error| error.to_string()));
        self.0.push(Named { name, gives, step });
        self
    }

    /// What becomes of an event.
    ///
    /// # Errors
    /// The first that gives none.
    pub fn apply(&self, event: Event) -> Result<Event, TransformError> {
        self.0.iter().try_fold(event, |event, named| named.apply(event))
    }
}

impl Named {
    fn apply(&self, event: Event) -> Result<Event, TransformError> {
        let failed = |fault| TransformError { step: self.name.clone(), fault };
        let declared = self.gives.clone().unwrap_or_else(|| event.kind.clone());
        let given = match catch_unwind(AssertUnwindSafe(|| (self.step)(event))) {
            Ok(Ok(given)) => given,
            Ok(Err(why)) => return Err(failed(TransformFault::Refused(why))),
            Err(panic) => return Err(failed(TransformFault::Panicked(panic_text(panic.as_ref())))),
        };
        if given.kind == declared {
            return Ok(given);
        }
        Err(failed(TransformFault::OtherType { declared, given: given.kind }))
    }
}

impl fmt::Debug for Transforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|named| &named.name)).finish()
    }
}

/// A subscriber with transforms ahead of it.
#[derive(Clone, Debug)]
pub struct Transformed<S> {
    inner: S,
    transforms: Transforms,
}

impl<S> Transformed<S> {
    pub(super) fn new(inner: S, transforms: Transforms) -> Self {
        Self { inner, transforms }
    }
}

impl<S: Subscriber> Subscriber for Transformed<S> {
    async fn handle(&self, delivery: Arc<Delivery>, context: SubscriberContext) -> Result<(), HandleError> {
        let event = self.transforms.apply(delivery.event().clone());
        let event = event.map_err(|error| HandleError::Reject(error.to_string()))?;
        self.inner.handle(Arc::new(delivery.with(event)), context).await
    }
}
