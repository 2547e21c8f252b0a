//! What a subscription is made of, and why one is refused.

use std::sync::Arc;

use regie_core::bus::{Interest, NameError, Overflow, Retry, SubscriberName};
use regie_core::event::{Incoming, PatternError};
use regie_core::limits;
use regie_journal::StoreError;

use super::hand::Hands;
use crate::refused::Reason;

/// Where a subscription begins; a durable one the first time alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// With what is committed from now on.
    #[default]
    Now,
    /// With the first event of the journal.
    Start,
    /// With what follows a position, be it one that is not there yet.
    After(u64),
}

/// What a subscription is made of.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name; none for one that nobody names.
    pub name: Option<SubscriberName>,
    /// Whether its cursor is kept under its name.
    pub durable: bool,
    /// Which events it means.
    pub interest: Arc<Interest>,
    /// Where it begins.
    pub from: From,
    /// How many deliveries its queue holds.
    pub queue: usize,
    /// What becomes of one for which there is no room. A durable one waits, whatever is said.
    pub overflow: Overflow,
}

impl Spec {
    /// Without a name, over nothing yet.
    pub fn new() -> Self {
        let (queue, overflow, interest) = (limits::SUBSCRIPTION_QUEUE, Overflow::default(), Arc::default());
        Self { name: None, durable: false, interest, from: From::default(), queue, overflow }
    }
}

impl Default for Spec {
    fn default() -> Self {
        Self::new()
    }
}

/// A subscriber with a handler.
#[derive(Clone)]
pub struct SubscriberSpec {
    /// Its name.
    pub name: SubscriberName,
    /// Its subscription: a durable one of that name.
    pub spec: Spec,
    /// How soon what failed is tried again.
    pub retry: Retry,
    /// Deliveries that it takes at once; those of one correlation one after another all the same.
    pub lanes: usize,
    /// What the agent that is registered for it is handed.
    pub hands: Arc<Hands>,
}

impl SubscriberSpec {
    /// One that begins with what is committed from now on begins after that position.
    pub(crate) fn beginning_at(mut self, position: u64) -> Self {
        if self.spec.from == From::Now {
            self.spec.from = From::After(position);
        }
        self
    }
}

/// Why there is no subscription.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// One of its patterns is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Its name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Somebody holds that name.
    #[error("somebody holds the subscription '{name}': a name has one holder at a time")]
    Held {
        /// The name.
        name: SubscriberName,
    },
    /// It asks for more than there is.
    #[error("{what}: at most {limit} are taken")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much there is.
        limit: usize,
    },
    /// Its cursor cannot be read.
    #[error(transparent)]
    Journal(#[from] StoreError),
    /// Where it begins could not be recorded.
    #[error("where '{name}' begins was not recorded: {why}")]
    NotKept {
        /// The name.
        name: SubscriberName,
        /// Why.
        why: Box<Reason>,
    },
    /// The runtime is shutting down, or its bus was given up.
    #[error("the bus takes nothing more")]
    Closing,
}

/// Why a direct message was not put into anybody's queue. It is handed back.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the message for '{name}' was not delivered: {why}")]
pub struct NotTold {
    /// Who was meant.
    pub name: String,
    /// Why.
    pub why: TellError,
    /// The message.
    pub event: Box<Incoming>,
}

/// Why a direct message found nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TellError {
    /// Its queue is full.
    #[error("its queue is full")]
    Full,
    /// There is no such subscription now.
    #[error("there is no such subscription now")]
    Gone,
}
