//! Answering: what became of tasks, and the ends that others wait for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use regie_core::Timestamp;
use regie_core::entity::{self, OfUpdate};
use regie_core::event::{CorrelationId, EventResult, Incoming, LifeState, Status};
use regie_core::limits;
use regie_core::workflow::{self as core, Command, Fact, Record, State, first_answer, is_judged_in, judged_later};
use regie_journal::{Reader, StoreError, StoredRecord};

use super::slot::{Asker, Held};
use super::{Shard, Wanted};
use crate::entry::{Entry, Until, Work};
use crate::metrics::ShardView;
use crate::post::Post;
use crate::refused::Reason;
use crate::timers::{Set, Timers};
use crate::updated::received;
use crate::workflow::{Outcome, WorkflowView, view};

/// How long an answer that is read from the journal waits for the index to cover it.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

impl Shard {
    pub(super) fn outcomes(&mut self, correlation: &CorrelationId, outcomes: Vec<(u64, Outcome)>) {
        for (ticket, outcome) in outcomes {
            let held = self.slots.get_mut(correlation).and_then(|slot| slot.take(ticket));
            if let Some(held) = held {
                self.outcome(correlation, held, outcome);
            }
        }
    }

    fn outcome(&mut self, correlation: &CorrelationId, held: Held, outcome: Outcome) {
        let entry = match (held.asker, outcome) {
            (Asker::Look { wanted, reply }, Outcome::View(view)) => {
                return self.viewed(correlation, wanted, reply, *view);
            }
            (Asker::Look { .. }, _) => return, // dropping the reply tells it
            (Asker::Entry(entry), outcome) => (entry, outcome),
        };
        match entry {
            (entry, Outcome::Recorded(result, sequence)) => self.recorded(correlation, entry, *result, sequence),
            (entry, Outcome::Known { position, sequence, state, new }) => {
                let status = if new { Status::New } else { Status::Duplicate };
                self.known(correlation, (entry, status), (position, sequence, state));
            }
            (entry, Outcome::Done | Outcome::View(_)) => match resolved(&entry.work) {
                Some(event) => self.answer_later(correlation, event, entry),
                None => entry.answer(Ok(None)),
            },
            (entry, Outcome::Refused(reason)) => {
                ShardView::up(&self.view.refused);
                entry.answer(Err(reason));
            }
        }
    }

    fn recorded(&mut self, correlation: &CorrelationId, entry: Entry, mut result: EventResult, sequence: u64) {
        let is_over = result.event_state.is_some_and(LifeState::is_end);
        result.processing_time_ms = entry.since.elapsed().as_secs_f64() * 1_000.0;
        if result.event_state == Some(LifeState::Pending) && entry.until == Until::Judged {
            return self.wait_for_judgement(correlation, sequence, (entry, Status::New));
        }
        if entry.until == Until::Judged || is_over {
            return entry.answer(Ok(Some(result)));
        }
        self.wait_for_end(correlation, sequence, entry);
    }

    /// Keeps an entry until its event's life is over; its permit goes back, for it may take days.
    fn wait_for_end(&mut self, correlation: &CorrelationId, sequence: u64, mut entry: Entry) {
        if self.event_ends.len() >= limits::WAITERS {
            return entry.answer(Err(Reason::Full { limit: limits::WAITERS }));
        }
        entry.permit = None;
        entry.under_way = None;
        self.event_ends.entry(correlation.clone()).or_default().entry(sequence).or_default().push(entry);
    }

    /// Gives the first answer again, if the bytes are the same.
    fn known(
        &mut self,
        correlation: &CorrelationId,
        (entry, status): (Entry, Status),
        (position, sequence, state): (u64, u64, Option<LifeState>),
    ) {
        if status == Status::Duplicate {
            ShardView::up(&self.view.duplicates);
        }
        if entry.until == Until::Judged && sequence > 0 && state == Some(LifeState::Pending) {
            return self.wait_for_judgement(correlation, sequence, (entry, status));
        }
        if entry.until == Until::Ended && sequence > 0 && state.is_some_and(|state| !state.is_end()) {
            return self.wait_for_end(correlation, sequence, entry);
        }
        let Work::Command(command) = &entry.work else { return entry.answer(Ok(None)) };
        let command = Arc::clone(command);
        let readers = self.links.readers.clone();
        let first = async move { readers.run(move |reader| answer_again(reader, position, state, &command)).await };
        self.awaited.push(first, move |first, _, _| {
            let since = entry.since;
            entry.answer(match first {
                Ok(Ok(mut result)) => {
                    result.status = status;
                    result.current_state = result.current_state.filter(|_| status == Status::Duplicate);
                    result.processing_time_ms = since.elapsed().as_secs_f64() * 1_000.0;
                    Ok(Some(result))
                }
                Ok(Err(reason)) => Err(reason),
                Err(error) => Err(error.into()),
            });
        });
    }

    fn viewed(
        &mut self,
        correlation: &CorrelationId,
        wanted: Wanted,
        reply: tokio::sync::oneshot::Sender<WorkflowView>,
        view: WorkflowView,
    ) {
        // Read for this look, or in memory anyway: one that is over has nothing to stay for.
        if view.run.as_ref().is_some_and(|run| run.status.is_over())
            && let Some(slot) = self.slots.get_mut(correlation)
        {
            slot.leaves = true;
        }
        if wanted != Wanted::End || view.ended {
            // Who does not wait any more does not care.
            let _ = reply.send(view);
            return;
        }
        if self.work_ends.len() < limits::WAITERS {
            let waiting = self.work_ends.entry(correlation.clone()).or_default();
            waiting.retain(|reply| !reply.is_closed());
            if waiting.len() < limits::WAITERS {
                waiting.push(reply);
            }
        }
    }

    /// Notes how far a workflow is, and sets its timer if that has changed or may have fired.
    pub(super) fn advance(&mut self, correlation: &CorrelationId, position: u64, due: Option<Timestamp>) {
        let Some(slot) = self.slots.get_mut(correlation) else { return };
        slot.position = slot.position.max(position);
        if position > 0
            && let Some(deaths) = &mut slot.deaths
        {
            // A good turn ends a row of deaths; those of the last minute still count for the cap.
            deaths.in_a_row = 0;
            if deaths.window_began.elapsed() > limits::RESTART_WINDOW {
                slot.deaths = None;
            }
        }
        // What became due at the very instant that has just fired is set again; but not after a turn that took nothing, or
        // what nobody here can take would fire for ever.
        let again = position > 0 && due.is_some_and(|due| due <= self.links.clock.now());
        if slot.due != Some(due) || again {
            slot.due = Some(due);
            set_timer(&mut self.neighbours.timers, Set { correlation: correlation.clone(), due });
        }
    }

    /// Tells those who wait for the ends of these events.
    pub(super) fn tell_ended(&mut self, correlation: &CorrelationId, ended: &[u64]) {
        let Some(waiting) = self.event_ends.get_mut(correlation) else { return };
        let told: Vec<(u64, Vec<Entry>)> =
            ended.iter().filter_map(|sequence| Some((*sequence, waiting.remove(sequence)?))).collect();
        if waiting.is_empty() {
            self.event_ends.remove(correlation);
        }
        for (sequence, entries) in told {
            entries.into_iter().for_each(|entry| self.answer_later(correlation, sequence, entry));
        }
    }

    /// A workflow that died may have committed ends that it did not come to tell: whoever still waits is told when it wakes.
    pub(super) fn tell_what_was_missed(&mut self, correlation: &CorrelationId, state: &State) {
        let of_this = self.event_ends.get(correlation).into_iter().flat_map(|waiting| waiting.keys().copied());
        let ended: Vec<u64> = of_this.filter(|sequence| !state.open().contains_key(sequence)).collect();
        self.tell_ended(correlation, &ended);
        let of_this = self.judgements.get(correlation).into_iter().flat_map(|waiting| waiting.keys().copied());
        let is_asked = |sequence: &u64| state.open().get(sequence).is_some_and(|open| !open.asks.is_empty());
        let judged: Vec<u64> = of_this.filter(|sequence| !is_asked(sequence)).collect();
        self.tell_judged(correlation, &judged);
        if state.has_ended() && self.work_ends.contains_key(correlation) {
            self.tell_over(correlation, &view(state));
        }
    }

    fn answer_later(&self, correlation: &CorrelationId, sequence: u64, entry: Entry) {
        let readers = self.links.readers.clone();
        let correlation = correlation.clone();
        let least = self.slots.get(&correlation).map_or(0, |slot| slot.position);
        actix::spawn(async move {
            let story = readers.run(move |reader| {
                reader.caught_up(least, PATIENCE)?;
                whole_life(reader, &correlation, sequence)
            });
            let since = entry.since;
            let answer = story.await.map_err(Reason::from).map(|mut result| {
                result.processing_time_ms = since.elapsed().as_secs_f64() * 1_000.0;
                Some(result)
            });
            entry.answer(answer);
        });
    }

    /// Tells those who wait for the end of this workflow, and gives up what it still had under way.
    pub(super) fn tell_over(&mut self, correlation: &CorrelationId, view: &WorkflowView) {
        for reply in self.work_ends.remove(correlation).unwrap_or_default() {
            let _ = reply.send(view.clone());
        }
        if view.run.is_some() {
            self.give_up_calls(correlation, &BTreeSet::new());
        }
    }
}

/// Past the mailbox's capacity: at most one for each turn, so that their number is bounded, and a lost one would be a lost
/// timer. Should the timers be gone, they read the journal's table when they are back.
#[allow(clippy::disallowed_methods)]
fn set_timer(timers: &mut Post<Addr<Timers>>, set: Set) {
    if let Some(timers) = timers.address() {
        timers.do_send(set);
    }
}

/// The event that a person has decided of: whoever did is told its whole life.
fn resolved(work: &Work) -> Option<u64> {
    match work {
        Work::Command(command) => match **command {
            Command::Resolve { event, .. } => Some(event),
            _ => None,
        },
        Work::Due => None,
    }
}

/// The first answer to an event that is known, or why it is not the same event.
fn answer_again(
    reader: &mut Reader,
    position: u64,
    state: Option<LifeState>,
    command: &Command,
) -> Result<Result<EventResult, Reason>, StoreError> {
    let missing = || StoreError::Damaged { why: format!("there is no record at position {position}") };
    let stored = reader.record(position)?.ok_or_else(missing)?;
    let event = match asked_again(command, &stored.record).ok_or_else(missing)? {
        Ok(event) => event,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut result = first_answer(event.event(), &stored.record, position);
    if result.event_state == Some(LifeState::Pending) {
        let later = reader.load(&stored.correlation, stored.record.sequence)?;
        judge(&mut result, &later, stored.record.sequence);
    }
    result.current_state = match state {
        Some(state) => Some(state),
        None => reader.state_of(position)?,
    };
    Ok(Ok(result))
}

/// The event that a record received, if it is the one that the command would have recorded; or why it is not.
pub(super) fn asked_again(command: &Command, record: &Record) -> Option<Result<Incoming, Reason>> {
    let Command::Submit { event, .. } = command else {
        let Command::Update(update) = command else { return None };
        let first = received(record)?;
        return Some(match OfUpdate::read(first.event())? {
            of if of.digest != entity::digest(update).to_string() => Err(Reason::other_update(update, &of)),
            _ => Ok(first),
        });
    };
    let raw = record.facts.iter().find_map(|fact| match fact {
        Fact::Received { raw, .. } => Some(raw),
        _ => None,
    })?;
    Some(if raw == event.raw() { Ok(event.clone()) } else { Err(Reason::other_content(event, raw)) })
}

/// Adds to an answer the record in which reasoners had answered, if there is one.
pub(super) fn judge(result: &mut EventResult, later: &[StoredRecord], sequence: u64) {
    if let Some(judged) = later.iter().find(|stored| is_judged_in(&stored.record, sequence)) {
        judged_later(result, &judged.record, sequence);
    }
}

/// The answer to an event with its whole life, once that is over.
fn whole_life(reader: &mut Reader, correlation: &CorrelationId, sequence: u64) -> Result<EventResult, StoreError> {
    let missing = || StoreError::Damaged { why: format!("{correlation} has no record {sequence}") };
    let mut records = reader.load(correlation, sequence - 1)?.into_iter();
    let first = records.next().ok_or_else(missing)?;
    let incoming = received(&first.record);
    let later: Vec<Record> = records.map(|stored| stored.record).collect();
    Ok(core::whole_life(incoming.ok_or_else(missing)?.event(), &first.record, first.position, &later))
}
