//! The evaluator: committed events go in, in the journal's order, and out come the runs of the rules that they set off.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::acts::{Firing, UNDO};
use super::file::relation_text;
use super::scene::Scene;
use super::share::Share;
use super::world::{World, WorldError};
use super::{Rule, RuleSet, Run};
use crate::Digest;
use crate::entity::UPDATE_SOURCE;
use crate::event::{EntityRef, Event};
use crate::limits;
use crate::query::Committed;

/// What an event leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The runs, by rule in the set's order, then by subject. One with an error does nothing.
    pub runs: Vec<Run>,
    /// What of the event the world could not take.
    pub errors: Vec<WorldError>,
}

/// What the evaluator knows: keep it with the position that it has come to, and it goes on from there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knowledge {
    world: World,
    /// For which subjects each rule holds.
    edges: BTreeMap<String, Edge>,
    /// The relations that the world was folded by.
    relations: Option<Digest>,
}

/// For which subjects a rule holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Edge {
    /// Of the rule's text: another text is another rule.
    rule: Digest,
    held: BTreeSet<EntityRef>,
    /// For which its condition could not be told last time.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    failing: BTreeSet<Option<EntityRef>>,
}

impl Edge {
    fn of(rule: &Rule) -> Self {
        Self { rule: digest_of_rule(rule), held: BTreeSet::new(), failing: BTreeSet::new() }
    }
}

/// What a look at a rule for a subject comes to.
enum Look<'f> {
    Fires(Firing<'f>),
    Fails(Box<Run>),
}

/// Whether the world has to be told again from the beginning, because relations are others than it was folded by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Takeover {
    /// It goes on.
    GoesOn,
    /// The world is empty now: [`Evaluator::learn`] each event up to where it had come.
    LearnAnew,
}

/// Evaluates rules over committed events. What it gives follows from the events, their order and the sets in force alone.
#[derive(Clone, Debug)]
pub struct Evaluator {
    known: Knowledge,
    rules: RuleSet,
    digest: String,
}

impl Evaluator {
    /// Nothing is known yet.
    pub fn new(rules: RuleSet) -> Self {
        let known = Knowledge { relations: Some(relations_of(&rules)), ..Knowledge::default() };
        let digest = digest_of(&rules);
        Self { known, rules, digest }
    }

    /// Goes on from what was kept.
    pub fn resume(known: Knowledge, rules: RuleSet) -> (Self, Takeover) {
        let mut evaluator = Self { known, rules: RuleSet::default(), digest: String::new() };
        let takeover = evaluator.take_over(rules);
        (evaluator, takeover)
    }

    /// What it knows, to be kept.
    pub fn knowledge(&self) -> &Knowledge {
        &self.known
    }

    /// What it knows of the user's things.
    pub fn world(&self) -> &World {
        &self.known.world
    }

    /// The rules in force.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// From here on these rules are in force. A rule whose text is the same still knows for which subjects it held; of any
    /// other it is taken that it held for none.
    pub fn take_over(&mut self, rules: RuleSet) -> Takeover {
        self.known.edges.retain(|name, edge| rules.rule(name).is_some_and(|rule| edge.rule == digest_of_rule(rule)));
        let relations = Some(relations_of(&rules));
        self.digest = digest_of(&rules);
        self.rules = rules;
        let is_same = self.known.relations == relations;
        self.known.relations = relations;
        if is_same || self.known.world.position() == 0 {
            return Takeover::GoesOn;
        }
        self.known.world = World::new();
        Takeover::LearnAnew
    }

    /// Takes in an event without setting off any rule.
    pub fn learn(&mut self, committed: &Committed<'_>) -> Vec<WorldError> {
        if !self.rules.rest_on(committed.event) {
            self.known.world.passes(committed.by);
            return Vec::new();
        }
        self.known.world.tell(committed, self.rules.relations())
    }

    /// Takes in an event, and gives the runs of the rules that it sets off. One that was taken in already, by the record by
    /// which it is processed, and one of the runtime's own give none. What is discarded is never to be taken in, and what is
    /// deferred or escalated once it has gone on.
    pub fn take(&mut self, committed: &Committed<'_>) -> Taken {
        let event = committed.event;
        if event.correlation_id.is_own() || committed.by <= self.known.world.position() {
            return Taken { runs: Vec::new(), errors: self.learn(committed) };
        }
        let rules = self.rules.clone();
        let matching: Vec<&Rule> = rules.rules().filter(|rule| rule.is_on(&event.kind)).collect();
        let mut subjects: Vec<Subjects> = matching.iter().map(|rule| Subjects::of(rule, event)).collect();
        subjects.iter_mut().for_each(|subjects| subjects.look(event, &self.known.world));
        let errors = self.learn(committed);
        subjects.iter_mut().for_each(|subjects| subjects.look(event, &self.known.world));
        let digest = self.digest.clone();
        let mut looks = Vec::new();
        for (rule, subjects) in matching.into_iter().zip(&subjects) {
            self.rule(|subject| Firing { rule, rules: &digest, subject, committed }, subjects, &mut looks);
        }
        Taken { runs: self.runs(event, looks), errors }
    }

    fn rule<'f>(
        &mut self,
        firing: impl Fn(Option<&'f EntityRef>) -> Firing<'f>,
        subjects: &'f Subjects<'_>,
        looks: &mut Vec<Look<'f>>,
    ) {
        match subjects {
            Subjects::Own(subject) => looks.extend(self.subject(firing(*subject))),
            Subjects::Of { found, .. } if found.len() > limits::RULE_SUBJECTS => {
                let why = format!("it is about more than {} entities here (RULE_SUBJECTS)", limits::RULE_SUBJECTS);
                looks.push(Look::Fails(Box::new(firing(None).failed(why))));
            }
            Subjects::Of { found, .. } => {
                looks.extend(found.iter().filter_map(|subject| self.subject(firing(Some(subject)))));
            }
        }
    }

    /// What is done, once it is known how much that is in all.
    fn runs(&self, event: &Event, looks: Vec<Look<'_>>) -> Vec<Run> {
        let firings = looks.iter().filter_map(|look| match look {
            Look::Fires(firing) => Some(firing),
            Look::Fails(_) => None,
        });
        let share = Share::out(event, firings);
        let run = |look| match (look, &share) {
            (Look::Fails(run), _) => *run,
            (Look::Fires(firing), Ok(share)) => firing.run(&self.known.world, *share),
            (Look::Fires(firing), Err(why)) => firing.failed(why.clone()),
        };
        looks.into_iter().map(run).collect()
    }

    /// Looks at one rule for one subject. A condition that cannot be told is told as a failure once, until it can be again.
    fn subject<'f>(&mut self, firing: Firing<'f>) -> Option<Look<'f>> {
        let (rule, event) = (firing.rule, firing.committed.event);
        let undoes = event.source == UPDATE_SOURCE && event.metadata.contains_key(UNDO);
        let rises = match rule.condition() {
            None => true,
            Some(condition) => {
                let scene = Scene::new(event, firing.subject, &self.known.world, &rule.needs);
                match condition.truth(&scene.view()) {
                    Ok(holds) => self.moves(rule, firing.subject, holds),
                    Err(error) => {
                        let edge = self.known.edges.entry(rule.name().to_string()).or_insert_with(|| Edge::of(rule));
                        // Of further ones it is not told, so that what is kept has an end.
                        let has_room = edge.failing.len() < limits::RULE_SUBJECTS;
                        let is_new = has_room && edge.failing.insert(firing.subject.cloned());
                        return is_new.then(|| Look::Fails(Box::new(firing.failed(format!("when: {error}")))));
                    }
                }
            }
        };
        (rises && !undoes).then_some(Look::Fires(firing))
    }

    /// Keeps whether a rule holds for a subject; says whether it does and did not before. Without a subject, whenever it does.
    fn moves(&mut self, rule: &Rule, subject: Option<&EntityRef>, holds: bool) -> bool {
        if let Some(edge) = self.known.edges.get_mut(rule.name())
            && !edge.failing.is_empty()
        {
            edge.failing.remove(&subject.cloned());
        }
        let Some(subject) = subject else { return holds };
        if !holds {
            if let Some(edge) = self.known.edges.get_mut(rule.name()) {
                edge.held.remove(subject);
            }
            return false;
        }
        self.known.edges.entry(rule.name().to_string()).or_insert_with(|| Edge::of(rule)).held.insert(subject.clone())
    }
}

/// The entities that a rule is looked at for.
enum Subjects<'r> {
    /// The event's own entity, or none.
    Own(Option<&'r EntityRef>),
    /// Those of a type: what the event is about or touches, and what is related to what it is about, before it and after it.
    /// Further ones, related to those, where the rule looks as far.
    Of { kind: &'r str, further: bool, found: BTreeSet<EntityRef> },
}

impl<'r> Subjects<'r> {
    fn of(rule: &'r Rule, event: &'r Event) -> Self {
        match rule.about() {
            None => Self::Own(event.entity.as_ref()),
            Some(kind) => Self::Of { kind, further: rule.needs.further, found: BTreeSet::new() },
        }
    }

    /// Adds those that the world shows as it is.
    fn look(&mut self, event: &Event, world: &World) {
        let Self::Of { kind, further, found } = self else { return };
        let mut near: BTreeSet<&EntityRef> = event.entity.iter().chain(&event.related).collect();
        if *further && let Some(entity) = &event.entity {
            near.extend(world.related(entity));
        }
        found.extend(near.iter().filter(|it| it.kind == *kind).map(|it| (*it).clone()));
        let from: Vec<&EntityRef> = if *further { near.into_iter().collect() } else { event.entity.iter().collect() };
        for entity in from {
            found.extend(world.related_of(entity, kind).cloned());
            if found.len() > limits::RULE_SUBJECTS {
                return;
            }
        }
    }
}

fn digest_of(rules: &RuleSet) -> String {
    rules.digest().map(|digest| digest.to_string()).unwrap_or_default()
}

fn digest_of_rule(rule: &Rule) -> Digest {
    Digest::of(rule.text().as_bytes())
}

fn relations_of(rules: &RuleSet) -> Digest {
    let texts: Vec<String> = rules.relations().iter().map(relation_text).collect();
    let interest = rules.interest();
    Digest::of(format!("{interest}\n{}", texts.join("\n")).as_bytes())
}
