//! Building an event in code.

use std::collections::BTreeMap;

use serde::Serialize;

use super::envelope::LOCAL_SOURCE;
use super::{Change, CorrelationId, EntityRef, Event, EventError, Incoming, Principal, Priority};
use crate::{Json, Timestamp};

/// Builds an event; see [`Event::new`].
#[derive(Clone, Debug)]
#[must_use]
pub struct EventBuilder {
    event: Event,
}

impl EventBuilder {
    pub(super) fn new(kind: String, correlation_id: CorrelationId) -> Self {
        let event = Event {
            id: String::new(),
            source: LOCAL_SOURCE.into(),
            kind,
            schema_version: 1,
            correlation_id,
            causation_id: None,
            correlation_chain: Vec::new(),
            session_key: None,
            actor: None,
            timestamp: Timestamp::MIN,
            entity: None,
            related: Vec::new(),
            changes: BTreeMap::new(),
            priority: Priority::P2,
            payload: Json::null(),
            metadata: BTreeMap::new(),
            traceparent: None,
            extensions: BTreeMap::new(),
        };
        Self { event }
    }

    /// The correlation that it goes to.
    pub fn correlation(&self) -> &CorrelationId {
        &self.event.correlation_id
    }

    /// Whether a definition or a rule may send it; why not, where it may not.
    pub(crate) fn may_be_sent(&self) -> Result<(), String> {
        self.event.check_free().map_err(|error| format!("it may not be sent: {error}"))
    }

    /// It goes to another correlation.
    pub(crate) fn to(mut self, correlation: CorrelationId) -> Self {
        self.event.correlation_id = correlation;
        self
    }

    /// Its id; the runtime makes a UUIDv7 unless said.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.event.id = id.into();
        self
    }

    /// Where it comes from; `regie:local` unless said.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.event.source = source.into();
        self
    }

    /// The version of its type's schema; 1 unless said.
    pub fn schema_version(mut self, version: u32) -> Self {
        self.event.schema_version = version;
        self
    }

    /// The event that caused it: an id of the same source, or `source#id`.
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.event.causation_id = Some(cause.into());
        self
    }

    /// Nothing is known of its cause.
    pub(crate) fn without_cause(mut self) -> Self {
        self.event.causation_id = None;
        self
    }

    /// The outer correlations, outermost first.
    pub fn chain(mut self, chain: impl IntoIterator<Item = CorrelationId>) -> Self {
        self.event.correlation_chain = chain.into_iter().collect();
        self
    }

    /// The session that it belongs to.
    pub fn session(mut self, key: impl Into<String>) -> Self {
        self.event.session_key = Some(key.into());
        self
    }

    /// Who did it.
    pub fn actor(mut self, actor: Principal) -> Self {
        self.event.actor = Some(actor);
        self
    }

    /// When it happened; the time at which it is recorded unless said.
    pub fn timestamp(mut self, at: Timestamp) -> Self {
        self.event.timestamp = at;
        self
    }

    /// The thing that it is about.
    pub fn entity(mut self, entity: EntityRef) -> Self {
        self.event.entity = Some(entity);
        self
    }

    /// Another thing that it touches.
    pub fn related(mut self, entity: EntityRef) -> Self {
        self.event.related.push(entity);
        self
    }

    /// What it does to a field of its entity.
    pub fn change<B: Serialize, A: Serialize>(mut self, field: impl Into<String>, before: B, after: A) -> Self {
        let change = Change { before: Json::of(&before), after: Json::of(&after) };
        self.event.changes.insert(field.into(), change);
        self
    }

    /// How pressing it is; `P2` unless said.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.event.priority = priority;
        self
    }

    /// Anything.
    pub fn payload(mut self, payload: impl Into<Json>) -> Self {
        self.event.payload = payload.into();
        self
    }

    /// A text under a name.
    pub fn metadata(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.event.metadata.insert(name.into(), text.into());
        self
    }

    /// The W3C trace context.
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.event.traceparent = Some(traceparent.into());
        self
    }

    /// Checks the whole, by the same rules as an event that is read.
    pub fn build(self) -> Result<Incoming, EventError> {
        Incoming::built(self.event)
    }
}
