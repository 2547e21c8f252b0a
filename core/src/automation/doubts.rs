//! What in a rule is probably a slip: a name that the catalogue does not know, and one near it that it does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Rule;
use super::fault::{Fault, Step};
use super::plan::{About, Doing, Thing};
use super::template::Template;
use crate::event::{Catalogue, EventType, Pattern};
use crate::near::slip;

/// The names that a catalogue knows.
pub(super) struct Names {
    entities: BTreeSet<String>,
    /// The event types, each with the type of the entities that it is about.
    types: BTreeMap<String, Option<String>>,
    /// The fields of each entity type, and the values of theirs that are named.
    words: BTreeMap<String, BTreeSet<String>>,
}

impl Names {
    pub(super) fn of(catalogue: &Catalogue) -> Self {
        let mut names = Self { entities: BTreeSet::new(), types: BTreeMap::new(), words: BTreeMap::new() };
        for it in catalogue.types() {
            names.types.insert(it.name().to_string(), it.about().map(str::to_string));
            let Some(entity) = it.about() else { continue };
            names.entities.insert(entity.to_string());
            names.words.entry(entity.to_string()).or_default().extend(words_of(it));
        }
        let ends = catalogue.relations().iter().flat_map(|relation| [&relation.from, &relation.to]);
        names.entities.extend(ends.cloned());
        names
    }

    /// What is doubtful in the names of a relation's ends.
    pub(super) fn of_relation(&self, from: &str, to: &str) -> Vec<Fault> {
        let ends = [("from", from), ("to", to)];
        ends.iter().filter_map(|(part, kind)| self.entity(&[Step::from(*part)], kind)).collect()
    }

    /// What is doubtful in a rule.
    pub(super) fn of_rule(&self, rule: &Rule) -> Vec<Fault> {
        let mut doubts: Vec<Fault> = rule.kinds().filter_map(|(path, kind)| self.entity(&path, kind)).collect();
        for (at, on) in rule.on().iter().enumerate() {
            let path = if rule.on().len() == 1 { vec!["on".into()] } else { vec!["on".into(), Step::At(at)] };
            doubts.extend(self.event_type(&path, on));
        }
        let known = self.known_to(rule);
        if let Some(condition) = rule.condition() {
            let words = condition.words();
            doubts.extend(words.iter().filter_map(|word| self.word(&["when".into()], word, &known)));
        }
        for (at, doing) in rule.doing().iter().enumerate() {
            self.of_act(rule, &["do".into(), Step::At(at)], doing, &mut doubts);
        }
        doubts
    }

    /// The words of the entities that a rule names; of those that its events are about, if it names none.
    fn known_to(&self, rule: &Rule) -> BTreeSet<&str> {
        let mut kinds: BTreeSet<&str> = rule.kinds().map(|(_, kind)| kind).collect();
        if rule.about().is_none() {
            let mine = self.types.iter().filter(|(name, _)| rule.is_on(name));
            kinds.extend(mine.filter_map(|(_, entity)| entity.as_deref()));
        }
        kinds.iter().filter_map(|kind| self.words.get(*kind)).flatten().map(String::as_str).collect()
    }

    fn of_act(&self, rule: &Rule, path: &[Step], doing: &Doing, doubts: &mut Vec<Fault>) {
        let to =
            |parts: &[&str]| -> Vec<Step> { path.iter().cloned().chain(parts.iter().map(|it| (*it).into())).collect() };
        match doing {
            Doing::Emit(emit) => {
                let kind = emit.kind.fixed().and_then(|kind| Pattern::parse(&kind).ok());
                doubts.extend(kind.and_then(|kind| self.event_type(&to(&["emit", "type"]), &kind)));
                self.thing(&to(&["entity", "type"]), &emit.about, doubts);
                let about = kind_of(rule, &emit.about);
                self.fields(about, &to(&["emit", "changes"]), &emit.changes, doubts);
            }
            Doing::Update { about, fields, expected } => {
                self.thing(&to(&["entity", "type"]), about, doubts);
                let kind = kind_of(rule, about);
                self.fields(kind.clone(), &to(&["update"]), fields, doubts);
                self.fields(kind, &to(&["expected"]), expected, doubts);
            }
            Doing::Call { .. } => {}
        }
    }

    fn thing(&self, path: &[Step], about: &About, doubts: &mut Vec<Fault>) {
        let About::Thing(Thing { kind, .. }) = about else { return };
        doubts.extend(kind.fixed().and_then(|kind| self.entity(path, &kind)));
    }

    fn fields(&self, kind: Option<String>, path: &[Step], fields: &[(String, Template)], doubts: &mut Vec<Fault>) {
        let Some(known) = kind.and_then(|kind| self.words.get(&kind)) else { return };
        let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
        for (field, value) in fields {
            let path: Vec<Step> = path.iter().cloned().chain([field.as_str().into()]).collect();
            doubts.extend(self.word(&path, field, &known));
            doubts.extend(value.fixed().and_then(|value| self.word(&path, &value, &known)));
        }
    }

    fn entity(&self, path: &[Step], kind: &str) -> Option<Fault> {
        let meant = slip(kind, self.entities.iter().map(String::as_str)).filter(|meant| *meant != kind)?;
        Some(Fault::at(path, format!("no type of event tells of an entity type '{kind}'; did you mean '{meant}'?")))
    }

    fn word(&self, path: &[Step], word: &str, known: &BTreeSet<&str>) -> Option<Fault> {
        if known.contains(word) || self.entities.contains(word) {
            return None;
        }
        let meant = slip(word, known.iter().copied())?;
        Some(Fault::at(path, format!("no type of event tells of '{word}'; did you mean '{meant}'?")))
    }

    fn event_type(&self, path: &[Step], on: &Pattern) -> Option<Fault> {
        if self.types.keys().any(|name| on.matches(name)) {
            return None;
        }
        let meant = self.types.keys().find_map(|name| near(on.as_str(), name))?;
        Some(Fault::at(path, format!("no known type of event fits '{on}'; did you mean '{meant}'?")))
    }
}

/// The pattern that fits a type, if it is this one but for slips in one segment.
fn near(pattern: &str, name: &str) -> Option<String> {
    let (mut meant, mut slips) = (Vec::new(), 0);
    let mut names = name.split('.');
    for segment in pattern.split('.') {
        let of_name = names.next()?;
        match segment {
            ">" => {
                meant.push(segment);
                return (slips == 1).then(|| meant.join("."));
            }
            "*" => meant.push(segment),
            same if same == of_name => meant.push(segment),
            other => {
                meant.push(slip(other, [of_name])?);
                slips += 1;
            }
        }
    }
    (slips == 1 && names.next().is_none()).then(|| meant.join("."))
}

fn kind_of(rule: &Rule, about: &About) -> Option<String> {
    match about {
        About::Subject => rule.about().map(str::to_string),
        About::Nothing => None,
        About::Thing(thing) => thing.kind.fixed(),
    }
}

/// The fields that a type tells of, and the values that it names.
fn words_of(it: &EventType) -> BTreeSet<String> {
    let mut words: BTreeSet<String> = it.told_fields().iter().cloned().collect();
    words.extend(it.told_values());
    let schema = it.changes_schema();
    words.extend(
        schema.and_then(|it| it["properties"].as_object()).into_iter().flat_map(|fields| fields.keys().cloned()),
    );
    schema.into_iter().for_each(|schema| values_of(schema, &mut words));
    words
}

/// The texts that a schema names as values.
fn values_of(schema: &Value, words: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            let named = fields
                .get("const")
                .into_iter()
                .chain(fields.get("enum").and_then(Value::as_array).into_iter().flatten());
            words.extend(named.filter_map(Value::as_str).map(str::to_string));
            fields.values().for_each(|part| values_of(part, words));
        }
        Value::Array(parts) => parts.iter().for_each(|part| values_of(part, words)),
        _ => {}
    }
}
