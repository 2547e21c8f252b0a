//! What rules know of the user's things: a fold over committed events, in the journal's order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::entity::{LatestFields, Relation};
use crate::event::{EntityRef, Event};
use crate::limits;
use crate::query::Committed;
use crate::{Json, Timestamp};

/// What an event tells that the world cannot take. The event stays; what it would have added is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// One entity is related to more than [`RELATED_KEPT`](limits::RELATED_KEPT) others.
    #[error(
        "{entity} would be related to more than {} entities (RELATED_KEPT); {other} is left out",
        limits::RELATED_KEPT
    )]
    TooManyRelated {
        /// The entity.
        entity: EntityRef,
        /// Which other is left out.
        other: EntityRef,
    },
    /// More than [`ENTITIES_KEPT`](limits::ENTITIES_KEPT) entities.
    #[error("rules know {} entities (ENTITIES_KEPT) and no more; {entity} is left out", limits::ENTITIES_KEPT)]
    TooManyEntities {
        /// Which one is left out.
        entity: EntityRef,
    },
    /// A declared relation has no value on this event: it stays as it was.
    #[error("the relation from {from} to {to} has no value for {entity}: {why}")]
    Relation {
        /// From which type.
        from: String,
        /// To which type.
        to: String,
        /// Whose it is.
        entity: EntityRef,
        /// Why.
        why: String,
    },
}

/// The fields of all entities, and which are related to which, up to a position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct World {
    position: u64,
    entities: HashMap<EntityRef, Known>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    fields: LatestFields,
    /// Of the last event that was about it.
    position: u64,
    /// Those that its events have named.
    named: BTreeSet<EntityRef>,
    /// Those that declared relations give, by relation.
    declared: BTreeMap<String, BTreeSet<EntityRef>>,
    /// Those that are related to it from their side.
    back: BTreeSet<EntityRef>,
}

/// The same in an order of its own, so that equal worlds have equal bytes.
#[derive(Serialize, Deserialize)]
struct Kept {
    position: u64,
    entities: Vec<(EntityRef, Known)>,
}

impl World {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The last position that was told.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many entities are known.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// Goes on past an event that is not to be taken in.
    pub fn passes(&mut self, position: u64) {
        self.position = self.position.max(position);
    }

    /// Tells an event. One that was told already, by the record by which it is processed, is passed over; the runtime's own are
    /// not taken in.
    pub fn tell(&mut self, committed: &Committed<'_>, relations: &[Relation]) -> Vec<WorldError> {
        let Committed { event, position, by, .. } = *committed;
        if by <= self.position {
            return Vec::new();
        }
        self.position = by;
        let Some(entity) = event.entity.as_ref().filter(|_| !event.correlation_id.is_own()) else {
            return Vec::new();
        };
        let mut errors = Vec::new();
        let Some(known) = self.known(entity, &mut errors) else { return errors };
        known.fields.tell(event, position);
        known.position = position.max(known.position);
        self.declared(entity, event, relations, &mut errors);
        let is_declared = |other: &EntityRef| {
            let by_related = relations.iter().filter(|relation| relation.ids.is_none() && relation.from == entity.kind);
            by_related.into_iter().any(|relation| relation.to == other.kind)
        };
        for other in event.related.iter().filter(|other| !is_declared(other)) {
            if self.relate(entity, other, &mut errors)
                && let Some(known) = self.entities.get_mut(entity)
            {
                known.named.insert(other.clone());
            }
        }
        errors
    }

    /// An entity's fields.
    pub fn fields(&self, entity: &EntityRef) -> BTreeMap<String, Json> {
        self.entities.get(entity).map(|known| known.fields.values()).unwrap_or_default()
    }

    /// One field of an entity.
    pub fn field(&self, entity: &EntityRef, field: &str) -> Option<&Json> {
        self.entities.get(entity)?.fields.get(field)
    }

    /// Each field of an entity with when it was last told, at which position, and its value.
    pub fn told(&self, entity: &EntityRef) -> impl Iterator<Item = (&str, Timestamp, u64, &Json)> {
        self.entities.get(entity).into_iter().flat_map(|known| known.fields.told())
    }

    /// The position of the last event that was about an entity; 0 where there was none.
    pub fn position_of(&self, entity: &EntityRef) -> u64 {
        self.entities.get(entity).map_or(0, |known| known.position)
    }

    /// The entities that one is related to, from either side, in order.
    pub fn related(&self, entity: &EntityRef) -> BTreeSet<&EntityRef> {
        self.entities.get(entity).map(|known| known.out().chain(&known.back).collect()).unwrap_or_default()
    }

    /// Those of one type that an entity is related to; one may come more than once.
    pub(super) fn related_of<'w>(&'w self, entity: &EntityRef, kind: &'w str) -> impl Iterator<Item = &'w EntityRef> {
        let known = self.entities.get(entity);
        let sets = known.into_iter().flat_map(|known| known.declared.values().chain([&known.named, &known.back]));
        sets.flat_map(move |set| {
            let from = EntityRef::new(kind, "");
            set.range(from..).take_while(move |other| other.kind == kind)
        })
    }

    /// An entity's place, made where there is none and room for one.
    fn known(&mut self, entity: &EntityRef, errors: &mut Vec<WorldError>) -> Option<&mut Known> {
        if !self.entities.contains_key(entity) && self.entities.len() >= limits::ENTITIES_KEPT {
            errors.push(WorldError::TooManyEntities { entity: entity.clone() });
            return None;
        }
        Some(self.entities.entry(entity.clone()).or_default())
    }

    /// What declared relations say from this event on: it takes the place of what they said before.
    fn declared(&mut self, entity: &EntityRef, event: &Event, relations: &[Relation], errors: &mut Vec<WorldError>) {
        let mine: Vec<_> = relations.iter().filter(|relation| relation.from == entity.kind).collect();
        if mine.is_empty() {
            return;
        }
        let fields = self.fields(entity);
        for relation in mine {
            match relation.ids_of(event, &fields) {
                Ok(None) => {}
                Ok(Some(ids)) => {
                    let others = ids.into_iter().map(|id| EntityRef::new(&relation.to, id)).collect();
                    self.replace(entity, key_of(relation), others, errors);
                }
                Err(error) => errors.push(WorldError::Relation {
                    from: relation.from.clone(),
                    to: relation.to.clone(),
                    entity: entity.clone(),
                    why: error.to_string(),
                }),
            }
        }
    }

    fn replace(
        &mut self,
        entity: &EntityRef,
        relation: String,
        others: BTreeSet<EntityRef>,
        errors: &mut Vec<WorldError>,
    ) {
        let before = self.entities.get_mut(entity).and_then(|known| known.declared.remove(&relation));
        // First those that go, so that they leave room.
        for gone in before.iter().flatten().filter(|other| !others.contains(other)) {
            self.part(entity, gone);
        }
        let is_kept = |other: &EntityRef| before.as_ref().is_some_and(|before| before.contains(other));
        let others = others.into_iter().filter(|other| is_kept(other) || self.relate(entity, other, errors)).collect();
        if let Some(known) = self.entities.get_mut(entity) {
            known.declared.insert(relation, others);
        }
    }

    /// Has the other know of it; says whether there was room on both sides.
    fn relate(&mut self, entity: &EntityRef, other: &EntityRef, errors: &mut Vec<WorldError>) -> bool {
        if entity == other {
            return false;
        }
        if self.entities.get(other).is_some_and(|known| known.back.contains(entity)) {
            return true;
        }
        if self.known(other, errors).is_none() {
            return false;
        }
        for (one, another) in [(entity, other), (other, entity)] {
            if self.entities.get(one).is_some_and(|known| known.degree() >= limits::RELATED_KEPT) {
                errors.push(WorldError::TooManyRelated { entity: one.clone(), other: another.clone() });
                return false;
            }
        }
        self.entities.get_mut(other).is_some_and(|known| known.back.insert(entity.clone()))
    }

    /// The other knows of it no more, unless it is related to it otherwise.
    fn part(&mut self, entity: &EntityRef, other: &EntityRef) {
        let still = self.entities.get(entity).is_some_and(|known| known.out().any(|it| it == other));
        if let Some(known) = self.entities.get_mut(other).filter(|_| !still) {
            known.back.remove(entity);
        }
    }
}

impl Known {
    fn out(&self) -> impl Iterator<Item = &EntityRef> {
        self.named.iter().chain(self.declared.values().flatten())
    }

    fn degree(&self) -> usize {
        self.named.len() + self.declared.values().map(BTreeSet::len).sum::<usize>() + self.back.len()
    }
}

/// Two relations between the same types are told apart by how their ids are told.
fn key_of(relation: &Relation) -> String {
    format!("{} {}", relation.to, relation.ids.as_ref().map_or("", |ids| ids.text()))
}

impl From<Kept> for World {
    fn from(kept: Kept) -> Self {
        Self { position: kept.position, entities: kept.entities.into_iter().collect() }
    }
}

impl From<World> for Kept {
    fn from(world: World) -> Self {
        let mut entities: Vec<_> = world.entities.into_iter().collect();
        entities.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self { position: world.position, entities }
    }
}
