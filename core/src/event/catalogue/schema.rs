//! A JSON schema: compiled once, held against values. What it refers to is within it, and what it costs is bounded.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use boon::{Compiler, ErrorKind, SchemaIndex, Schemas, Type, UrlLoader, ValidationError};
use serde_json::Value;

use super::breach::{escaped, shown_value};
use crate::limits;

/// A schema that was compiled. Cheap to clone.
#[derive(Clone)]
pub(super) struct Schema(Arc<Compiled>);

struct Compiled {
    text: Value,
    schemas: Schemas,
    index: SchemaIndex,
}

/// What of a value does not fit: the place within it, what was wanted, and what is there.
pub(super) struct Misfit {
    pub(super) pointer: String,
    pub(super) wanted: String,
    pub(super) found: String,
}

/// Nothing is read from anywhere: what a schema refers to stands in it.
struct Nowhere;

impl UrlLoader for Nowhere {
    fn load(&self, url: &str) -> Result<Value, Box<dyn Error>> {
        Err(format!("'{url}' is not looked up").into())
    }
}

const PLACE: &str = "regie:schema";

impl Schema {
    /// Compiles a schema, or tells why it is none that is taken.
    pub(super) fn compile(text: &Value) -> Result<Self, String> {
        bounded(text)?;
        let compiled = catch_unwind(AssertUnwindSafe(|| {
            let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
            compiler.use_loader(Box::new(Nowhere));
            compiler.enable_format_assertions();
            let told = |error: boon::CompileError| told(&error.to_string());
            compiler.add_resource(PLACE, text.clone()).map_err(told)?;
            let index = compiler.compile(PLACE, &mut schemas).map_err(told)?;
            Ok(Self(Arc::new(Compiled { text: text.clone(), schemas, index })))
        }));
        compiled.unwrap_or_else(|_| Err("it cannot be compiled".into()))
    }

    /// As it was given.
    pub(super) fn text(&self) -> &Value {
        &self.0.text
    }

    /// Whether a value fits, or the first place, by its pointer, at which it does not.
    pub(super) fn check(&self, value: &Value) -> Result<(), Misfit> {
        let Compiled { schemas, index, .. } = &*self.0;
        let checked = catch_unwind(AssertUnwindSafe(|| match schemas.validate(value, *index) {
            Ok(()) => Ok(()),
            Err(error) => Err(misfit(&error, value)),
        }));
        checked.unwrap_or_else(|_| {
            let (pointer, wanted) = (String::new(), "a value that can be held against its schema".into());
            Err(Misfit { pointer, wanted, found: shown_value(Some(value)) })
        })
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.text(), f)
    }
}

/// What the compiler says, on one line and without the place that we made up.
fn told(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(&format!("{PLACE}#"), "#").replace(PLACE, "#")
}

/// Refuses what is too large, refers to elsewhere or to itself, or comes to too much once what it refers to is put in.
fn bounded(schema: &Value) -> Result<(), String> {
    if !schema.is_object() && !schema.is_boolean() {
        return Err(format!("a schema is an object, this is {}", crate::json::kind_of(schema)));
    }
    let text = schema.to_string();
    if text.len() > limits::SCHEMA_BYTES {
        return Err(format!("it has {} bytes; at most {} are taken", text.len(), limits::SCHEMA_BYTES));
    }
    crate::event::check_shape(&text).map_err(|error| error.to_string())?;
    let mut walk = Walk { root: schema, known: BTreeMap::new() };
    let size = walk.size(schema)?;
    if size > limits::SCHEMA_NODES {
        return Err(format!(
            "it comes to {size} parts with what it refers to; at most {} are taken",
            limits::SCHEMA_NODES
        ));
    }
    Ok(())
}

/// Counts the parts of a schema, with what it refers to put in.
struct Walk<'s> {
    root: &'s Value,
    /// What each reference comes to; nothing while it is being counted.
    known: BTreeMap<&'s str, Option<usize>>,
}

/// Words by which a schema could refer to elsewhere, or to what is only known while a value is checked.
const ELSEWHERE: [&str; 6] = ["$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef"];

impl<'s> Walk<'s> {
    fn size(&mut self, schema: &'s Value) -> Result<usize, String> {
        let mut size: usize = 1;
        match schema {
            Value::Array(parts) => {
                for part in parts {
                    size = size.saturating_add(self.size(part)?);
                }
            }
            Value::Object(parts) => {
                for (name, part) in parts {
                    size = size.saturating_add(match part {
                        Value::String(to) if name == "$ref" => self.referred(to)?,
                        Value::String(_) | Value::Bool(_) if ELSEWHERE.contains(&name.as_str()) => {
                            return Err(format!("'{name}' is not taken: refer to parts of the schema by '#/...'"));
                        }
                        part => self.size(part)?,
                    });
                }
            }
            _ => {}
        }
        Ok(size)
    }

    fn referred(&mut self, to: &'s str) -> Result<usize, String> {
        match self.known.get(to) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(format!("it refers to itself by '{to}': what it costs would have no bound")),
            None => {}
        }
        let pointer = to.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let pointer =
            pointer.ok_or_else(|| format!("'{to}' is not looked up: refer to parts of the schema by '#/...'"))?;
        let part = self.root.pointer(pointer).ok_or_else(|| format!("there is no '{to}'"))?;
        self.known.insert(to, None);
        let size = self.size(part)?;
        self.known.insert(to, Some(size));
        Ok(size)
    }
}

/// The first place at which a value does not fit, whatever order the validator goes in.
fn misfit(error: &ValidationError<'_, '_>, value: &Value) -> Misfit {
    let mut leaves = Vec::new();
    collect(error, value, &mut leaves);
    let first = leaves.into_iter().min_by(|a, b| (&a.pointer, &a.wanted).cmp(&(&b.pointer, &b.wanted)));
    first.unwrap_or_else(|| of_kind(error, value))
}

fn collect(error: &ValidationError<'_, '_>, value: &Value, leaves: &mut Vec<Misfit>) {
    // Of alternatives none fits, and each would tell another story.
    let alternatives = matches!(error.kind, ErrorKind::AnyOf | ErrorKind::OneOf(_));
    if error.causes.is_empty() || alternatives {
        return leaves.push(of_kind(error, value));
    }
    error.causes.iter().for_each(|cause| collect(cause, value, leaves));
}

fn of_kind(error: &ValidationError<'_, '_>, value: &Value) -> Misfit {
    let mut pointer = error.instance_location.to_string();
    let wanted = match &error.kind {
        ErrorKind::Required { want } | ErrorKind::DependentRequired { missing: want, .. } => {
            pointer.push('/');
            pointer.push_str(&escaped(want.first().unwrap_or(&"")));
            "a value".to_string()
        }
        ErrorKind::AdditionalProperties { got } => {
            pointer.push('/');
            pointer.push_str(&escaped(got.first().map_or("", |name| name.as_ref())));
            "no such field".to_string()
        }
        kind => words(kind),
    };
    let found = shown_value(value.pointer(&pointer));
    Misfit { pointer, wanted, found }
}

/// What was wanted, in the words that the rest of Regie has for JSON.
#[allow(clippy::too_many_lines, clippy::cognitive_complexity)] // a flat table
fn words(kind: &ErrorKind<'_, '_>) -> String {
    match kind {
        ErrorKind::Type { want, .. } => want.iter().map(type_name).collect::<Vec<_>>().join(" or "),
        ErrorKind::Const { want } => want.to_string(),
        ErrorKind::Enum { want } => {
            format!("one of {}", want.iter().map(Value::to_string).collect::<Vec<_>>().join(", "))
        }
        ErrorKind::Minimum { want, .. } => format!("a number of at least {want}"),
        ErrorKind::Maximum { want, .. } => format!("a number of at most {want}"),
        ErrorKind::ExclusiveMinimum { want, .. } => format!("a number above {want}"),
        ErrorKind::ExclusiveMaximum { want, .. } => format!("a number below {want}"),
        ErrorKind::MultipleOf { want, .. } => format!("a multiple of {want}"),
        ErrorKind::MinLength { want, .. } => format!("a text of at least {want} characters"),
        ErrorKind::MaxLength { want, .. } => format!("a text of at most {want} characters"),
        ErrorKind::Pattern { want, .. } => format!("a text that fits /{want}/"),
        ErrorKind::Format { want, .. } => format!("a text in the form '{want}'"),
        ErrorKind::MinItems { want, .. } => format!("a list of at least {want}"),
        ErrorKind::MaxItems { want, .. } => format!("a list of at most {want}"),
        ErrorKind::UniqueItems { .. } => "a list of different values".into(),
        ErrorKind::MinProperties { want, .. } => format!("an object of at least {want} fields"),
        ErrorKind::MaxProperties { want, .. } => format!("an object of at most {want} fields"),
        ErrorKind::FalseSchema => "nothing".into(),
        ErrorKind::AnyOf => "what fits one of the alternatives of its schema".into(),
        ErrorKind::OneOf(_) => "what fits just one of the alternatives of its schema".into(),
        ErrorKind::Not => "what its schema does not exclude".into(),
        other => format!("what its schema says ({other})"),
    }
}

fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Null => "null",
        Type::Boolean => "true or false",
        Type::Number => "a number",
        Type::Integer => "a whole number",
        Type::String => "a text",
        Type::Array => "a list",
        Type::Object => "an object",
    }
}
