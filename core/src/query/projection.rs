//! A view of one's own: a named, versioned fold over the events of a journal.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Timestamp;
use crate::event::Event;

/// An event that was committed, and where.
#[derive(Clone, Copy, Debug)]
pub struct Committed<'a> {
    /// The event.
    pub event: &'a Event,
    /// The position of the record that received it.
    pub position: u64,
    /// When that record was decided.
    pub recorded_at: Timestamp,
    /// The position of the record by which it is processed: its own, unless it had to wait.
    pub by: u64,
}

/// A view of one's own over a journal: it is told each event that is processed, once, in the order in which the journal has
/// them processed. What it makes of them is kept beside the journal; under another version it is made anew from the first
/// event on.
///
/// What is discarded is not told, what waits not yet, and events of the runtime's own correlations never.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use regie_core::query::{Committed, Projection};
///
/// /// How often each type came.
/// struct Types;
///
/// impl Projection for Types {
///     type State = BTreeMap<String, u64>;
///     fn name(&self) -> &str { "types" }
///     fn apply(&self, counts: &mut Self::State, committed: &Committed<'_>) {
///         *counts.entry(committed.event.kind.clone()).or_default() += 1;
///     }
/// }
/// ```
pub trait Projection: Send + Sync + 'static {
    /// What it makes of the events. Serialised to be kept.
    type State: Default + Serialize + DeserializeOwned + Send + 'static;

    /// Its name, by which it is kept.
    fn name(&self) -> &str;

    /// The version of what it makes of the events: change it when `apply` or the state changes.
    fn version(&self) -> u32 {
        1
    }

    /// How the state follows from an event. Pure: it must not wait, read a clock or draw random numbers. One that panics
    /// stands still from there on, and whoever reads it is told where.
    fn apply(&self, state: &mut Self::State, committed: &Committed<'_>);
}

/// A projection with its state, without its types, so that many can stand side by side.
pub trait AnyProjection: Send {
    /// Its name.
    fn name(&self) -> &str;
    /// Its version.
    fn version(&self) -> u32;
    /// Tells it an event.
    ///
    /// # Errors
    /// What it panicked with; its state is not to be used any more.
    fn tell(&mut self, committed: &Committed<'_>) -> Result<(), String>;
    /// The state as it is kept; nothing if it cannot be.
    fn save(&self) -> Option<Vec<u8>>;
    /// Takes up a state that was kept; says whether it could be read.
    fn load(&mut self, kept: &[u8]) -> bool;
    /// Begins anew.
    fn clear(&mut self);
    /// The state.
    fn state(&self) -> &dyn Any;
}

/// A projection with its state.
pub struct Projected<P: Projection> {
    projection: Arc<P>,
    state: P::State,
}

impl<P: Projection> Projected<P> {
    /// With the state before the first event.
    pub fn new(projection: Arc<P>) -> Self {
        Self { projection, state: P::State::default() }
    }
}

impl<P: Projection> AnyProjection for Projected<P> {
    fn name(&self) -> &str {
        self.projection.name()
    }

    fn version(&self) -> u32 {
        self.projection.version()
    }

    fn tell(&mut self, committed: &Committed<'_>) -> Result<(), String> {
        let Self { projection, state } = self;
        let told = catch_unwind(AssertUnwindSafe(|| projection.apply(state, committed)));
        told.map_err(|panic| crate::workflow::panic_text(panic.as_ref()))
    }

    fn save(&self) -> Option<Vec<u8>> {
        catch_unwind(AssertUnwindSafe(|| serde_json::to_vec(&self.state).ok())).ok().flatten()
    }

    fn load(&mut self, kept: &[u8]) -> bool {
        let read = catch_unwind(|| serde_json::from_slice(kept).ok()).ok().flatten();
        read.map(|state| self.state = state).is_some()
    }

    fn clear(&mut self) {
        self.state = P::State::default();
    }

    fn state(&self) -> &dyn Any {
        &self.state
    }
}
