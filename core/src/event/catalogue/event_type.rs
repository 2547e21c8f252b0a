//! An event type: what its events look like, and what they tell of an entity.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::upcast::{Told, Upcaster};
use crate::Json;

/// An event type, as it is registered with a [`Catalogue`](super::Catalogue). What is not said is free.
///
/// ```
/// use regie_core::event::{Catalogue, Event, EntityRef, EventType};
/// use serde_json::json;
///
/// let packed = EventType::new("order.packed")
///     .entity("order")
///     .fields(["status"])
///     .only_when("status", "packed")
///     .payload(json!({"required": ["box"], "properties": {"box": {"type": "string"}}}));
/// let catalogue = Catalogue::shipped().with(packed)?;
/// let event = Event::new("order.packed", "o-1").entity(EntityRef::new("order", "o-1")).payload(json!({"box": 7}));
/// let breach = catalogue.check(event.build()?.event()).unwrap_err();
/// assert_eq!((breach.pointer.as_str(), breach.wanted.as_str()), ("/payload/box", "a text"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct EventType {
    pub(super) name: String,
    pub(super) entity: Option<String>,
    pub(super) version: u32,
    pub(super) payload: Option<Value>,
    pub(super) changes: Option<Value>,
    pub(super) fields: Vec<String>,
    pub(super) only_when: BTreeMap<String, Json>,
    pub(super) creates: bool,
    pub(super) rest: bool,
    pub(super) checked: bool,
    pub(super) upcasters: BTreeMap<u32, Upcaster>,
}

impl EventType {
    /// A type of that name, schema version 1.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            entity: None,
            version: 1,
            payload: None,
            changes: None,
            fields: Vec::new(),
            only_when: BTreeMap::new(),
            creates: false,
            rest: false,
            checked: false,
            upcasters: BTreeMap::new(),
        }
    }

    /// Its events are about entities of that type, and of no other.
    pub fn entity(mut self, kind: impl Into<String>) -> Self {
        self.entity = Some(kind.into());
        self
    }

    /// The latest version of its schema; newer ones are refused, older ones brought up.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// The JSON schema of its payload.
    pub fn payload(mut self, schema: Value) -> Self {
        self.payload = Some(schema);
        self
    }

    /// The JSON schema of its changes: an object by field, of objects with `before` and `after`.
    pub fn changes(mut self, schema: Value) -> Self {
        self.changes = Some(schema);
        self
    }

    /// It tells of these fields of its entity: an update that changes one of them makes such an event.
    pub fn fields(mut self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// An update makes such an event only if this field changes to this value.
    pub fn only_when(mut self, field: impl Into<String>, value: impl Serialize) -> Self {
        self.only_when.insert(field.into(), Json::of(&value));
        self
    }

    /// The first update of an entity makes such an event, with all its fields.
    pub fn creates(mut self) -> Self {
        self.creates = true;
        self
    }

    /// It tells of the fields that no other type tells of; without one that is `orchestration.<entity type>.updated`.
    pub fn rest(mut self) -> Self {
        self.rest = true;
        self
    }

    /// Entities of its entity type are checked: what an event says was there before must be there.
    pub fn checked(mut self) -> Self {
        self.checked = true;
        self
    }

    /// Brings events of a version up to the next one. It must be pure; a panic is caught.
    pub fn upcast(
        mut self,
        from: u32,
        upcaster: impl Fn(Told) -> Result<Told, String> + Send + Sync + 'static,
    ) -> Self {
        self.upcasters.insert(from, Arc::new(upcaster));
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The entity type that it is about.
    pub fn about(&self) -> Option<&str> {
        self.entity.as_deref()
    }

    /// The latest version of its schema.
    pub fn latest(&self) -> u32 {
        self.version
    }

    /// Whether an update makes such an event for certain values alone.
    pub(crate) fn is_of_one_value(&self) -> bool {
        !self.only_when.is_empty()
    }

    /// The schema of its changes, if it has one.
    pub(crate) fn changes_schema(&self) -> Option<&Value> {
        self.changes.as_ref()
    }

    /// The texts that fields must be for it to tell of them.
    pub(crate) fn told_values(&self) -> impl Iterator<Item = String> {
        self.only_when.values().filter_map(|value| value.to().ok())
    }

    /// The fields that it tells of.
    pub fn told_fields(&self) -> &[String] {
        &self.fields
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}", self.name, self.version)
    }
}
