//! What a subscription asks for.

use std::sync::Arc;
use std::time::Duration;

use regie_actors::agent::AgentLimits;
use regie_actors::bus::{From, Spec, SubscribeError};
use regie_core::bus::{Interest, Overflow, Retry, SubscriberName, When};
use regie_core::event::Pattern;
use regie_core::expr::{ExprError, Program};
use regie_core::limits;

/// What a subscription asks for. Without more said: what is committed from now on, in a queue of 1,024, waiting when that
/// is full.
#[derive(Clone, Debug)]
#[must_use]
pub struct Subscribe {
    patterns: Vec<String>,
    filter: Option<Program>,
    when: When,
    own: bool,
    name: Option<String>,
    durable: bool,
    from: From,
    queue: usize,
    overflow: Overflow,
    pub(super) retry: Retry,
    pub(super) limits: AgentLimits,
}

impl Subscribe {
    /// To events whose type fits a pattern: segments, `*` for one, `>` for all that follow. What is no pattern is refused when
    /// it is subscribed.
    pub fn to(pattern: impl Into<String>) -> Self {
        Self {
            patterns: vec![pattern.into()],
            filter: None,
            when: When::Committed,
            own: false,
            name: None,
            durable: false,
            from: From::Now,
            queue: limits::SUBSCRIPTION_QUEUE,
            overflow: Overflow::Wait,
            retry: Retry::default(),
            limits: AgentLimits { concurrency: 1, ..AgentLimits::default() },
        }
    }

    /// To those of another pattern too.
    pub fn and(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// Only those for which a condition over `event` holds. One for which it has no answer is not delivered, and counted.
    ///
    /// # Errors
    /// If it is no condition over an event; with the place.
    pub fn filter(mut self, condition: &str) -> Result<Self, ExprError> {
        self.filter = Some(Interest::filter(condition)?);
        Ok(self)
    }

    /// Only those that are processed, when they are: one that was deferred once it has gone on, one that was discarded never.
    /// Unless said, each event is delivered once, when it is committed, whatever the policies said of it.
    pub fn processed_only(mut self) -> Self {
        self.when = When::Processed;
        self
    }

    /// The runtime's own events too.
    pub fn with_own(mut self) -> Self {
        self.own = true;
        self
    }

    /// Has a name, by which it can be told something directly; nobody else holds it meanwhile.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Keeps its place under a name: it goes on there after a restart. It waits when its queue is full, whatever is said.
    pub fn durable(mut self, name: impl Into<String>) -> Self {
        self.durable = true;
        self.named(name)
    }

    /// Where it begins; a durable one the first time alone.
    pub fn from(mut self, from: From) -> Self {
        self.from = from;
        self
    }

    /// How many deliveries its queue holds; at most [`limits::SUBSCRIPTION_QUEUE_MAX`], and
    /// [`limits::SUBSCRIPTION_BYTES`] of events.
    pub fn queue(mut self, deliveries: usize) -> Self {
        self.queue = deliveries;
        self
    }

    /// What becomes of a delivery for which there is no room.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// How many deliveries its handler takes at once; one unless said. Those of one correlation stay in order all the same.
    pub fn concurrency(mut self, deliveries: usize) -> Self {
        self.limits.concurrency = deliveries.max(1);
        self
    }

    /// How long its handler may take for one; 30 s unless said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// How soon what its handler did not take is tried again, and how often, before it becomes a dead letter.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Checks what could not be refused while it was said.
    pub(super) fn spec(&self) -> Result<Spec, SubscribeError> {
        let patterns = self.patterns.iter().map(|pattern| Pattern::parse(pattern)).collect::<Result<Vec<_>, _>>()?;
        let name = self.name.as_deref().map(SubscriberName::new).transpose()?;
        let interest = Interest { patterns, filter: self.filter.clone(), when: self.when, own: self.own };
        Ok(Spec {
            name,
            durable: self.durable,
            interest: Arc::new(interest),
            from: self.from,
            queue: self.queue,
            overflow: self.overflow,
        })
    }
}
