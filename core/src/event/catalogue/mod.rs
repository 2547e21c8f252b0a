//! The catalogue: which event types are known, what their events look like, and what they tell of entities.
//!
//! `docs/catalogue.md` is the user's side of it.

mod breach;
mod check;
mod event_type;
mod file;
mod schema;
mod upcast;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::Json;
use crate::entity::Relation;
use crate::event::Pattern;
use crate::event::is_own_kind;
pub use breach::Breach;
pub(crate) use breach::{escaped, shown};
pub use event_type::EventType;
pub use file::CatalogueFileError;
use schema::Schema;
pub use upcast::{Told, UpcastError, Upcaster};

/// Why a type cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event type '{event_type}': {part}: {why}")]
pub struct CatalogueError {
    /// Which type.
    pub event_type: String,
    /// Which part of it: `name`, `version`, `payload`, `changes`, ...
    pub part: &'static str,
    /// What is wrong with it.
    pub why: String,
}

/// The event types that are known, and how entities belong to each other. Cheap to clone.
#[derive(Clone, Default)]
pub struct Catalogue(Arc<Known>);

#[derive(Clone, Default)]
struct Known {
    types: BTreeMap<String, Arc<Registered>>,
    relations: Vec<Relation>,
    /// The entity types that are checked: every event is held against them.
    checked: BTreeSet<String>,
}

/// A type with its schemas compiled.
struct Registered {
    it: EventType,
    payload: Option<Schema>,
    changes: Option<Schema>,
}

impl Catalogue {
    /// Nothing is known: every event is taken as it is.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The types that Regie ships: see `docs/catalogue.md`.
    pub fn shipped() -> Self {
        static SHIPPED: OnceLock<Catalogue> = OnceLock::new();
        SHIPPED.get_or_init(|| file::shipped().unwrap_or_else(|error| unreachable!("shipped.toml: {error}"))).clone()
    }

    /// Reads a file of types and relations: what it holds comes on top of what is shipped, unless it says `shipped = false`.
    ///
    /// # Errors
    /// If anything in it is wrong: with line and column, and then nothing of it is taken.
    pub fn from_toml(text: &str) -> Result<Self, CatalogueFileError> {
        file::parse(text)
    }

    /// With a type more; one of the same name gives way to it.
    ///
    /// # Errors
    /// If the type is not sound, or does what another does already.
    pub fn with(mut self, it: EventType) -> Result<Self, CatalogueError> {
        let name = it.name.clone();
        let wrong = |part, why: String| CatalogueError { event_type: name.clone(), part, why };
        self.sound(&it).map_err(|(part, why)| wrong(part, why))?;
        let compiled = |schema: &Option<Value>| schema.as_ref().map(Schema::compile).transpose();
        let payload = compiled(&it.payload).map_err(|why| wrong("payload", why))?;
        let changes = compiled(&it.changes).map_err(|why| wrong("changes", why))?;
        let registered = Registered { it, payload, changes };
        let known = Arc::make_mut(&mut self.0);
        known.types.insert(registered.it.name.clone(), Arc::new(registered));
        let checked = known.types.values().filter(|known| known.it.checked);
        known.checked = checked.filter_map(|known| known.it.entity.clone()).collect();
        Ok(self)
    }

    /// With a relation more.
    #[must_use]
    pub fn with_relation(mut self, relation: Relation) -> Self {
        Arc::make_mut(&mut self.0).relations.push(relation);
        self
    }

    /// The type of that name.
    pub fn get(&self, name: &str) -> Option<&EventType> {
        self.0.types.get(name).map(|known| &known.it)
    }

    /// All types, by name.
    pub fn types(&self) -> impl Iterator<Item = &EventType> {
        self.0.types.values().map(|known| &known.it)
    }

    /// How entities belong to each other.
    pub fn relations(&self) -> &[Relation] {
        &self.0.relations
    }

    /// Whether an event that is about such an entity must know what was there before.
    pub fn is_checked(&self, entity_type: &str) -> bool {
        self.0.checked.contains(entity_type)
    }

    /// Whether anything is known of entities of that type.
    pub fn knows_entity(&self, entity_type: &str) -> bool {
        self.of(entity_type).next().is_some()
            || self.relations().iter().any(|relation| relation.from == entity_type || relation.to == entity_type)
    }

    /// The type of the event that creates such an entity.
    pub(crate) fn creating<'a>(&'a self, entity_type: &'a str) -> Option<&'a EventType> {
        self.of(entity_type).find(|it| it.creates)
    }

    /// The types that tell of a field which changes to that value.
    pub(crate) fn telling<'a>(
        &'a self,
        entity_type: &'a str,
        changed: &'a BTreeMap<String, Json>,
    ) -> impl Iterator<Item = &'a EventType> {
        let is_so = |(field, value): (&String, &Json)| changed.get(field).is_some_and(|after| after.same(value));
        self.of(entity_type)
            .filter(|it| it.fields.iter().any(|field| changed.contains_key(field)))
            .filter(move |it| it.only_when.iter().all(is_so))
    }

    /// The name of the type that tells of the fields which no other tells of.
    pub(crate) fn rest(&self, entity_type: &str) -> String {
        let rest = self.of(entity_type).find(|it| it.rest);
        rest.map_or_else(|| format!("orchestration.{entity_type}.updated"), |it| it.name.clone())
    }

    fn of<'a>(&'a self, entity_type: &'a str) -> impl Iterator<Item = &'a EventType> {
        self.types().filter(move |it| it.entity.as_deref() == Some(entity_type))
    }

    /// What is wrong with a type, and with which part of it.
    fn sound(&self, it: &EventType) -> Result<(), (&'static str, String)> {
        let pattern = Pattern::parse(&it.name).map_err(|error| ("name", error.to_string()))?;
        if !pattern.is_literal() {
            return Err(("name", "a type has no wildcards".into()));
        }
        if is_own_kind(&it.name) {
            return Err(("name", "types that begin with 'regie.' are the runtime's own".into()));
        }
        if it.version == 0 {
            return Err(("version", "versions count from 1".into()));
        }
        if let Some(entity) = &it.entity {
            super::check_name("entity", entity).map_err(|error| ("entity", error.to_string()))?;
        } else if it.creates || it.rest || it.checked || !it.fields.is_empty() {
            return Err(("entity", "what it tells of an entity needs the type of that entity".into()));
        }
        if let Some(from) = it.upcasters.keys().find(|from| **from == 0 || **from >= it.version) {
            return Err(("upcast", format!("there is no way up from version {from}: the latest is {}", it.version)));
        }
        if let Some(field) = it.only_when.keys().find(|field| !it.fields.contains(field)) {
            return Err(("when", format!("'{field}' is none of its fields")));
        }
        let others = || self.of(it.entity.as_deref().unwrap_or_default()).filter(|other| other.name != it.name);
        let twice = |part, other: &EventType| Err((part, format!("'{}' does that already", other.name)));
        match (others().find(|other| other.creates), others().find(|other| other.rest)) {
            (Some(other), _) if it.creates => twice("creates", other),
            (_, Some(other)) if it.rest => twice("rest", other),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.types()).entries(self.relations()).finish()
    }
}
