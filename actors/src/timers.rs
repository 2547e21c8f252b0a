//! Durable timers: wakes correlations when something of theirs is due.
//!
//! The journal's wake table is the truth; what is here is its nearest part. Whoever is told that something is due looks at
//! what it owes itself, so that a wake too many harms nobody. Should the actor die, the next one reads the table.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use actix::prelude::*;
use regie_core::Timestamp;
use regie_core::event::CorrelationId;
use regie_core::limits;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::awaited::{Awaited, Awaits};
use crate::busy::Busy;
use crate::clock::Clock;
use crate::entry::{Answer, Entry, Router, Until, Work};
use crate::faults::FaultPoint;
use crate::life::Life;
use crate::pool::ReaderPool;
use crate::refused::Reason;

/// Wakes that may be under way at once.
const IN_FLIGHT: usize = 256;
/// How soon a wake that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// Rows of the wake table that are read at once.
const PAGE: usize = 4_096;

/// The next instant at which something of a correlation is due.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Set {
    /// Whose.
    pub correlation: CorrelationId,
    /// When; none for never.
    pub due: Option<Timestamp>,
}

/// What is due next, and how much waits.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Waiting")]
pub struct Look;

/// What waits for its instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, MessageResponse)]
pub struct Waiting {
    /// The next instant, and how many are in memory.
    pub next: Option<Timestamp>,
    /// How many are in memory.
    pub count: usize,
    /// Whether more are being read from the journal.
    pub reading: bool,
}

/// Wakes the one that is due first, if it is due by then; answered when it has been taken.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "bool")]
pub struct FireNext {
    /// By when.
    pub by: Timestamp,
}

/// Reads the wake table anew: a shard lost what it had in memory.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Reload;

/// Fires nothing more: the runtime is shutting down.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Halt;

/// The actor.
pub struct Timers {
    clock: Clock,
    router: Router,
    busy: Busy,
    readers: ReaderPool,
    due: BTreeSet<(Timestamp, CorrelationId)>,
    by_correlation: HashMap<CorrelationId, Timestamp>,
    /// What comes after this instant and number in the wake table is in the journal alone.
    horizon: Option<(Timestamp, u64)>,
    in_flight: usize,
    reading: bool,
    halted: bool,
    alarm: Option<(Timestamp, SpawnHandle)>,
    /// Answers of those who were woken.
    awaited: Awaited<Self>,
    life: Life,
}

impl Timers {
    /// Over the journal's wake table.
    pub fn new(clock: Clock, router: Router, busy: Busy, readers: ReaderPool, life: Life) -> Self {
        Self {
            clock,
            router,
            busy,
            readers,
            due: BTreeSet::new(),
            by_correlation: HashMap::new(),
            horizon: None,
            in_flight: 0,
            reading: false,
            halted: false,
            alarm: None,
            awaited: Awaited::default(),
            life,
        }
    }

    fn set(&mut self, correlation: CorrelationId, due: Option<Timestamp>) {
        if let Some(old) = self.by_correlation.remove(&correlation) {
            self.due.remove(&(old, correlation.clone()));
        }
        // At the horizon's own instant its number decides, which is not known here: rather twice than never.
        let Some(due) = due.filter(|due| self.horizon.is_none_or(|(horizon, _)| *due <= horizon)) else { return };
        self.due.insert((due, correlation.clone()));
        self.by_correlation.insert(correlation, due);
        if self.due.len() > limits::TIMERS_IN_MEMORY
            && let Some((latest, whose)) = self.due.pop_last()
        {
            self.by_correlation.remove(&whose);
            self.horizon = Some((latest, 0)); // whatever is due then is read again
        }
    }

    fn pop(&mut self, by: Timestamp) -> Option<CorrelationId> {
        if self.due.first()?.0 > by {
            return None;
        }
        let (_, correlation) = self.due.pop_first()?;
        self.by_correlation.remove(&correlation);
        Some(correlation)
    }

    /// Wakes what is due, then sets the alarm for what is next. Effects that are owed now are due at once, whatever the
    /// clock; a driven clock that does not fire is fired by its driver.
    fn fire(&mut self, ctx: &mut Context<Self>) {
        if self.halted {
            return;
        }
        self.life.maybe(FaultPoint::TimersFire);
        let now = if self.clock.fires() { self.clock.now() } else { Timestamp::MIN };
        while self.in_flight < IN_FLIGHT {
            let Some(correlation) = self.pop(now) else { break };
            self.in_flight += 1;
            let answer = self.wake(correlation.clone());
            self.awaited.push(answer, move |answer, timers, ctx| {
                timers.in_flight -= 1;
                timers.woken(correlation, is_settled(&answer));
                timers.fire(ctx);
            });
        }
        self.read_on_if_short(ctx);
        self.set_alarm(ctx);
    }

    fn wake(&self, correlation: CorrelationId) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        self.router.send(Entry {
            correlation,
            work: Work::Due,
            as_of: None,
            until: Until::Judged,
            reply: Some(reply),
            since: Instant::now(),
            permit: None,
            under_way: Some(self.busy.begin()),
        });
        answer
    }

    /// A wake that was not taken, and that may be later, is tried again; the journal still has it.
    fn woken(&mut self, correlation: CorrelationId, taken: bool) {
        if !taken && !self.by_correlation.contains_key(&correlation) {
            self.awaited.push(sleep(AGAIN), move |(), timers, ctx| {
                if !timers.by_correlation.contains_key(&correlation) {
                    timers.set(correlation, Some(Timestamp::MIN));
                    timers.fire(ctx);
                }
            });
        }
    }

    fn set_alarm(&mut self, ctx: &mut Context<Self>) {
        let next = self.due.first().map(|(due, _)| *due).filter(|_| self.clock.fires() && self.in_flight < IN_FLIGHT);
        if next == self.alarm.as_ref().map(|(due, _)| *due) {
            return;
        }
        if let Some((_, alarm)) = self.alarm.take() {
            ctx.cancel_future(alarm);
        }
        if let Some(due) = next {
            let asleep = self.clock.sleep_until(due).into_actor(self).map(|(), timers, ctx| {
                timers.alarm = None;
                timers.fire(ctx);
            });
            self.alarm = Some((due, ctx.spawn(asleep)));
        }
    }

    /// Reads the next part of the wake table, once what is in memory runs out before it.
    fn read_on_if_short(&mut self, ctx: &mut Context<Self>) {
        let Some(horizon) = self.horizon.filter(|_| !self.reading && self.due.len() < limits::TIMERS_IN_MEMORY / 2)
        else {
            return;
        };
        self.horizon = None;
        self.read(Some(horizon), ctx);
    }

    fn read(&mut self, from: Option<(Timestamp, u64)>, ctx: &mut Context<Self>) {
        self.reading = true;
        let under_way = self.busy.begin();
        let (page, router) = (self.readers.clone(), self.router.clone());
        let page = async move {
            router.up().await; // at the start, what is owed would find no shard to go to
            page.run(move |reader| {
                let mut wakes = Vec::new();
                let mut after = from;
                while wakes.len() + PAGE <= limits::TIMERS_IN_MEMORY / 2 {
                    let rows = reader.wakes(after, PAGE)?;
                    let Some((due, number, _)) = rows.last() else { return Ok((wakes, None)) };
                    after = Some((*due, *number));
                    wakes.extend(rows.into_iter().map(|(due, _, correlation)| (due, correlation)));
                }
                Ok((wakes, after))
            })
            .await
        };
        ctx.spawn(page.into_actor(self).map(move |page, timers, ctx| {
            match page {
                Ok((wakes, more_after)) => {
                    timers.reading = false;
                    timers.take(wakes, more_after);
                    timers.fire(ctx);
                    drop(under_way);
                }
                Err(error) => {
                    tracing::error!(%error, "the timers could not be read; they are tried again");
                    ctx.run_later(AGAIN, move |timers, ctx| {
                        timers.read(from, ctx);
                        drop(under_way); // it is under way all the while
                    });
                }
            }
        }));
    }

    /// What was set meanwhile is newer than what was read.
    fn take(&mut self, wakes: Vec<(Timestamp, CorrelationId)>, more_after: Option<(Timestamp, u64)>) {
        // What was put out of memory meanwhile is read again as well.
        self.horizon = self.horizon.into_iter().chain(more_after).min();
        for (due, correlation) in wakes {
            if !self.by_correlation.contains_key(&correlation) {
                self.set(correlation, Some(due));
            }
        }
    }
}

/// Whether a wake was taken, or refused for good: then what it is about stays owed, for a program that has what this one
/// lacks, or for the next life of a journal that takes nothing more.
fn is_settled(answer: &Result<Answer, oneshot::error::RecvError>) -> bool {
    match answer {
        Ok(Err(reason)) if reason.is_latched() => true,
        Ok(Err(reason)) => !reason.is_passing() && !matches!(reason, Reason::Journal(_) | Reason::Closing),
        answer => answer.is_ok(),
    }
}

impl Actor for Timers {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4 * limits::ADMISSION);
        self.begin_to_await(ctx);
        self.read(None, ctx);
    }
}

impl Awaits for Timers {
    fn awaited(&mut self) -> &mut Awaited<Self> {
        &mut self.awaited
    }
}

impl Handler<Set> for Timers {
    type Result = ();

    fn handle(&mut self, Set { correlation, due }: Set, ctx: &mut Self::Context) {
        self.life.maybe(FaultPoint::TimersSet);
        self.set(correlation, due);
        self.set_alarm(ctx);
    }
}

impl Handler<Look> for Timers {
    type Result = Waiting;

    fn handle(&mut self, _: Look, _: &mut Self::Context) -> Self::Result {
        Waiting { next: self.due.first().map(|(due, _)| *due), count: self.due.len(), reading: self.reading }
    }
}

impl Handler<FireNext> for Timers {
    type Result = ResponseActFuture<Self, bool>;

    fn handle(&mut self, FireNext { by }: FireNext, _: &mut Self::Context) -> Self::Result {
        let Some(correlation) = self.pop(by) else { return Box::pin(fut::ready(false)) };
        let answer = self.wake(correlation.clone());
        Box::pin(answer.into_actor(self).map(move |answer, timers, ctx| {
            timers.woken(correlation, is_settled(&answer));
            timers.read_on_if_short(ctx);
            true
        }))
    }
}

impl Handler<Reload> for Timers {
    type Result = ();

    fn handle(&mut self, _: Reload, ctx: &mut Self::Context) {
        self.read(None, ctx);
    }
}

impl Handler<Halt> for Timers {
    type Result = ();

    fn handle(&mut self, _: Halt, ctx: &mut Self::Context) {
        self.halted = true;
        if let Some((_, alarm)) = self.alarm.take() {
            ctx.cancel_future(alarm);
        }
    }
}

#[cfg(test)]
mod tests {
    use regie_journal::StoreError;

    use super::*;

    #[test]
    fn a_wake_is_tried_again_where_it_may_be_taken_later_in_this_life() {
        let journal = |error| Ok(Err(Reason::Journal(error)));
        let why = || String::from("why");
        for (answer, settled) in [
            (Ok(Ok(None)), true),
            (Ok(Err(Reason::Full { limit: 1 })), false),
            (Ok(Err(Reason::Closing)), false),
            (journal(StoreError::Full { why: why() }), false),
            (journal(StoreError::Failed { why: why() }), false),
            (journal(StoreError::Latched { why: why() }), true),
            (Ok(Err(Reason::NoTime)), true),
        ] {
            assert_eq!(is_settled(&answer), settled, "{answer:?}");
        }
    }
}
