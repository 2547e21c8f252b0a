//! What is known of the type of an expression before it has a value.

use cel::common::ast::LiteralValue;

use super::scope::Shape;

/// A type, as far as it matters to what may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only the value will tell.
    Any,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Time,
    Duration,
    List,
    Map,
    Type,
    Optional,
}

impl Kind {
    /// Its name, as CEL has it or a reader would say it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Any => "dyn",
            Kind::Null => "null",
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Uint => "uint",
            Kind::Double => "double",
            Kind::Text => "string",
            Kind::Bytes => "bytes",
            Kind::Time => "timestamp",
            Kind::Duration => "duration",
            Kind::List => "list",
            Kind::Map => "map",
            Kind::Type => "type",
            Kind::Optional => "optional",
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Kind::Int | Kind::Uint | Kind::Double)
    }

    /// Whether a value of this may stand where that is asked for.
    pub(super) fn fits(self, wanted: Kind) -> bool {
        self == Kind::Any || wanted == Kind::Any || self == wanted
    }

    pub(super) fn of_literal(literal: &LiteralValue) -> Self {
        match literal {
            LiteralValue::Boolean(_) => Kind::Bool,
            LiteralValue::Bytes(_) => Kind::Bytes,
            LiteralValue::Double(_) => Kind::Double,
            LiteralValue::Int(_) => Kind::Int,
            LiteralValue::Null => Kind::Null,
            LiteralValue::String(_) => Kind::Text,
            LiteralValue::UInt(_) => Kind::Uint,
        }
    }
}

/// A type, and what is known of its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'s> {
    pub(super) kind: Kind,
    pub(super) shape: Option<&'s Shape>,
}

impl<'s> Known<'s> {
    pub(super) const ANY: Known<'static> = Known { kind: Kind::Any, shape: None };

    pub(super) fn shaped(shape: &'s Shape) -> Self {
        let kind = match shape {
            Shape::Any => Kind::Any,
            Shape::Bool => Kind::Bool,
            Shape::Int => Kind::Int,
            Shape::Text { .. } => Kind::Text,
            Shape::Time => Kind::Time,
            Shape::List { .. } => Kind::List,
            Shape::Map { .. } | Shape::Object(_) => Kind::Map,
        };
        Self { kind, shape: Some(shape) }
    }

    /// What a loop over it sees: a list's elements, a map's keys.
    pub(super) fn element(self) -> Known<'s> {
        match (self.kind, self.shape) {
            (_, Some(Shape::List { of, .. })) => Known::shaped(of),
            (_, Some(Shape::Map { .. } | Shape::Object(_))) => Kind::Text.into(),
            _ => Known::ANY,
        }
    }
}

impl From<Kind> for Known<'_> {
    fn from(kind: Kind) -> Self {
        Self { kind, shape: None }
    }
}
