//! The rules file.

use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::doubts::Names;
use super::draft::{Draft, entry};
use super::fault::{Fault, Faults, Step};
use super::rule::Rule;
use super::set::RuleSet;
use crate::entity::Relation;
use crate::event::{Catalogue, check_name};
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

/// Every fault that can be told at once: what is no TOML alone, else all of all rules and relations.
pub(super) fn faults(text: &str, knows: Option<KnownType<'_>>) -> Vec<RuleFileError> {
    let mut faults = read(text, knows).err().unwrap_or_default();
    faults.sort_by_key(|fault| (fault.line, fault.column));
    faults
}

fn read(text: &str, knows: Option<KnownType<'_>>) -> Result<RuleSet, Vec<RuleFileError>> {
    let mut file = File::open(text).map_err(|error| vec![error])?;
    let shipped = file.shipped();
    let relations = file.relations(&shipped);
    let rules = file.rules(&shipped, knows);
    if !file.faults.is_empty() {
        return Err(file.faults);
    }
    // Names are free by now; what is left is how many there are.
    RuleSet::with_relations(rules, relations).map_err(|error| vec![place(text, 0, error.to_string())])
}

/// A file that is TOML, and what is wrong with what it holds.
struct File<'t> {
    text: &'t str,
    places: DeTable<'t>,
    faults: Vec<RuleFileError>,
}

impl<'t> File<'t> {
    fn open(text: &'t str) -> Result<Self, RuleFileError> {
        if text.len() > limits::CONFIG_BYTES {
            let why = format!("the file has {} bytes; at most {} are taken", text.len(), limits::CONFIG_BYTES);
            return Err(place(text, 0, why));
        }
        let places = DeTable::parse(text).map_err(|error| unread(text, &error))?.into_inner();
        let mut faults = Vec::new();
        for name in places.keys().filter(|name| !KEYS.contains(&&**name.get_ref())) {
            let why = format!("unknown field `{}`, expected one of: {}", name.get_ref(), KEYS.join(", "));
            faults.push(place(text, name.span().start, why));
        }
        Ok(Self { text, places, faults })
    }

    /// A value of the file, as a type.
    fn one<T: Deserialize<'t>>(&mut self, value: Spanned<DeValue<'t>>) -> Option<T> {
        let read = T::deserialize(ValueDeserializer::from(value));
        read.map_err(|error| self.faults.push(unread(self.text, &error))).ok()
    }

    /// The entries of a list of tables that can be read, each with its place in the list.
    fn list<T: Deserialize<'t>>(&mut self, list: &str) -> Vec<(usize, T)> {
        let Some(value) = self.value(list) else { return Vec::new() };
        let start = value.span().start;
        let DeValue::Array(values) = value.into_inner() else {
            self.faults.push(place(self.text, start, format!("each {list} is an entry of its own: [[{list}]]")));
            return Vec::new();
        };
        values.into_iter().enumerate().filter_map(|(at, value)| Some((at, self.one(value)?))).collect()
    }

    fn value(&self, name: &str) -> Option<Spanned<DeValue<'t>>> {
        self.places.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value.clone())
    }

    fn tell(&mut self, list: &str, at: usize, faults: impl IntoIterator<Item = Fault>) {
        let told = faults.into_iter().map(|fault| told(self.text, &self.places, list, at, &fault));
        self.faults.extend(told.collect::<Vec<_>>());
    }

    fn shipped(&mut self) -> RuleSet {
        let Some(value) = self.value("shipped") else { return RuleSet::shipped() };
        let start = value.span().start;
        let Some(wanted) = self.one(value) else { return RuleSet::default() };
        shipped(&wanted).unwrap_or_else(|why| {
            self.faults.push(place(self.text, start, why));
            RuleSet::default()
        })
    }

    /// What the file says of two types takes the place of what is shipped of them.
    fn relations(&mut self, shipped: &RuleSet) -> Vec<Relation> {
        let mut relations: Vec<Relation> = Vec::new();
        for (at, draft) in self.list::<RelationDraft>("relation") {
            let is_twice = relations.iter().any(|other| other.from == draft.from && other.to == draft.to);
            let why = || format!("a relation from '{}' to '{}' is declared above: one is enough", draft.from, draft.to);
            match relation(&draft) {
                Ok(_) if is_twice => self.tell("relation", at, [Fault::at(&["from".into()], why())]),
                Ok(relation) => relations.push(relation),
                Err(faults) => self.tell("relation", at, faults),
            }
        }
        let is_said = |it: &&Relation| relations.iter().any(|other| other.from == it.from && other.to == it.to);
        let kept: Vec<Relation> = shipped.relations().iter().filter(|it| !is_said(it)).cloned().collect();
        kept.into_iter().chain(relations).collect()
    }

    fn rules(&mut self, shipped: &RuleSet, knows: Option<KnownType<'_>>) -> Vec<Rule> {
        let mut rules: Vec<Rule> = shipped.rules().cloned().collect();
        for (at, draft) in self.list::<Draft>("rule") {
            let taken = free(&draft.name, &rules).err();
            match Rule::compile(draft) {
                Ok(rule) => {
                    self.tell("rule", at, taken.into_iter().chain(knows.and_then(|knows| unknown(&rule, knows))));
                    rules.push(rule);
                }
                Err(faults) => self.tell("rule", at, taken.into_iter().chain(faults)),
            }
        }
        rules
    }
}

/// What of a good file is probably a slip, by the names that a catalogue knows.
pub(super) fn doubts(text: &str, catalogue: &Catalogue) -> Vec<RuleFileError> {
    let names = Names::of(catalogue);
    let Ok(mut file) = File::open(text) else { return Vec::new() };
    for (at, RelationDraft { from, to, .. }) in file.list("relation") {
        file.tell("relation", at, names.of_relation(&from, &to));
    }
    for (at, draft) in file.list::<Draft>("rule") {
        let rule = Rule::compile(draft).ok();
        file.tell("rule", at, rule.iter().flat_map(|rule| names.of_rule(rule)));
    }
    file.faults.sort_by_key(|doubt| (doubt.line, doubt.column));
    file.faults
}

/// What a file may hold.
const KEYS: [&str; 3] = ["shipped", "relation", "rule"];

fn unread(text: &str, error: &toml::de::Error) -> RuleFileError {
    place(text, error.span().map_or(0, |span| span.start), error.message().to_string())
}

fn free(name: &str, others: &[Rule]) -> Result<(), Fault> {
    let is_taken = others.iter().any(|other| other.name() == name);
    let why = || format!("two rules have the name '{name}'");
    if is_taken { Err(Fault::at(&["name".into()], why())) } else { Ok(()) }
}

/// An entity type that there is not.
fn unknown(rule: &Rule, knows: KnownType<'_>) -> Option<Fault> {
    let (path, kind) = rule.kinds().find(|(_, kind)| !knows(kind))?;
    Some(Fault::at(&path, format!("no relation and no type of event tells of an entity type '{kind}'")))
}

fn shipped(wanted: &Shipped) -> Result<RuleSet, String> {
    // The file of the shipped rules is read by this too: it says `false`, and so does not ask for itself.
    match wanted {
        Shipped::All(true) => Ok(RuleSet::shipped()),
        Shipped::All(false) => Ok(RuleSet::default()),
        Shipped::These(names) => {
            let all = RuleSet::shipped();
            if let Some(name) = names.iter().find(|name| all.rule(name).is_none()) {
                let known: Vec<_> = all.rules().map(Rule::name).collect();
                return Err(format!("no shipped rule has the name '{name}'; there are: {}", known.join(", ")));
            }
            let gone: Vec<String> =
                all.rules().map(|rule| rule.name().to_string()).filter(|name| !names.contains(name)).collect();
            Ok(gone.iter().fold(all, |set, name| set.without(name)))
        }
    }
}

fn relation(draft: &RelationDraft) -> Result<Relation, Vec<Fault>> {
    let faults = Faults::default();
    for (name, kind) in [("from", &draft.from), ("to", &draft.to)] {
        faults.keep(check_name(name, kind).map_err(|error| Fault::at(&[name.into()], error.to_string())));
    }
    let relation = match &draft.ids {
        None => Some(Relation::by_related(&draft.from, &draft.to)),
        Some(ids) => {
            let relation = Relation::by_ids(&draft.from, &draft.to, ids);
            faults.keep(relation.map_err(|error| Fault::expression(&["ids".into()], ids, 0, &error)))
        }
    };
    // Without a fault there is one.
    faults.unless(()).map(|()| relation.unwrap_or_else(|| Relation::by_related(&draft.from, &draft.to)))
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
