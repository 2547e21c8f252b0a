//! What a run changed: of each field what was there before the run's first change, what the run made of it, and what others
//! have made of it since. The updates that put it back follow from that.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::acts::UNDO;
use super::undo::LaterChange;
use crate::entity::Update;
use crate::event::{CorrelationId, EntityRef, Event, Principal};
use crate::{Json, Timestamp, limits};

/// Whose an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The run's.
    Run,
    /// It puts back what the run changed.
    Back,
    /// Somebody else's.
    Other,
}

/// An event that is about an entity, as the journal has it.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'e> {
    /// The event, in the latest version of its type.
    pub event: &'e Event,
    /// Where.
    pub position: u64,
    /// Whose it is.
    pub whose: Whose,
}

/// What a run changed of one entity, and is not put back yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Which.
    pub entity: EntityRef,
    /// Where the run's first event about it went.
    pub correlation: CorrelationId,
    /// That event's outer correlations.
    pub chain: Vec<CorrelationId>,
    /// That event, as `source#id`.
    pub cause: String,
    /// Its fields.
    pub fields: BTreeMap<String, Replaced>,
}

/// What a run made of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// What was there when the run changed it first, by the journal; as its event claims, where nothing had told of it.
    pub before: Json,
    /// What the run changed it to at last.
    pub after: Json,
    /// What others have made of it since, in order: the first [`LATER_CHANGES`](limits::LATER_CHANGES).
    pub later: Vec<LaterChange>,
}

/// How a run is put back.
#[derive(Clone, Copy, Debug)]
pub struct PutBack<'p> {
    /// The run.
    pub run: &'p str,
    /// Who does it.
    pub by: &'p Principal,
    /// Whether what others have changed since is overwritten; else it is left to them.
    pub force: bool,
}

/// What a run changed of an entity, by all events about it in the journal's order; nothing where it changed nothing, or all
/// is put back.
pub fn changed<'e>(entity: &EntityRef, events: impl IntoIterator<Item = Recorded<'e>>) -> Option<Changed> {
    let mut first: Option<&Event> = None;
    let mut fields: BTreeMap<&str, Field<'_>> = BTreeMap::new();
    for recorded in events {
        if recorded.whose == Whose::Run {
            first = first.or(Some(recorded.event));
        }
        for (name, change) in &recorded.event.changes {
            let before = || change.before.clone();
            fields.entry(name).or_default().tell(Telling { recorded, value: &change.after }, before);
        }
    }
    let first = first?;
    let fields: BTreeMap<String, Replaced> = fields
        .into_iter()
        .filter_map(|(name, field)| Some((name.to_string(), field.replaced(entity, name)?)))
        .collect();
    (!fields.is_empty()).then(|| Changed {
        entity: entity.clone(),
        correlation: first.correlation_id.clone(),
        chain: first.correlation_chain.clone(),
        cause: name_of(first),
        fields,
    })
}

fn name_of(event: &Event) -> String {
    format!("{}#{}", event.source, event.id)
}

#[derive(Clone, Copy)]
struct Telling<'e> {
    recorded: Recorded<'e>,
    value: &'e Json,
}

impl Telling<'_> {
    /// What is told at the latest holds: by timestamp, and of the same by position.
    fn at(&self) -> (Timestamp, u64) {
        (self.recorded.event.timestamp, self.recorded.position)
    }
}

#[derive(Default)]
struct Field<'e> {
    /// What was there when the run changed it first.
    before: Option<Json>,
    told: Vec<Telling<'e>>,
}

impl<'e> Field<'e> {
    fn tell(&mut self, telling: Telling<'e>, claimed: impl FnOnce() -> Json) {
        if telling.recorded.whose == Whose::Run && self.before.is_none() {
            let known = self.told.iter().max_by_key(|told| told.at()).map(|told| told.value.clone());
            self.before = Some(known.unwrap_or_else(claimed));
        }
        self.told.push(telling);
    }

    fn replaced(mut self, entity: &EntityRef, name: &str) -> Option<Replaced> {
        let before = self.before?;
        self.told.sort_by_key(Telling::at);
        let last = self.told.iter().rposition(|told| told.recorded.whose == Whose::Run)?;
        let since = &self.told[last + 1..];
        if since.iter().any(|told| told.recorded.whose == Whose::Back) {
            return None; // what others have made of it after that is theirs
        }
        let later = since.iter().take(limits::LATER_CHANGES).map(|told| LaterChange {
            entity: entity.clone(),
            field: name.to_string(),
            event: name_of(told.recorded.event),
            position: told.recorded.position,
        });
        Some(Replaced { before, after: self.told[last].value.clone(), later: later.collect() })
    }
}

impl Changed {
    /// The update that puts it back, under that id; nothing where all of it is left to others. That what the run made of its
    /// fields is still there is looked at by whoever takes it, within the turn.
    pub fn back(&self, id: String, how: &PutBack<'_>) -> Option<Update> {
        let mut update = Update::of(self.entity.clone(), how.by.clone()).id(id).cause(&self.cause);
        update = update.within(self.correlation.clone());
        update.chain.clone_from(&self.chain);
        update.metadata.insert(UNDO.to_string(), how.run.to_string());
        for (field, replaced) in self.fields.iter().filter(|(_, replaced)| how.force || replaced.later.is_empty()) {
            update.fields.insert(field.clone(), replaced.before.clone());
            if !how.force {
                update.expected.insert(field.clone(), replaced.after.clone());
            }
        }
        (!update.fields.is_empty()).then_some(update)
    }

    /// What others have made of its fields since, in the journal's order.
    pub fn later(&self) -> Vec<LaterChange> {
        let all: BTreeSet<(u64, &str, &LaterChange)> = self
            .fields
            .values()
            .flat_map(|replaced| &replaced.later)
            .map(|later| (later.position, later.field.as_str(), later))
            .collect();
        all.into_iter().map(|(.., later)| later.clone()).collect()
    }
}
