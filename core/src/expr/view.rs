//! What an expression sees: values by name, each made when it is first asked for, and once for all expressions.

use std::sync::OnceLock;

use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use super::event::{EventValue, time};
use super::json::{self, Value};
use super::pattern::Pattern;
use super::scope::{EVENT, NOW};
use super::{EvalError, Program};
use crate::event::Event;
use crate::{Json, Timestamp};

/// The values of one evaluation, or of many over the same event. Only what is asked for is converted, and only once.
#[derive(Debug, Default)]
pub struct View<'a> {
    event: Option<EventValue<'a>>,
    now: Option<Value<'a>>,
    named: Vec<Named<'a>>,
}

#[derive(Debug)]
struct Named<'a> {
    name: &'a str,
    json: &'a Json,
    value: OnceLock<Result<Value<'a>, String>>,
}

impl<'a> View<'a> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows an event as `event`.
    pub fn event(mut self, event: &'a Event) -> Self {
        self.event = Some(EventValue::new(event));
        self
    }

    /// Shows an instant as `now`.
    pub fn now(mut self, now: Timestamp) -> Self {
        self.now = Some(time(now));
        self
    }

    /// Shows a JSON value by a name: `workflow`, `entity`, `signals`.
    pub fn json(mut self, name: &'a str, json: &'a Json) -> Self {
        self.named.retain(|named| named.name != name);
        self.named.push(Named { name, json, value: OnceLock::new() });
        self
    }

    fn get(&self, name: &str) -> Option<&(dyn Val + 'a)> {
        match name {
            EVENT if self.event.is_some() => self.event.as_ref().map(|event| event as &dyn Val),
            NOW if self.now.is_some() => self.now.as_deref(),
            _ => self.named(name)?.as_ref().ok().map(|value| value.as_ref()),
        }
    }

    fn named(&self, name: &str) -> Option<&Result<Value<'a>, String>> {
        let named = self.named.iter().find(|named| named.name == name)?;
        Some(named.value.get_or_init(|| json::read(named.json)))
    }

    /// The first name of a program that is not there to be seen.
    pub(super) fn lacks(&self, program: &Program) -> Option<EvalError> {
        let why = |name: &str| match self.named(name) {
            Some(Err(why)) => why.clone(),
            _ => "is not known here".to_string(),
        };
        let name = program.names().find(|name| self.get(name).is_none())?;
        Some(EvalError::Input { name: name.to_string(), why: why(name) })
    }
}

/// The names of one program: those of the view, and its own patterns.
pub(super) struct Names<'r, 'a> {
    pub(super) view: &'r View<'a>,
    pub(super) patterns: &'r [(String, Pattern)],
}

impl VariableResolver for Names<'_, '_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if name.starts_with('@') {
            let pattern = self.patterns.iter().find(|(known, _)| known == name)?;
            return Some(CowVal::Borrowed(&pattern.1));
        }
        self.view.get(name).map(CowVal::Borrowed)
    }
}
