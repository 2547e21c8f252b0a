//! Asking an agent, or whoever a route finds.

use std::time::Duration;

use futures::FutureExt;
use futures::future::{AbortHandle, AbortRegistration, Abortable, LocalBoxFuture};
use regie_core::agents::{Choice, CompiledRoute, Order, PassedOver};
use regie_core::event::CorrelationId;
use regie_core::workflow::{AgentOutcome, EffectEnd, EffectKey};
use regie_core::{Json, Timestamp};
use tokio::sync::oneshot;

use super::{Agents, Call, abortable};

/// What is asked of an agent or a route.
pub struct Errand {
    /// Whose.
    pub correlation: CorrelationId,
    /// The step and attempt.
    pub key: EffectKey,
    /// What to do.
    pub task: Json,
    /// Its own time limit, if it has one.
    pub timeout: Option<Duration>,
}

impl Agents {
    /// Has an agent do something, or whoever the route of that name finds. An agent is asked before this comes back.
    pub fn ask(
        &self,
        name: &str,
        errand: Errand,
        abort: AbortRegistration,
        now: Timestamp,
    ) -> LocalBoxFuture<'static, EffectEnd> {
        match self.route(name) {
            None => self.send(name, errand, abort).map(EffectEnd::Agent).boxed_local(),
            Some(route) => {
                let agents = self.clone();
                let end = async move { agents.follow(&route, errand, now).await };
                Abortable::new(end, abort).map(|end| end.unwrap_or_else(|_| EffectEnd::Agent(lost()))).boxed_local()
            }
        }
    }

    fn send(
        &self,
        agent: &str,
        errand: Errand,
        abort: AbortRegistration,
    ) -> impl Future<Output = AgentOutcome> + use<> {
        let Errand { correlation, key, task, timeout } = errand;
        let (reply, outcome) = oneshot::channel();
        let call = Call { correlation, key, task, timeout, abort, reply };
        let refused = match self.gate(agent) {
            None => Some((call, format!("there is no agent '{agent}'"))),
            Some(gate) => gate.try_send(call).err().map(|error| {
                let why = format!("the gate of '{agent}' is full or gone");
                (error.into_inner(), why)
            }),
        };
        if let Some((call, why)) = refused {
            let _ = call.reply.send(AgentOutcome::Refused(why));
        }
        // Given up with its workflow, which then owes it no more and passes this over; or else nobody would ever end it.
        outcome.map(|outcome| outcome.unwrap_or_else(|_| lost()))
    }

    /// Offers a task to the candidates of a route, one after another, until one does not refuse it.
    async fn follow(&self, route: &CompiledRoute, errand: Errand, now: Timestamp) -> EffectEnd {
        let standing = |agent: &str| self.view(agent).map(|view| view.standing(now));
        let Order { chosen, mut passed_over } = route.order(&errand.task, standing);
        let name = route.name().to_string();
        for chosen in chosen {
            let (handle, abort) = abortable();
            let _given_up_with_this = Held(handle);
            let Errand { correlation, key, task, timeout } = &errand;
            let (correlation, key, task) = (correlation.clone(), key.clone(), task.clone());
            let again = Errand { correlation, key, task, timeout: *timeout };
            match self.send(&chosen.agent, again, abort).await {
                AgentOutcome::Refused(why) => passed_over.push(PassedOver::new(&chosen.agent, &why)),
                outcome => {
                    let choice = Choice { route: name, agent: Some(chosen.agent), why: chosen.why, passed_over };
                    return EffectEnd::Routed { choice: Box::new(choice), outcome };
                }
            }
        }
        let each: Vec<String> = passed_over.iter().map(|it| format!("{}: {}", it.agent, it.why)).collect();
        let outcome = AgentOutcome::Refused(format!("nobody on the route '{name}' takes it: {}", each.join("; ")));
        let why = "nobody takes it".into();
        EffectEnd::Routed { choice: Box::new(Choice { route: name, agent: None, why, passed_over }), outcome }
    }
}

pub(super) fn lost() -> AgentOutcome {
    AgentOutcome::Failed("the call was lost".into())
}

/// Gives a call up when it is dropped before its end.
pub(super) struct Held(pub(super) AbortHandle);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.abort();
    }
}
