//! The actor in front of an agent: finds the instance that takes a call.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use regie_core::agents::{Cache, Phase};
use regie_core::limits;
use regie_core::workflow::AgentOutcome;
use tokio::task::JoinSet;

use super::call::{Asked, Call};
use super::instance::{Instance, Served};
use super::kept::Keeper;
use super::links::AgentLinks;
use super::spec::Level;
use super::store::InJournal;
use super::teller::Teller;
use super::{AgentSpec, AgentView, ResultStore, health};
use crate::faults::FaultPoint;
use crate::gate::{self, Entrance};
use crate::life::Life;

/// A gate in front of an agent. Its calls end with it.
pub struct AgentGate {
    instances: Vec<Entrance<Served>>,
    /// Keeps its results, if they are to be.
    keeper: Option<Rc<Keeper>>,
    /// Those who ask the instances how they are.
    _probes: JoinSet<()>,
    life: Life,
}

/// A call for which nothing is kept.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Uncached(pub(super) Call);

/// The limits that the views show are others now.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct SetLimits;

impl AgentGate {
    /// A gate in front of the instances of an agent, whose breakers stand so.
    pub(crate) fn new(
        spec: &AgentSpec,
        phases: Vec<Phase>,
        view: &Arc<AgentView>,
        links: AgentLinks,
        life: Life,
    ) -> Self {
        let AgentLinks { clock, pool, .. } = links.clone();
        let keeper = keeper(spec, &links, view);
        let count = spec.instances.len();
        let stand = |at: usize| phases.get(at).cloned().unwrap_or_default();
        let phases: Vec<Phase> = (0..count).map(stand).collect();
        let teller = Teller::new(spec.name.clone(), links, phases.clone());
        let mut probes = JoinSet::new();
        let all = spec.instances.iter().zip(&view.instances).zip(phases).enumerate();
        let instances = all.map(|(at, (((work, _), view), phase))| {
            let (name, work) = ((spec.name.as_str(), at), (Arc::clone(work), phase));
            let instance = Instance::new(name, work, Arc::clone(view), clock.clone(), Rc::clone(&teller));
            if instance.work.tells_health() {
                probes.spawn_local(health::watch(Rc::clone(&instance), spec.probe, pool.clone()));
            }
            Entrance::new(Served(instance), Arc::clone(view), clock.clone(), pool.clone())
        });
        Self { instances: instances.collect(), keeper, _probes: probes, life }
    }

    /// Lets a call through to the least loaded instance that takes one now; refuses it if none does.
    fn pass(&mut self, call: Call) {
        let Call { correlation, key, task, timeout, abort, reply } = call;
        let chosen = self.choose(timeout);
        let at = chosen.as_ref().map_or(0, |at| *at);
        let Some(entrance) = self.instances.get_mut(at) else { return };
        let own = entrance.work().0.limits().timeout;
        let limit = timeout.unwrap_or(own).min(own);
        let call = gate::Call { task: Asked { correlation, key, task }, limit, abort, reply };
        match chosen {
            Ok(_) => entrance.take(call),
            Err(why) => entrance.refuse(call, AgentOutcome::Refused(why).bounded()),
        }
    }

    /// Which instance takes a call; or why none does.
    fn choose(&self, timeout: Option<Duration>) -> Result<usize, String> {
        let mut troubles = Vec::new();
        let mut least: Option<(usize, (u64, u64))> = None;
        for (at, entrance) in self.instances.iter().enumerate() {
            let (instance, (running, waiting)) = (&entrance.work().0, entrance.load());
            let limits = instance.limits();
            let limit = timeout.unwrap_or(limits.timeout).min(limits.timeout);
            let trouble = instance.trouble(limit, waiting).map(|why| instance.says(&why));
            if let Some(trouble) = trouble.or_else(|| entrance.no_room()) {
                troubles.push(trouble);
                continue;
            }
            let load = (running + waiting, limits.concurrency.max(1) as u64);
            if least.is_none_or(|(_, best)| is_less(load, best)) {
                least = Some((at, load));
            }
        }
        let none = || match troubles.len() {
            1 => troubles.concat(),
            count => format!("none of {count} instances takes it: {}", troubles.join("; ")),
        };
        least.map(|(at, _)| at).ok_or_else(none)
    }
}

fn keeper(spec: &AgentSpec, links: &AgentLinks, view: &Arc<AgentView>) -> Option<Rc<Keeper>> {
    let (rule, level) = spec.keeps.clone()?;
    let store: Option<Arc<dyn ResultStore>> = match level {
        Level::Nowhere => None,
        Level::Journal => Some(Arc::new(InJournal(links.clone()))),
        Level::Store(store) => Some(store),
    };
    Some(Keeper::new(spec.name.clone(), Cache::new(rule), store, links.clone(), Arc::clone(view)))
}

/// Whether less of the one's places are taken than of the other's.
fn is_less((calls, places): (u64, u64), (other_calls, other_places): (u64, u64)) -> bool {
    u128::from(calls) * u128::from(other_places) < u128::from(other_calls) * u128::from(places)
}

impl Actor for AgentGate {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::EFFECTS_IN_FLIGHT);
    }
}

impl Handler<Call> for AgentGate {
    type Result = ();

    fn handle(&mut self, call: Call, ctx: &mut Self::Context) {
        self.life.maybe(FaultPoint::GateCall);
        match &self.keeper {
            Some(keeper) => keeper.take(call, ctx.address()),
            None => self.pass(call),
        }
        self.life.maybe(FaultPoint::GateBegun);
    }
}

impl Handler<Uncached> for AgentGate {
    type Result = ();

    fn handle(&mut self, Uncached(call): Uncached, _: &mut Self::Context) {
        self.pass(call);
    }
}

impl Handler<SetLimits> for AgentGate {
    type Result = ();

    fn handle(&mut self, SetLimits: SetLimits, _: &mut Self::Context) {
        for entrance in &self.instances {
            entrance.work().0.adopt_limits();
            entrance.widen();
        }
    }
}
