//! What the index needs of an event, read without the rest: its payload is only skipped.

use std::sync::Arc;

use regie_core::Timestamp;
use regie_core::event::{EntityRef, Event, Format, Principal, Priority};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::StoreError;
use crate::fold::Received;

/// An event in brief.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Brief {
    pub(crate) kind: String,
    pub(crate) actor: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) stamped: Timestamp,
    /// The thing that it is about and those that it touches.
    pub(crate) entities: Vec<EntityRef>,
    pub(crate) priority: Priority,
    /// Whether it names a cause.
    pub(crate) caused: bool,
    /// Whether it is one of the runtime's own.
    pub(crate) own: bool,
}

/// An event as the index takes it: in brief, or whole where it is at hand.
pub(crate) enum Reading {
    Brief(Brief),
    Whole(Arc<Event>),
}

impl Reading {
    /// Of an event that was checked before it was recorded.
    pub(crate) fn of(received: Received) -> Result<Self, StoreError> {
        match received.told {
            Some(event) => Ok(Self::Whole(event)),
            None => Brief::of(received).map(Self::Brief),
        }
    }

    pub(crate) fn kind(&self) -> &str {
        match self {
            Self::Brief(brief) => &brief.kind,
            Self::Whole(event) => &event.kind,
        }
    }

    pub(crate) fn actor(&self) -> Option<&str> {
        match self {
            Self::Brief(brief) => brief.actor.as_deref(),
            Self::Whole(event) => event.actor.as_ref().map(|actor| actor.id.as_str()),
        }
    }

    pub(crate) fn session(&self) -> Option<&str> {
        match self {
            Self::Brief(brief) => brief.session.as_deref(),
            Self::Whole(event) => event.session_key.as_deref(),
        }
    }

    /// The thing that it is about and those that it touches.
    pub(crate) fn entities(&self) -> impl Iterator<Item = &EntityRef> {
        let (brief, own, related): (&[EntityRef], _, &[EntityRef]) = match self {
            Self::Brief(brief) => (&brief.entities, None, &[]),
            Self::Whole(event) => (&[], event.entity.as_ref(), &event.related),
        };
        brief.iter().chain(own).chain(related)
    }

    /// Its time; that of its record where it came without.
    pub(crate) fn stamped(&self, recorded_at: Timestamp) -> Timestamp {
        match self {
            Self::Brief(brief) => brief.stamped,
            Self::Whole(event) if event.timestamp == Timestamp::MIN => recorded_at,
            Self::Whole(event) => event.timestamp,
        }
    }

    pub(crate) fn priority(&self) -> Priority {
        match self {
            Self::Brief(brief) => brief.priority,
            Self::Whole(event) => event.priority,
        }
    }

    pub(crate) fn is_caused(&self) -> bool {
        match self {
            Self::Brief(brief) => brief.caused,
            Self::Whole(event) => event.causation_id.is_some(),
        }
    }

    pub(crate) fn is_own(&self) -> bool {
        match self {
            Self::Brief(brief) => brief.own,
            Self::Whole(event) => event.correlation_id.is_own(),
        }
    }
}

/// Our envelope, as far as it matters here; as for the envelope, `null` is absent.
#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "type")]
    kind: String,
    correlation_id: String,
    actor: Option<Principal>,
    session_key: Option<String>,
    timestamp: Option<Timestamp>,
    entity: Option<EntityRef>,
    related: Option<Vec<EntityRef>>,
    priority: Option<Priority>,
    causation_id: Option<IgnoredAny>,
}

impl Brief {
    /// Reads an event that was checked before it was recorded.
    pub(crate) fn of(received: Received) -> Result<Self, StoreError> {
        if received.format != Format::Regie {
            return Ok(Self::from(received.incoming()?.event()));
        }
        let wire: Wire = match serde_json::from_str(&received.raw) {
            Ok(wire) => wire,
            // The full reading says better what is wrong.
            Err(_) => return Ok(Self::from(received.incoming()?.event())),
        };
        Ok(Self {
            kind: wire.kind,
            actor: wire.actor.map(|actor| actor.id),
            session: wire.session_key,
            stamped: wire.timestamp.unwrap_or(received.recorded_at),
            entities: wire.entity.into_iter().chain(wire.related.into_iter().flatten()).collect(),
            priority: wire.priority.unwrap_or_default(),
            caused: wire.causation_id.is_some(),
            own: wire.correlation_id.starts_with("regie/"),
        })
    }
}

impl From<&Event> for Brief {
    fn from(event: &Event) -> Self {
        Self {
            kind: event.kind.clone(),
            actor: event.actor.as_ref().map(|actor| actor.id.clone()),
            session: event.session_key.clone(),
            stamped: event.timestamp,
            entities: event.entity.iter().chain(&event.related).cloned().collect(),
            priority: event.priority,
            caused: event.causation_id.is_some(),
            own: event.correlation_id.is_own(),
        }
    }
}

#[cfg(test)]
mod tests {
    use regie_core::event::{Incoming, Origin};

    use super::*;

    /// The brief reading and the full one of the same bytes.
    fn both(text: &str) -> (Brief, Brief) {
        let mut incoming = Incoming::read(text.as_bytes(), Origin::Call).unwrap();
        let at = Timestamp::from_millis(5_000);
        incoming.stamp(at);
        let brief = Brief::of(Received::new(&incoming, at)).unwrap();
        (brief, Brief::from(incoming.event()))
    }

    #[test]
    fn the_brief_reading_agrees_with_the_full_one() {
        let texts = [
            r#"{"type":"a.b","correlation_id":"c","id":"1","timestamp":"1969-01-01T00:00:00.123456+01:00"}"#,
            r#"{"type":"a.b","correlation_id":"regie/c","actor":{"kind":"user","id":"a\u00e4\n","more":1},"payload":{"type":7}}"#
                .replace("\\n", "b")
                .leak(),
            r#"{"type":"a","correlation_id":"c","actor":null,"session_key":null,"timestamp":null,"entity":null,"related":null,
                "priority":null,"causation_id":null}"#,
            r#"{"type":"a","correlation_id":"c","session_key":"s","entity":{"type":"t","id":"1"},"priority":"P0",
                "related":[{"type":"t","id":"2"},{"id":"1","type":"t"}],"causation_id":"x#1","unknown":[{}]}"#,
            r#"{"specversion":"1.0","type":"a","source":"s","id":"1","subject":"t/1","time":"2026-01-01T00:00:00Z",
                "correlationid":"c","data":{"x":1}}"#,
        ];
        for text in texts {
            let (brief, full) = both(text);
            assert_eq!(brief, full, "{text}");
        }
    }
}
