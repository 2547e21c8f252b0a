//! What may be seen of an agent.

use std::sync::Arc;

use regie_core::Timestamp;
use regie_core::agents::{Phase, Standing};
use tokio::sync::watch;

use super::{AgentLimits, KeptView};
use crate::gate::GateView;

/// What may be seen of an agent: of each of its instances.
#[derive(Debug)]
pub struct AgentView {
    /// Each instance, in the order of registration.
    pub instances: Vec<Arc<InstanceView>>,
    /// The results that are kept of it.
    pub kept: KeptView,
}

/// What may be seen of one instance.
#[derive(Debug, Default)]
pub struct InstanceView {
    /// Its calls.
    pub calls: GateView,
    /// How it stands otherwise.
    pub shown: watch::Sender<Shown>,
}

/// How an instance stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// What limits it now.
    pub limits: AgentLimits,
    /// Its breaker; closed where it has none.
    pub breaker: Phase,
    /// What it said when it was last asked how it is.
    pub health: Health,
}

/// What an agent says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It was not asked yet, or cannot tell.
    #[default]
    Unknown,
    /// It is well.
    Well,
    /// It is not, and why.
    Ill(String),
}

impl Shown {
    /// Why it takes no calls now, if that is known.
    pub fn trouble(&self, now: Timestamp) -> Option<String> {
        match (&self.health, &self.breaker) {
            (Health::Ill(why), _) => Some(format!("it is not well: {why} (UNHEALTHY)")),
            (_, Phase::Open { until, why }) if now < *until => {
                Some(format!("its breaker is open until {until}: {why} (BREAKER_OPEN)"))
            }
            _ => None,
        }
    }
}

impl AsRef<GateView> for InstanceView {
    fn as_ref(&self) -> &GateView {
        &self.calls
    }
}

impl AgentView {
    /// Of so many instances with these limits.
    pub(crate) fn new(limits: Vec<AgentLimits>) -> Self {
        let instance = |limits| {
            let shown = watch::Sender::new(Shown { limits, ..Shown::default() });
            Arc::new(InstanceView { calls: GateView::default(), shown })
        };
        Self { instances: limits.into_iter().map(instance).collect(), kept: KeptView::default() }
    }

    /// How it stands, as a route sees it: in trouble if all of its instances are.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let troubles: Vec<Option<String>> =
            self.instances.iter().map(|instance| instance.shown.borrow().trouble(now)).collect();
        let (mut calls, mut places) = (0, 0);
        for (instance, trouble) in self.instances.iter().zip(&troubles) {
            if trouble.is_none() {
                calls += instance.calls.under_way();
                places += instance.shown.borrow().limits.concurrency.max(1) as u64;
            }
        }
        let trouble = troubles.iter().all(Option::is_some).then(|| troubles.into_iter().flatten().next()).flatten();
        Standing { trouble, calls, places }
    }
}
