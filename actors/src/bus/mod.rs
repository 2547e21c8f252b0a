//! The bus: tells subscribers what was committed.
//!
//! It follows the journal by position, on threads of its own that read: each event is parsed once, and put into the queue of
//! every subscription that means it. Nobody who submits ever waits for it. A subscription without room, if it waits, reads
//! on from the journal by itself once it has some, apart from the others.
//!
//! Should the actor die, the next one takes over what it held: queues, subscriptions, and how far each has come. Handlers
//! that were under way for a subscriber are lost with it, and what they had not done with is handed to them again.

mod cursor;
mod delivery;
mod hand;
mod held;
mod inbox;
mod messages;
mod read;
mod run;
mod spec;
mod stats;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use regie_core::event::Catalogue;
use regie_core::limits;
use regie_journal::StoreError;
use tokio::sync::{oneshot, watch};

use crate::agent::Agents;
use crate::busy::Busy;
use crate::clock::Clock;
use crate::entry::Router;
use crate::faults::FaultPoint;
use crate::journal::JournalHandle;
use crate::life::Life;
use crate::pool::ReaderPool;
use held::Held;
use read::{Ask, Batch};
use run::Runner;

pub use delivery::Delivery;
pub use hand::{ActorSubscriber, Consumer, Consumes, Delivered, HandleError, Hands, SubscriberContext};
pub use inbox::{Bell, Inbox, Missed};
pub use messages::{Add, Begun, Close, Look, Tell};
pub use spec::{From, NotTold, Spec, SubscribeError, SubscriberSpec, TellError};
pub use stats::{BusStats, SubscriptionStats};

/// How soon the journal is read again after it could not be.
const AGAIN: Duration = Duration::from_millis(200);

/// What the bus needs of the rest of the system. Cheap to clone.
#[derive(Clone)]
pub struct Links {
    /// The journal, whose head it follows.
    pub journal: JournalHandle,
    /// A thread that reads for those who are served together.
    pub ahead: ReaderPool,
    /// Another for those who are behind.
    pub behind: ReaderPool,
    /// The way in for cursors and letters.
    pub router: Router,
    /// Counts what is under way.
    pub busy: Busy,
    /// What tells the time.
    pub clock: Clock,
    /// The event types that are known.
    pub catalogue: Catalogue,
    /// The gates of subscribers with handlers.
    pub agents: Agents,
    /// Rung when something is to be looked at.
    pub bell: Arc<Bell>,
    /// The subscribers with handlers.
    pub subscribers: Arc<[SubscriberSpec]>,
}

impl Links {
    fn head(&self) -> u64 {
        self.journal.view().position.load(Ordering::Acquire)
    }
}

/// The actor.
pub struct Bus {
    links: Links,
    held: Held,
    /// Takes what it held when it is dropped.
    heir: Option<oneshot::Sender<Handover>>,
    life: Life,
    heads: Option<watch::Receiver<u64>>,
    reading: bool,
    catching_up: bool,
    /// Names that are being added.
    adding: Vec<String>,
    /// Cursors that are on their way to the journal, by name.
    recording: Vec<String>,
    records_soon: bool,
    closing: watch::Sender<bool>,
    /// Subscribers with handlers of which it is not known yet whether they could be subscribed.
    beginning: usize,
    /// Who waits until it is.
    begun: Vec<oneshot::Sender<()>>,
    /// Runners that have not ended.
    running: usize,
    /// Who waits for them to.
    closed: Vec<oneshot::Sender<()>>,
}

/// What one life of the bus leaves to the next.
pub struct Handover(Held);

impl Bus {
    /// Goes on with what the one before held.
    pub fn new(links: Links, before: Option<Handover>, heir: oneshot::Sender<Handover>, life: Life) -> Self {
        Self {
            links,
            held: before.map(|Handover(held)| held).unwrap_or_default(),
            heir: Some(heir),
            life,
            heads: None,
            reading: false,
            catching_up: false,
            adding: Vec::new(),
            recording: Vec::new(),
            records_soon: false,
            closing: watch::Sender::new(false),
            beginning: 0,
            begun: Vec::new(),
            running: 0,
            closed: Vec::new(),
        }
    }

    fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Looks for what there is to do.
    fn look(&mut self, ctx: &mut Context<Self>) {
        self.life.maybe(FaultPoint::BusLook);
        if self.links.bell.take_gone() {
            self.record_cursors(ctx); // what was acknowledged before somebody left
            if !self.is_closing() {
                self.held.sweep(); // all are over then, and some may still be done with something
            }
        }
        self.follow(ctx);
        self.read_on(ctx);
        self.catch_up(ctx);
        if self.links.bell.take_crowded() {
            self.record_cursors(ctx);
        }
        if self.links.bell.take_acked() {
            self.record_cursors_soon(ctx);
        }
    }

    fn listen(&mut self, ctx: &mut Context<Self>) {
        let bell = Arc::clone(&self.links.bell);
        ctx.spawn(async move { bell.rung().await }.into_actor(self).map(|(), bus, ctx| {
            bus.look(ctx);
            bus.listen(ctx);
        }));
    }

    /// With a subscription it follows the journal's head; without one it lets the journal alone.
    fn follow(&mut self, ctx: &mut Context<Self>) {
        if self.held.subs.is_empty() || self.heads.is_some() {
            return;
        }
        let heads = self.links.journal.heads();
        self.heads = Some(heads.clone());
        self.wait_for_more(heads, ctx);
    }

    fn wait_for_more(&mut self, mut heads: watch::Receiver<u64>, ctx: &mut Context<Self>) {
        let more = async move { heads.changed().await.map(|()| heads) };
        ctx.spawn(more.into_actor(self).map(|more, bus, ctx| match more {
            Ok(heads) if !bus.held.subs.is_empty() => {
                bus.look(ctx);
                bus.wait_for_more(heads, ctx);
            }
            _ => bus.heads = None,
        }));
    }

    /// Reads on for all who are served together.
    fn read_on(&mut self, ctx: &mut Context<Self>) {
        let after = self.held.position;
        if self.reading || self.is_closing() || !self.held.serves() || after >= self.links.head() {
            return;
        }
        self.reading = true;
        let ask = self.ask(after, limits::BUS_ROWS);
        let pool = self.links.ahead.clone();
        let read = async move { pool.run(move |reader| read::read(reader, &ask)).await };
        ctx.spawn(read.into_actor(self).map(|batch, bus, ctx| {
            bus.reading = false;
            if let Some(batch) = bus.taken(batch, ctx) {
                let life = bus.life.clone();
                bus.held.offer(&batch, || life.maybe(FaultPoint::BusOffer));
                bus.look_on(&batch, ctx);
            }
        }));
    }

    fn ask(&self, after: u64, rows: usize) -> Ask {
        Ask { after, rows, processed: self.held.wants_processed(), catalogue: self.links.catalogue.clone() }
    }

    /// Reads on for those who are behind and have room.
    fn catch_up(&mut self, ctx: &mut Context<Self>) {
        if self.catching_up || self.is_closing() {
            return;
        }
        let Some((after, room)) = self.held.catches_up(self.links.head()) else { return };
        self.catching_up = true;
        let ask = self.ask(after, room.clamp(16, limits::BUS_ROWS));
        let pool = self.links.behind.clone();
        let read = async move { pool.run(move |reader| read::read(reader, &ask)).await };
        ctx.spawn(read.into_actor(self).map(move |batch, bus, ctx| {
            bus.catching_up = false;
            if let Some(batch) = bus.taken(batch, ctx) {
                let head = bus.links.head();
                bus.held.catch_up(after, &batch, head);
                bus.look_on(&batch, ctx);
            }
        }));
    }

    /// Looks for more at once if there was something; else it would turn without end.
    fn look_on(&mut self, batch: &Batch, ctx: &mut Context<Self>) {
        match batch.last {
            Some(_) => self.look(ctx),
            None => drop(ctx.run_later(AGAIN, |bus, ctx| bus.look(ctx))),
        }
    }

    /// What was read; what could not be is tried again after a while.
    fn taken(&mut self, batch: Result<Batch, StoreError>, ctx: &mut Context<Self>) -> Option<Batch> {
        batch
            .inspect_err(|error| {
                tracing::warn!(%error, "the bus cannot read on; it tries again");
                ctx.run_later(AGAIN, |bus, ctx| bus.look(ctx));
            })
            .ok()
    }

    fn record_cursors_soon(&mut self, ctx: &mut Context<Self>) {
        if self.records_soon {
            return;
        }
        self.records_soon = true;
        let slept = self.links.clock.sleep(limits::ACKNOWLEDGED_WITHIN);
        ctx.spawn(slept.into_actor(self).map(|(), bus, ctx| {
            bus.records_soon = false;
            bus.record_cursors(ctx);
        }));
    }

    /// Has every cursor that has moved recorded, one at a time for each subscription.
    fn record_cursors(&mut self, ctx: &mut Context<Self>) {
        for (name, inbox) in self.held.durable() {
            let Some(moved) = inbox.to_record() else { continue };
            if self.recording.iter().any(|recording| *recording == name.as_str()) {
                continue;
            }
            self.recording.push(name.to_string());
            let (name, inbox, links) = (name.clone(), Arc::clone(inbox), self.links.clone());
            let event = cursor::advanced(&name, moved.0, links.clock.now());
            let recorded = async move { cursor::submit(&links.router, &links.busy, event).await };
            ctx.spawn(recorded.into_actor(self).map(move |recorded, bus, ctx| {
                bus.recording.retain(|recording| *recording != name.as_str());
                let goes_on = recorded.is_ok();
                match recorded {
                    Ok(_) => inbox.is_recorded(moved),
                    Err(why) => tracing::warn!(%name, %why, "a cursor was not recorded; it is tried again"),
                }
                // What was acknowledged meanwhile goes with the next, which is the last chance where the end is near.
                match (inbox.to_record().is_some(), bus.is_closing() || inbox.is_over()) {
                    (true, true) if goes_on => bus.record_cursors(ctx),
                    (true, _) if !bus.is_closing() => bus.record_cursors_soon(ctx),
                    (true, _) => {}
                    (false, _) => bus.held.has_recorded(&name),
                }
                bus.has_closed();
            }));
        }
    }

    /// Has a subscriber's handler take what is in its inbox.
    fn run(&mut self, subscriber: SubscriberSpec, inbox: Arc<Inbox>, ctx: &mut Context<Self>) {
        let (links, closing) = (self.links.clone(), self.closing.subscribe());
        self.running += 1;
        let runner = Runner { subscriber, inbox, links, closing };
        ctx.spawn(runner.run().into_actor(self).map(|(), bus, ctx| {
            bus.running -= 1;
            if bus.running == 0 && bus.is_closing() {
                bus.record_cursors(ctx);
            }
            bus.has_closed();
        }));
    }

    /// Subscribes those who have handlers, or has them begin again.
    fn subscribe_handlers(&mut self, ctx: &mut Context<Self>) {
        for subscriber in self.links.subscribers.iter().cloned().collect::<Vec<_>>() {
            match self.held.rewind(subscriber.name.as_str()) {
                Some(inbox) => self.run(subscriber, inbox, ctx),
                None => {
                    self.beginning += 1;
                    self.subscribe_handler(subscriber, true, ctx);
                }
            }
        }
    }

    fn subscribe_handler(&mut self, subscriber: SubscriberSpec, first: bool, ctx: &mut Context<Self>) {
        let added = self.add(subscriber.spec.clone());
        ctx.spawn(added.map(move |added, bus, ctx| {
            bus.handler_added(subscriber, added, ctx);
            bus.beginning -= usize::from(first);
            bus.has_begun();
        }));
    }

    fn handler_added(
        &mut self,
        subscriber: SubscriberSpec,
        added: Result<Arc<Inbox>, SubscribeError>,
        ctx: &mut Context<Self>,
    ) {
        match added {
            Ok(inbox) => {
                self.run(subscriber, inbox, ctx);
                self.look(ctx);
            }
            Err(_) if self.is_closing() => {}
            Err(error) => {
                tracing::warn!(subscriber = %subscriber.name, %error, "not subscribed yet; it is tried again");
                ctx.run_later(AGAIN, move |bus, ctx| bus.subscribe_handler(subscriber, false, ctx));
            }
        }
    }

    /// Tells those who wait for the beginning, once every handler was tried to be subscribed.
    fn has_begun(&mut self) {
        if self.beginning == 0 {
            for begun in self.begun.drain(..) {
                let _ = begun.send(()); // who does not wait any more does not care
            }
        }
    }

    /// Tells those who wait for the end, once nothing is under way any more.
    fn has_closed(&mut self) {
        if self.is_closing() && self.running == 0 && self.recording.is_empty() {
            for closed in self.closed.drain(..) {
                let _ = closed.send(()); // who does not wait any more does not care
            }
        }
    }
}

impl Actor for Bus {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::ADMISSION);
        self.record_cursors(ctx); // those that were on their way when the one before died
        self.subscribe_handlers(ctx);
        self.listen(ctx);
        ctx.notify(Look);
    }
}

impl Drop for Bus {
    /// Runs while a panic unwinds, and does nothing that can fail.
    fn drop(&mut self) {
        if let Some(heir) = self.heir.take() {
            // Without an heir nobody serves them any more, and they are told.
            let _ = heir.send(Handover(std::mem::take(&mut self.held)));
        }
    }
}
