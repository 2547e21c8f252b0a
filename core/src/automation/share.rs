//! The guard against rules that spread. What may come of one event is shared out among all that comes of it, and each of those
//! shares its part out again: so it ends, however wide rules go, without anybody counting.

use super::acts::{Firing, RULE_SOURCE};
use super::plan::Doing;
use crate::entity::{OfUpdate, UPDATE_SOURCE};
use crate::event::Event;
use crate::limits;

/// Under which name the metadata of what rules have go out holds how much may still come of it.
pub(super) const SHARE: &str = "run_share";

/// How much may come of each thing that is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share(usize);

impl Share {
    /// What each of these has, if all are done.
    ///
    /// # Errors
    /// If that is too much.
    pub(super) fn out<'f>(event: &Event, firings: impl Iterator<Item = &'f Firing<'f>>) -> Result<Self, String> {
        let parts: usize = firings.flat_map(|firing| firing.rule.doing()).map(weight).sum();
        let whole = whole(event);
        if parts <= whole {
            // One is the thing itself.
            return Ok(Self((whole / parts.max(1)).saturating_sub(1)));
        }
        let most = limits::RULE_EVENTS;
        Err(format!(
            "{parts} things would come of its trigger, and {whole} are left of the {most} that may come of one event in all (RULE_EVENTS): do rules set each other off?"
        ))
    }

    /// As the metadata tells it.
    pub(super) fn told(self) -> (&'static str, String) {
        (SHARE, self.0.to_string())
    }
}

/// What may come of an event: of one from outside, all. The events of an update have what it had together.
fn whole(event: &Event) -> usize {
    let is_of_rules = event.source == RULE_SOURCE || event.source == UPDATE_SOURCE;
    let told = event.metadata.get(SHARE).filter(|_| is_of_rules).and_then(|told| told.parse::<usize>().ok());
    let events = OfUpdate::read(event).map_or(1, |update| update.events.max(1) as usize);
    told.map_or(limits::RULE_EVENTS, |told| told.min(limits::RULE_EVENTS) / events)
}

/// Its parts: one, and of an update its fields.
fn weight(doing: &Doing) -> usize {
    match doing {
        Doing::Emit(_) | Doing::Call { .. } => 1,
        Doing::Update { fields, .. } => fields.len().max(1),
    }
}
