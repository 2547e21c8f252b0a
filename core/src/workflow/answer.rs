//! The answer to a submit, told from the record that it left: so that it can be told again, years later.

use super::fact::Fact;
use super::record::Record;
use crate::event::{ErrorInfo, Event, EventResult, LifeState, Move, Status};
use crate::governance::Verdict;

/// The first answer to an event, from the record that received it.
pub fn first_answer(event: &Event, record: &Record, position: u64) -> EventResult {
    let moves = moves_in(record, record.sequence);
    let state = moves.last().map_or(LifeState::Pending, |last| last.to);
    let mut answer = EventResult {
        event_id: event.id.clone(),
        correlation_id: event.correlation_id.to_string(),
        position: Some(position),
        event_state: Some(state),
        status: Status::New,
        current_state: None,
        signals: Vec::new(),
        signals_filtered: Vec::new(),
        policy_decisions: Vec::new(),
        state_transitions: moves,
        processing_time_ms: 0.0,
        reasoning_time_ms: 0.0,
        deferred_until: None,
        error: None,
    };
    for fact in &record.facts {
        match fact {
            Fact::Judged { event, judgement } if *event == record.sequence => {
                answer.policy_decisions.clone_from(&judgement.decisions);
                if let Verdict::Deferred { until, .. } = judgement.verdict {
                    answer.deferred_until = Some(until);
                }
            }
            Fact::Parked { error, .. } => answer.error = Some(ErrorInfo::new("poison", error)),
            _ => {}
        }
    }
    answer
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
    for fact in &record.facts {
        match fact {
            Fact::Received { .. } if record.sequence == event => {
                let (to, reason) = (LifeState::Pending, "received".to_string());
                moves.push(Move { from: None, to, at: record.at, reason, by: None });
            }
            Fact::Moved { event: moved, to, reason, by } if *moved == event => {
                // The first move of a later record: back from a deferral, or resolved.
                let before = if *to == LifeState::Pending { LifeState::Deferred } else { LifeState::Escalated };
                let from = Some(moves.last().map_or(before, |last| last.to));
                moves.push(Move { from, to: *to, at: record.at, reason: reason.clone(), by: by.clone() });
            }
            _ => {}
        }
    }
    moves
}
