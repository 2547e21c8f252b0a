//! One instance of an agent: its limits, its breaker, its pace, and how it feels.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, select};
use regie_core::Timestamp;
use regie_core::agents::{Breaker, Bucket, Counts, Leave, Phase};
use regie_core::workflow::AgentOutcome;
use tokio::sync::Notify;

use super::call::Asked;
use super::spec::AnyAgent;
use super::teller::Teller;
use super::view::{Health, InstanceView};
use super::{AgentLimits, AgentTask};
use crate::clock::{Clock, Stopwatch};
use crate::gate::{Begun, Bounds, End, Unfinished, Work};

/// One instance. All of it is its gate's own.
pub(super) struct Instance {
    agent: String,
    /// Which of the agent's, from 0.
    number: usize,
    pub(super) work: Arc<dyn AnyAgent>,
    limits: Cell<AgentLimits>,
    breaker: RefCell<Option<Breaker>>,
    bucket: Cell<Bucket>,
    /// Told when the limits are others.
    changed: Notify,
    pace: Pace,
    pub(super) clock: Clock,
    teller: Rc<Teller>,
    pub(super) view: Arc<InstanceView>,
}

/// The time that a pace is measured in: the same as that of sleeping, from when the gate began.
struct Pace {
    began: Timestamp,
    stopwatch: Stopwatch,
}

impl Pace {
    fn now(&self) -> Timestamp {
        self.began.after(self.stopwatch.elapsed())
    }
}

impl Instance {
    /// The instance with that number, from 0, whose breaker stands so. Its limits are those of its view.
    pub(super) fn new(
        (agent, number): (&str, usize),
        (work, phase): (Arc<dyn AnyAgent>, Phase),
        view: Arc<InstanceView>,
        clock: Clock,
        teller: Rc<Teller>,
    ) -> Rc<Self> {
        let limits = view.shown.borrow().limits;
        let breaker = limits.breaker.map(|rule| Breaker::new(rule, phase));
        let pace = Pace { began: Timestamp::from_millis(0), stopwatch: clock.stopwatch() };
        let instance = Rc::new(Self {
            agent: agent.to_string(),
            number,
            work,
            limits: Cell::new(limits),
            breaker: RefCell::new(breaker),
            bucket: Cell::default(),
            changed: Notify::new(),
            pace,
            clock,
            teller,
            view,
        });
        instance.view.shown.send_modify(|shown| shown.breaker = instance.phase());
        instance
    }

    pub(super) fn limits(&self) -> AgentLimits {
        self.limits.get()
    }

    /// Goes by the limits of its view from now on.
    pub(super) fn adopt_limits(&self) {
        let limits = self.view.shown.borrow().limits;
        self.limits.set(limits);
        {
            let mut breaker = self.breaker.borrow_mut();
            match (breaker.as_mut(), limits.breaker) {
                (Some(breaker), Some(rule)) => breaker.rule(rule),
                (None, Some(rule)) => *breaker = Some(Breaker::new(rule, Phase::Closed)),
                (_, None) => *breaker = None,
            }
        }
        self.show_breaker();
        self.changed.notify_one();
    }

    /// How it feels from now on.
    pub(super) fn feels(&self, health: Health) {
        self.view.shown.send_if_modified(|shown| {
            let other = shown.health != health;
            shown.health = health;
            other
        });
    }

    /// Why it takes no call now that may take so long, with so many waiting before it.
    pub(super) fn trouble(&self, limit: Duration, waiting: u64) -> Option<String> {
        self.shut().or_else(|| {
            let (now, rate) = (self.pace.now(), self.limits().rate?);
            let wait = self.bucket.get().ready_at(&rate, now, waiting).since(now);
            let why = || format!("its rate lets the next call begin in {wait:?}, and a call waits {limit:?} (RATE)");
            (wait > limit).then(why)
        })
    }

    /// The reason of a refusal.
    pub(super) fn says(&self, why: &str) -> String {
        format!("'{}' takes no calls now: {why}", self.agent)
    }

    fn shut(&self) -> Option<String> {
        if let Health::Ill(why) = &self.view.shown.borrow().health {
            return Some(format!("it is not well: {why} (UNHEALTHY)"));
        }
        let breaker = self.breaker.borrow();
        breaker.as_ref().and_then(|breaker| breaker.shut(self.clock.now())).map(|shut| shut.to_string())
    }

    fn phase(&self) -> Phase {
        self.breaker.borrow().as_ref().map_or(Phase::Closed, |breaker| breaker.phase().clone())
    }

    /// Has everybody know who goes by it, if the breaker has changed.
    fn show_breaker(&self) {
        let phase = self.phase();
        let is_new = self.view.shown.send_if_modified(|shown| {
            let other = shown.breaker != phase;
            shown.breaker = phase.clone();
            other
        });
        if is_new {
            tracing::info!(agent = self.agent, instance = self.number + 1, ?phase, "a breaker has changed");
            self.teller.changed(self.number, phase);
        }
    }

    /// Comes back once its rate lets a call begin, which it then does.
    async fn paced(&self) {
        while let Some(rate) = self.limits().rate {
            let now = self.pace.now();
            let ready = self.bucket.get().ready_at(&rate, now, 0);
            if ready <= now {
                let mut bucket = self.bucket.get();
                bucket.take(&rate, now);
                return self.bucket.set(bucket);
            }
            // Until then, or until the limits are others.
            select(self.clock.sleep(ready.since(now)), std::pin::pin!(self.changed.notified())).await;
        }
    }
}

/// An instance as what its entrance leads to.
#[derive(Clone)]
pub(super) struct Served(pub(super) Rc<Instance>);

/// What is remembered of a call: the leave that it had of the breaker.
#[derive(Default)]
pub(super) struct About(Cell<Option<Leave>>);

impl Work for Served {
    /// An agent's limit is for its work, however long that had to wait.
    const FROM_ARRIVAL: bool = false;
    type Task = Asked;
    type About = About;
    type Outcome = AgentOutcome;
    type View = InstanceView;

    fn name(&self) -> &str {
        &self.0.agent
    }

    fn bounds(&self) -> Bounds {
        let limits = self.0.limits();
        Bounds { concurrency: limits.concurrency, queue: limits.queue }
    }

    fn begin(&self, Asked { correlation, key, task }: Asked, deadline: Timestamp) -> Begun<AgentOutcome> {
        Arc::clone(&self.0.work).begin(AgentTask { correlation, key, task, deadline })
    }

    fn about(&self, _: &Asked) -> About {
        About::default()
    }

    fn unfinished(&self, _: &About, how: Unfinished) -> AgentOutcome {
        let outcome = match how {
            Unfinished::TimedOut(limit) => AgentOutcome::TimedOut { after_ms: limit.as_millis() as u64 },
            Unfinished::Panicked(text) => AgentOutcome::Panicked(text),
            Unfinished::Refused(why) => AgentOutcome::Refused(why),
            Unfinished::Failed(why) => AgentOutcome::Failed(why),
        };
        outcome.bounded()
    }

    fn end(outcome: &AgentOutcome) -> End {
        match outcome {
            AgentOutcome::Done(_) => End::Done,
            AgentOutcome::TimedOut { .. } => End::TimedOut,
            AgentOutcome::Panicked(_) => End::Panicked,
            AgentOutcome::Refused(_) => End::Refused,
            _ => End::Failed,
        }
    }

    fn is_paced(&self, ahead: u64) -> bool {
        let now = self.0.pace.now();
        self.0.limits().rate.is_some_and(|rate| self.0.bucket.get().ready_at(&rate, now, ahead) > now)
    }

    fn pace(&self) -> Option<LocalBoxFuture<'_, ()>> {
        self.0.limits().rate.map(|_| self.0.paced().boxed_local())
    }

    /// Asked when its turn has come: the breaker may have opened while it waited.
    fn may_begin(&self, about: &About) -> Result<(), String> {
        if let Some(why) = self.0.shut() {
            return Err(self.0.says(&why));
        }
        if let Some(breaker) = self.0.breaker.borrow_mut().as_mut() {
            about.0.set(breaker.ask(self.0.clock.now()).ok());
        }
        self.0.show_breaker();
        Ok(())
    }

    fn ended(&self, about: &About, outcome: Option<&AgentOutcome>) {
        let Some(leave) = about.0.take() else { return };
        if let Some(breaker) = self.0.breaker.borrow_mut().as_mut() {
            breaker.ended(self.0.clock.now(), leave, Counts::of(outcome));
        }
        self.0.show_breaker();
    }
}
