//! A transition, as it is written.

use super::deeds::Deeds;
use super::model::{Given, Guard, Read, Transition, Trigger};
use crate::Json;
use crate::entity::Update;
use crate::event::EventBuilder;

/// A transition: under which guards, what is done on the way, and where it leads. One that leads nowhere stays in its state,
/// which is neither left nor entered by it.
#[must_use]
pub struct Way<S, D, P> {
    guards: Vec<Guard<D>>,
    deeds: Deeds<D, P>,
    to: Vec<S>,
}

impl<S, D: 'static, P: 'static> Way<S, D, P> {
    pub(super) fn none() -> Self {
        Self { guards: Vec::new(), deeds: Deeds::none(), to: Vec::new() }
    }

    /// It is taken only where this holds too. Pure: it is asked again whenever the event is.
    pub fn guard(
        mut self,
        name: impl Into<String>,
        holds: impl Fn(&D, &Given<'_, P>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.guards.push(Guard { name: name.into(), holds: Box::new(move |data, raw| holds(data, &raw.given())) });
        self
    }

    /// It leads to that state; to its own one again means that this is left and entered.
    pub fn go(mut self, to: S) -> Self {
        self.to.push(to);
        self
    }

    /// See [`Deeds::act`].
    pub fn act(self, name: impl Into<String>, act: impl Fn(&mut D, &Given<'_, P>) + Send + Sync + 'static) -> Self {
        self.does(|deeds| deeds.act(name, act))
    }

    /// See [`Deeds::start`].
    pub fn start<J: Into<Json>>(
        self,
        step: impl Into<String>,
        input: impl Fn(&D, &Given<'_, P>) -> J + Send + Sync + 'static,
    ) -> Self {
        self.does(|deeds| deeds.start(step, input))
    }

    /// See [`Deeds::send`].
    pub fn send(
        self,
        name: impl Into<String>,
        event: impl Fn(&D, &Given<'_, P>) -> EventBuilder + Send + Sync + 'static,
    ) -> Self {
        self.does(|deeds| deeds.send(name, event))
    }

    /// See [`Deeds::update`].
    pub fn update(
        self,
        name: impl Into<String>,
        update: impl Fn(&D, &Given<'_, P>) -> Update + Send + Sync + 'static,
    ) -> Self {
        self.does(|deeds| deeds.update(name, update))
    }

    /// See [`Deeds::give_up`].
    pub fn give_up(self, step: impl Into<String>) -> Self {
        self.does(|deeds| deeds.give_up(step))
    }

    fn does(mut self, more: impl FnOnce(Deeds<D, P>) -> Deeds<D, P>) -> Self {
        self.deeds = more(self.deeds);
        self
    }

    pub(super) fn on(self, trigger: Trigger, read: Read) -> Transition<S, D> {
        Transition { trigger, to: self.to, guards: self.guards, deeds: self.deeds.deeds, read }
    }
}
