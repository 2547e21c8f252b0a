//! A gate in front of work that runs elsewhere: an agent's or a reasoner's.
//!
//! It bounds how many calls run and how many wait, and answers each within its time limit. The work never runs on an
//! arbiter: what yields runs on a pool of threads, and is aborted when its time is up; what blocks has threads of its own,
//! and one that is stuck is left behind, replaced and counted.

mod carry;
mod entrance;
mod places;
mod registry;
mod slot;
mod view;

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures::future::{AbortHandle, AbortRegistration, BoxFuture, LocalBoxFuture};
use regie_core::Timestamp;
use regie_core::limits;
use tokio::sync::oneshot;

use crate::clock::{Clock, Stopwatch};
use crate::faults::FaultPoint;
use crate::life::Life;

pub(crate) use entrance::Entrance;
pub use registry::Gates;
pub(crate) use slot::Slot;
pub use view::{End, GateView};

/// What a gate stands in front of.
pub trait Work: Unpin + 'static {
    /// Whether a call's time runs from when it is asked for, so that waiting for a place takes of it; otherwise it runs from
    /// when the work begins.
    const FROM_ARRIVAL: bool;
    /// What is to be done.
    type Task: Send + 'static;
    /// What is remembered of a task while it is under way.
    type About: 'static;
    /// What became of it.
    type Outcome: Send + 'static;
    /// What may be seen of it. Nothing is decided by it but how much is under way.
    type View: AsRef<GateView> + Default + Send + Sync + 'static;

    /// The name that it is registered by.
    fn name(&self) -> &str;
    /// How much of it there may be at once, as it is now.
    fn bounds(&self) -> Bounds;
    /// Begins a task. Runs on the gate's arbiter, so nothing of the user's is called here.
    fn begin(&self, task: Self::Task, deadline: Timestamp) -> Begun<Self::Outcome>;
    /// What is to be remembered of a task.
    fn about(&self, task: &Self::Task) -> Self::About;
    /// The outcome of what gave none itself.
    fn unfinished(&self, about: &Self::About, how: Unfinished) -> Self::Outcome;
    /// How an outcome counts.
    fn end(outcome: &Self::Outcome) -> End;
    /// Whether a call that comes now would have to wait for the pace of the work, with so many waiting before it.
    fn is_paced(&self, _ahead: u64) -> bool {
        false
    }
    /// Comes back once the pace of the work lets a call begin; nothing if it has none.
    fn pace(&self) -> Option<LocalBoxFuture<'_, ()>> {
        None
    }
    /// Whether a call may begin that has its place.
    ///
    /// # Errors
    /// Why it is refused.
    fn may_begin(&self, _: &Self::About) -> Result<(), String> {
        Ok(())
    }
    /// A call has ended, or was refused; without an outcome it was given up by the one who asked.
    fn ended(&self, _: &Self::About, _: Option<&Self::Outcome>) {}
    /// Counts more of it; without an outcome it was given up by the one who asked.
    fn count(_: &Self::View, _: &Self::About, _: Option<&Self::Outcome>) {}
}

/// How much there may be at once.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Calls that run; at least one does.
    pub concurrency: usize,
    /// Calls that wait.
    pub queue: usize,
}

/// Work as it is begun.
pub enum Begun<O> {
    /// It yields while it waits.
    Yields(BoxFuture<'static, O>),
    /// It blocks its thread.
    Blocks(Box<dyn FnOnce() -> O + Send>),
}

/// How work ended that gave no outcome itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// Its time was up.
    TimedOut(Duration),
    /// It panicked.
    Panicked(String),
    /// There was no room for it.
    Refused(String),
    /// It could not be run.
    Failed(String),
}

/// Asks for a task to be done.
pub struct Call<W: Work> {
    /// What to do.
    pub task: W::Task,
    /// How long it may take.
    pub limit: Duration,
    /// Gives the call up when its other end says so.
    pub abort: AbortRegistration,
    /// Where the outcome goes; dropped if the call is given up.
    pub reply: oneshot::Sender<W::Outcome>,
}

/// The actor. Its calls end with it: what the next gate lets in is counted anew, so that one which nobody counts any more is
/// ended, and whoever waits for it told that it was lost.
pub struct Gate<W: Work> {
    entrance: Entrance<W>,
    life: Life,
}

impl<W: Work> Gate<W> {
    /// A gate in front of work that runs on that pool.
    pub fn new(work: W, view: Arc<W::View>, clock: Clock, pool: tokio::runtime::Handle, life: Life) -> Self {
        Self { entrance: Entrance::new(work, view, clock, pool), life }
    }

    /// What it stands in front of.
    pub(crate) fn work(&self) -> &W {
        self.entrance.work()
    }

    /// Measures from now on, in the gate's own time.
    pub(crate) fn stopwatch(&self) -> Stopwatch {
        self.entrance.stopwatch()
    }

    /// Tells the one who asks that it was refused.
    pub(crate) fn refuse(&self, call: Call<W>, outcome: W::Outcome) {
        self.entrance.refuse(call, outcome);
    }

    /// Lets a call in, or refuses it.
    pub(crate) fn take(&mut self, call: Call<W>) {
        self.life.maybe(FaultPoint::GateCall);
        self.entrance.take(call);
        self.life.maybe(FaultPoint::GateBegun);
    }
}

impl<W: Work> Actor for Gate<W> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::EFFECTS_IN_FLIGHT);
    }
}

/// The two ends by which a call is given up.
pub fn abortable() -> (AbortHandle, AbortRegistration) {
    AbortHandle::new_pair()
}
