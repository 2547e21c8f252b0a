//! Doing what is asked: the same over the socket and in a process that has opened the journal itself.

use regie_core::event::{ErrorInfo, EventResult, Incoming};
use regie_core::workflow::Fact;
use regie_journal::StoredRecord;

use super::protocol::{Answer, Ask, Decision, UndoAsked};
use super::workflow;
use crate::runtime::UndoError;
use crate::{Handle, Reason};

/// Does what is asked; comes back once that is durable.
pub(crate) async fn perform(handle: &Handle, ask: Ask) -> Answer {
    let done = match ask {
        Ask::Resolve(decision) => decide(handle, decision).await.map(|result| Answer::Done(Box::new(result))),
        Ask::Update { update } => {
            handle.update(*update).await.map(|result| Answer::Updated(Box::new(result))).map_err(told)
        }
        Ask::Operate(asked) => workflow::operate(handle, asked).await,
        Ask::Start { start } => workflow::start(handle, *start).await,
        Ask::Send { send } => workflow::send(handle, *send).await,
        Ask::Live => Ok(Answer::Live(Box::new(handle.live().await))),
        Ask::Undo(UndoAsked { run, by, why, force }) => {
            let undone = handle.undo(&run, by, &why, force).await;
            return undone.map_or_else(|error| not_undone(&error), Answer::Undone);
        }
    };
    done.unwrap_or_else(Answer::Refused)
}

fn not_undone(error: &UndoError) -> Answer {
    let told = ErrorInfo::new(error.code(), error);
    if error.later().is_empty() { Answer::Refused(told) } else { Answer::NotUndone(told, error.later().to_vec()) }
}

async fn decide(handle: &Handle, decision: Decision) -> Result<EventResult, ErrorInfo> {
    let Decision { position, correlation_id, event_id, approved, by, why } = decision;
    if correlation_id.is_some() || event_id.is_some() {
        let stored = handle.received_at(position).await.map_err(told)?;
        let correlation = correlation_id.is_none_or(|meant| *meant == *stored.correlation);
        if !correlation || event_id.is_some_and(|meant| id_of(&stored).is_none_or(|id| id != meant)) {
            let why = format!("another event stands at position {position}: is this the journal that was meant?");
            return Err(ErrorInfo::new("other_event", why));
        }
    }
    let resolved = match approved {
        true => handle.approve(position, by, &why).await,
        false => handle.reject(position, by, &why).await,
    };
    resolved.map_err(told)
}

fn told(reason: Reason) -> ErrorInfo {
    ErrorInfo::new(reason.code(), reason)
}

/// The id of the event that a record received.
fn id_of(stored: &StoredRecord) -> Option<String> {
    stored.record.facts.iter().find_map(|fact| match fact {
        Fact::Received { format, raw, made_id, .. } => {
            let incoming = Incoming::recover(*format, raw.clone(), made_id.as_deref(), stored.record.at).ok()?;
            Some(incoming.event().id.clone())
        }
        _ => None,
    })
}
