//! One call, from its arrival to its answer.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::{Abortable, Either, select};
use regie_core::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::slot::Slot;
use super::view::{Counted, End, GateView};
use super::{Call, Unfinished, Work};
use crate::clock::{Clock, Stopwatch, TimeLimit};

/// What calls are carried by.
pub(super) struct Carrier<W: Work> {
    pub(super) work: W,
    view: Arc<W::View>,
    clock: Clock,
    pool: tokio::runtime::Handle,
    places: Arc<Semaphore>,
}

/// One call's place among those that run.
struct Place<V: AsRef<GateView>> {
    /// Before the permit: whoever gets that finds it counted.
    _running: Counted<V>,
    _permit: Option<OwnedSemaphorePermit>,
}

type CallSlot<W> = Slot<<W as Work>::Outcome, Place<<W as Work>::View>, <W as Work>::View>;

/// Carries one call to its answer. Dropped before, it gives the call up without one.
pub(super) async fn carry<W: Work>(carrier: Rc<Carrier<W>>, call: Call<W>) {
    let Call { task, limit, abort, reply } = call;
    let about = carrier.work.about(&task);
    let mut slot = Slot::Empty;
    let ended = Abortable::new(carrier.outcome(task, limit, &mut slot), abort).await;
    slot.let_go().await;
    match ended {
        Ok(ended) => {
            let outcome = ended.unwrap_or_else(|how| carrier.work.unfinished(&about, how));
            carrier.count(&about, Some(&outcome));
            // Who does not wait any more has given the call up.
            let _ = reply.send(outcome);
        }
        Err(_) => carrier.count(&about, None),
    }
}

impl<W: Work> Carrier<W> {
    pub(super) fn new(work: W, view: Arc<W::View>, clock: Clock, pool: tokio::runtime::Handle) -> Self {
        let places = Semaphore::new(work.bounds().concurrency.clamp(1, Semaphore::MAX_PERMITS));
        Self { work, view, clock, pool, places: Arc::new(places) }
    }

    pub(super) fn view(&self) -> &GateView {
        self.view.as_ref().as_ref()
    }

    pub(super) fn stopwatch(&self) -> Stopwatch {
        self.clock.stopwatch()
    }

    pub(super) fn count(&self, about: &W::About, outcome: Option<&W::Outcome>) {
        self.view().count(outcome.map_or(End::Cancelled, W::end));
        W::count(&self.view, about, outcome);
    }

    async fn outcome(&self, task: W::Task, limit: Duration, slot: &mut CallSlot<W>) -> Result<W::Outcome, Unfinished> {
        if W::FROM_ARRIVAL {
            let time = self.clock.limit(limit);
            let deadline = time.deadline;
            let whole = async { self.run((task, deadline), self.place().await, slot).await };
            within(time, whole).await
        } else {
            let place = self.place().await;
            // Told before the work begins, which may be on another thread by the time that it has.
            let time = self.clock.limit(limit);
            let deadline = time.deadline;
            within(time, self.run((task, deadline), place, slot)).await
        }
    }

    async fn place(&self) -> Place<W::View> {
        let _waiting = Counted::new(&self.view, |view| &view.waiting);
        // Never closed; and were it, nothing would run too much that the queue does not bound.
        let permit = Arc::clone(&self.places).acquire_owned().await.ok();
        Place { _running: Counted::new(&self.view, |view| &view.running), _permit: permit }
    }

    async fn run(
        &self,
        (task, deadline): (W::Task, regie_core::Timestamp),
        place: Place<W::View>,
        slot: &mut CallSlot<W>,
    ) -> Result<W::Outcome, Unfinished> {
        if self.view().stuck.load(Ordering::Relaxed) >= limits::AGENT_STUCK as u64 {
            let why = format!("{} threads of '{}' are stuck", limits::AGENT_STUCK, self.work.name());
            return Err(Unfinished::Refused(why));
        }
        *slot = Slot::begin(self.work.begin(task, deadline), place, &self.pool, &self.view)?;
        slot.ended().await
    }
}

/// What comes of it, if it comes in time.
async fn within<O>(time: TimeLimit, work: impl Future<Output = Result<O, Unfinished>>) -> Result<O, Unfinished> {
    match select(pin!(work), time.is_up).await {
        Either::Left((ended, _)) => ended,
        Either::Right(((), _)) => Err(Unfinished::TimedOut(time.limit)),
    }
}
