//! One call, from its arrival to its answer.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::{Abortable, Either, select};
use regie_core::limits;

use super::places::{Places, Taken};
use super::slot::Slot;
use super::view::{Counted, End, GateView, Timed};
use super::{Call, Unfinished, Work};
use crate::clock::{Clock, Stopwatch, TimeLimit};

/// What calls are carried by.
pub(super) struct Carrier<W: Work> {
    pub(super) work: W,
    view: Arc<W::View>,
    clock: Clock,
    pool: tokio::runtime::Handle,
    places: Places,
}

/// One call's place among those that run.
struct Place<V: AsRef<GateView>> {
    /// Before the place: whoever gets that finds it counted.
    _running: Counted<V>,
    _taken: Arc<Taken>,
}

/// What is known of a call while it is carried.
struct Carried<'a, W: Work> {
    about: &'a W::About,
    /// Its place, held here too until its end is counted: whoever gets it next is decided on with that.
    place: &'a Cell<Option<Arc<Taken>>>,
}

type CallSlot<W> = Slot<<W as Work>::Outcome, Place<<W as Work>::View>, <W as Work>::View>;

/// Carries one call to its answer. Dropped before, it gives the call up without one.
pub(super) async fn carry<W: Work>(carrier: Rc<Carrier<W>>, call: Call<W>) {
    let Call { task, limit, abort, reply } = call;
    let about = carrier.work.about(&task);
    let (mut slot, place) = (Slot::Empty, Cell::new(None));
    let carried = Carried { about: &about, place: &place };
    let ended = Abortable::new(carrier.outcome((task, carried), limit, &mut slot), abort).await;
    slot.let_go().await;
    match ended {
        Ok(ended) => {
            let outcome = ended.unwrap_or_else(|how| carrier.work.unfinished(&about, how));
            carrier.count(&about, Some(&outcome));
            drop(place); // whoever is told of the end finds the place free
            // Who does not wait any more has given the call up.
            let _ = reply.send(outcome);
        }
        Err(_) => carrier.count(&about, None),
    }
}

impl<W: Work> Carrier<W> {
    pub(super) fn new(work: W, view: Arc<W::View>, clock: Clock, pool: tokio::runtime::Handle) -> Self {
        let places = Places::new(work.bounds().concurrency);
        Self { work, view, clock, pool, places }
    }

    pub(super) fn view(&self) -> &GateView {
        self.view.as_ref().as_ref()
    }

    pub(super) fn stopwatch(&self) -> Stopwatch {
        self.clock.stopwatch()
    }

    pub(super) fn widen(&self) {
        self.places.set(self.work.bounds().concurrency);
    }

    pub(super) fn count(&self, about: &W::About, outcome: Option<&W::Outcome>) {
        self.work.ended(about, outcome);
        self.view().count(outcome.map_or(End::Cancelled, W::end));
        W::count(&self.view, about, outcome);
    }

    async fn outcome(
        &self,
        asked: (W::Task, Carried<'_, W>),
        limit: Duration,
        slot: &mut CallSlot<W>,
    ) -> Result<W::Outcome, Unfinished> {
        if W::FROM_ARRIVAL {
            let time = self.clock.limit(limit);
            let deadline = time.deadline;
            let whole = async {
                let place = self.place(asked.1.place).await;
                self.run((asked, deadline), place, slot).await
            };
            within(time, whole).await
        } else {
            let place = self.place(asked.1.place).await;
            // Told before the work begins, which may be on another thread by the time that it has.
            let time = self.clock.limit(limit);
            let deadline = time.deadline;
            within(time, self.run((asked, deadline), place, slot)).await
        }
    }

    async fn place(&self, held: &Cell<Option<Arc<Taken>>>) -> Place<W::View> {
        let _waiting = Counted::new(&self.view, |view| &view.waiting);
        let waited = Timed::new(&self.view, |view| &view.waited, self.stopwatch());
        let pace = async {
            if let Some(pace) = self.work.pace() {
                pace.await;
            }
        };
        let taken = Arc::new(self.places.take(pace).await);
        held.set(Some(Arc::clone(&taken)));
        drop(waited);
        Place { _running: Counted::new(&self.view, |view| &view.running), _taken: taken }
    }

    async fn run(
        &self,
        ((task, carried), deadline): ((W::Task, Carried<'_, W>), regie_core::Timestamp),
        place: Place<W::View>,
        slot: &mut CallSlot<W>,
    ) -> Result<W::Outcome, Unfinished> {
        if self.view().stuck.load(Ordering::Relaxed) >= limits::AGENT_STUCK as u64 {
            let why = format!("{} threads of '{}' are stuck", limits::AGENT_STUCK, self.work.name());
            return Err(Unfinished::Refused(why));
        }
        self.work.may_begin(carried.about).map_err(Unfinished::Refused)?;
        *slot = Slot::begin(self.work.begin(task, deadline), place, &self.pool, &self.view)?;
        let _took = Timed::new(&self.view, |view| &view.took, self.stopwatch());
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
