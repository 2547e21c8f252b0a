//! The root: supervises the parts of the runtime. One that dies is started anew from the journal, after a backoff; one that
//! dies again and again is left dead and named, and the runtime takes nothing more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use futures::future::LocalBoxFuture;
use regie_core::limits;
use tokio::sync::{Semaphore, watch};

use crate::busy::{Busy, UnderWay};
use crate::faults::Faults;
use crate::life::{Life, PartView};

/// Starts a part anew, and tells those who look for it where it is. Comes back once it is up.
pub type Raise = Box<dyn FnMut(Life) -> LocalBoxFuture<'static, ()>>;

/// What the root supervises.
pub struct Part {
    view: Arc<PartView>,
    /// None once it was given up: with it go the seats that it tells its addresses by, and nobody waits for it any more.
    raise: Option<Raise>,
    deaths: u32,
    window_began: Instant,
}

impl Part {
    /// A part that is to be started.
    pub fn new(view: Arc<PartView>, raise: Raise) -> Self {
        Self { view, raise: Some(raise), deaths: 0, window_began: Instant::now() }
    }

    /// Counts a death, and says how long to rest; nothing if there were too many.
    fn rest(&mut self) -> Option<Duration> {
        if self.window_began.elapsed() > limits::RESTART_WINDOW {
            self.window_began = Instant::now();
            self.deaths = 0;
        }
        self.deaths += 1;
        let doubled = limits::RESTART_BACKOFF * 2_u32.pow(self.deaths.min(16) - 1);
        (self.deaths <= limits::PART_RESTARTS).then_some(doubled.min(limits::RESTART_BACKOFF_MAX))
    }
}

/// What the root acts on besides its parts.
pub struct Reins {
    /// Counts what is under way: healing is.
    pub busy: Busy,
    /// Closed with the first part that is given up.
    pub admission: Arc<Semaphore>,
    /// Told the same.
    pub gave_up: watch::Sender<bool>,
    /// Faults on purpose, for tests.
    pub faults: Faults,
}

/// The actor.
pub struct Root {
    parts: Vec<Part>,
    reins: Reins,
}

impl Root {
    /// Over parts that it will start, in their order.
    pub fn new(parts: Vec<Part>, reins: Reins) -> Self {
        Self { parts, reins }
    }

    fn raise(&mut self, at: usize, healing: Option<UnderWay>, ctx: &mut Context<Self>) {
        let part = &mut self.parts[at];
        let Some(raise) = &mut part.raise else { return };
        let view = Arc::clone(&part.view);
        let (life, ended) = Life::new(Arc::clone(&view), self.reins.busy.clone(), self.reins.faults.clone());
        let (up, deaths) = (raise(life), view.deaths());
        ctx.spawn(ended.into_actor(self).map(move |healing, root, ctx| root.died(at, healing.ok(), ctx)));
        ctx.spawn(up.into_actor(self).map(move |(), _, _| {
            // It may have died on the way: then the next life is what is waited for.
            if view.deaths() == deaths {
                view.is_up();
            }
            drop(healing);
        }));
    }

    fn died(&mut self, at: usize, healing: Option<UnderWay>, ctx: &mut Context<Self>) {
        let part = &mut self.parts[at];
        part.view.died();
        let Some(rest) = part.rest() else { return self.give_up(at) };
        let name = part.view.name();
        tracing::error!(
            part = name,
            rest_ms = rest.as_millis() as u64,
            "a part of the runtime died; it is started anew"
        );
        ctx.run_later(rest, move |root, ctx| root.raise(at, healing, ctx));
    }

    fn give_up(&mut self, at: usize) {
        let part = &mut self.parts[at];
        part.view.is_left_dead();
        part.raise = None;
        tracing::error!(part = part.view.name(), "a part of the runtime died too often: nothing more is taken");
        self.reins.admission.close();
        self.reins.gave_up.send_replace(true);
    }
}

impl Actor for Root {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        (0..self.parts.len()).for_each(|at| self.raise(at, None, ctx));
    }
}
