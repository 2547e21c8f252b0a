//! What is done when a state is entered or left, and on a transition.

use std::marker::PhantomData;

use super::model::{Deed, Given};
use crate::Json;
use crate::entity::Update;
use crate::event::EventBuilder;

/// What is done, in order. All of it is pure: it changes the data, and says what is asked of the outside.
#[must_use]
pub struct Deeds<D, P = ()> {
    pub(super) deeds: Vec<Deed<D>>,
    given: PhantomData<fn(P)>,
}

impl<D: 'static, P: 'static> Deeds<D, P> {
    pub(super) fn none() -> Self {
        Self { deeds: Vec::new(), given: PhantomData }
    }

    /// Changes the data. The name tells it in pictures and in the journal.
    pub fn act(self, name: impl Into<String>, act: impl Fn(&mut D, &Given<'_, P>) + Send + Sync + 'static) -> Self {
        self.with(Deed::Act { name: name.into(), act: Box::new(move |data, raw| act(data, &raw.given())) })
    }

    /// Starts a step, with that as its agent's task. One that is under way is not started twice: what asks for it is parked.
    pub fn start<J: Into<Json>>(
        self,
        step: impl Into<String>,
        input: impl Fn(&D, &Given<'_, P>) -> J + Send + Sync + 'static,
    ) -> Self {
        self.with(Deed::Start { step: step.into(), input: Box::new(move |data, raw| input(data, &raw.given()).into()) })
    }

    /// Sends an event to another correlation.
    pub fn send(
        self,
        name: impl Into<String>,
        event: impl Fn(&D, &Given<'_, P>) -> EventBuilder + Send + Sync + 'static,
    ) -> Self {
        self.with(Deed::Send { name: name.into(), event: Box::new(move |data, raw| event(data, &raw.given())) })
    }

    /// Updates an entity.
    pub fn update(
        self,
        name: impl Into<String>,
        update: impl Fn(&D, &Given<'_, P>) -> Update + Send + Sync + 'static,
    ) -> Self {
        self.with(Deed::Update { name: name.into(), update: Box::new(move |data, raw| update(data, &raw.given())) })
    }

    /// Goes on without a step that is under way. What it may have done is put back with the rest, should it come to that.
    pub fn give_up(self, step: impl Into<String>) -> Self {
        self.with(Deed::GiveUp { step: step.into() })
    }

    fn with(mut self, deed: Deed<D>) -> Self {
        self.deeds.push(deed);
        self
    }
}
