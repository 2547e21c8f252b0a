//! A call as a gate is asked for it.

use std::time::Duration;

use actix::prelude::*;
use futures::future::AbortRegistration;
use regie_core::Json;
use regie_core::event::CorrelationId;
use regie_core::workflow::{AgentOutcome, EffectKey};
use tokio::sync::oneshot;

/// Asks for a task to be done.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Call {
    /// Whose.
    pub correlation: CorrelationId,
    /// The step and attempt.
    pub key: EffectKey,
    /// What to do.
    pub task: Json,
    /// Its own time limit, if it has one; the agent's stands where it is shorter.
    pub timeout: Option<Duration>,
    /// Gives the call up when its other end says so.
    pub abort: AbortRegistration,
    /// Where the outcome goes; dropped if the call is given up.
    pub reply: oneshot::Sender<AgentOutcome>,
}

/// What an instance needs of a call.
pub(super) struct Asked {
    pub(super) correlation: CorrelationId,
    pub(super) key: EffectKey,
    pub(super) task: Json,
}
