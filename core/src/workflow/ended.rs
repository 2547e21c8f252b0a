//! What a flow or a machine sends once it is over.

use std::sync::Arc;

use super::fact::RunEnd;
use super::notification::Notification;
use crate::Timestamp;
use crate::event::{CorrelationId, EventBuilder};

/// A workflow that is over: one that stood so, and may have been broken by such a failure.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ended<'a, S, E> {
    /// How it ended.
    pub end: &'a RunEnd,
    /// The failure that broke it, if one did.
    pub error: Option<E>,
    /// How it stood before its last turn.
    pub state: &'a S,
    /// The workflow.
    pub correlation: &'a CorrelationId,
    /// When.
    pub now: Timestamp,
}

type Farewell<S, E> = Arc<dyn Fn(&Ended<'_, S, E>) -> Option<EventBuilder> + Send + Sync>;

/// What is sent once a workflow is over, each by its name.
pub(super) struct Farewells<S, E>(Vec<(String, Farewell<S, E>)>);

impl<S, E> Farewells<S, E> {
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// An event, if one is made.
    pub(super) fn send(
        &mut self,
        name: &str,
        event: impl Fn(&Ended<'_, S, E>) -> Option<EventBuilder> + Send + Sync + 'static,
    ) {
        self.0.push((name.into(), Arc::new(event)));
    }

    /// One that has somebody told.
    pub(super) fn notify(&mut self, tell: impl Fn(&Ended<'_, S, E>) -> Notification + Send + Sync + 'static) {
        self.send("notification", move |ended| Some(tell(ended).event()));
    }

    /// One after a failure alone.
    pub(super) fn recover(&mut self, event: impl Fn(&Ended<'_, S, E>) -> EventBuilder + Send + Sync + 'static) {
        self.send("recovery", move |ended| matches!(ended.end, RunEnd::Failed { .. }).then(|| event(ended)));
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    pub(super) fn events(&self, ended: &Ended<'_, S, E>) -> Vec<(String, EventBuilder)> {
        self.0.iter().filter_map(|(name, event)| Some((name.clone(), event(ended)?))).collect()
    }
}
