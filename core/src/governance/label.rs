//! What policies give to events: a priority, or a class of retention. Neither stops anything.

use super::condition::{Condition, ENTITY, SIGNALS, WORKFLOW};
use crate::event::Priority;
use crate::limits;

/// What an event is given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Label {
    /// How pressing it is: who goes first when the runtime is full.
    Priority(Priority),
    /// How long it is kept, by the name of a class.
    Retention(String),
}

impl Label {
    /// Its name and value, as decisions tell them.
    pub(super) fn told(&self) -> (&'static str, &str) {
        match self {
            Label::Priority(priority) => ("priority", priority.as_str()),
            Label::Retention(class) => ("retention", class),
        }
    }
}

/// Which events are given what.
#[derive(Clone, Debug)]
pub struct LabelRule {
    /// What they are given.
    pub label: Label,
    /// Which.
    pub when: Condition,
}

impl LabelRule {
    /// All events of the pattern.
    pub fn new(label: Label) -> Self {
        Self { label, when: Condition::Always }
    }

    pub(super) fn describe(&self) -> serde_json::Value {
        let (kind, value) = self.label.told();
        serde_json::json!({"kind": kind, "value": value, "when": self.when.text()})
    }

    pub(super) fn reason(&self) -> String {
        let (kind, value) = self.label.told();
        format!("{kind} {value}")
    }

    /// Why it cannot be, if it cannot.
    pub(super) fn check(&self) -> Result<(), String> {
        match &self.label {
            _ if [SIGNALS, WORKFLOW, ENTITY].into_iter().any(|name| self.when.uses(name)) => {
                Err("what an event is given depends on 'event' and 'now' alone".into())
            }
            Label::Retention(class) if class.is_empty() || class.len() > limits::ID_BYTES => {
                Err("a class of retention has a name of 1 to 255 bytes".into())
            }
            _ => Ok(()),
        }
    }
}
