//! Where a part of the runtime is found now: whoever held the address of one that died finds the next one here.

use actix::dev::ToEnvelope;
use actix::prelude::*;
use tokio::sync::watch;

/// An address that can tell whether anybody is there.
pub trait Address: Clone {
    /// Whether anybody is there.
    fn is_live(&self) -> bool;
}

impl<A: Actor> Address for Addr<A> {
    fn is_live(&self) -> bool {
        self.connected()
    }
}

impl<M> Address for Recipient<M>
where
    M: Message + Send,
    M::Result: Send,
{
    fn is_live(&self) -> bool {
        self.connected()
    }
}

/// The present address of a part. Cheap to clone; it keeps the address that it found last for as long as somebody is
/// there, so that a look costs no more than that.
#[derive(Clone, Debug)]
pub struct Post<T> {
    present: watch::Receiver<Option<T>>,
    found: Option<T>,
}

/// Whoever says who is at the post.
pub type Seat<T> = watch::Sender<Option<T>>;

impl<T: Address> Post<T> {
    /// A post where nobody is yet, and its seat.
    pub fn new() -> (Seat<T>, Self) {
        let (seat, present) = watch::channel(None);
        (seat, Self { present, found: None })
    }

    /// Who is there now.
    pub fn present(&self) -> Option<T> {
        self.present.borrow().clone()
    }

    /// Who is there; the last one who was, if nobody is.
    pub fn address(&mut self) -> Option<&T> {
        if !self.found.as_ref().is_some_and(T::is_live) {
            self.found = self.present.borrow().clone();
        }
        self.found.as_ref()
    }
}

impl<M> Post<Recipient<M>>
where
    M: Message + Clone + Send + 'static,
    M::Result: Send,
{
    /// Tells whoever is there, and brings their answer. Nothing if they die over it, or nobody is there.
    pub async fn tell(&self, message: M) -> Option<M::Result> {
        let there = self.present.borrow().clone()?;
        there.send(message).await.ok()
    }
}

impl<A: Actor> Post<Addr<A>> {
    /// Asks whoever is there; should they die over it, whoever comes next. Nothing once nobody will.
    pub async fn ask<M>(&self, message: M) -> Option<M::Result>
    where
        M: Message + Clone + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        let mut present = self.present.clone();
        loop {
            let address = present.borrow_and_update().clone();
            if let Some(address) = address
                && let Ok(answer) = address.send(message.clone()).await
            {
                return Some(answer);
            }
            present.changed().await.ok()?;
        }
    }
}
