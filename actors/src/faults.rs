//! Faults on purpose, for tests: where a workflow's actor is to panic.

use std::fmt;
use std::sync::Arc;

use regie_core::event::CorrelationId;

/// A place at which a workflow's actor can be made to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultPoint {
    /// When the actor starts.
    Start,
    /// When it is handed something.
    Handle,
    /// Within its turn's future, before the append.
    Decide,
    /// Within its turn's future, after the append and before the answer.
    Appended,
    /// When it stops.
    Stop,
}

type Plan = dyn Fn(FaultPoint, &CorrelationId) -> bool + Send + Sync;

/// Decides where to panic. For tests; a runtime without one has none of this.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Plan>>);

impl Faults {
    /// Panics wherever the function says so.
    pub fn when(plan: impl Fn(FaultPoint, &CorrelationId) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(plan)))
    }

    /// Panics if the plan says so; never while a panic unwinds, for that would abort the process.
    ///
    /// # Panics
    /// That is what it is for.
    pub fn maybe(&self, point: FaultPoint, correlation: &CorrelationId) {
        let Some(plan) = &self.0 else { return };
        assert!(
            std::thread::panicking() || !plan(point, correlation),
            "a fault on purpose at {point:?} of {correlation}"
        );
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Faults(planned)" } else { "Faults(none)" })
    }
}
