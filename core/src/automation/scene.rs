//! What a rule's expressions see: the event, the subject with its fields, and the entities that it is related to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::world::World;
use crate::Json;
use crate::event::{EntityRef, Event};
use crate::expr::{Program, Scope, Shape, View};
use crate::governance::entity_seen;
use crate::limits;

const SUBJECT: &str = "subject";
const ENTITY: &str = "entity";
const RELATED: &str = "related";

/// What a rule's expressions may name.
pub(super) fn scope() -> &'static Scope {
    static SCOPE: OnceLock<Scope> = OnceLock::new();
    SCOPE.get_or_init(|| {
        let fields = Shape::Map { of: Box::new(Shape::Any), most: limits::OBJECT_KEYS };
        let subject = Shape::object([("type", Shape::id()), ("id", Shape::id())]);
        let position = ("position", Shape::Int);
        let entity = Shape::object([("type", Shape::id()), ("id", Shape::id()), ("fields", fields), position]);
        Scope::new().with_event().with(SUBJECT, subject).with(ENTITY, entity).with_related()
    })
}

/// What some expressions look at: nothing else is made for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    entity: bool,
    related: Kinds,
    /// Whether they look at what the related ones are related to.
    pub(super) further: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Kinds {
    #[default]
    None,
    These(BTreeSet<String>),
    All,
}

impl Needs {
    pub(super) fn of<'p>(programs: impl IntoIterator<Item = &'p Program>) -> Self {
        let mut needs = Self::default();
        for program in programs {
            needs.entity |= program.uses(ENTITY);
            needs.further |= program.selects(RELATED);
            if !program.uses(RELATED) {
                continue;
            }
            needs.related = match (std::mem::take(&mut needs.related), program.fields_of(RELATED)) {
                (Kinds::None, Some(kinds)) => Kinds::These(kinds),
                (Kinds::These(known), Some(kinds)) => Kinds::These(known.into_iter().chain(kinds).collect()),
                _ => Kinds::All,
            };
        }
        needs
    }

    /// Whether they look at the subject's fields, or at what it is related to.
    pub(super) fn looks(&self) -> bool {
        self.entity || self.related != Kinds::None
    }

    /// Whether what they look at may be of any type.
    pub(super) fn may_be_any(&self) -> bool {
        self.further || self.related == Kinds::All
    }

    /// The types of related entities that are named.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &str> {
        let named = match &self.related {
            Kinds::These(kinds) => Some(kinds),
            Kinds::None | Kinds::All => None,
        };
        named.into_iter().flatten().map(String::as_str)
    }
}

/// The values by name, made from the world.
#[derive(Debug)]
pub(super) struct Scene<'e> {
    event: &'e Event,
    subject: Json,
    entity: Json,
    related: Json,
}

impl<'e> Scene<'e> {
    pub(super) fn new(event: &'e Event, subject: Option<&EntityRef>, world: &World, needs: &Needs) -> Self {
        let entity = subject
            .filter(|_| needs.entity)
            .map(|subject| entity_seen(subject, &world.fields(subject), world.position_of(subject)));
        Self {
            event,
            subject: subject.map(Json::of).unwrap_or_default(),
            entity: entity.unwrap_or_default(),
            related: related(subject, world, needs),
        }
    }

    pub(super) fn view(&self) -> View<'_> {
        let view = View::new().event(self.event);
        view.json(SUBJECT, &self.subject).json(ENTITY, &self.entity).json(RELATED, &self.related)
    }
}

/// `{"task": [{"type": "task", "id": "TASK-001", "status": "open"}]}`. A type that is asked for and not there is an empty list.
fn related(subject: Option<&EntityRef>, world: &World, needs: &Needs) -> Json {
    if needs.related == Kinds::None {
        return Json::null();
    }
    let mut by_kind: BTreeMap<&str, Vec<String>> = needs.kinds().map(|kind| (kind, Vec::new())).collect();
    let all = needs.related == Kinds::All;
    for other in subject.map(|subject| world.related(subject)).unwrap_or_default() {
        if all || by_kind.contains_key(other.kind.as_str()) {
            by_kind.entry(&other.kind).or_default().push(thing(other, world, needs.further));
        }
    }
    let lists: Vec<_> =
        by_kind.iter().map(|(kind, things)| format!("{}:[{}]", Json::of(kind), things.join(","))).collect();
    made(format!("{{{}}}", lists.join(",")))
}

/// A related entity: its fields, but for those whose names are taken, and its type and id.
fn thing(entity: &EntityRef, world: &World, further: bool) -> String {
    let mut text = format!("{{\"type\":{},\"id\":{}", Json::of(&entity.kind), Json::of(&entity.id));
    for (field, _, _, value) in world.told(entity) {
        if !matches!(field, "type" | "id" | RELATED) {
            text += &format!(",{}:{value}", Json::of(field));
        }
    }
    if further {
        let mut ids: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for other in world.related(entity) {
            ids.entry(&other.kind).or_default().push(&other.id);
        }
        text += &format!(",\"{RELATED}\":{}", Json::of(&ids));
    }
    text + "}"
}

/// Put together from JSON, and so JSON.
fn made(text: String) -> Json {
    Json::parse(&text).unwrap_or_default()
}
