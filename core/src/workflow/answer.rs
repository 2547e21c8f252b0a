//! The answer to a submit, told from the records that it left: so that it can be told again, years later.

use super::fact::Fact;
use super::record::Record;
use crate::Json;
use crate::event::{ErrorInfo, Event, EventResult, LifeState, Move, Status};
use crate::governance::Verdict;

/// The first answer to an event, from the record that received it. If reasoners are asked first it is pending, and
/// [`judged_later`] tells the rest.
pub fn first_answer(event: &Event, record: &Record, position: u64) -> EventResult {
    let mut answer = EventResult {
        event_id: event.id.clone(),
        correlation_id: event.correlation_id.to_string(),
        position: Some(position),
        event_state: Some(LifeState::Pending),
        status: Status::New,
        current_state: None,
        signals: Vec::new(),
        signals_filtered: Vec::new(),
        policy_decisions: Vec::new(),
        state_transitions: Vec::new(),
        processing_time_ms: 0.0,
        reasoning_time_ms: 0.0,
        deferred_until: None,
        error: None,
    };
    tell(&mut answer, record, record.sequence);
    answer
}

/// Whether a record is the one in which reasoners have answered about an event, so that it was judged.
pub fn is_judged_in(record: &Record, event: u64) -> bool {
    record.facts.iter().any(|fact| matches!(fact, Fact::Reasoned { event: about, .. } if *about == event))
}

/// Adds to an answer what the record tells in which the event was judged.
pub fn judged_later(answer: &mut EventResult, record: &Record, event: u64) {
    tell(answer, record, event);
}

fn tell(answer: &mut EventResult, record: &Record, event: u64) {
    answer.state_transitions.extend(moves_in(record, event));
    answer.event_state = answer.state_transitions.last().map(|last| last.to).or(answer.event_state);
    for fact in &record.facts {
        match fact {
            Fact::Judged { event: about, judgement } if *about == event => {
                answer.policy_decisions.extend_from_slice(&judgement.decisions);
                if let Verdict::Deferred { until, .. } = judgement.verdict {
                    answer.deferred_until = Some(until);
                }
            }
            Fact::Reasoned { event: about, reasonings } if *about == event => {
                for reasoning in reasonings {
                    answer.signals.extend(reasoning.signals.iter().map(Json::of));
                    answer.signals_filtered.extend(reasoning.filtered.iter().map(Json::of));
                    answer.reasoning_time_ms = answer.reasoning_time_ms.max(reasoning.elapsed_ms as f64);
                }
            }
            Fact::Parked { error, .. } => answer.error = Some(ErrorInfo::new("poison", error)),
            _ => {}
        }
    }
}

/// The answer to an event with its whole life, from the record that received it and those of its correlation after that.
/// An error that it got over, because somebody let it go on and its handler took it then, is none any more.
pub fn whole_life<'a>(
    event: &Event,
    received: &Record,
    position: u64,
    later: impl IntoIterator<Item = &'a Record>,
) -> EventResult {
    let mut answer = first_answer(event, received, position);
    let name = format!("event {}", event.id);
    for record in later {
        if is_judged_in(record, received.sequence) {
            judged_later(&mut answer, record, received.sequence);
            continue;
        }
        let moves = moves_in(record, received.sequence);
        if moves.last().is_some_and(|last| last.to.is_end()) {
            answer.error = None;
        }
        answer.state_transitions.extend(moves);
        for fact in &record.facts {
            match fact {
                Fact::Parked { input, error, .. } if *input == name => {
                    answer.error = Some(ErrorInfo::new("poison", error));
                }
                _ => {}
            }
        }
    }
    answer.event_state = answer.state_transitions.last().map(|last| last.to);
    answer
}

/// The moves of an event in one record; the record that received it begins with its coming in.
pub fn moves_in(record: &Record, event: u64) -> Vec<Move> {
    let mut moves: Vec<Move> = Vec::new();
    // Where it was when a later record began: pending if reasoners were asked, else it had been put off or escalated.
    let pending = is_judged_in(record, event);
    for fact in &record.facts {
        match fact {
            Fact::Received { .. } if record.sequence == event => {
                let (to, reason) = (LifeState::Pending, "received".to_string());
                moves.push(Move { from: None, to, at: record.at, reason, by: None });
            }
            Fact::Moved { event: moved, to, reason, by } if *moved == event => {
                let before = match to {
                    _ if pending => LifeState::Pending,
                    LifeState::Pending => LifeState::Deferred,
                    _ => LifeState::Escalated,
                };
                let from = Some(moves.last().map_or(before, |last| last.to));
                moves.push(Move { from, to: *to, at: record.at, reason: reason.clone(), by: by.clone() });
            }
            _ => {}
        }
    }
    moves
}
