//! The handle: everything that can be asked of a running runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use regie_actors::entry::{self, Entry, Until, Work};
use regie_actors::refused::{Reason, Refused};
use regie_actors::system::Core;
use regie_core::event::{Event, EventResult, Incoming};
use regie_core::workflow::Command;
use regie_core::{Timestamp, limits};
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError, oneshot};
use uuid::Uuid;

use super::entering::{Whence, may_enter};

/// A handle to a running runtime. Cheap to clone, `Send` and `Sync`; its futures run on any executor.
#[derive(Clone)]
pub struct Handle {
    pub(crate) core: Arc<Core>,
}

/// The answer to an event that has entered; a future. Dropping it does not take the event back.
#[derive(Debug)]
#[must_use]
pub struct Answer {
    answer: oneshot::Receiver<entry::Answer>,
    event: Option<Box<Incoming>>,
}

impl Future for Answer {
    type Output = Result<EventResult, Refused>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match Pin::new(&mut self.answer).poll(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(answer) => answer,
        };
        let reason = match answer {
            Ok(Ok(Some(result))) => return Poll::Ready(Ok(result)),
            Ok(Ok(None)) | Err(_) => Reason::Lost,
            Ok(Err(reason)) => reason,
        };
        match self.event.take() {
            Some(event) => Poll::Ready(Err(Refused { reason, event })),
            None => Poll::Pending, // polled after its end
        }
    }
}

impl Handle {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Submits an event; comes back once it is recorded with its verdict, as durably as the journal was opened to be.
    ///
    /// # Errors
    /// The event is handed back with the reason. A full runtime refuses at once: see [`Handle::enqueue`] to wait for room.
    ///
    /// # Cancellation
    /// Dropping the future does not take the event back. Send it again to learn what became of it: its id makes that safe.
    pub async fn submit(&self, event: Incoming) -> Result<EventResult, Refused> {
        self.submit_until(event, Until::Judged).await
    }

    /// The same, and waits until the event's life is over if asked to: a deferred one may take days.
    ///
    /// # Errors
    /// As [`Handle::submit`].
    pub async fn submit_until(&self, event: Incoming, until: Until) -> Result<EventResult, Refused> {
        match Arc::clone(&self.core.admission).try_acquire_owned() {
            Ok(permit) => self.send(event, until, permit).await,
            Err(error) => Err(Refused { reason: self.no_permit(&error), event: Box::new(event) }),
        }
    }

    /// Waits for room, lets the event in, and gives its answer as a future. Events that one caller enqueues one after
    /// another enter in that order. Of several callers who wait, the more pressing events go first, and those of one key (the
    /// actor, or else the session, or else the correlation) in turn with those of others: nobody is kept out for good.
    ///
    /// # Errors
    /// Only once the runtime is shutting down, or a part of it was given up; the event is handed back.
    pub async fn enqueue(&self, event: Incoming) -> Result<Answer, Refused> {
        self.enqueue_from(Whence::Caller, event).await
    }

    /// The same of an event from there.
    pub(crate) async fn enqueue_from(&self, whence: Whence, event: Incoming) -> Result<Answer, Refused> {
        let free = (!self.core.door.has_waiting()).then(|| Arc::clone(&self.core.admission).try_acquire_owned());
        if let Some(Ok(permit)) = free {
            return Ok(self.send_from(whence, event, Until::Judged, permit));
        }
        let priority = self.policies().priority_of(event.event(), self.core.clock.now());
        match self.core.door.wait(priority, &fair_key(event.event())).await {
            Some(permit) => Ok(self.send_from(whence, event, Until::Judged, permit)),
            None => Err(Refused { reason: self.closed(), event: Box::new(event) }),
        }
    }

    /// Submits many; they are answered one by one, in their order. A bad one harms no other.
    pub async fn submit_batch(&self, events: Vec<Incoming>) -> Vec<Result<EventResult, Refused>> {
        if events.len() > limits::BATCH.min(self.core.admitted_at_most) {
            let limit = limits::BATCH.min(self.core.admitted_at_most);
            let refuse = |event| Err(Refused { reason: Reason::Full { limit }, event: Box::new(event) });
            return events.into_iter().map(refuse).collect();
        }
        let entered: Vec<Result<Answer, Refused>> = events
            .into_iter()
            .map(|event| match Arc::clone(&self.core.admission).try_acquire_owned() {
                Ok(permit) => Ok(self.send(event, Until::Judged, permit)),
                Err(error) => Err(Refused { reason: self.no_permit(&error), event: Box::new(event) }),
            })
            .collect();
        let mut answers = Vec::with_capacity(entered.len());
        for answer in entered {
            answers.push(match answer {
                Ok(answer) => answer.await,
                Err(refused) => Err(refused),
            });
        }
        answers
    }

    /// In event time: whether this event must be answered before the next one enters, because a policy or a handler may have a
    /// say over it for which that matters.
    pub fn needs_order(&self, event: &Event) -> bool {
        !self.core.definitions.is_empty()
            || self.core.in_force.borrow().set.needs_order(event)
            || self.rules_watch(event)
    }

    /// In event time: whether those before this event must be answered before it enters, because a condition or a
    /// rule looks at an entity, of which they may tell.
    pub fn looks_back(&self, event: &Event) -> bool {
        self.core.in_force.borrow().set.needs(event).entity || self.rules_watch(event)
    }

    /// A place among those who may be under way.
    pub(super) fn permit(&self) -> Result<OwnedSemaphorePermit, Reason> {
        Arc::clone(&self.core.admission).try_acquire_owned().map_err(|error| self.no_permit(&error))
    }

    fn no_permit(&self, error: &TryAcquireError) -> Reason {
        match error {
            TryAcquireError::Closed => self.closed(),
            TryAcquireError::NoPermits => Reason::Full { limit: self.core.admitted_at_most },
        }
    }

    /// Why nothing is taken any more.
    fn closed(&self) -> Reason {
        let given_up = self.core.parts.iter().find(|part| part.is_given_up());
        given_up.map_or(Reason::Closing, |part| Reason::PartDown { part: part.name().into() })
    }

    fn send(&self, event: Incoming, until: Until, permit: OwnedSemaphorePermit) -> Answer {
        self.send_from(Whence::Caller, event, until, permit)
    }

    fn send_from(&self, whence: Whence, mut event: Incoming, until: Until, permit: OwnedSemaphorePermit) -> Answer {
        if let Err(reason) = may_enter(event.event(), whence, self.core.definitions.catalogue()) {
            return refused(event, reason);
        }
        let clock = &self.core.clock;
        // Before the first event, event time has none that what comes without could be given.
        if !clock.has_begun() {
            if event.event().timestamp == Timestamp::MIN {
                return refused(event, Reason::NoTime);
            }
            clock.advance_to(event.event().timestamp);
        }
        if event.event().id.is_empty() {
            event.name(Uuid::now_v7().to_string());
        }
        let (reply, answer) = oneshot::channel();
        let handed_back = Box::new(event.clone());
        self.core.router.send(Entry {
            correlation: event.event().correlation_id.clone(),
            work: Work::Command(Arc::new(Command::Submit { event, emitted: false })),
            // In event time, what enters is decided as of its entry, however far the others are by then.
            as_of: (!clock.fires()).then(|| clock.now()),
            until,
            reply: Some(reply),
            since: Instant::now(),
            permit: Some(permit),
            under_way: Some(self.core.busy.begin()),
        });
        Answer { answer, event: Some(handed_back) }
    }
}

/// The answer to an event that does not enter.
fn refused(event: Incoming, reason: Reason) -> Answer {
    let (reply, answer) = oneshot::channel();
    let _ = reply.send(Err(reason));
    Answer { answer, event: Some(Box::new(event)) }
}

/// By whom room is shared: the actor, or else the session, or else the correlation.
fn fair_key(event: &Event) -> String {
    match (&event.actor, &event.session_key) {
        (Some(actor), _) => actor.to_string(),
        (None, Some(session)) => session.clone(),
        (None, None) => event.correlation_id.to_string(),
    }
}
