//! The envelope: an event as it is understood.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::EventError;
use super::build::EventBuilder;
use crate::{Json, Timestamp};

/// The source of an event that names none.
pub(super) const LOCAL_SOURCE: &str = "regie:local";

/// Whether a type is one of the runtime's own.
pub(crate) fn is_own_kind(kind: &str) -> bool {
    kind.starts_with("regie.")
}

/// The id that ties together the events of one piece of work. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// Takes any text; whether it may be one is checked where an event is read or built.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is one of the runtime's own, which stay outside counts and queries unless asked for.
    pub fn is_own(&self) -> bool {
        self.0.starts_with("regie/")
    }

    /// Whether others than the runtime may use it.
    ///
    /// # Errors
    /// If it is one of the runtime's own.
    pub fn check_free(&self) -> Result<(), EventError> {
        if self.is_own() {
            let why = format!("names that begin with 'regie/' are the runtime's own: '{self}'");
            return Err(EventError::wrong("correlation_id", why));
        }
        Ok(())
    }
}

impl Deref for CorrelationId {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for CorrelationId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for CorrelationId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for CorrelationId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Who did it: a user, an agent, a rule. On the wire this is the event's `actor`; in code *actor* means actix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// `user`, `agent`, `rule`, `system`, or a kind of yours.
    pub kind: String,
    /// The id among its kind.
    pub id: String,
}

impl Principal {
    /// A person.
    pub fn user(id: impl Into<String>) -> Self {
        Self { kind: "user".into(), id: id.into() }
    }

    /// An agent.
    pub fn agent(id: impl Into<String>) -> Self {
        Self { kind: "agent".into(), id: id.into() }
    }

    /// The runtime itself.
    pub fn system() -> Self {
        Self { kind: "system".into(), id: "regie".into() }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

/// A thing in the user's domain: a task, a sprint, an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityRef {
    /// What kind of thing.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which of them.
    pub id: String,
}

impl EntityRef {
    /// The thing of that kind and id.
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }

    /// The correlation of what is done to it where nobody says another: `<type>/<id>`. No two things have the same one: a `/`
    /// in the type is `%2F` there, and a `%` is `%25`.
    ///
    /// ```
    /// use regie_core::event::EntityRef;
    /// assert_eq!(EntityRef::new("task", "a/b").correlation(), "task/a/b".into());
    /// assert_eq!(EntityRef::new("task/a", "b").correlation(), "task%2Fa/b".into());
    /// ```
    pub fn correlation(&self) -> CorrelationId {
        let kind = self.kind.replace('%', "%25").replace('/', "%2F");
        format!("{kind}/{}", self.id).into()
    }
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

/// What an event did to one field: `after` is the new value, `before` a claim about the old one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What the sender says was there.
    #[serde(default)]
    pub before: Json,
    /// What is there from now on.
    #[serde(default)]
    pub after: Json,
}

/// How pressing an event is; `P0` is the most pressing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Priority {
    P0,
    P1,
    #[default]
    P2,
    P3,
}

impl Priority {
    /// Every priority, the most pressing first.
    pub const ALL: [Priority; 4] = [Priority::P0, Priority::P1, Priority::P2, Priority::P3];

    /// `P0` to `P3`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Priority::P0 => "P0",
            Priority::P1 => "P1",
            Priority::P2 => "P2",
            Priority::P3 => "P3",
        }
    }
}

/// An event: what happened, or is asked. Immutable.
///
/// Its bytes as they came travel beside it in [`Incoming`](super::Incoming); this is how they are understood. Serialised,
/// it is our own wire form, without what is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Unique within its correlation and source; empty until the runtime has made one for an event that came without.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Where it comes from; `regie:local` unless said.
    pub source: String,
    /// What kind of event, as dotted segments: `orchestration.task.created`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version of the type's schema, from 1.
    pub schema_version: u32,
    /// The piece of work that it belongs to.
    pub correlation_id: CorrelationId,
    /// The event that caused it: an id of the same source, or `source#id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    /// The outer correlations, outermost first, its own not among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub correlation_chain: Vec<CorrelationId>,
    /// The session that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Principal>,
    /// When it happened, by its sender; [`Timestamp::MIN`] until an event that came without has been stamped.
    #[serde(skip_serializing_if = "is_unset")]
    pub timestamp: Timestamp,
    /// The thing that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<EntityRef>,
    /// Other things that it touches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<EntityRef>,
    /// What it did to the fields of its entity.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub changes: BTreeMap<String, Change>,
    /// How pressing it is.
    pub priority: Priority,
    /// Anything.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub payload: Json,
    /// Texts by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The W3C trace context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Fields that we do not know, as they came.
    #[serde(flatten, skip_serializing_if = "BTreeMap::is_empty")]
    pub extensions: BTreeMap<String, Json>,
}

impl Event {
    /// Whether its type is one of the runtime's own: of those that begin with `regie.`.
    pub fn is_own_kind(&self) -> bool {
        is_own_kind(&self.kind)
    }

    /// Whether the runtime itself has made it: by an update, a rule, a workflow. `regie:local` is everybody's.
    pub fn is_own_source(&self) -> bool {
        self.source.starts_with("regie:") && self.source != LOCAL_SOURCE
    }

    /// Whether its names are free to be used: some are the runtime's own, and nobody else's to send. Its source is not looked at.
    ///
    /// # Errors
    /// Which of them is not.
    pub fn check_free(&self) -> Result<(), EventError> {
        self.correlation_id.check_free()?;
        if self.is_own_kind() {
            let why = format!("types that begin with 'regie.' are the runtime's own: '{}'", self.kind);
            return Err(EventError::wrong("type", why));
        }
        Ok(())
    }

    /// Starts to build an event of a type in a correlation; what is not said takes its default.
    ///
    /// ```
    /// use regie_core::event::{EntityRef, Event, Principal};
    /// let event = Event::new("orchestration.task.created", "task-001")
    ///     .id("e-1")
    ///     .actor(Principal::user("ana"))
    ///     .entity(EntityRef::new("task", "TASK-001"))
    ///     .change("status", None::<&str>, Some("pending"))
    ///     .build()?;
    /// assert_eq!(event.event().kind, "orchestration.task.created");
    /// # Ok::<(), regie_core::event::EventError>(())
    /// ```
    // The event itself is only to be had by building it, so `new` starts that.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(kind: impl Into<String>, correlation: impl Into<CorrelationId>) -> EventBuilder {
        EventBuilder::new(kind.into(), correlation.into())
    }

    /// Who its cause may be, as source and id: an id of the same source, or `source#id`. Both may hold a `#` themselves, so
    /// that one text can be read in several ways; the cause is whichever of them there is.
    ///
    /// ```
    /// use regie_core::event::Event;
    /// let event = Event::new("t", "c").source("ci").cause("git#PR#12").build()?;
    /// let causes: Vec<_> = event.event().causes().collect();
    /// assert_eq!(causes, [("ci", "git#PR#12"), ("git", "PR#12"), ("git#PR", "12")]);
    /// # Ok::<(), regie_core::event::EventError>(())
    /// ```
    pub fn causes(&self) -> impl Iterator<Item = (&str, &str)> {
        let same_source = self.causation_id.as_deref().map(|id| (self.source.as_str(), id));
        let text = self.causation_id.as_deref().unwrap_or_default();
        let named = text.match_indices('#').map(|(at, _)| (&text[..at], &text[at + 1..]));
        same_source.into_iter().chain(named)
    }
}

fn is_unset(timestamp: &Timestamp) -> bool {
    *timestamp == Timestamp::MIN
}
