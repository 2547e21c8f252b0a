//! How state follows from facts: the only way it changes.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::effect::{Effect, EffectEnd, EffectKey};
use super::fact::{Fact, RunEnd};
use super::known::KnownEvent;
use super::operation::{self, Operation};
use super::parent::{Parent, goes_out_after_the_end};
use super::react::Kept;
use super::record::Record;
use super::registry::Definitions;
use super::run::{Parked, Run, RunStatus};
use super::state::{HeldPlace, OpenEvent, State};
use super::waiting;
use crate::Json;
use crate::event::LifeState;
use crate::governance::{Booking, Grant, Judgement, Verdict};
use crate::reasoning::Reasoning;

/// A fact that cannot follow the state: a fault of who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sequence {sequence}, fact {fact}: {why}")]
pub struct IllegalFact {
    /// The record's sequence.
    pub sequence: u64,
    /// The fact's place in its record, from 1; 0 for the record itself.
    pub fact: usize,
    /// What does not fit.
    pub why: String,
}

/// Takes a record into the state. Total over legal records: the first illegal fact is named, and the state is then to be
/// thrown away. The digest is left to whoever knows the record's bytes.
pub fn evolve(state: &mut State, record: &Record, definitions: &Definitions) -> Result<(), IllegalFact> {
    evolve_keeping(state, record, definitions, Vec::new())
}

/// The same in the turn that decided the record, of which what its definition noted is at hand as it was.
pub(super) fn evolve_keeping(
    state: &mut State,
    record: &Record,
    definitions: &Definitions,
    kept: Vec<Kept>,
) -> Result<(), IllegalFact> {
    let mut kept = kept.into_iter().peekable();
    let illegal = |fact: usize, why: String| IllegalFact { sequence: record.sequence, fact, why };
    if record.sequence != state.sequence + 1 {
        return Err(illegal(0, format!("it follows sequence {}", state.sequence)));
    }
    state.sequence = record.sequence;
    state.last_at = record.at;
    if record.sequence == 1 && !matches!(record.facts.first(), Some(Fact::Opened { .. })) {
        return Err(illegal(0, "a correlation begins by being opened".into()));
    }
    for (at, fact) in record.facts.iter().enumerate().skip(usize::from(record.sequence == 1)) {
        let done = match (fact, at.checked_sub(1).map(|before| &record.facts[before])) {
            (Fact::Parked { attempts, error, .. }, Some(Fact::Ended { key, end })) => {
                untaken(state, (key, end), *attempts, error)
            }
            _ => {
                let as_it_was = kept.next_if(|(noted, _)| is_of(fact, noted)).map(|(_, fact)| fact);
                follow(state, (fact, as_it_was), record, definitions)
            }
        };
        done.map_err(|why| illegal(at + 1, why))?;
    }
    Ok(())
}

fn is_of(fact: &Fact, noted: &Json) -> bool {
    matches!(fact, Fact::Noted { data } if data.is_very(noted))
}

fn follow(
    state: &mut State,
    (fact, as_it_was): (&Fact, Option<Box<dyn Any>>),
    record: &Record,
    definitions: &Definitions,
) -> Result<(), String> {
    match fact {
        Fact::Received { format, raw, identity, made_id, .. } => {
            received(state, OpenEvent::new(*format, raw, made_id.as_ref(), record.at, *identity))
        }
        Fact::Judged { event, judgement } => judged(state, *event, judgement),
        Fact::Released { booking } => released(state, booking),
        Fact::Freed { policy, key, event } => freed(state, policy, key, *event),
        Fact::Moved { event, to, .. } => moved(state, *event, *to),
        Fact::Started { definition, version } => started(state, definition, *version, definitions),
        Fact::Noted { data } => noted(state, data, as_it_was, definitions),
        Fact::Owes { key, effect } => owes(state, key, effect),
        Fact::Ended { key, .. } | Fact::GivenUp { key } => owed_no_more(state, key),
        Fact::Operated { operation, id, .. } => operated(state, *operation, id),
        Fact::Compensating { then } => compensating(state, then),
        Fact::RunsFor { workflow, key } => {
            running_or_over(state)?.parent = Some(Parent { workflow: workflow.clone(), key: key.clone() });
            Ok(())
        }
        Fact::Halted { step, attempts, error } => park(state, step.clone(), *attempts, error, None),
        Fact::Migrated { version, state: told } => migrated(state, *version, told, definitions),
        Fact::Finished { end } => finished(state, end),
        Fact::Reasoned { event, reasonings } => reasoned(state, *event, reasonings),
        Fact::Kept { event } => kept(state, *event),
        Fact::Awaits { event, kind, queued } => waiting::awaits(state, *event, kind, *queued),
        Fact::Recalled { kinds } => waiting::recalled(state, kinds),
        Fact::Unwanted { event, why, .. } => unwanted(state, *event, why),
        Fact::Opened { .. } => Err("a correlation is opened once".into()),
        Fact::Parked { .. } | Fact::PolicySet { .. } | Fact::RuleSet { .. } => Ok(()),
    }
}

fn received(state: &mut State, open: OpenEvent) -> Result<(), String> {
    let (sequence, position, identity) = (state.sequence, 0, open.identity);
    if let Some(known) = state.known.get(identity) {
        return Err(format!("the event is known since sequence {}", known.sequence));
    }
    if state.unplaced.last().is_some_and(|(last, _)| *last == sequence) {
        return Err("a record receives one event".into());
    }
    state.open_bytes += open.bytes();
    state.open.insert(sequence, Box::new(open));
    state.known.insert(identity, KnownEvent { sequence, position, state: LifeState::Pending });
    state.unplaced.push((sequence, identity));
    Ok(())
}

fn judged(state: &mut State, event: u64, judgement: &Judgement) -> Result<(), String> {
    let open = state.open.get_mut(&event).ok_or_else(|| format!("event {event} is not open"))?;
    if open.state != LifeState::Pending {
        return Err(format!("event {event} is {} and cannot be judged", open.state));
    }
    (open.until, open.lapse) = match &judgement.verdict {
        Verdict::Deferred { until, .. } => (Some(*until), None),
        Verdict::EscalatedUntil { until, then, .. } => (Some(*until), Some(*then)),
        _ => (None, None),
    };
    open.asked_under = judgement.set;
    open.asks = match &judgement.verdict {
        Verdict::Asking { asks } => asks.clone(),
        _ => Vec::new(),
    };
    if matches!(judgement.verdict, Verdict::Deferred { .. } | Verdict::Waiting { .. }) {
        open.deferrals += u32::from(!judgement.is_promised(open.booked_by.as_deref()));
        open.booked_by = judgement.booking().map(|booking| booking.policy.clone());
    }
    open.booking = judgement.booking().cloned();
    let grants = judgement.decisions.iter().filter_map(|it| Some((&it.policy, it.grant.as_ref()?)));
    for (policy, grant) in grants {
        if let Grant::Held { key } = grant {
            state.places.push(HeldPlace { event, policy: policy.clone(), key: key.clone() });
        }
    }
    Ok(())
}

/// Several may hold the same booking: places in one session. It is the one that has just come back that gives it up.
fn released(state: &mut State, booking: &Booking) -> Result<(), String> {
    let holders = state.open.values_mut().filter(|open| open.booking.as_ref() == Some(booking));
    let holder = holders.min_by_key(|open| open.state != LifeState::Pending);
    holder.map(|open| open.booking = None).ok_or_else(|| "nobody holds this booking".into())
}

fn freed(state: &mut State, policy: &str, key: &str, event: u64) -> Result<(), String> {
    let is_it = |held: &HeldPlace| held.event == event && held.policy == policy && held.key == key;
    let at = state.places.iter().position(is_it).ok_or_else(|| format!("event {event} holds no such place"))?;
    state.places.remove(at);
    Ok(())
}

fn moved(state: &mut State, event: u64, to: LifeState) -> Result<(), String> {
    let open = state.open.get_mut(&event).ok_or_else(|| format!("event {event} is not open"))?;
    open.state = open.state.go(to).map_err(|error| error.to_string())?;
    open.awaits = None;
    let identity = open.identity;
    if to.is_end() {
        let gone = state.open.remove(&event).map_or(0, |open| open.bytes());
        state.open_bytes -= gone;
        if state.open.is_empty() {
            state.open = Default::default(); // an empty map keeps the room that it had
        }
    }
    state.known.moved(identity, to);
    Ok(())
}

fn reasoned(state: &mut State, event: u64, reasonings: &[Reasoning]) -> Result<(), String> {
    let open = state.open.get_mut(&event).ok_or_else(|| format!("event {event} is not open"))?;
    if std::mem::take(&mut open.asks).is_empty() {
        return Err(format!("nobody is asked about event {event}"));
    }
    // Who was asked again has thought better of it.
    open.reasonings.retain(|old| reasonings.iter().all(|new| new.policy != old.policy));
    open.reasonings.extend_from_slice(reasonings);
    Ok(())
}

fn kept(state: &mut State, event: u64) -> Result<(), String> {
    let open = state.open.get_mut(&event).ok_or_else(|| format!("event {event} is not open"))?;
    match open.lapse.take() {
        Some(_) => {
            open.until = None;
            Ok(())
        }
        None => Err(format!("event {event} has no time to be resolved")),
    }
}

fn unwanted(state: &mut State, event: u64, why: &str) -> Result<(), String> {
    let open = state.open.get_mut(&event).ok_or_else(|| format!("event {event} is not open"))?;
    match open.unwanted.replace(why.to_string()) {
        None => Ok(()),
        Some(_) => Err(format!("event {event} is unwanted already")),
    }
}

fn started(state: &mut State, definition: &str, version: u32, definitions: &Definitions) -> Result<(), String> {
    if state.run.is_some() {
        return Err("a correlation has one run".into());
    }
    let data = match definitions.get(definition, version) {
        Some(handler) => Some(guarded(|| Ok(handler.initial()))?),
        None => None,
    };
    state.run = Some(Box::new(Run::new((definition, version), state.last_at, data)));
    Ok(())
}

fn noted(state: &mut State, data: &Json, kept: Option<Box<dyn Any>>, definitions: &Definitions) -> Result<(), String> {
    let run = running(state)?;
    // Without the handler the facts still tell the events, the effects and the end.
    if let (Some(handler), Some(own)) = (definitions.get(&run.definition, run.version), run.data.as_deref_mut()) {
        guarded(|| handler.evolve(own, data, kept))?;
    }
    Ok(())
}

fn owes(state: &mut State, key: &EffectKey, effect: &Effect) -> Result<(), String> {
    let after_end = goes_out_after_the_end(key);
    let before = match state.run.as_deref_mut() {
        Some(run) if run.status.is_over() && !after_end => return Err("the run is over".into()),
        Some(run) => run.attempts.insert(key.step.clone(), key.attempt),
        None if after_end => None, // whoever asked for a run is told that there is none
        None => return Err("there is no run".into()),
    };
    if key.attempt != before.unwrap_or(0).saturating_add(1) {
        return Err(format!("{key} does not follow attempt {}", before.unwrap_or(0)));
    }
    match state.owed.insert(key.clone(), effect.clone()) {
        None => Ok(()),
        Some(_) => Err(format!("{key} is owed already")),
    }
}

fn owed_no_more(state: &mut State, key: &EffectKey) -> Result<(), String> {
    state.owed.remove(key).ok_or_else(|| format!("{key} is not owed"))?;
    if state.owed.is_empty() {
        state.owed = Default::default(); // an empty map keeps the room that it had
    }
    Ok(())
}

fn operated(state: &mut State, operation: Operation, id: &str) -> Result<(), String> {
    let run = running_or_over(state)?;
    operation::check(operation, run).map_err(|refusal| refusal.to_string())?;
    run.remember(id, operation);
    match operation {
        Operation::Pause => run.paused = true,
        Operation::Resume => run.paused = false,
        Operation::Retry => run.status = RunStatus::Running,
        Operation::Unpark(_) => drop(run.parked.remove(0)),
        Operation::Cancel | Operation::Terminate | Operation::Migrate { .. } => {}
    }
    Ok(())
}

fn migrated(state: &mut State, version: u32, told: &Json, definitions: &Definitions) -> Result<(), String> {
    let run = running(state)?;
    run.version = version;
    run.data = match definitions.get(&run.definition, version) {
        Some(handler) => Some(handler.load(told.text()).ok_or("its state cannot be read under that version")?),
        None => None,
    };
    Ok(())
}

fn compensating(state: &mut State, then: &RunEnd) -> Result<(), String> {
    let run = running(state)?;
    if run.status != RunStatus::Running {
        return Err("it is being put back already".into());
    }
    run.status = RunStatus::Compensating { then: then.clone() };
    given_up(state);
    waiting::all_come_back(state);
    Ok(())
}

/// The end of an effect that the definition could not take.
fn untaken(state: &mut State, (key, end): (&EffectKey, &EffectEnd), attempts: u32, error: &str) -> Result<(), String> {
    park(state, format!("the end of step {key}"), attempts, error, Some((key.clone(), end.clone())))
}

fn park(
    state: &mut State,
    what: String,
    attempts: u32,
    error: &str,
    end: Option<(EffectKey, EffectEnd)>,
) -> Result<(), String> {
    running(state)?.parked.push(Parked { what, attempts, error: error.to_string(), end });
    Ok(())
}

fn finished(state: &mut State, end: &RunEnd) -> Result<(), String> {
    let run = running(state)?;
    run.status = RunStatus::from(end);
    (run.paused, run.parked) = (false, Vec::new());
    given_up(state);
    waiting::all_come_back(state);
    Ok(())
}

/// All is given up but what was to go out however the run ends.
fn given_up(state: &mut State) {
    let owed = std::mem::take(&mut state.owed);
    state.owed.extend(owed.into_iter().filter(|(key, _)| goes_out_after_the_end(key)));
}

fn running_or_over(state: &mut State) -> Result<&mut Run, String> {
    state.run.as_deref_mut().ok_or_else(|| "there is no run".into())
}

pub(super) fn running(state: &mut State) -> Result<&mut Run, String> {
    match state.run.as_deref_mut() {
        Some(run) if !run.status.is_over() => Ok(run),
        Some(_) => Err("the run is over".into()),
        None => Err("there is no run".into()),
    }
}

/// Runs foreign code: a panic becomes an error, and the state is thrown away by whoever is told.
fn guarded<T>(code: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|panic| Err(panic_text(panic.as_ref())))
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a text".into())
}
