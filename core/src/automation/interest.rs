//! What rules rest on: only that is kept of what was committed.

use std::collections::BTreeSet;

use super::Rule;
use crate::entity::Relation;
use crate::event::Event;

/// The entities that some rules may have to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Interest {
    /// All of them: a rule looks at whatever its events are about, or at all that it is related to.
    all: bool,
    kinds: BTreeSet<String>,
    /// What the rules watch for is taken in too: it may name their subjects.
    on: BTreeSet<String>,
}

impl Interest {
    /// Of rules and the relations that they rest on.
    pub(super) fn of(rules: &[Rule], relations: &[Relation]) -> Self {
        let mut interest = Self::default();
        for rule in rules {
            interest.on.extend(rule.on().iter().map(|pattern| pattern.as_str().to_string()));
            match rule.rests_on() {
                Some(kinds) => interest.kinds.extend(kinds.map(str::to_string)),
                None => interest.all = true,
            }
        }
        interest.kinds.extend(relations.iter().flat_map(|relation| [relation.from.clone(), relation.to.clone()]));
        interest
    }

    /// Whether an event tells something that rules may have to know: what they watch for is always taken in, for it may name
    /// their subjects.
    pub(super) fn takes<'r>(&self, event: &Event, mut rules: impl Iterator<Item = &'r Rule>) -> bool {
        let Some(entity) = &event.entity else { return false };
        self.all || self.kinds.contains(&entity.kind) || rules.any(|rule| rule.is_on(&event.kind))
    }

    /// As a text: worlds that were folded with another are not the same.
    pub(super) fn text(&self) -> String {
        let list = |texts: &BTreeSet<String>| texts.iter().cloned().collect::<Vec<_>>().join(" ");
        if self.all { "*".to_string() } else { format!("{} on {}", list(&self.kinds), list(&self.on)) }
    }
}
