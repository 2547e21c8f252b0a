//! What the bus is asked.

use std::sync::Arc;

use actix::prelude::*;
use regie_core::event::Incoming;
use regie_core::limits;

use super::cursor;
use super::delivery::Delivery;
use super::inbox::{Inbox, Put};
use super::spec::{From, NotTold, Spec, SubscribeError, TellError};
use super::{Bus, BusStats};

/// Asks for a subscription.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Arc<Inbox>, SubscribeError>")]
pub struct Add(pub Spec);

/// Has it look for what there is to do, and tells how it is.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "BusStats")]
pub struct Look;

/// A message for one named subscription alone, which is not recorded.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), NotTold>")]
pub struct Tell {
    /// For whom.
    pub name: String,
    /// What.
    pub event: Incoming,
}

/// Answered once the subscribers with handlers are subscribed, or it is known that one cannot be yet.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Begun;

/// Nothing more is handed to handlers; answered once what is under way is done with, and every cursor recorded.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Close;

impl Handler<Add> for Bus {
    type Result = ResponseActFuture<Self, Result<Arc<Inbox>, SubscribeError>>;

    fn handle(&mut self, Add(spec): Add, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.add(spec).map(|added, bus, ctx| {
            bus.look(ctx);
            added
        }))
    }
}

impl Bus {
    /// Adds a subscription: a durable one where its cursor is, which is recorded the first time.
    pub(super) fn add(&mut self, mut spec: Spec) -> LocalBoxActorFuture<Self, Result<Arc<Inbox>, SubscribeError>> {
        if let Err(error) = self.may_add(&mut spec) {
            return Box::pin(async { Err(error) }.into_actor(self));
        }
        let head = self.links.head();
        let start = match spec.from {
            From::Now => head,
            From::Start => 0,
            From::After(position) => position,
        };
        let Some(name) = spec.name.clone().filter(|_| spec.durable) else {
            let added = self.added(spec, start, None);
            return Box::pin(async { Ok(added) }.into_actor(self));
        };
        self.adding.push(name.to_string());
        self.held.sweep();
        let left = self.held.left_at(&name);
        let (links, who) = (self.links.clone(), name.clone());
        let begins = async move {
            links.router.up().await;
            let wanted = who.clone();
            let recorded = links.behind.run(move |reader| cursor::recorded(reader, &wanted, head)).await?;
            if let Some(recorded) = recorded {
                return Ok((recorded.max(left), recorded));
            }
            let event = cursor::advanced(&who, start, links.clock.now());
            let kept = cursor::submit(&links.router, &links.busy, event).await;
            kept.map(|_| (start, start)).map_err(|why| SubscribeError::NotKept { name: who, why: Box::new(why) })
        };
        Box::pin(begins.into_actor(self).map(move |begins, bus, ctx| {
            bus.adding.retain(|adding| *adding != name.as_str());
            begins.map(|(through, recorded)| {
                let inbox = bus.added(spec, through, Some(recorded));
                bus.record_cursors(ctx); // what the one before had done with, and left to this one
                inbox
            })
        }))
    }

    fn may_add(&mut self, spec: &mut Spec) -> Result<(), SubscribeError> {
        if self.is_closing() {
            return Err(SubscribeError::Closing);
        }
        let too_much = |what, limit| Err(SubscribeError::TooMuch { what, limit });
        if self.held.subs.len() >= limits::SUBSCRIPTIONS {
            return too_much("subscriptions", limits::SUBSCRIPTIONS);
        }
        if spec.queue > limits::SUBSCRIPTION_QUEUE_MAX {
            return too_much("deliveries in a queue", limits::SUBSCRIPTION_QUEUE_MAX);
        }
        if spec.interest.patterns.len() > limits::SUBSCRIPTION_PATTERNS {
            return too_much("patterns of one subscription", limits::SUBSCRIPTION_PATTERNS);
        }
        let Some(name) = &spec.name else { return Ok(()) };
        if self.adding.iter().any(|adding| *adding == name.as_str()) || self.held.named(name.as_str()).is_some() {
            return Err(SubscribeError::Held { name: name.clone() });
        }
        if spec.durable {
            spec.overflow = regie_core::bus::Overflow::Wait; // its cursor promises that nothing is left out
        }
        Ok(())
    }

    fn added(&mut self, spec: Spec, start: u64, recorded: Option<u64>) -> Arc<Inbox> {
        let bell = Arc::clone(&self.links.bell);
        let inbox = Arc::new(Inbox::new((spec.queue, spec.overflow), start, recorded, bell));
        let head = self.links.head();
        self.held.add(spec, Arc::clone(&inbox), start, head);
        inbox
    }
}

/// A future that ends in the actor.
pub(super) type LocalBoxActorFuture<A, T> = std::pin::Pin<Box<dyn ActorFuture<A, Output = T>>>;

impl Handler<Look> for Bus {
    type Result = MessageResult<Look>;

    fn handle(&mut self, _: Look, ctx: &mut Self::Context) -> Self::Result {
        self.look(ctx);
        MessageResult(BusStats::of(&self.held, self.links.head()))
    }
}

impl Handler<Tell> for Bus {
    type Result = Result<(), NotTold>;

    fn handle(&mut self, Tell { name, event }: Tell, _: &mut Self::Context) -> Self::Result {
        let put = self.held.named(&name).map(|sub| {
            let delivery = Delivery::direct(&event, self.links.clock.now());
            sub.inbox.put_direct(delivery)
        });
        let why = match put {
            Some(Put::Taken) => return Ok(()),
            Some(Put::NoRoom) => TellError::Full,
            Some(Put::Gone) | None => TellError::Gone,
        };
        Err(NotTold { name, why, event: Box::new(event) })
    }
}

impl Handler<Begun> for Bus {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Begun, _: &mut Self::Context) -> Self::Result {
        let (begun, begins) = tokio::sync::oneshot::channel();
        self.begun.push(begun);
        self.has_begun();
        Box::pin(async move {
            let _ = begins.await; // dropped with the bus: the next one begins
        })
    }
}

impl Handler<Close> for Bus {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) -> Self::Result {
        let (closed, close) = tokio::sync::oneshot::channel();
        self.closed.push(closed);
        self.closing.send_replace(true);
        self.held.subs.values().for_each(|sub| sub.inbox.end());
        self.record_cursors(ctx);
        self.has_closed();
        Box::pin(async move {
            let _ = close.await; // dropped with the bus: then there is nothing to wait for
        })
    }
}
