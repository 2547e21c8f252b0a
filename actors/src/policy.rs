//! Owns the state of the policies that hold any. One mailbox, so that of N racing events of one key one goes on.

use std::collections::HashMap;

use actix::prelude::*;
use regie_core::governance::{AskId, Governor, Ruling, Settled};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::lane::ToPolicy;

/// The actor.
pub struct Policy {
    governor: Governor,
    clock: Clock,
    unanswered: HashMap<AskId, oneshot::Sender<Ruling>>,
}

impl Policy {
    /// Over the state that the journal gave.
    pub fn new(governor: Governor, clock: Clock) -> Self {
        Self { governor, clock, unanswered: HashMap::new() }
    }

    fn answer(&mut self, settled: impl IntoIterator<Item = Settled>) {
        for (ask, ruling) in settled {
            if let Some(reply) = self.unanswered.remove(&ask) {
                // Should its workflow have died, its shard has the reservation given up behind the fence.
                let _ = reply.send(ruling);
            }
        }
    }
}

impl Actor for Policy {
    type Context = Context<Self>;
}

impl Handler<ToPolicy> for Policy {
    type Result = ();

    fn handle(&mut self, ToPolicy { asks, settled }: ToPolicy, _: &mut Self::Context) {
        for (ask, committed) in settled {
            let waited = self.unanswered.remove(&ask).is_some();
            let now = self.clock.now();
            let freed = if waited { self.governor.forget(ask, now) } else { self.governor.settle(ask, committed, now) };
            self.answer(freed);
        }
        for (ask, reply) in asks {
            self.unanswered.insert(ask.id, reply);
            let ruling = self.governor.ask(ask, self.clock.now());
            self.answer(ruling);
        }
    }
}
