//! Telling the journal how an agent's breakers stand, so that they stand so after a restart.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use regie_core::agents::{BreakerTold, Phase, agent_correlation};
use regie_core::event::EventBuilder;
use regie_journal::{Reader, StoreError};

use super::links::AgentLinks;
use crate::busy::UnderWay;
use crate::own;

/// How soon what could not be told is told again.
const AGAIN: Duration = Duration::from_millis(200);

/// Changes that wait to be told; of more, the oldest are left out: each tells how all breakers stand.
const WAITING: usize = 64;

/// How the breakers of an agent stood when that was last told; nothing if it never was.
pub(crate) fn phases(reader: &mut Reader, agent: &str) -> Result<Vec<Phase>, StoreError> {
    let last = own::last(reader, &agent_correlation(agent))?;
    Ok(last.and_then(|event| BreakerTold::read(event.event())).unwrap_or_default().phases)
}

/// Tells of one agent's breakers, one change after the other.
pub(super) struct Teller {
    agent: String,
    links: AgentLinks,
    phases: RefCell<Vec<Phase>>,
    waiting: RefCell<VecDeque<(EventBuilder, UnderWay)>>,
    tells: Cell<bool>,
    told: Cell<u64>,
}

impl Teller {
    pub(super) fn new(agent: String, links: AgentLinks, phases: Vec<Phase>) -> Rc<Self> {
        let (phases, waiting) = (RefCell::new(phases), RefCell::default());
        Rc::new(Self { agent, links, phases, waiting, tells: Cell::new(false), told: Cell::new(0) })
    }

    /// The breaker of that instance, from 0, has changed.
    pub(super) fn changed(self: &Rc<Self>, instance: usize, phase: Phase) {
        if let Some(stands) = self.phases.borrow_mut().get_mut(instance) {
            *stands = phase;
        }
        self.told.set(self.told.get() + 1);
        let told = BreakerTold { instance: instance + 1, phases: self.phases.borrow().clone() };
        let event = told.event(&self.agent, self.links.clock.now(), self.told.get());
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= WAITING {
            waiting.pop_front();
        }
        waiting.push_back((event, self.links.busy.begin()));
        if !self.tells.replace(true) {
            let teller = Rc::clone(self);
            actix::spawn(async move { teller.tell_all().await });
        }
    }

    async fn tell_all(&self) {
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            let Some((event, under_way)) = next else { break };
            self.tell(event).await;
            drop(under_way);
        }
        self.tells.set(false);
    }

    async fn tell(&self, event: EventBuilder) {
        while let Err(why) = own::submit(&self.links.router, &self.links.busy, event.clone()).await {
            if !why.is_passing() {
                // The runtime ends, or the journal takes nothing more: then nobody goes by it.
                return tracing::warn!(agent = self.agent, %why, "how a breaker stands was not recorded");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}
