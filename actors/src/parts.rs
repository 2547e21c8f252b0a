//! How each part of the runtime that is no shard is started, the first time and after a death.

use std::sync::Arc;

use actix::{Actor, Addr, ArbiterHandle, Recipient};
use futures::FutureExt;
use futures::future::{LocalBoxFuture, ready};
use regie_core::agents::Phase;
use regie_core::governance::Governor;
use tokio::sync::oneshot;

use crate::agent::{AgentGate, AgentLinks, AgentSpec, AgentView, Agents, phases};
use crate::automation::{Automation, AutomationSources};
use crate::bus::{Bus, Handover, Links};
use crate::busy::Busy;
use crate::clock::Clock;
use crate::entry::Router;
use crate::gate::{Gate, Gates, Work};
use crate::lane::ToPolicy;
use crate::metrics::Metrics;
use crate::orchestrator::Raise;
use crate::policy::{Check, Enact, Policy, Sources};
use crate::pool::ReaderPool;
use crate::post::Seat;
use crate::projections::{ProjectionSources, Projections};
use crate::tally::Tally;
use crate::timers::Timers;

/// The metrics go on with what the dead had counted.
pub(crate) fn metrics(seat: Seat<Addr<Metrics>>) -> Raise {
    let mut counted: Option<oneshot::Receiver<Tally>> = None;
    Box::new(move |life| {
        let before = counted.take().and_then(|mut counted| counted.try_recv().ok());
        let (heir, next) = oneshot::channel();
        counted = Some(next);
        seat.send_replace(Some(Metrics::new(before.unwrap_or_default(), heir, life).start()));
        ready(()).boxed_local()
    })
}

/// The policies read their state, but for the first time. Whoever tells them something finds them before they begin to: what
/// was told to the dead was committed before, and is read.
pub(crate) fn policy(
    governor: Governor,
    sources: Sources,
    seat: Seat<Recipient<ToPolicy>>,
    sets: Seat<Recipient<Enact>>,
    checks: Seat<Recipient<Check>>,
) -> Raise {
    let mut governor = Some(governor);
    Box::new(move |life| {
        let policy = Policy::new(governor.take(), sources.clone(), life).start();
        seat.send_replace(Some(policy.clone().recipient()));
        sets.send_replace(Some(policy.clone().recipient()));
        checks.send_replace(Some(policy.recipient()));
        ready(()).boxed_local()
    })
}

/// The timers read the wake table; they are found before they do, as the policies are.
pub(crate) fn timers(clock: Clock, router: Router, busy: Busy, readers: ReaderPool, seat: Seat<Addr<Timers>>) -> Raise {
    Box::new(move |life| {
        let timers = Timers::new(clock.clone(), router.clone(), busy.clone(), readers.clone(), life).start();
        seat.send_replace(Some(timers));
        ready(()).boxed_local()
    })
}

/// The rules begin where they were kept.
pub(crate) fn automation(sources: AutomationSources, arbiter: ArbiterHandle, seat: Seat<Addr<Automation>>) -> Raise {
    Box::new(move |life| {
        let sources = sources.clone();
        let automation = Automation::start_in_arbiter(&arbiter, move |_| Automation::new(sources, life));
        seat.send_replace(Some(automation));
        ready(()).boxed_local()
    })
}

/// The projections begin where they were kept.
pub(crate) fn projections(sources: ProjectionSources, arbiter: ArbiterHandle, seat: Seat<Addr<Projections>>) -> Raise {
    Box::new(move |life| {
        let sources = sources.clone();
        let projections = Projections::start_in_arbiter(&arbiter, move |_| Projections::new(&sources, life));
        seat.send_replace(Some(projections));
        ready(()).boxed_local()
    })
}

/// The bus goes on with what the dead one held, on an arbiter of its own.
pub(crate) fn bus(links: Links, arbiter: ArbiterHandle, seat: Seat<Addr<Bus>>) -> Raise {
    let mut held: Option<oneshot::Receiver<Handover>> = None;
    Box::new(move |life| {
        let before = held.take().and_then(|mut held| held.try_recv().ok());
        let (heir, next) = oneshot::channel();
        held = Some(next);
        let links = links.clone();
        let bus = Bus::start_in_arbiter(&arbiter, move |_| Bus::new(links, before, heir, life));
        seat.send_replace(Some(bus));
        ready(()).boxed_local()
    })
}

/// A gate counts its calls anew; those that were under way have ended with the one before.
pub(crate) fn gate<W: Work + Clone>(work: W, clock: Clock, pool: tokio::runtime::Handle, gates: Gates<W>) -> Raise {
    let view = Arc::new(W::View::default());
    Box::new(move |life| {
        let gate = Gate::new(work.clone(), Arc::clone(&view), clock.clone(), pool.clone(), life).start();
        gates.add(work.name().to_string(), gate, Arc::clone(&view));
        ready(()).boxed_local()
    })
}

/// An agent's gate: the first time with its breakers as they were read before anything began, after a death as the journal tells
/// then. It counts its calls anew; those that were under way have ended with the one before.
pub(crate) fn agent(spec: AgentSpec, at_start: Vec<Phase>, links: AgentLinks, agents: Agents) -> Raise {
    let view = Arc::new(AgentView::new(spec.limits()));
    let capabilities = Arc::new(spec.capabilities.clone());
    let mut at_start = Some(at_start);
    Box::new(move |life| -> LocalBoxFuture<'static, ()> {
        let (spec, links, view) = (spec.clone(), links.clone(), Arc::clone(&view));
        let (agents, capabilities) = (agents.clone(), Arc::clone(&capabilities));
        let name = spec.name.clone();
        let readers = links.readers.clone();
        let start = move |phases| {
            let gate = AgentGate::new(&spec, phases, &view, links, life).start();
            agents.add(spec.name, gate, view, capabilities);
        };
        match at_start.take() {
            Some(phases) => {
                start(phases);
                ready(()).boxed_local()
            }
            None => async move {
                let read = readers.run(move |reader| phases(reader, &name)).await;
                start(read.unwrap_or_default()); // what cannot be read is as if it had never been told
            }
            .boxed_local(),
        }
    })
}
