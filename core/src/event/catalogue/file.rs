//! The catalogue's file: types and relations.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::{Catalogue, CatalogueError, EventType};
use crate::entity::Relation;
use crate::event::check_name;
use crate::fault::{Fault, inside, line_and_column};
use crate::limits;

/// Why a file of types was refused: where and what. It is refused whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {why}")]
pub struct CatalogueFileError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Whether what is shipped is known too.
    shipped: Option<bool>,
    #[serde(default, rename = "type")]
    types: Vec<Spanned<TypeEntry>>,
    #[serde(default, rename = "relation")]
    relations: Vec<RelationEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeEntry {
    name: Spanned<String>,
    version: Option<Spanned<i64>>,
    entity: Option<Spanned<String>>,
    #[serde(default)]
    fields: Vec<String>,
    when: Option<Spanned<BTreeMap<String, Value>>>,
    creates: Option<Spanned<bool>>,
    rest: Option<Spanned<bool>>,
    checked: Option<bool>,
    payload: Option<Spanned<Value>>,
    changes: Option<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelationEntry {
    from: Spanned<String>,
    to: Spanned<String>,
    ids: Option<Spanned<String>>,
}

/// What is shipped.
pub(super) fn shipped() -> Result<Catalogue, CatalogueFileError> {
    parse(include_str!("shipped.toml"))
}

pub(super) fn parse(text: &str) -> Result<Catalogue, CatalogueFileError> {
    let place = |(byte, why): Fault| {
        let (line, column) = line_and_column(text, byte);
        CatalogueFileError { line, column, why }
    };
    if text.len() > limits::CONFIG_BYTES {
        let why = format!("the file has {} bytes; at most {} are taken", text.len(), limits::CONFIG_BYTES);
        return Err(place((0, why)));
    }
    let file: File = toml::from_str(text)
        .map_err(|error| place((error.span().map_or(0, |span| span.start), error.message().to_string())))?;
    if file.types.len() > limits::EVENT_TYPES {
        return Err(place((0, format!("{} types; at most {} are taken", file.types.len(), limits::EVENT_TYPES))));
    }
    let mut catalogue = if file.shipped == Some(false) { Catalogue::empty() } else { Catalogue::shipped() };
    let mut names: Vec<&str> = Vec::new();
    for entry in &file.types {
        let name = &entry.get_ref().name;
        if names.contains(&name.get_ref().as_str()) {
            return Err(place((name.span().start, format!("two types have the name '{}'", name.get_ref()))));
        }
        names.push(name.get_ref());
        catalogue = with_type(catalogue, entry).map_err(place)?;
    }
    for entry in &file.relations {
        catalogue = catalogue.with_relation(relation(entry).map_err(place)?);
    }
    Ok(catalogue)
}

fn with_type(catalogue: Catalogue, entry: &Spanned<TypeEntry>) -> Result<Catalogue, Fault> {
    let fault = |error: CatalogueError| (place_of(entry, error.part), format!("{}: {}", error.part, error.why));
    catalogue.with(event_type(entry.get_ref())?).map_err(fault)
}

fn event_type(entry: &TypeEntry) -> Result<EventType, Fault> {
    let mut it = EventType::new(entry.name.get_ref()).fields(&entry.fields);
    if let Some(version) = &entry.version {
        let wrong = || (version.span().start, format!("'{}' is no version: they count from 1", version.get_ref()));
        it = it.version(u32::try_from(*version.get_ref()).map_err(|_| wrong())?);
    }
    if let Some(entity) = &entry.entity {
        it = it.entity(entity.get_ref());
    }
    for (field, value) in entry.when.iter().flat_map(|when| when.get_ref()) {
        it = it.only_when(field, value);
    }
    it.creates = entry.creates.as_ref().is_some_and(|it| *it.get_ref());
    it.rest = entry.rest.as_ref().is_some_and(|it| *it.get_ref());
    it.checked = entry.checked.unwrap_or_default();
    it.payload = entry.payload.as_ref().map(schema).transpose()?;
    it.changes = entry.changes.as_ref().map(schema).transpose()?;
    Ok(it)
}

/// A schema, as a table or as a text of JSON.
fn schema(given: &Spanned<Value>) -> Result<Value, Fault> {
    match given.get_ref() {
        Value::String(text) => {
            let wrong = |error: serde_json::Error| (given.span().start, format!("the schema is no JSON: {error}"));
            serde_json::from_str(text).map_err(wrong)
        }
        table => Ok(table.clone()),
    }
}

/// Where the part of an entry stands that something is wrong with.
fn place_of(entry: &Spanned<TypeEntry>, part: &str) -> usize {
    let it = entry.get_ref();
    let span = match part {
        "version" => it.version.as_ref().map(Spanned::span),
        "entity" => it.entity.as_ref().map(Spanned::span),
        "when" => it.when.as_ref().map(Spanned::span),
        "creates" => it.creates.as_ref().map(Spanned::span),
        "rest" => it.rest.as_ref().map(Spanned::span),
        "payload" => it.payload.as_ref().map(Spanned::span),
        "changes" => it.changes.as_ref().map(Spanned::span),
        _ => None,
    };
    span.unwrap_or_else(|| it.name.span()).start
}

fn relation(entry: &RelationEntry) -> Result<Relation, Fault> {
    for end in [&entry.from, &entry.to] {
        check_name("an entity type", end.get_ref()).map_err(|error| (end.span().start, error.to_string()))?;
    }
    let (from, to) = (entry.from.get_ref(), entry.to.get_ref());
    match &entry.ids {
        None => Ok(Relation::by_related(from, to)),
        Some(ids) => Relation::by_ids(from, to, ids.get_ref()).map_err(|error| inside(ids, "expression", &error)),
    }
}
