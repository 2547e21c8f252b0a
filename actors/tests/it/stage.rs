//! A gate or several, on a clock that stands still until it is told to go on; reasoners made of closures.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use actix::prelude::*;
use futures::future::{AbortHandle, BoxFuture};
use regie_actors::busy::Busy;
use regie_actors::clock::Clock;
use regie_actors::faults::Faults;
use regie_actors::gate::{Gate, abortable};
use regie_actors::life::{Life, PartView};
use regie_actors::reasoner::{
    BlockingReasoner, ReasonCall, Reasoned, Reasoner, ReasonerLimits, ReasonerSpec, ReasonerView, Reasoners, Reply,
};
use regie_core::Timestamp;
use regie_core::event::Event;
use regie_core::reasoning::{Ask, Mode, Request, Sight, SignalDraft};
use tokio::sync::oneshot;

/// How long a test may take before something is said to hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// A reasoner made of a closure.
pub(crate) struct Thinks<F>(pub(crate) F);

impl<F: Fn(Request) -> BoxFuture<'static, Reply> + Send + Sync + 'static> Reasoner for Thinks<F> {
    fn reason(&self, request: Request) -> impl Future<Output = Reply> + Send {
        (self.0)(request)
    }
}

/// A reasoner that blocks, made of a closure.
pub(crate) struct Blocks<F>(pub(crate) F);

impl<F: Fn(Request) -> Reply + Send + Sync + 'static> BlockingReasoner for Blocks<F> {
    fn reason(&self, request: Request) -> Reply {
        (self.0)(request)
    }
}

/// One signal.
pub(crate) fn says(kind: &str, confidence: f64) -> Reply {
    Ok(vec![SignalDraft::new(kind, confidence)])
}

/// What a policy asks, within the reasoner's own limit.
pub(crate) fn ask(reasoner: &str) -> Ask {
    Ask { policy: "advice".into(), reasoner: reasoner.into(), mode: Mode::DEFAULT, limit_ms: None }
}

pub(crate) fn about(payload: impl serde::Serialize) -> Request {
    let payload = regie_core::Json::of(&payload);
    let event = Event::new("order.placed", "o-1").id("e-1").payload(payload).build().unwrap();
    Request::new(&ask("any"), event.event(), &Sight::all()).unwrap()
}

/// A question that is under way.
pub(crate) struct UnderWay {
    pub(crate) abort: AbortHandle,
    pub(crate) told: oneshot::Receiver<Reasoned>,
}

/// Gates on a manual clock, and the pool that their work runs on.
pub(crate) struct Stage {
    pub(crate) clock: Clock,
    pub(crate) reasoners: Reasoners,
    pub(crate) pool: tokio::runtime::Handle,
}

impl Stage {
    /// Plays on a stage, on threads of its own, to its end, or panics when it takes too long.
    #[track_caller]
    pub(crate) fn play<P: Future<Output = ()>>(play: impl FnOnce(Stage) -> P + Send + 'static) {
        let (done, result) = channel();
        let thread = std::thread::spawn(move || {
            let pool = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            let clock = Clock::manual(Timestamp::from_millis(0));
            let stage = Stage { clock, reasoners: Reasoners::default(), pool: pool.handle().clone() };
            System::new().block_on(play(stage));
            pool.shutdown_background();
            let _ = done.send(());
        });
        match result.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => panic!("not done within {PATIENCE:?}: something hangs"),
            Err(RecvTimeoutError::Disconnected) => std::panic::resume_unwind(thread.join().unwrap_err()),
        }
    }

    pub(crate) fn add(&self, name: &str, reasoner: impl Reasoner, limits: ReasonerLimits) {
        self.raise(ReasonerSpec::new(name, reasoner, limits), Faults::default());
    }

    pub(crate) fn add_blocking(&self, name: &str, reasoner: impl BlockingReasoner, limits: ReasonerLimits) {
        self.raise(ReasonerSpec::blocking(name, reasoner, limits), Faults::default());
    }

    pub(crate) fn raise(&self, spec: ReasonerSpec, faults: Faults) {
        let (life, _) = Life::new(PartView::new(format!("reasoner {}", spec.name)), Busy::default(), faults);
        let (view, name) = (Arc::<ReasonerView>::default(), spec.name.clone());
        let gate = Gate::new(spec, Arc::clone(&view), self.clock.clone(), self.pool.clone(), life).start();
        self.reasoners.add(name, gate, view);
    }

    /// Asks; comes back once the gate has the question.
    pub(crate) async fn begin(&self, ask: Ask, request: Request) -> UnderWay {
        let gate = self.reasoners.gate(&ask.reasoner).unwrap();
        let (abort, registration) = abortable();
        let (reply, told) = oneshot::channel();
        // A gate may die of it, which its end of the reply tells.
        let _ = gate.send(ReasonCall { ask, request, abort: registration, reply }).await;
        UnderWay { abort, told }
    }

    /// Asks, and waits for what is said.
    pub(crate) async fn asks(&self, reasoner: &str, request: Request) -> Reasoned {
        self.begin(ask(reasoner), request).await.told.await.unwrap()
    }

    pub(crate) fn view(&self, reasoner: &str) -> Arc<ReasonerView> {
        self.reasoners.views().into_iter().find(|(name, _)| name == reasoner).unwrap().1
    }

    pub(crate) fn advance(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    /// Waits until no work is left on the pool, and each gate counts none.
    pub(crate) async fn rests(&self) {
        let is_idle = || {
            let is_free = |(_, view): &(String, Arc<ReasonerView>)| (view.running(), view.waiting()) == (0, 0);
            self.pool.metrics().num_alive_tasks() == 0 && self.reasoners.views().iter().all(is_free)
        };
        until(is_idle).await;
    }
}

/// Waits until something holds.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// A gate at which foreign code waits until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Barrier(Arc<(Mutex<bool>, Condvar)>);

impl Barrier {
    pub(crate) fn pass(&self) {
        let (open, changed) = &*self.0;
        let _open = changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap();
    }

    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

/// Counts those that are there, and the most that ever were.
#[derive(Clone, Default)]
pub(crate) struct Present(Arc<(AtomicUsize, AtomicUsize)>);

/// One of them, until it is dropped.
pub(crate) struct One(Present);

impl Present {
    pub(crate) fn enter(&self) -> One {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        One(self.clone())
    }

    pub(crate) fn now(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    pub(crate) fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}
