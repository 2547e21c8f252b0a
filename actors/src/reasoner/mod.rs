//! One actor per registered reasoner: a gate in front of its work, which answers each question within its limit.
//!
//! Nothing that a reasoner does reaches the one who asks but an [`Advice`]: its silence, its panic and its nonsense are
//! outcomes like any other.
//!
//! [`Advice`]: regie_core::reasoning::Advice

mod calls;
mod known;
mod rules;
mod view;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures::FutureExt;
use regie_core::limits;
use regie_core::reasoning::{ReasonError, Refused, Request, SignalDraft, time_limit};

use crate::gate::{Begun, Gate, Gates};

pub use calls::{ReasonCall, Reasoned};
pub use known::{Known, Unaskable};
pub use rules::RuleReasoner;
pub use view::{LATENCY_MS, ModeCounts, ReasonerView};

/// What a reasoner gives: its signals, or why it has none to give.
pub type Reply = Result<Vec<SignalDraft>, ReasonError>;

/// Advises on events. Runs on a pool of threads; when its time is up its future is dropped. A future that holds its thread
/// without yielding is answered for in time all the same, but harms that pool: use a [`BlockingReasoner`] for such work.
///
/// It is given a copy of what it may see of one event. Whatever it keeps from one question to the next is its own doing.
pub trait Reasoner: Send + Sync + 'static {
    /// Answers one question.
    fn reason(&self, request: Request) -> impl Future<Output = Reply> + Send;
}

/// Advises on events and blocks its thread over it. Each question has a thread; one that is still busy when its time is up
/// is left behind.
pub trait BlockingReasoner: Send + Sync + 'static {
    /// Answers one question.
    fn reason(&self, request: Request) -> Reply;
}

/// One question, as an actix message: see [`ActorReasoner`].
#[derive(Clone, Debug, Message)]
#[rtype(result = "Reply")]
pub struct Question(pub Request);

/// An actix actor of yours as a reasoner, by its recipient. It runs where you started it; it must not hold its own arbiter.
pub struct ActorReasoner(pub Recipient<Question>);

impl Reasoner for ActorReasoner {
    async fn reason(&self, request: Request) -> Reply {
        let silent = |error| Err(ReasonError::Failed(format!("the actor does not answer: {error}")));
        self.0.send(Question(request)).await.unwrap_or_else(silent)
    }
}

/// How many questions a reasoner takes, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct ReasonerLimits {
    /// Questions that it works on at once; at least one.
    pub concurrency: usize,
    /// Questions that wait; more are refused.
    pub queue: usize,
    /// How long an answer may take, waiting included, unless the one who asks says otherwise.
    pub limit: Duration,
    longest: Duration,
}

impl Default for ReasonerLimits {
    fn default() -> Self {
        Self {
            concurrency: limits::AGENT_CONCURRENCY,
            queue: limits::AGENT_QUEUE,
            limit: limits::REASONING_LIMIT,
            longest: limits::REASONING_LIMIT_MAX,
        }
    }
}

impl ReasonerLimits {
    /// How long an answer may take unless the one who asks says otherwise.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Lets an answer take longer than [`limits::REASONING_LIMIT_MAX`], up to this.
    pub fn allow_longer(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// How many questions it works on at once, and how many wait.
    pub fn places(mut self, concurrency: usize, queue: usize) -> Self {
        (self.concurrency, self.queue) = (concurrency, queue);
        self
    }

    /// The time that an answer may take, of what is asked for, if it may have so much.
    ///
    /// # Errors
    /// If that is nothing, or longer than is allowed.
    pub fn granted(&self, asked: Option<Duration>) -> Result<Duration, Refused> {
        time_limit(asked.unwrap_or(self.limit), self.longest)
    }
}

trait AnyReasoner: Send + Sync {
    /// `answer` makes of a reply what the one who asks is told.
    fn begin(self: Arc<Self>, request: Request, answer: calls::Answer) -> Begun<Reasoned>;
}

struct Async<R>(R);
struct Blocking<R>(R);

impl<R: Reasoner> AnyReasoner for Async<R> {
    fn begin(self: Arc<Self>, request: Request, answer: calls::Answer) -> Begun<Reasoned> {
        Begun::Yields(
            async move {
                let reply = match request.check() {
                    Ok(()) => self.0.reason(request).await,
                    Err(refused) => Err(refused.into()),
                };
                answer(reply)
            }
            .boxed(),
        )
    }
}

impl<R: BlockingReasoner> AnyReasoner for Blocking<R> {
    fn begin(self: Arc<Self>, request: Request, answer: calls::Answer) -> Begun<Reasoned> {
        Begun::Blocks(Box::new(move || {
            answer(request.check().map_err(ReasonError::from).and_then(|()| self.0.reason(request)))
        }))
    }
}

/// A reasoner to register: its name, its limits and what does the work.
#[derive(Clone)]
pub struct ReasonerSpec {
    /// Its name.
    pub name: String,
    /// Its limits.
    pub limits: ReasonerLimits,
    work: Arc<dyn AnyReasoner>,
}

impl ReasonerSpec {
    /// A reasoner that yields while it waits.
    pub fn new(name: impl Into<String>, reasoner: impl Reasoner, limits: ReasonerLimits) -> Self {
        Self { name: name.into(), limits, work: Arc::new(Async(reasoner)) }
    }

    /// A reasoner that blocks its thread.
    pub fn blocking(name: impl Into<String>, reasoner: impl BlockingReasoner, limits: ReasonerLimits) -> Self {
        Self { name: name.into(), limits, work: Arc::new(Blocking(reasoner)) }
    }
}

/// A gate in front of a reasoner.
pub type ReasonerGate = Gate<ReasonerSpec>;

/// The reasoners by name, for those who look.
pub type Reasoners = Gates<ReasonerSpec>;
