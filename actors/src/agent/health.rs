//! Asking an instance how it is, again and again.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::{Either, select};
use regie_core::limits;

use super::Probe;
use super::instance::Instance;
use super::spec::Told;
use super::view::Health;
use crate::gate::{Slot, Unfinished};

/// Asks until the instance turns out to be one that cannot tell.
pub(super) async fn watch(instance: Rc<Instance>, probe: Probe, pool: tokio::runtime::Handle) {
    while let Some(health) = ask(&instance, probe, &pool).await {
        instance.feels(health);
        instance.clock.sleep(probe.every).await;
    }
}

/// What it tells; nothing if it cannot.
async fn ask(instance: &Instance, probe: Probe, pool: &tokio::runtime::Handle) -> Option<Health> {
    if instance.view.calls.stuck.load(Ordering::Relaxed) >= limits::AGENT_STUCK as u64 {
        return Some(Health::Ill(format!("{} threads of it are stuck", limits::AGENT_STUCK)));
    }
    let time = instance.clock.limit(probe.within);
    let mut slot: Slot<Told, (), _> = match Slot::begin(Arc::clone(&instance.work).health(), (), pool, &instance.view) {
        Ok(slot) => slot,
        Err(how) => return Some(Health::Ill(said(how))),
    };
    let told = match select(pin!(slot.ended()), time.is_up).await {
        Either::Left((ended, _)) => ended,
        Either::Right(((), _)) => Err(Unfinished::TimedOut(probe.within)),
    };
    slot.let_go().await;
    match told {
        Ok(None) => None,
        Ok(Some(Ok(()))) => Some(Health::Well),
        Ok(Some(Err(error))) => Some(Health::Ill(error.to_string())),
        Err(how) => Some(Health::Ill(said(how))),
    }
}

fn said(how: Unfinished) -> String {
    match how {
        Unfinished::TimedOut(limit) => format!("it did not tell how it is within {limit:?}"),
        Unfinished::Panicked(text) => format!("it panicked when it was asked how it is: {text}"),
        Unfinished::Refused(why) | Unfinished::Failed(why) => why,
    }
}
