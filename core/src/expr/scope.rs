//! What an expression may name, and what is known of it.

use std::collections::BTreeMap;

use crate::limits;

/// What is known of a value before there is one. Any of them may be null as well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// Only the value will tell.
    Any,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A text.
    Text {
        /// Its most bytes.
        bytes: usize,
    },
    /// A timestamp.
    Time,
    /// A list.
    List {
        /// What its elements are.
        of: Box<Shape>,
        /// How many it has at most.
        most: usize,
    },
    /// An object whose keys are not known.
    Map {
        /// What its values are.
        of: Box<Shape>,
        /// How many it has at most.
        most: usize,
    },
    /// An object whose fields are known: any other is refused.
    Object(BTreeMap<&'static str, Shape>),
}

impl Shape {
    /// An object of just these fields.
    pub fn object(fields: impl IntoIterator<Item = (&'static str, Shape)>) -> Self {
        Shape::Object(fields.into_iter().collect())
    }

    /// A text as long as an id may be.
    pub fn id() -> Self {
        Shape::Text { bytes: limits::ID_BYTES }
    }

    /// A text as long as an event may be.
    pub fn text() -> Self {
        Shape::Text { bytes: limits::EVENT_BYTES }
    }
}

/// The names that an expression may use.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    names: BTreeMap<String, Shape>,
}

impl Scope {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// A name with its shape.
    pub fn with(mut self, name: impl Into<String>, shape: Shape) -> Self {
        self.names.insert(name.into(), shape);
        self
    }

    /// `event`, an event by its fields.
    pub fn with_event(self) -> Self {
        self.with(EVENT, event())
    }

    /// `now`, a timestamp.
    pub fn with_now(self) -> Self {
        self.with(NOW, Shape::Time)
    }

    /// `related`, the entities that one is related to: a list for each of their types, each entity by its fields with `type`
    /// and `id`. `all` over none of them is false.
    pub fn with_related(self) -> Self {
        self.with(RELATED, related())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Shape> {
        self.names.get(name)
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.names.keys().map(String::as_str).collect()
    }
}

/// The name of an event.
pub(super) const EVENT: &str = "event";
/// The name of the related entities.
pub(super) const RELATED: &str = "related";
/// The name of the instant of the decision.
pub(super) const NOW: &str = "now";

fn related() -> Shape {
    let thing = Shape::Map { of: Box::new(Shape::Any), most: limits::OBJECT_KEYS };
    let list = Shape::List { of: Box::new(thing), most: limits::RELATED_KEPT };
    Shape::Map { of: Box::new(list), most: limits::RELATED_KEPT }
}

fn event() -> Shape {
    let thing = || Shape::object([("type", Shape::id()), ("id", Shape::id())]);
    let change = Shape::object([("before", Shape::Any), ("after", Shape::Any)]);
    Shape::object([
        ("id", Shape::id()),
        ("source", Shape::id()),
        ("type", Shape::id()),
        ("schema_version", Shape::Int),
        ("correlation_id", Shape::id()),
        ("causation_id", Shape::text()),
        ("correlation_chain", Shape::List { of: Box::new(Shape::id()), most: limits::CHAIN_LENGTH }),
        ("session_key", Shape::id()),
        ("actor", Shape::object([("kind", Shape::id()), ("id", Shape::id())])),
        ("timestamp", Shape::Time),
        ("entity", thing()),
        ("related", Shape::List { of: Box::new(thing()), most: limits::RELATED }),
        ("changes", Shape::Map { of: Box::new(change), most: limits::CHANGES }),
        ("priority", Shape::id()),
        ("payload", Shape::Any),
        ("metadata", Shape::Map { of: Box::new(Shape::text()), most: limits::METADATA }),
        ("traceparent", Shape::text()),
        ("extensions", Shape::Map { of: Box::new(Shape::Any), most: limits::OBJECT_KEYS }),
    ])
}
