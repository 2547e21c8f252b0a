//! Time from outside: driving event time, and waiting for rest.

use std::pin::pin;
use std::sync::atomic::Ordering;

use futures::future::{Either, select};
use regie_actors::gate::GateView;
use regie_actors::timers::{FireNext, Look};
use regie_core::Timestamp;

use super::handle::Handle;

/// What running the timers out came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// How many wakes it took.
    pub fired: u64,
    /// The instant of the last of them.
    pub last: Option<Timestamp>,
}

impl Handle {
    /// The time, as the runtime's clock tells it.
    pub fn now(&self) -> Timestamp {
        self.core.clock.now()
    }

    /// In event time: lets everything that is due by an instant happen, in order and each to its end, then moves the clock
    /// there. The clock never moves back. On the system clock this does nothing.
    pub async fn advance_to(&self, to: Timestamp) {
        if self.core.clock.is_system() {
            return;
        }
        // Without handlers, only events that are answered before time goes on set timers: if nothing is due, nothing will be.
        if !self.core.definitions.is_empty() || self.is_due_by(to).await {
            self.fire_all_by(to).await;
        }
        self.core.clock.advance_to(to);
    }

    async fn is_due_by(&self, to: Timestamp) -> bool {
        let waiting = self.core.timers.ask(Look).await.unwrap_or_default();
        waiting.reading || waiting.next.is_some_and(|next| next <= to)
    }

    /// Whether nothing is under way.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.core.busy.count() == 0
    }

    /// Whether an agent or a reasoner is at a call, or has one before it.
    pub(crate) fn has_calls_out(&self) -> bool {
        let is_out = |view: &GateView| view.running.load(Ordering::Relaxed) + view.waiting.load(Ordering::Relaxed) > 0;
        let agents = self.core.agents.views();
        let mut instances = agents.iter().flat_map(|(_, view)| &view.instances);
        instances.any(|instance| is_out(&instance.calls))
            || self.core.reasoners.views().iter().any(|(_, view)| is_out((**view).as_ref()))
    }

    /// Lets everything that is due by now happen, and what rules make of it, and waits until nothing is under way.
    pub async fn settle(&self) {
        self.rules_settled().await;
        if !self.core.clock.is_system() {
            self.fire_all_by(self.now()).await;
        }
        self.rules_settled().await;
    }

    /// Waits until the rules have looked at all that is committed now.
    pub(super) async fn rules_looked(&self) {
        self.looked_up_to(self.position()).await;
    }

    /// Comes back with true once the rules have looked so far; with false if they never will.
    async fn looked_up_to(&self, position: u64) -> bool {
        let (mut through, mut gave_up) = (self.core.looked_through.clone(), self.core.gave_up.clone());
        let looked = pin!(through.wait_for(|through| *through >= position));
        let given_up = pin!(gave_up.wait_for(|gave_up| *gave_up));
        matches!(select(looked, given_up).await, Either::Left((Ok(_), _)))
    }

    /// Waits until nothing is under way, and the rules have looked at all that was committed.
    pub async fn rules_settled(&self) {
        loop {
            self.core.busy.settled().await;
            let head = self.position();
            // Where the rules are left dead, nobody looks any more.
            if !self.looked_up_to(head).await {
                return;
            }
            if self.is_at_rest() && self.position() == head {
                return;
            }
        }
    }

    /// Runs the timers out, until nothing is deferred and no timer is set: jumps on a driven clock, waits on the system's.
    pub async fn drain(&self) -> Drained {
        self.core.busy.settled().await;
        if !self.core.clock.is_system() {
            return self.fire_all_by(Timestamp::MAX).await;
        }
        let mut drained = Drained::default();
        loop {
            self.core.busy.settled().await;
            let Some(waiting) = self.core.timers.ask(Look).await else { return drained };
            if waiting.reading {
                continue; // what is read counts as under way, and is waited for
            }
            let Some(next) = waiting.next else { return drained };
            drained.fired += 1;
            drained.last = Some(next);
            let asleep = self.core.clock.sleep_until(next);
            // The sleep needs a runtime with time, which the caller's executor may not have.
            let _ = self.core.pool.spawn(asleep).await;
            self.wait_until_fired(next).await;
        }
    }

    /// Waits until a timer that is due has been taken from those that wait.
    async fn wait_until_fired(&self, due: Timestamp) {
        while self.core.timers.ask(Look).await.is_some_and(|waiting| waiting.next.is_some_and(|next| next <= due)) {
            let moment = self.now().after(std::time::Duration::from_millis(1));
            let _ = self.core.pool.spawn(self.core.clock.sleep_until(moment)).await;
        }
    }

    async fn fire_all_by(&self, to: Timestamp) -> Drained {
        let mut drained = Drained::default();
        loop {
            match drained.fired {
                0 => self.core.busy.settled().await,
                // What has gone on by a timer may set off rules.
                _ => self.rules_settled().await,
            }
            let Some(waiting) = self.core.timers.ask(Look).await else { return drained };
            if waiting.reading {
                continue; // what is read counts as under way, and is waited for
            }
            let Some(next) = waiting.next.filter(|next| *next <= to) else { return drained };
            self.core.clock.advance_to(next);
            if self.core.timers.ask(FireNext { by: next }).await.unwrap_or(false) {
                drained.fired += 1;
                drained.last = Some(next);
            }
        }
    }
}
