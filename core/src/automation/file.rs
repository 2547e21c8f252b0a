//! The rules file.

use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::draft::{Draft, entry};
use super::fault::{Fault, Step};
use super::rule::Rule;
use super::set::RuleSet;
use crate::entity::Relation;
use crate::event::check_name;
use crate::limits;

/// Why a rules file was refused: where and what. It is refused whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {why}")]
pub struct RuleFileError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub why: String,
}

/// Says whether there are entities of a type.
pub type KnownType<'k> = &'k dyn Fn(&str) -> bool;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    shipped: Option<Spanned<Shipped>>,
    #[serde(default)]
    relation: Vec<RelationDraft>,
    #[serde(default)]
    rule: Vec<Draft>,
}

/// Which of the shipped rules are in force.
#[derive(Deserialize)]
#[serde(untagged, expecting = "'shipped' is true, false, or a list of the shipped rules that stay in force")]
enum Shipped {
    All(bool),
    These(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelationDraft {
    from: String,
    to: String,
    ids: Option<String>,
}

/// Reads a file; the first fault refuses it.
pub(super) fn parse(text: &str, knows: Option<KnownType<'_>>) -> Result<RuleSet, RuleFileError> {
    read(text, knows).map_err(|mut faults| {
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults.swap_remove(0)
    })
}

/// Every fault that can be told at once: what is no TOML alone, else one of each rule and relation.
pub(super) fn faults(text: &str, knows: Option<KnownType<'_>>) -> Vec<RuleFileError> {
    let mut faults = read(text, knows).err().unwrap_or_default();
    faults.sort_by_key(|fault| (fault.line, fault.column));
    faults
}

fn read(text: &str, knows: Option<KnownType<'_>>) -> Result<RuleSet, Vec<RuleFileError>> {
    let alone = |at, why| vec![place(text, at, why)];
    if text.len() > limits::CONFIG_BYTES {
        let why = format!("the file has {} bytes; at most {} are taken", text.len(), limits::CONFIG_BYTES);
        return Err(alone(0, why));
    }
    let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    let file: File = toml::from_str(text).map_err(|error| alone(start(&error), error.message().to_string()))?;
    let places = DeTable::parse(text).map_err(|error| alone(start(&error), error.message().to_string()))?;
    let told = |list: &str, at: usize, fault: &Fault| told(text, places.get_ref(), list, at, fault);
    let mut faults = Vec::new();
    let mut relations = Vec::new();
    for (at, draft) in file.relation.iter().enumerate() {
        match relation(draft) {
            Ok(relation) => relations.push(relation),
            Err(fault) => faults.push(told("relation", at, &fault)),
        }
    }
    let shipped = shipped(file.shipped.as_ref()).map_err(|(at, why)| alone(at, why))?;
    let mut rules: Vec<Rule> = shipped.rules().cloned().collect();
    relations.splice(0..0, shipped.relations().iter().cloned());
    for (at, draft) in file.rule.into_iter().enumerate() {
        match Rule::compile(draft).and_then(|rule| free(&rule, &rules).map(|()| rule)) {
            Ok(rule) => {
                faults.extend(knows.and_then(|knows| unknown(&rule, knows)).map(|fault| told("rule", at, &fault)));
                rules.push(rule);
            }
            Err(fault) => faults.push(told("rule", at, &fault)),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    // Names are free by now; what is left is how many there are.
    RuleSet::with_relations(rules, relations).map_err(|error| alone(0, error.to_string()))
}

fn free(rule: &Rule, others: &[Rule]) -> Result<(), Fault> {
    let is_taken = others.iter().any(|other| other.name() == rule.name());
    let why = || format!("two rules have the name '{}'", rule.name());
    if is_taken { Err(Fault::at(&["name".into()], why())) } else { Ok(()) }
}

/// An entity type that there is not.
fn unknown(rule: &Rule, knows: KnownType<'_>) -> Option<Fault> {
    let (path, kind) = rule.kinds().find(|(_, kind)| !knows(kind))?;
    Some(Fault::at(&path, format!("no relation and no type of event tells of an entity type '{kind}'")))
}

fn shipped(wanted: Option<&Spanned<Shipped>>) -> Result<RuleSet, (usize, String)> {
    // The file of the shipped rules is read by this too: it says `false`, and so does not ask for itself.
    match wanted.map(Spanned::get_ref) {
        None | Some(Shipped::All(true)) => Ok(RuleSet::shipped()),
        Some(Shipped::All(false)) => Ok(RuleSet::default()),
        Some(Shipped::These(names)) => {
            let all = RuleSet::shipped();
            let at = wanted.map_or(0, |wanted| wanted.span().start);
            if let Some(name) = names.iter().find(|name| all.rule(name).is_none()) {
                let known: Vec<_> = all.rules().map(Rule::name).collect();
                let why = format!("no shipped rule has the name '{name}'; there are: {}", known.join(", "));
                return Err((at, why));
            }
            let gone: Vec<String> =
                all.rules().map(|rule| rule.name().to_string()).filter(|name| !names.contains(name)).collect();
            Ok(gone.iter().fold(all, |set, name| set.without(name)))
        }
    }
}

fn relation(draft: &RelationDraft) -> Result<Relation, Fault> {
    for (name, kind) in [("from", &draft.from), ("to", &draft.to)] {
        check_name(name, kind).map_err(|error| Fault::at(&[name.into()], error.to_string()))?;
    }
    match &draft.ids {
        None => Ok(Relation::by_related(&draft.from, &draft.to)),
        Some(ids) => Relation::by_ids(&draft.from, &draft.to, ids)
            .map_err(|error| Fault::expression(&["ids".into()], ids, 0, &error)),
    }
}

/// A relation as an entry of a rules file.
pub(super) fn relation_text(relation: &Relation) -> String {
    let mut fields = serde_json::Map::new();
    fields.insert("from".into(), relation.from.clone().into());
    fields.insert("to".into(), relation.to.clone().into());
    fields.extend(relation.ids.as_ref().map(|ids| ("ids".to_string(), ids.text().into())));
    entry("relation", &Value::Object(fields))
}

/// A fault with its place in the file: exact where the text stands there as it is, without escapes.
fn told(text: &str, places: &DeTable<'_>, list: &str, at: usize, fault: &Fault) -> RuleFileError {
    let path: Vec<Step> = [Step::from(list), Step::At(at)].into_iter().chain(fault.path.iter().cloned()).collect();
    let Some(found) = span(places, &path) else { return place(text, 0, fault.told()) };
    let begin = fault.offset.and_then(|offset| {
        let value = found.text.filter(|_| found.is_whole)?;
        Some(text.get(found.start..found.end)?.find(value)? + offset)
    });
    match begin {
        Some(begin) => place(text, found.start + begin, fault.why.clone()),
        None => place(text, found.start, fault.told()),
    }
}

struct Found<'t> {
    start: usize,
    end: usize,
    /// The value, if it is a text.
    text: Option<&'t str>,
    /// Whether the whole path was found, or just its beginning.
    is_whole: bool,
}

/// Where the end of a path stands, or as much of the path as there is.
fn span<'t>(places: &'t DeTable<'_>, path: &[Step]) -> Option<Found<'t>> {
    let (first, rest) = path.split_first()?;
    let Step::Key(key) = first else { return None };
    let (_, mut value) = places.iter().find(|(name, _)| name.get_ref() == key)?;
    let mut found = 0;
    for step in rest {
        let next = match (value.get_ref(), step) {
            (DeValue::Table(table), Step::Key(key)) => {
                table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
            }
            (DeValue::Array(values), Step::At(at)) => values.get(*at),
            _ => None,
        };
        let Some(next) = next else { break };
        value = next;
        found += 1;
    }
    let Range { start, end } = value.span();
    let text = match value.get_ref() {
        DeValue::String(text) => Some(&**text),
        _ => None,
    };
    Some(Found { start, end, text, is_whole: found == rest.len() })
}

fn place(text: &str, byte: usize, why: String) -> RuleFileError {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    RuleFileError { line, column, why }
}
