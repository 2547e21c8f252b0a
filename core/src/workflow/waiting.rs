//! Events that wait for their run: its definition had no place for them as it stood.

use super::command::Refusal;
use super::decide::{Approval, moved};
use super::evolve::running;
use super::fact::Fact;
use super::state::{Awaits, State};
use crate::event::{Event, LifeState, Pattern};
use crate::limits;

/// What each reason begins with.
const AWAITING: &str = "awaiting transition";

/// The oldest event that is to be given to the definition again: the others come after it, and so do new ones.
pub(super) fn first_recalled(state: &State) -> Option<u64> {
    let is_recalled = |awaits: &Awaits| awaits.recalled;
    state.open().iter().find(|(_, open)| open.awaits.as_ref().is_some_and(is_recalled)).map(|(event, _)| *event)
}

/// Whether there is room for one more event. Those that wait for the run are counted apart: it may be the one that they wait for.
pub(super) fn check_room(state: &State) -> Result<(), Refusal> {
    if is_roomy(state) {
        return Ok(());
    }
    let (kept, bytes) = waiting(state);
    room(state.open().len() - kept, state.open_bytes - bytes)
}

/// Whether there is room for one more that waits for the run.
pub(super) fn check_room_to_wait(state: &State) -> Result<(), Refusal> {
    if is_roomy(state) {
        return Ok(());
    }
    let (kept, bytes) = waiting(state);
    room(kept, bytes)
}

/// The common case, without counting.
fn is_roomy(state: &State) -> bool {
    room(state.open().len(), state.open_bytes).is_ok()
}

/// How many events wait for the run, and their bytes.
fn waiting(state: &State) -> (usize, usize) {
    let waiting = state.open().values().filter(|open| open.awaits.is_some());
    waiting.fold((0, 0), |(count, bytes), open| (count + 1, bytes + open.bytes()))
}

fn room(open: usize, bytes: usize) -> Result<(), Refusal> {
    if open >= limits::OPEN_EVENTS {
        return Err(Refusal::TooManyOpen { open, limit: limits::OPEN_EVENTS });
    }
    if bytes > limits::OPEN_BYTES {
        return Err(Refusal::OpenTooLarge { bytes, limit: limits::OPEN_BYTES });
    }
    Ok(())
}

/// An event that the definition keeps.
pub(super) fn kept(sequence: u64, event: &Event, reason: &str, approval: Option<&Approval<'_>>) -> [Fact; 2] {
    awaiting(sequence, event, reason, (approval, false))
}

/// An event that comes while others that waited are still to be given to the definition.
pub(super) fn queued(sequence: u64, event: &Event, approval: Option<&Approval<'_>>) -> Vec<Fact> {
    awaiting(sequence, event, "others wait longer", (approval, true)).to_vec()
}

fn awaiting(
    sequence: u64,
    event: &Event,
    reason: &str,
    (approval, queued): (Option<&Approval<'_>>, bool),
) -> [Fact; 2] {
    let reason = format!("{AWAITING}: {reason}");
    let moves = moved_by(sequence, LifeState::Deferred, &reason, approval);
    [moves, Fact::Awaits { event: sequence, kind: event.kind.clone(), queued }]
}

/// An event that was to begin a workflow which is not wanted any more.
pub(super) fn unwanted(sequence: u64, why: &str, approval: Option<&Approval<'_>>) -> Vec<Fact> {
    refused(sequence, &format!("its workflow was cancelled: {why}"), approval)
}

/// An event that the definition refuses.
pub(super) fn refused(sequence: u64, reason: &str, approval: Option<&Approval<'_>>) -> Vec<Fact> {
    vec![moved_by(sequence, LifeState::Discarded, reason, approval)]
}

/// Who let it go on is named, and why.
fn moved_by(event: u64, to: LifeState, reason: &str, approval: Option<&Approval<'_>>) -> Fact {
    match approval {
        None => moved(event, to, cut(reason)),
        Some(approval) => {
            let reason = format!("{}; {}", cut(reason), approval.why);
            Fact::Moved { event, to, reason, by: approval.by.cloned() }
        }
    }
}

/// As much of a definition's reason as is kept.
pub(super) fn cut(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(limits::REASON_BYTES)]
}

pub(super) fn awaits(state: &mut State, event: u64, kind: &str, queued: bool) -> Result<(), String> {
    running(state)?;
    let open = state.open.get_mut(&event).ok_or_else(|| format!("event {event} is not open"))?;
    if open.state != LifeState::Deferred {
        return Err(format!("event {event} is {} and cannot wait for its run", open.state));
    }
    open.until = None;
    open.awaits = Some(Awaits { kind: kind.to_string(), queued, recalled: queued });
    Ok(())
}

pub(super) fn recalled(state: &mut State, kinds: &[Pattern]) -> Result<(), String> {
    running(state)?;
    for awaits in state.open.values_mut().filter_map(|open| open.awaits.as_mut()) {
        awaits.recalled = awaits.queued || kinds.iter().any(|kind| kind.matches(&awaits.kind));
    }
    Ok(())
}

/// Nothing takes them any more: they come back to be recorded as what comes now would be.
pub(super) fn all_come_back(state: &mut State) {
    state.open.values_mut().filter_map(|open| open.awaits.as_mut()).for_each(|awaits| awaits.recalled = true);
}
