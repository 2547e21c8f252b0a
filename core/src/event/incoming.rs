//! An event on its way in: how it is understood, and its bytes as they came.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::EventError;
use super::identity::Identity;
use super::parse::Rules;
use super::{Event, cloudevents, parse};
use crate::limits;
use crate::{Digest, Timestamp};

/// The form that an event's bytes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Format {
    /// Our own envelope.
    Regie,
    /// CloudEvents 1.0 in JSON, structured mode.
    CloudEvents,
}

/// Where bytes come from, which decides what they may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file: id and timestamp must be there, or sending it twice would be two events.
    File,
    /// A call: a missing id or timestamp is made by the runtime.
    Call,
}

/// An event with its bytes as they came. Cheap to clone.
///
/// The bytes are what is kept, hashed and compared; the [`Event`] is how they are understood.
#[derive(Clone, Debug)]
pub struct Incoming {
    format: Format,
    raw: Arc<str>,
    event: Arc<Event>,
    identity: Identity,
    made_id: bool,
}

impl Incoming {
    /// Reads our envelope or a CloudEvent, told apart by `specversion`.
    ///
    /// ```
    /// use regie_core::event::{Incoming, Origin};
    /// let text = br#"{"id":"e-1","type":"task.created","correlation_id":"task-1","timestamp":"2026-01-01T09:00:00Z","x":1}"#;
    /// let event = Incoming::read(text, Origin::File).unwrap();
    /// assert_eq!(event.event().extensions["x"].text(), "1");
    /// ```
    pub fn read(bytes: &[u8], origin: Origin) -> Result<Self, EventError> {
        if bytes.len() > limits::EVENT_BYTES {
            return Err(EventError::TooLarge { bytes: bytes.len(), limit: limits::EVENT_BYTES });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| EventError::NotUtf8 { at: error.valid_up_to() })?;
        let fields = parse::Fields::read(text)?;
        let (format, event) = if fields.has("specversion") {
            (Format::CloudEvents, cloudevents::from_cloudevent(fields, Rules::Strict)?)
        } else {
            (Format::Regie, parse::envelope(fields, Rules::Strict)?)
        };
        if origin == Origin::File {
            let missing = |field| Err(EventError::Missing { field });
            match format {
                _ if event.id.is_empty() => return missing("id"),
                Format::Regie if event.timestamp == Timestamp::MIN => return missing("timestamp"),
                Format::CloudEvents if event.timestamp == Timestamp::MIN => return missing("time"),
                _ => {}
            }
        }
        Ok(Self::of(format, text.into(), event))
    }

    /// What the journal kept of an event, understood again, whatever rules have come since. `at` is when it was recorded: the time of one that came without.
    pub fn recover(format: Format, raw: Arc<str>, made_id: Option<&str>, at: Timestamp) -> Result<Self, EventError> {
        let fields = parse::Fields::of_known_shape(&raw)?;
        let event = match format {
            Format::CloudEvents => cloudevents::from_cloudevent(fields, Rules::Recorded)?,
            Format::Regie => parse::envelope(fields, Rules::Recorded)?,
        };
        let mut incoming = Self::of(format, raw, event);
        if let Some(id) = made_id {
            incoming.name(id.to_string());
        }
        incoming.stamp(at);
        Ok(incoming)
    }

    /// From an event that was built in code; it is checked as if it had been read.
    pub(super) fn built(event: Event) -> Result<Self, EventError> {
        let text = serde_json::to_string(&event).map_err(|error| EventError::NotJson { why: error.to_string() })?;
        Self::read(text.as_bytes(), Origin::Call)
    }

    fn of(format: Format, raw: Arc<str>, event: Event) -> Self {
        let identity = Identity::of(&event.source, &event.id);
        Self { format, raw, event: Arc::new(event), identity, made_id: false }
    }

    /// Gives an event that came without an id the one that the runtime made for it.
    pub fn name(&mut self, id: String) {
        if self.event.id.is_empty() {
            self.identity = Identity::of(&self.event.source, &id);
            Arc::make_mut(&mut self.event).id = id;
            self.made_id = true;
        }
    }

    /// Gives an event that came without a timestamp the time at which it was recorded.
    pub fn stamp(&mut self, at: Timestamp) {
        if self.event.timestamp == Timestamp::MIN {
            Arc::make_mut(&mut self.event).timestamp = at;
        }
    }

    /// How the event is understood.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The event, shared.
    pub fn shared(&self) -> Arc<Event> {
        Arc::clone(&self.event)
    }

    /// The bytes as they came.
    pub fn raw(&self) -> &Arc<str> {
        &self.raw
    }

    /// The form of the bytes.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Who it is within its correlation.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The id that the runtime made for it, if it came without.
    pub fn made_id(&self) -> Option<&str> {
        self.made_id.then_some(self.event.id.as_str())
    }

    /// The digest of the bytes as they came.
    pub fn digest(&self) -> Digest {
        Digest::of(self.raw.as_bytes())
    }
}
