//! Which events a subscription means.

use std::sync::OnceLock;

use crate::event::{Event, Pattern};
use crate::expr::{EvalError, ExprError, Program, Scope, View};
use crate::governance::entity_shape;

/// When an event is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Once it is committed, whatever the policies said of it.
    #[default]
    Committed,
    /// Once it is processed: one that was deferred or escalated when it has gone on, one that was discarded never.
    Processed,
}

/// Which events a subscription means: those whose type fits one of the patterns, and that pass the filter.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    /// Over types.
    pub patterns: Vec<Pattern>,
    /// Over `event`, if there is one.
    pub filter: Option<Program>,
    /// When they are delivered.
    pub when: When,
    /// Whether the runtime's own events are meant too.
    pub own: bool,
}

impl Interest {
    /// Reads a filter: a condition over `event`.
    pub fn filter(text: &str) -> Result<Program, ExprError> {
        static SCOPE: OnceLock<Scope> = OnceLock::new();
        Program::condition(text, SCOPE.get_or_init(|| Scope::new().with_event()))
    }

    /// Reads a condition over `event` and the `entity` that it is about, by its present state.
    pub fn condition(text: &str) -> Result<Program, ExprError> {
        static SCOPE: OnceLock<Scope> = OnceLock::new();
        let scope = || Scope::new().with_event().with("entity", entity_shape());
        Program::condition(text, SCOPE.get_or_init(scope))
    }

    /// Whether events of a type are meant, as far as patterns tell.
    pub fn fits(&self, kind: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(kind))
    }

    /// Whether an event whose type fits is meant, or why that cannot be told.
    pub fn passes(&self, event: &Event, view: &View<'_>) -> Result<bool, EvalError> {
        if event.correlation_id.is_own() && !self.own {
            return Ok(false);
        }
        self.filter.as_ref().map_or(Ok(true), |filter| filter.truth(view))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(interest: &Interest, correlation: &str) -> bool {
        let event = Event::new("order.paid", correlation).payload(serde_json::json!({"amount": 7})).build().unwrap();
        interest.fits("order.paid") && interest.passes(event.event(), &View::new().event(event.event())).unwrap()
    }

    #[test]
    fn patterns_filter_and_whose_event_it_is_all_have_a_say() {
        let orders = Interest { patterns: vec![Pattern::parse("order.*").unwrap()], ..Interest::default() };
        assert!(passes(&orders, "o-1") && !passes(&orders, "regie/x"));
        assert!(passes(&Interest { own: true, ..orders.clone() }, "regie/x"));
        let filtered = |text| Interest { filter: Some(Interest::filter(text).unwrap()), ..orders.clone() };
        assert!(passes(&filtered("event.payload.amount == 7"), "o-1"));
        assert!(!passes(&filtered("event.payload.amount > 7"), "o-1"));
        let refused = Interest::filter("event.priority ==\n entity.x").unwrap_err();
        assert_eq!((refused.line, refused.column), (2, 2));
    }
}
