//! Conditions of policies: in code over the event alone, or in CEL over all that there is to see.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::event::Event;
use crate::expr::{EvalError, ExprError, Program, Scope, Shape, View};
use crate::limits;

/// A condition over an event, in code. It must be pure: the same event gives the same answer.
pub type Predicate = Arc<dyn Fn(&Event) -> bool + Send + Sync>;

/// The name of what reasoners have said, in conditions.
pub(super) const SIGNALS: &str = "signals";
/// The name of the signal that a filter looks at.
pub(super) const SIGNAL: &str = "signal";
/// The name of the event's workflow.
pub(super) const WORKFLOW: &str = "workflow";
/// The name of the event's entity.
pub(super) const ENTITY: &str = "entity";

/// When a policy applies.
#[derive(Clone)]
pub enum Condition {
    /// Always.
    Always,
    /// A function of the event.
    Code(Predicate),
    /// An expression; see `docs/expressions.md`.
    Cel(Program),
}

impl Condition {
    /// A condition in CEL over `event`, `workflow`, `entity`, `signals` and `now`.
    ///
    /// # Errors
    /// If it does not parse, names what there is not, cannot be true or false, or could cost too much; with the place.
    pub fn cel(text: &str) -> Result<Self, ExprError> {
        Program::condition(text, scope()).map(Self::Cel)
    }

    /// Whether it looks at something by that name.
    pub(super) fn uses(&self, name: &str) -> bool {
        matches!(self, Condition::Cel(program) if program.uses(name))
    }

    /// Whether it is foreign code.
    pub(super) fn is_code(&self) -> bool {
        matches!(self, Condition::Code(_))
    }

    /// Whether it holds, or why that cannot be told.
    pub(super) fn holds(&self, event: &Event, view: &View<'_>) -> Result<bool, EvalError> {
        match self {
            Condition::Always => Ok(true),
            Condition::Code(when) => Ok(when(event)),
            Condition::Cel(program) => program.truth(view),
        }
    }

    /// Its text; none where it is code or always holds.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Condition::Cel(program) => Some(program.text()),
            Condition::Always | Condition::Code(_) => None,
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Always => f.write_str("always"),
            Condition::Code(_) => f.write_str("in code"),
            Condition::Cel(program) => fmt::Debug::fmt(program, f),
        }
    }
}

/// What a policy's condition may name.
fn scope() -> &'static Scope {
    static SCOPE: OnceLock<Scope> = OnceLock::new();
    SCOPE.get_or_init(|| {
        let signals = Shape::List { of: Box::new(signal()), most: limits::SIGNALS * limits::REASONERS_PER_EVENT };
        common().with(SIGNALS, signals)
    })
}

/// What a signal filter's condition may name.
pub(super) fn filter_scope() -> &'static Scope {
    static SCOPE: OnceLock<Scope> = OnceLock::new();
    SCOPE.get_or_init(|| common().with(SIGNAL, signal()))
}

fn common() -> Scope {
    let workflow = Shape::object([
        ("id", Shape::id()),
        ("definition", Shape::id()),
        ("version", Shape::Int),
        ("status", Shape::id()),
        ("records", Shape::Int),
        ("open", Shape::Int),
    ]);
    Scope::new().with_event().with_now().with(WORKFLOW, workflow).with(ENTITY, entity_shape())
}

/// An entity as conditions see it.
pub(crate) fn entity_shape() -> Shape {
    let fields = Shape::Map { of: Box::new(Shape::Any), most: limits::OBJECT_KEYS };
    let position = ("position", Shape::Int);
    Shape::object([("type", Shape::id()), ("id", Shape::id()), ("fields", fields), position])
}

fn signal() -> Shape {
    Shape::object([
        ("kind", Shape::id()),
        ("confidence", Shape::Any),
        ("rationale", Shape::text()),
        ("payload", Shape::Any),
        ("reasoner", Shape::id()),
        ("mode", Shape::id()),
        ("elapsed_ms", Shape::Int),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_condition_may_name_is_checked_when_it_is_read() {
        assert!(Condition::cel("event.payload.amount > 10000 && workflow.status == 'running'").is_ok());
        assert!(Condition::cel("signals.exists(s, s.kind == 'risk' && s.confidence > 0.8)").is_ok());
        assert!(Condition::cel("entity.fields.status == 'open' && now > event.timestamp").is_ok());
        assert!(Condition::cel("signal.kind == 'risk'").is_err());
        let refused = Condition::cel("event.priority == 'P0' &&\n wrkflow.status == 'x'").unwrap_err();
        assert_eq!((refused.line, refused.column), (2, 2));
    }

    #[test]
    fn what_it_uses_is_known() {
        let condition = Condition::cel("signals.size() > 0").unwrap();
        assert!(condition.uses(SIGNALS) && !condition.uses(ENTITY));
    }
}
