//! Whether what is there is what should be.

use std::collections::BTreeMap;
use std::future::Future;

use regie_actors::agent::{Agent, AgentError, AgentLimits, AgentTask};
use regie_core::Json;
use regie_core::event::Event;
use regie_core::workflow::flow::{Flow, FlowFaults, call, each, emit};
use serde::{Deserialize, Serialize};

use crate::Builder;

/// The type of the event that tells of one difference.
pub const DIFFERENCE: &str = "reconciliation.difference";
/// The type of the event that tells of the whole.
pub const RECONCILED: &str = "reconciliation.completed";

/// Says what should be and what is, by key. What is asked for is the payload of the event that began the reconciliation.
pub trait Reconciler: Send + Sync + 'static {
    /// What should be.
    fn expected(&self, about: &Json) -> impl Future<Output = Result<BTreeMap<String, Json>, AgentError>> + Send;

    /// What is.
    fn actual(&self, about: &Json) -> impl Future<Output = Result<BTreeMap<String, Json>, AgentError>> + Send;
}

/// One thing that is not as it should be; null stands for what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which.
    pub key: String,
    /// What should be.
    pub expected: Json,
    /// What is.
    pub actual: Json,
}

/// What a reconciliation found: its output, and the payload of its last event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// How many were compared.
    pub compared: usize,
    /// Those that differ, by key.
    pub differences: Vec<Difference>,
}

/// What differs, by key: what is written otherwise but means the same does not.
pub fn differences(expected: &BTreeMap<String, Json>, actual: &BTreeMap<String, Json>) -> Reconciled {
    let mut keys: Vec<&String> = expected.keys().chain(actual.keys()).collect();
    keys.sort();
    keys.dedup();
    let of = |all: &BTreeMap<String, Json>, key: &str| all.get(key).cloned().unwrap_or_default();
    let differs = |key: &&String| !of(expected, key).same(&of(actual, key));
    let differences = keys.iter().copied().filter(differs).map(|key| Difference {
        key: key.clone(),
        expected: of(expected, key),
        actual: of(actual, key),
    });
    Reconciled { compared: keys.len(), differences: differences.collect() }
}

struct Compares<R>(R);

impl<R: Reconciler> Agent for Compares<R> {
    async fn handle(&self, task: AgentTask) -> Result<Json, AgentError> {
        let expected = self.0.expected(&task.task).await?;
        Ok(Json::of(&differences(&expected, &self.0.actual(&task.task).await?)))
    }
}

/// Compares, then tells each difference and the whole, beside the workflow.
fn flow(name: &str, agent: &str, starts_on: &str) -> Result<Flow, FlowFaults> {
    let beside = |scope: &regie_core::workflow::flow::Scope<'_>| format!("{}/differences", scope.correlation());
    let tell = emit(move |scope| Event::new(DIFFERENCE, beside(scope)).payload(scope.value().clone()));
    let found = |scope: &regie_core::workflow::flow::Scope<'_>| {
        scope.output("compare").and_then(|found| found.to::<Reconciled>().ok()).unwrap_or_default()
    };
    let whole = move |scope: &regie_core::workflow::flow::Scope<'_>| {
        Event::new(RECONCILED, beside(scope)).payload(Json::of(&found(scope)))
    };
    Flow::named(name)
        .starts_on(starts_on)
        .task("compare", call(agent))
        .task("tell", each("difference", move |scope| Json::of(&found(scope).differences)).task("one", tell))
        .task("whole", emit(whole))
        .giving(move |scope| Json::of(&found(scope)))
        .build()
}

impl Builder {
    /// Has a workflow of that name reconcile whenever an event of that type begins it: it gives a [`Reconciled`], and sends a
    /// [`DIFFERENCE`] for each and a [`RECONCILED`] for the whole to `<correlation>/differences`.
    ///
    /// # Errors
    /// If its name or pattern cannot be.
    pub fn reconciler(
        self,
        name: &str,
        starts_on: &str,
        reconciler: impl Reconciler,
        limits: AgentLimits,
    ) -> Result<Self, FlowFaults> {
        let agent = format!("{name}.reconciler");
        Ok(self.handler(flow(name, &agent, starts_on)?).agent(agent, Compares(reconciler), limits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(values: &[(&str, &str)]) -> BTreeMap<String, Json> {
        values.iter().map(|(key, value)| (key.to_string(), Json::parse(value).unwrap())).collect()
    }

    #[test]
    fn what_is_missing_on_either_side_or_means_something_else_differs() {
        let found = differences(
            &all(&[("a", "1"), ("b", "2"), ("c", r#"{"x":1,"y":2}"#)]),
            &all(&[("b", "3"), ("c", r#"{ "y": 2, "x": 1 }"#), ("d", "4")]),
        );
        let keys: Vec<&str> = found.differences.iter().map(|it| it.key.as_str()).collect();
        assert_eq!((found.compared, keys), (4, vec!["a", "b", "d"]));
        assert!(found.differences[0].actual.is_null() && found.differences[2].expected.is_null());
    }
}
