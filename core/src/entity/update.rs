//! What is asked of an entity: that some of its fields have these values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Json;
use crate::event::{CorrelationId, EntityRef, Principal};

/// An update of an entity: it is compared with the entity's state, and each difference becomes an event of the catalogue.
///
/// ```
/// use regie_core::entity::Update;
/// use regie_core::event::{EntityRef, Principal};
///
/// let update = Update::of(EntityRef::new("task", "TASK-001"), Principal::user("ana")).set("status", "blocked");
/// assert_eq!(update.correlation(), "task/TASK-001".into());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Update {
    /// Which entity.
    pub entity: EntityRef,
    /// The values that its fields are to have.
    pub fields: BTreeMap<String, Json>,
    /// What some of its fields must be for this to be done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expected: BTreeMap<String, Json>,
    /// Who asks.
    pub by: Principal,
    /// The caller's correlation; `<entity type>/<id>` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<CorrelationId>,
    /// Makes asking twice once; made by the runtime unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What caused it: `source#id` of an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The outer correlations, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<CorrelationId>,
    /// Texts that all its events carry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl Update {
    /// Of that entity, by that one; nothing is to change yet.
    pub fn of(entity: EntityRef, by: Principal) -> Self {
        Self {
            entity,
            fields: BTreeMap::new(),
            expected: BTreeMap::new(),
            by,
            correlation: None,
            id: None,
            cause: None,
            chain: Vec::new(),
            metadata: BTreeMap::new(),
        }
    }

    /// A field is to have that value.
    pub fn set(mut self, field: impl Into<String>, value: impl Serialize) -> Self {
        self.fields.insert(field.into(), Json::of(&value));
        self
    }

    /// A field must have that value, or nothing is done.
    pub fn expect(mut self, field: impl Into<String>, value: impl Serialize) -> Self {
        self.expected.insert(field.into(), Json::of(&value));
        self
    }

    /// Makes asking twice once.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Its events go to that correlation.
    pub fn within(mut self, correlation: impl Into<CorrelationId>) -> Self {
        self.correlation = Some(correlation.into());
        self
    }

    /// What caused it: `source#id` of an event.
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The correlation that its events go to.
    pub fn correlation(&self) -> CorrelationId {
        self.correlation.clone().unwrap_or_else(|| self.entity.correlation())
    }
}
