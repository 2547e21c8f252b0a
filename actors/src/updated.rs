//! What became of an update, told by what the journal holds of it: the same now and years later.

use regie_core::entity::{OfUpdate, refused_type};
use regie_core::event::{EventResult, Incoming, LifeState};
use regie_core::workflow::{EffectEnd, Fact, Record, first_answer, is_judged_in, judged_later};
use regie_journal::{Reader, StoreError, StoredRecord};

/// What became of an update.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The first answer to each of its events, in order.
    pub events: Vec<EventResult>,
    /// Why it was refused, if it was; then its event tells that.
    pub refused: Option<Refused>,
}

/// Why an update was refused.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Refused {
    /// The field that was at fault, if one was.
    #[serde(default)]
    pub field: Option<String>,
    /// Why.
    pub reason: String,
}

impl Updated {
    /// The end of the effect that asked for it.
    pub fn end(self, first: u64) -> EffectEnd {
        if let Some(refused) = self.refused {
            return EffectEnd::NotSent { reason: refused.reason };
        }
        // Discarded, all of it changed nothing.
        let is_discarded = |event: &EventResult| event.event_state == Some(LifeState::Discarded);
        if let Some(last) = self.events.last().filter(|_| self.events.iter().all(is_discarded)) {
            let why = last.state_transitions.last().map_or("", |transition| transition.reason.as_str());
            return EffectEnd::NotSent { reason: format!("discarded: {why}") };
        }
        EffectEnd::Updated { first, events: u32::try_from(self.events.len()).unwrap_or(u32::MAX) }
    }
}

/// The event that a record received.
pub fn received(record: &Record) -> Option<Incoming> {
    record.facts.iter().find_map(|fact| match fact {
        Fact::Received { format, raw, made_id, .. } => {
            Incoming::recover(*format, raw.clone(), made_id.as_deref(), record.at).ok()
        }
        _ => None,
    })
}

/// What became of the update whose first event stands at a position.
///
/// # Errors
/// If the journal cannot be read, or no update begins there.
pub fn updated(reader: &mut Reader, position: u64) -> Result<Updated, StoreError> {
    let missing = || StoreError::Damaged { why: format!("no update begins at position {position}") };
    let stored = reader.record(position)?.ok_or_else(missing)?;
    let first = received(&stored.record).ok_or_else(missing)?;
    let of = OfUpdate::read(first.event()).ok_or_else(missing)?;
    let mut events = Vec::new();
    let later = reader.load(&stored.correlation, stored.record.sequence - 1)?;
    for (at, one) in later.iter().enumerate() {
        // Most are of others: their events are looked at by what only those of updates have.
        let Some(incoming) = received(&one.record).filter(|it| OfUpdate::read(it.event()).as_ref() == Some(&of)) else {
            continue;
        };
        events.push(answer(&incoming, one, &later[at + 1..]));
        if events.len() as u64 >= u64::from(of.events) {
            break;
        }
    }
    let entity = first.event().entity.as_ref().ok_or_else(missing)?;
    let is_refusal = first.event().kind == refused_type(&entity.kind);
    let told = || first.event().payload.to().unwrap_or_default();
    Ok(Updated { events, refused: is_refusal.then(told) })
}

fn answer(incoming: &Incoming, stored: &StoredRecord, later: &[StoredRecord]) -> EventResult {
    let sequence = stored.record.sequence;
    let mut result = first_answer(incoming.event(), &stored.record, stored.position);
    if let Some(judged) = later.iter().find(|later| is_judged_in(&later.record, sequence)) {
        judged_later(&mut result, &judged.record, sequence);
    }
    result
}
