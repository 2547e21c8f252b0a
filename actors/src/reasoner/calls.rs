//! Asking a reasoner: what its gate is told, and what it makes of the end.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures::future::AbortRegistration;
use regie_core::Timestamp;
use regie_core::reasoning::{Advice, Ask, Asked, Mode, Outcome, Refused, Request};
use tokio::sync::oneshot;

use super::view::ReasonerView;
use super::{ReasonerGate, ReasonerSpec, Reply};
use crate::clock::Stopwatch;
use crate::gate::{self, Begun, Bounds, End, Unfinished, Work};

/// What the one who asks is told.
pub type Reasoned = Advice;

/// Makes of a reply what the one who asks is told.
pub(super) type Answer = Box<dyn FnOnce(Reply) -> Reasoned + Send>;

/// Asks a reasoner. It answers within the limit, whatever the reasoner does.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ReasonCall {
    /// What the policy wants.
    pub ask: Ask,
    /// The question.
    pub request: Request,
    /// Gives the call up when its other end says so.
    pub abort: AbortRegistration,
    /// Where the advice goes; dropped if the call is given up.
    pub reply: oneshot::Sender<Reasoned>,
}

/// What a gate needs of a question.
pub struct Asking {
    request: Request,
    stopwatch: Stopwatch,
}

/// What is remembered of a question while it is under way.
pub struct About {
    mode: Mode,
    stopwatch: Stopwatch,
}

impl ReasonerSpec {
    fn asked(&self, mode: Mode) -> Asked {
        Asked { reasoner: self.name.clone(), mode }
    }

    fn without(&self, about: &About, outcome: Outcome) -> Reasoned {
        Advice::without(self.asked(about.mode.clone()), outcome, about.stopwatch.elapsed_ms())
    }
}

impl Work for ReasonerSpec {
    /// The event waits for the answer, and not for the work alone.
    const FROM_ARRIVAL: bool = true;
    type Task = Asking;
    type About = About;
    type Outcome = Reasoned;
    type View = ReasonerView;

    fn name(&self) -> &str {
        &self.name
    }

    fn bounds(&self) -> Bounds {
        Bounds { concurrency: self.limits.concurrency, queue: self.limits.queue }
    }

    fn begin(&self, Asking { request, stopwatch }: Asking, _: Timestamp) -> Begun<Reasoned> {
        let asked = self.asked(request.mode.clone());
        let answer = Box::new(move |reply| Advice::of(asked, reply, stopwatch.elapsed_ms()));
        Arc::clone(&self.work).begin(request, answer)
    }

    fn about(&self, task: &Asking) -> About {
        About { mode: task.request.mode.clone(), stopwatch: task.stopwatch.clone() }
    }

    fn unfinished(&self, about: &About, how: Unfinished) -> Reasoned {
        let outcome = match how {
            Unfinished::TimedOut(limit) => Outcome::TimedOut { after_ms: limit.as_millis() as u64 },
            Unfinished::Panicked(text) => Outcome::Panicked(text),
            Unfinished::Refused(why) => Outcome::Refused(Refused::Full { why }),
            Unfinished::Failed(why) => Outcome::Failed(why),
        };
        self.without(about, outcome)
    }

    fn end(outcome: &Reasoned) -> End {
        match outcome.outcome {
            Outcome::Ok => End::Done,
            Outcome::TimedOut { .. } => End::TimedOut,
            Outcome::Panicked(_) => End::Panicked,
            Outcome::Refused(_) => End::Refused,
            _ => End::Failed,
        }
    }

    fn count(view: &ReasonerView, about: &About, outcome: Option<&Reasoned>) {
        view.count(&about.mode, outcome);
    }
}

impl Handler<ReasonCall> for ReasonerGate {
    type Result = ();

    fn handle(&mut self, call: ReasonCall, _: &mut Self::Context) {
        let ReasonCall { ask, mut request, abort, reply } = call;
        let granted = self.work().limits.granted(ask.limit_ms.map(Duration::from_millis));
        let limit = *granted.as_ref().unwrap_or(&Duration::ZERO);
        request.limit_ms = limit.as_millis() as u64;
        request.mode = ask.mode;
        let call = gate::Call { task: Asking { request, stopwatch: self.stopwatch() }, limit, abort, reply };
        match granted {
            Ok(_) => self.take(call),
            Err(refused) => {
                let about = self.work().about(&call.task);
                let outcome = self.work().without(&about, Outcome::Refused(refused));
                self.refuse(call, outcome);
            }
        }
    }
}
