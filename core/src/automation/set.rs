//! The rules that are in force together.

use std::sync::{Arc, OnceLock};

use super::file::{self, KnownType, RuleFileError};
use super::interest::Interest;
use super::rule::Rule;
use crate::Digest;
use crate::entity::Relation;
use crate::event::{Catalogue, Event};
use crate::limits;

/// Why some rules make no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleSetError {
    /// Two rules of one name.
    #[error("two rules have the name '{name}'")]
    NameTwice {
        /// The name.
        name: String,
    },
    /// More than [`RULES`](limits::RULES).
    #[error("{count} rules; at most {} are taken", limits::RULES)]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// Two relations between the same types, in that direction.
    #[error("two relations from '{from}' to '{to}' are declared: one is enough, in the rules file or in the catalogue")]
    RelationTwice {
        /// From which type.
        from: String,
        /// To which type.
        to: String,
    },
    /// More than [`RELATIONS`](limits::RELATIONS).
    #[error("{count} relations; at most {} are taken", limits::RELATIONS)]
    TooManyRelations {
        /// How many there are.
        count: usize,
    },
}

/// The rules that are in force together, in their order, and the relations that they rest on. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RuleSet(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Rule>,
    relations: Vec<Relation>,
    text: String,
    digest: Option<Digest>,
    interest: Interest,
}

impl RuleSet {
    /// A set of just these rules, without the shipped ones.
    ///
    /// # Errors
    /// If two have one name, or there are too many.
    pub fn new(rules: Vec<Rule>) -> Result<Self, RuleSetError> {
        Self::with_relations(rules, Vec::new())
    }

    /// The same with relations that they rest on.
    ///
    /// # Errors
    /// If two have one name, or there are too many.
    pub fn with_relations(rules: Vec<Rule>, relations: Vec<Relation>) -> Result<Self, RuleSetError> {
        if rules.len() > limits::RULES {
            return Err(RuleSetError::TooMany { count: rules.len() });
        }
        if relations.len() > limits::RELATIONS {
            return Err(RuleSetError::TooManyRelations { count: relations.len() });
        }
        let mut names = std::collections::BTreeSet::new();
        if let Some(twice) = rules.iter().find(|rule| !names.insert(rule.name())) {
            return Err(RuleSetError::NameTwice { name: twice.name().to_string() });
        }
        let mut pairs = std::collections::BTreeSet::new();
        if let Some(twice) = relations.iter().find(|it| !pairs.insert((it.from.as_str(), it.to.as_str()))) {
            return Err(RuleSetError::RelationTwice { from: twice.from.clone(), to: twice.to.clone() });
        }
        let text = text_of(&rules, &relations);
        let digest = (!rules.is_empty()).then(|| Digest::of(text.as_bytes()));
        let interest = Interest::of(&rules, &relations);
        Ok(Self(Arc::new(Inner { rules, relations, text, digest, interest })))
    }

    /// The four that Regie ships: a sprint whose tasks are all completed is completed, a blocked task is notified, a task
    /// that becomes P0 raises an alert, a sprint that becomes active starts a session.
    pub fn shipped() -> Self {
        static SHIPPED: OnceLock<RuleSet> = OnceLock::new();
        let parse = || file::parse(include_str!("shipped.toml"), None).unwrap_or_default();
        SHIPPED.get_or_init(parse).clone()
    }

    /// Reads a rules file (TOML); see `docs/rules.md`. The shipped rules are part of the set unless the file says otherwise. A
    /// bad file is refused whole, with line and column.
    ///
    /// ```
    /// use regie_core::automation::RuleSet;
    /// let set = RuleSet::parse(r#"
    /// [[rule]]
    /// name = "order-alert"
    /// on = "order.paid"
    /// when = "event.payload.amount > 10000"
    /// do = [{ notify = { message = "Order ${subject.id} is large." } }]
    /// "#).unwrap();
    /// assert_eq!(set.len(), 5);
    /// assert_eq!(RuleSet::parse(set.text()).unwrap().digest(), set.digest());
    /// ```
    ///
    /// # Errors
    /// If it is no TOML, or a rule or relation of it cannot be.
    pub fn parse(text: &str) -> Result<Self, RuleFileError> {
        file::parse(text, None)
    }

    /// The same, where it is known which entity types there are: a rule that names another is refused.
    ///
    /// # Errors
    /// As [`RuleSet::parse`].
    pub fn parse_knowing(text: &str, knows: KnownType<'_>) -> Result<Self, RuleFileError> {
        file::parse(text, Some(knows))
    }

    /// Every fault of a rules file that can be told at once, by line and column; none if it is good.
    pub fn faults(text: &str, knows: Option<KnownType<'_>>) -> Vec<RuleFileError> {
        file::faults(text, knows)
    }

    /// What of a good rules file is probably a slip, by line and column: names near those that a catalogue knows, which it
    /// does not know themselves.
    pub fn doubts(text: &str, catalogue: &Catalogue) -> Vec<RuleFileError> {
        file::doubts(text, catalogue)
    }

    /// The same without the rule of a name.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let rules = self.rules().filter(|rule| rule.name() != name).cloned().collect();
        // What is fewer of a set is a set.
        Self::with_relations(rules, self.0.relations.clone()).unwrap_or_default()
    }

    /// This set and another's rules and relations after its own.
    ///
    /// # Errors
    /// If two rules have one name, or there are too many.
    pub fn and(&self, other: &RuleSet) -> Result<Self, RuleSetError> {
        let rules = self.rules().chain(other.rules()).cloned().collect();
        self.relating(other.relations()).map(|both| Self::with_relations(rules, both.0.relations.clone()))?
    }

    /// This set, resting on further relations: those of a catalogue. They take the place of what is shipped.
    ///
    /// # Errors
    /// If there are too many, or two between the same types.
    pub fn relating(&self, relations: &[Relation]) -> Result<Self, RuleSetError> {
        let shipped: Vec<String> = Self::shipped().relations().iter().map(file::relation_text).collect();
        let gives_way = |known: &Relation| {
            relations.iter().any(|it| it.from == known.from && it.to == known.to)
                && shipped.contains(&file::relation_text(known))
        };
        let mut all: Vec<Relation> = self.0.relations.iter().filter(|known| !gives_way(known)).cloned().collect();
        for relation in relations {
            let text = file::relation_text(relation);
            if !all.iter().any(|known| file::relation_text(known) == text) {
                all.push(relation.clone());
            }
        }
        Self::with_relations(self.0.rules.clone(), all)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.0.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.rules.is_empty()
    }

    /// The rules, in the order in which they are looked at.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.0.rules.iter()
    }

    /// The rule of a name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules().find(|rule| rule.name() == name)
    }

    /// Whether the rules may have to know what an event tells of its entity.
    pub(super) fn rest_on(&self, event: &Event) -> bool {
        self.0.interest.takes(event, self.0.rules.iter())
    }

    /// Of what they may have to know, as a text.
    pub(super) fn interest(&self) -> String {
        self.0.interest.text()
    }

    /// The relations that the rules rest on.
    pub fn relations(&self) -> &[Relation] {
        &self.0.relations
    }

    /// The set as it is recorded: a rules file with all its rules and relations written out, the shipped ones too, so that a
    /// later version of Regie reads the same set from it.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The digest of the set's text; none for the empty set.
    pub fn digest(&self) -> Option<Digest> {
        self.0.digest
    }
}

fn text_of(rules: &[Rule], relations: &[Relation]) -> String {
    let entries = relations.iter().map(file::relation_text).chain(rules.iter().map(Rule::text));
    format!("shipped = false\n\n{}", entries.collect::<Vec<_>>().join("\n"))
}
