//! The entrance of a gate: lets calls through to one piece of work, within its bounds.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use tokio::task::JoinSet;

use super::carry::{Carrier, carry};
use super::view::GateView;
use super::{Call, Unfinished, Work};
use crate::clock::{Clock, Stopwatch};

/// What every gate has inside. Its calls end with it.
pub(crate) struct Entrance<W: Work> {
    carrier: Rc<Carrier<W>>,
    calls: JoinSet<()>,
}

impl<W: Work> Entrance<W> {
    /// To work that runs on that pool.
    pub(crate) fn new(work: W, view: Arc<W::View>, clock: Clock, pool: tokio::runtime::Handle) -> Self {
        Self { carrier: Rc::new(Carrier::new(work, view, clock, pool)), calls: JoinSet::new() }
    }

    /// What it leads to.
    pub(crate) fn work(&self) -> &W {
        &self.carrier.work
    }

    /// Measures from now on, in the gate's own time.
    pub(crate) fn stopwatch(&self) -> Stopwatch {
        self.carrier.stopwatch()
    }

    /// Goes by other bounds of its work from now on.
    pub(crate) fn widen(&self) {
        self.carrier.widen();
    }

    /// Tells the one who asks that it was refused.
    pub(crate) fn refuse(&self, call: Call<W>, outcome: W::Outcome) {
        self.carrier.count(&self.carrier.work.about(&call.task), Some(&outcome));
        // Who does not wait any more has given the call up.
        let _ = call.reply.send(outcome);
    }

    /// Lets a call in, or refuses it.
    pub(crate) fn take(&mut self, call: Call<W>) {
        while self.calls.try_join_next().is_some() {} // what has ended takes no more room than one call's
        if let Some(why) = self.no_room() {
            let about = self.carrier.work.about(&call.task);
            let outcome = self.carrier.work.unfinished(&about, Unfinished::Refused(why));
            return self.refuse(call, outcome);
        }
        let mut carried = carry(Rc::clone(&self.carrier), call).boxed_local();
        // Begun here, so that calls are served in the order in which they came, and time runs from now.
        if (&mut carried).now_or_never().is_none() {
            self.calls.spawn_local(carried);
        }
    }

    /// Calls that run, and calls that wait.
    pub(crate) fn load(&self) -> (u64, u64) {
        let view: &GateView = self.carrier.view();
        (view.running.load(Ordering::Acquire), view.waiting.load(Ordering::Acquire))
    }

    /// Why a call that comes now is refused, if it is.
    pub(crate) fn no_room(&self) -> Option<String> {
        let work = &self.carrier.work;
        let (bounds, (running, waiting)) = (work.bounds(), self.load());
        let would_wait = running >= bounds.concurrency.max(1) as u64 || work.is_paced(waiting);
        let is_full = would_wait && waiting >= bounds.queue as u64;
        is_full.then(|| format!("{waiting} calls of '{}' are waiting already", work.name()))
    }
}
