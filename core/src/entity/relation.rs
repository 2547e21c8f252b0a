//! Relations: which things of one kind belong to a thing of another, as events tell it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::event::{Event, check_name};
use crate::expr::{EvalError, ExprError, Program, Scope, Shape, View};
use crate::{Json, limits};

/// A relation from entities of one type to those of another: from a task to its sprint, from an issue to its versions.
///
/// ```
/// use std::collections::BTreeMap;
/// use regie_core::entity::Relation;
/// use regie_core::event::{EntityRef, Event};
///
/// let relation = Relation::by_ids("issue", "version", "event.payload.fix_versions")?;
/// let event = Event::new("issue.planned", "PROJ-1")
///     .entity(EntityRef::new("issue", "PROJ-1"))
///     .payload(serde_json::json!({"fix_versions": ["1.0", "1.1"]}))
///     .build()?;
/// let ids = relation.ids_of(event.event(), &BTreeMap::new())?;
/// assert_eq!(ids, Some(vec!["1.0".to_string(), "1.1".to_string()]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Relation {
    /// The type of the entities that events are about.
    pub from: String,
    /// The type of those that they belong to.
    pub to: String,
    /// Tells the ids; without it the event's `related` does.
    pub ids: Option<Program>,
}

impl Relation {
    /// Told by the event's `related`: one that names none of the other type says nothing of this relation.
    pub fn by_related(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), ids: None }
    }

    /// Told by an expression over `event` and `entity` (`entity.fields` as they are after the event), which gives one id, a
    /// list of ids, or null for none.
    ///
    /// # Errors
    /// If the expression is refused, with the place.
    pub fn by_ids(from: impl Into<String>, to: impl Into<String>, ids: &str) -> Result<Self, ExprError> {
        let ids = Program::compile(ids, scope())?;
        Ok(Self { from: from.into(), to: to.into(), ids: Some(ids) })
    }

    /// The ids that the event's entity belongs to from this event on, in order and each once. Nothing where the event does
    /// not tell of this relation: then it stays as it was. `fields` are the entity's after the event.
    ///
    /// # Errors
    /// If the expression has no value on this event, or one that is no ids.
    pub fn ids_of(&self, event: &Event, fields: &BTreeMap<String, Json>) -> Result<Option<Vec<String>>, EvalError> {
        let Some(entity) = event.entity.as_ref().filter(|entity| entity.kind == self.from) else { return Ok(None) };
        let ids = match &self.ids {
            None => {
                let related = event.related.iter().filter(|related| related.kind == self.to);
                let ids: Vec<String> = related.map(|related| related.id.clone()).collect();
                if ids.is_empty() {
                    return Ok(None);
                }
                ids
            }
            Some(program) => {
                // Converted for those alone that look at it.
                let seen = if program.uses(ENTITY) { seen(&entity.kind, &entity.id, fields) } else { Json::null() };
                read(&program.value(&View::new().event(event).json(ENTITY, &seen))?)?
            }
        };
        Ok(Some(each_once(ids)))
    }
}

const ENTITY: &str = "entity";

/// What the expression may name.
fn scope() -> &'static Scope {
    static SCOPE: OnceLock<Scope> = OnceLock::new();
    SCOPE.get_or_init(|| {
        let fields = Shape::Map { of: Box::new(Shape::Any), most: limits::OBJECT_KEYS };
        let entity = Shape::object([("type", Shape::id()), ("id", Shape::id()), ("fields", fields)]);
        Scope::new().with_event().with(ENTITY, entity)
    })
}

fn seen(kind: &str, id: &str, fields: &BTreeMap<String, Json>) -> Json {
    #[derive(serde::Serialize)]
    struct Seen<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        id: &'a str,
        fields: &'a BTreeMap<String, Json>,
    }
    Json::of(&Seen { kind, id, fields })
}

fn read(value: &Json) -> Result<Vec<String>, EvalError> {
    let values = match value.value() {
        Value::Null => Vec::new(),
        Value::Array(values) => values,
        one => vec![one],
    };
    if values.len() > limits::RELATED {
        return Err(EvalError::Failed(format!("{} ids; at most {} are taken", values.len(), limits::RELATED)));
    }
    values.into_iter().map(id).collect()
}

fn id(value: Value) -> Result<String, EvalError> {
    let id = match value {
        Value::String(text) => text,
        Value::Number(number) if !number.is_f64() => number.to_string(),
        other => {
            let why = format!("an id is a text, and this is {}", crate::json::kind_of(&other));
            return Err(EvalError::Failed(why));
        }
    };
    check_name("id", &id).map_err(|error| EvalError::Failed(error.to_string()))?;
    Ok(id)
}

fn each_once(ids: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    ids.into_iter().filter(|id| seen.insert(id.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EntityRef, EventBuilder};

    fn about(kind: &str) -> EventBuilder {
        Event::new("t", "c").entity(EntityRef::new(kind, "1"))
    }

    fn told(relation: &Relation, event: EventBuilder) -> Result<Option<Vec<String>>, EvalError> {
        let fields = BTreeMap::from([("sprint".to_string(), Json::of("S-1")), ("n".to_string(), Json::of(&7))]);
        relation.ids_of(event.build().unwrap().event(), &fields)
    }

    fn by(ids: &str) -> Result<Option<Vec<String>>, EvalError> {
        told(&Relation::by_ids("task", "sprint", ids).unwrap(), about("task"))
    }

    fn ids(ids: &[&str]) -> Result<Option<Vec<String>>, EvalError> {
        Ok(Some(ids.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn without_an_expression_related_tells_and_an_event_that_names_none_says_nothing() {
        let relation = Relation::by_related("task", "sprint");
        let related = |kind: &str| about("task").related(EntityRef::new(kind, "S-1"));
        assert_eq!(told(&relation, related("sprint").related(EntityRef::new("sprint", "S-1"))), ids(&["S-1"]));
        assert_eq!(told(&relation, related("team")), Ok(None));
        assert_eq!(told(&relation, about("task")), Ok(None));
    }

    #[test]
    fn an_expression_gives_one_id_or_a_list_or_none() {
        assert_eq!(by("entity.fields.sprint"), ids(&["S-1"]));
        assert_eq!(by("[entity.fields.sprint, 'S-2', 'S-1']"), ids(&["S-1", "S-2"]));
        assert_eq!(by("entity.fields.n"), ids(&["7"]));
        assert_eq!(by("null"), ids(&[]));
    }

    #[test]
    fn what_is_no_id_is_an_error_and_not_nothing() {
        for bad in ["true", "1.5", "['']", "{'a': 1}", "[['S-1']]", "entity.fields.missing"] {
            assert!(by(bad).is_err(), "{bad}: {:?}", by(bad));
        }
    }

    #[test]
    fn an_event_about_another_type_or_about_nothing_says_nothing() {
        let relation = Relation::by_ids("task", "sprint", "'S-1'").unwrap();
        assert_eq!(told(&relation, about("sprint")), Ok(None));
        assert_eq!(told(&relation, Event::new("t", "c")), Ok(None));
        assert!(Relation::by_ids("task", "sprint", "subject.id").is_err());
    }
}
