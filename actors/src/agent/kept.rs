//! Results that are kept, so that nobody asks twice: in memory, then in a store; and calls under way that others share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use futures::FutureExt;
use futures::future::{Abortable, Either, LocalBoxFuture, Shared, WeakShared, select};
use regie_core::Digest;
use regie_core::agents::{Cache, Kept, cache_key};
use regie_core::limits;
use regie_core::workflow::AgentOutcome;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::ask::{Errand, Held, lost};
use super::gate::{AgentGate, Uncached};
use super::links::AgentLinks;
use super::store::ResultStore;
use super::{AgentView, Call, abortable};

/// What may be seen of the results that are kept.
#[derive(Debug, Default)]
pub struct KeptView {
    /// Calls that were answered by a result that was kept.
    pub hits: AtomicU64,
    /// Calls that were made, for none was.
    pub misses: AtomicU64,
    /// Calls that shared the end of one that was under way.
    pub shared: AtomicU64,
}

/// A call under way, which ends with the last who waits for it.
type Flight = Shared<LocalBoxFuture<'static, AgentOutcome>>;

/// What is asked, and how long it may take: who would wait longer shares nothing.
type FlightKey = (Digest, Option<Duration>);

/// Keeps an agent's results.
pub(super) struct Keeper {
    agent: String,
    cache: RefCell<Cache>,
    store: Option<Arc<dyn ResultStore>>,
    flights: RefCell<HashMap<FlightKey, WeakShared<LocalBoxFuture<'static, AgentOutcome>>>>,
    waiting: RefCell<JoinSet<()>>,
    links: AgentLinks,
    view: Arc<AgentView>,
}

impl Keeper {
    pub(super) fn new(
        agent: String,
        cache: Cache,
        store: Option<Arc<dyn ResultStore>>,
        links: AgentLinks,
        view: Arc<AgentView>,
    ) -> Rc<Self> {
        let (cache, flights, waiting) = (RefCell::new(cache), RefCell::default(), RefCell::default());
        Rc::new(Self { agent, cache, store, flights, waiting, links, view })
    }

    /// Answers a call by what is kept or under way, or has the gate make it.
    pub(super) fn take(self: &Rc<Self>, call: Call, gate: Addr<AgentGate>) {
        let Call { correlation, key, task, timeout, abort, reply } = call;
        let digest = cache_key(&self.agent, &self.cache.borrow().rule().version, &task);
        if let Some(result) = self.cache.borrow_mut().get(&digest, self.links.clock.now()) {
            add(&self.view.kept.hits);
            let _ = reply.send(AgentOutcome::Done(result)); // who does not wait any more has given the call up
            return;
        }
        let errand = Errand { correlation, key, task, timeout };
        let flight = self.join((digest, timeout)).unwrap_or_else(|| self.begin((digest, timeout), errand, gate));
        let mut waiting = self.waiting.borrow_mut();
        while waiting.try_join_next().is_some() {} // what has ended takes no more room than one call's
        waiting.spawn_local(async move {
            if let Ok(outcome) = Abortable::new(flight, abort).await {
                let _ = reply.send(outcome); // who does not wait any more has given the call up
            }
        });
    }

    fn join(&self, key: FlightKey) -> Option<Flight> {
        let flight = self.flights.borrow().get(&key).and_then(WeakShared::upgrade)?;
        add(&self.view.kept.shared);
        Some(flight)
    }

    fn begin(self: &Rc<Self>, key: FlightKey, errand: Errand, gate: Addr<AgentGate>) -> Flight {
        let (keeper, landed) = (Rc::clone(self), Landed(Rc::downgrade(self), key));
        let flight = async move {
            let _landed = landed;
            keeper.fly(key.0, errand, gate).await
        };
        let flight = flight.boxed_local().shared();
        if let Some(weak) = flight.downgrade() {
            self.flights.borrow_mut().insert(key, weak);
        }
        flight
    }

    async fn fly(&self, digest: Digest, errand: Errand, gate: Addr<AgentGate>) -> AgentOutcome {
        let now = self.links.clock.now();
        if let Some(kept) = self.stored(digest).await.filter(|kept| kept.until > now) {
            add(&self.view.kept.hits);
            self.cache.borrow_mut().put(digest, kept.clone());
            return AgentOutcome::Done(kept.result);
        }
        add(&self.view.kept.misses);
        let Errand { correlation, key, task, timeout } = errand;
        let ((handle, abort), (reply, outcome)) = (abortable(), oneshot::channel());
        let _given_up_with_this = Held(handle);
        let call = Call { correlation, key, task, timeout, abort, reply };
        if let Err(error) = gate.try_send(Uncached(call)) {
            let refused = AgentOutcome::Refused(format!("the gate of '{}' is full or gone", self.agent));
            let _ = error.into_inner().0.reply.send(refused);
        }
        let outcome = outcome.await.unwrap_or_else(|_| lost());
        if let AgentOutcome::Done(result) = &outcome {
            let until = self.links.clock.now().after(self.cache.borrow().rule().ttl);
            self.keep(digest, Kept { result: result.clone(), until });
        }
        outcome
    }

    /// What the store has; nothing if it does not say so in time.
    async fn stored(&self, digest: Digest) -> Option<Kept> {
        let (store, agent) = (Arc::clone(self.store.as_ref()?), self.agent.clone());
        // It may be the user's code: not here.
        let found = self.links.pool.spawn(async move { store.get(&agent, digest).await });
        let time = self.links.clock.limit(limits::RESULT_STORE_LIMIT);
        match select(found, time.is_up).await {
            Either::Left((Ok(Ok(found)), _)) => found,
            Either::Left((Ok(Err(why)), _)) => {
                tracing::warn!(agent = self.agent, why, "a result that is kept cannot be read");
                None
            }
            Either::Left((Err(_), _)) | Either::Right(_) => None,
        }
    }

    fn keep(&self, digest: Digest, kept: Kept) {
        self.cache.borrow_mut().put(digest, kept.clone());
        let Some(store) = self.store.clone() else { return };
        let (agent, under_way) = (self.agent.clone(), self.links.busy.begin());
        self.links.pool.spawn(async move {
            if let Err(why) = store.put(&agent, digest, kept).await {
                tracing::warn!(agent, why, "a result was not kept");
            }
            drop(under_way);
        });
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Takes a call from those under way when it is dropped, whether it has ended or nobody waits for it.
struct Landed(Weak<Keeper>, FlightKey);

impl Drop for Landed {
    fn drop(&mut self) {
        if let Some(keeper) = self.0.upgrade() {
            keeper.flights.borrow_mut().remove(&self.1);
        }
    }
}
