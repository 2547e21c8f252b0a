//! Why something was not taken, by who must act.

use regie_core::Digest;
use regie_core::entity::{self, OfUpdate, Update};
use regie_core::event::{Breach, ErrorInfo, EventError, EventResult, Incoming, Status};
use regie_core::workflow::Refusal;
use regie_journal::StoreError;

/// Why an event was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// As many events are under way as the runtime takes.
    #[error("the runtime is full: {limit} events are under way; send it again when some are answered")]
    Full {
        /// How many may be under way.
        limit: usize,
    },
    /// As many events wait for this one workflow as it takes.
    #[error("{queued} events wait for this workflow already; send it again when some are answered")]
    Crowded {
        /// How many wait.
        queued: usize,
    },
    /// A part of the runtime died too often, so that it takes nothing more.
    #[error("{part} died too often, so that nothing more is taken: start the runtime anew, and tell whoever keeps it")]
    PartDown {
        /// Which part.
        part: String,
    },
    /// The runtime is shutting down, or has.
    #[error("the runtime is shutting down")]
    Closing,
    /// The identity was used for other bytes.
    #[error(
        "'{source_name}' has sent '{id}' before with other content: recorded {recorded}, sent {sent}; an event is immutable, \
         give the new one an id of its own"
    )]
    OtherContent {
        /// The event's source.
        source_name: String,
        /// The event's id.
        id: String,
        /// The digest of the bytes that were recorded.
        recorded: Digest,
        /// The digest of the bytes that were sent now.
        sent: Digest,
    },
    /// The update's id was used for another one.
    #[error(
        "the update '{id}' was asked before with other content: recorded {recorded}, asked {asked}; give the new one an id of its own"
    )]
    OtherUpdate {
        /// The update's id.
        id: String,
        /// The digest of what was asked and recorded.
        recorded: String,
        /// The digest of what was asked now.
        asked: String,
    },
    /// The event is none of its type.
    #[error(transparent)]
    Breach(#[from] Breach),
    /// The workflow refused it.
    #[error(transparent)]
    Workflow(#[from] Refusal),
    /// No event was received at that position.
    #[error("no event stands at position {position}: see 'regie query --json', or 'regie escalations list'")]
    NoEvent {
        /// The position.
        position: u64,
    },
    /// The subscriber of a dead letter is not part of this program: there is nobody who could try it again.
    #[error("this program has no subscriber '{name}': try its dead letters again with one that does, or discard them")]
    SubscriberGone {
        /// Its name.
        name: String,
    },
    /// The clock is in event time, and no event has entered yet that would tell one.
    #[error(
        "the clock follows the timestamps of events, and none has entered yet: let one in first, or record this by the \
         system's clock"
    )]
    NoTime,
    /// The journal did not take it.
    #[error(transparent)]
    Journal(#[from] StoreError),
    /// The workflow died too often in too short a time and is left down for a while.
    #[error("the workflow died {deaths} times in a row ({last}); it is left down for {retry_after_s} s")]
    Down {
        /// How often it died.
        deaths: u32,
        /// What the last death said.
        last: String,
        /// Seconds until it is tried again.
        retry_after_s: u64,
    },
    /// What was sent is no event.
    #[error(transparent)]
    Bad(#[from] EventError),
    /// The answer was lost with the one who owed it. The event may have been recorded; send it again: ids make that safe.
    #[error("the answer was lost; the event may be recorded: send it again, its id makes that safe")]
    Lost,
}

impl Reason {
    /// The identity of an event was used before, for these bytes.
    pub fn other_content(event: &Incoming, recorded: &str) -> Self {
        Reason::OtherContent {
            source_name: event.event().source.clone(),
            id: event.event().id.clone(),
            recorded: Digest::of(recorded.as_bytes()),
            sent: event.digest(),
        }
    }

    /// The id of an update was used before, for another one.
    pub fn other_update(update: &Update, recorded: &OfUpdate) -> Self {
        let (id, recorded) = (recorded.id.clone(), recorded.digest.clone());
        Reason::OtherUpdate { id, recorded, asked: entity::digest(update).to_string() }
    }

    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Full { .. } => "full",
            Reason::Crowded { .. } => "crowded",
            Reason::PartDown { .. } => "part_down",
            Reason::Closing => "closing",
            Reason::OtherContent { .. } | Reason::OtherUpdate { .. } => "other_content",
            Reason::Workflow(Refusal::OtherOperation { .. }) => "other_content",
            Reason::Workflow(Refusal::BadId(_)) => "bad_id",
            Reason::Breach(_) => "breach",
            Reason::Workflow(Refusal::NoUpdate(_)) => "bad_update",
            Reason::Workflow(Refusal::UnknownDefinition { .. }) => "unknown_definition",
            Reason::Workflow(Refusal::TooManyOpen { .. } | Refusal::OpenTooLarge { .. }) => "too_many_open",
            Reason::Workflow(Refusal::NotEscalated { .. }) => "not_escalated",
            Reason::Workflow(Refusal::Unsigned { .. }) => "unsigned",
            Reason::Workflow(Refusal::NoRun { .. }) => "no_run",
            Reason::Workflow(Refusal::NotNow { .. }) => "not_now",
            Reason::Workflow(Refusal::Panicked { .. }) => "panicked",
            Reason::Workflow(Refusal::Broken { .. }) => "broken",
            Reason::Workflow(_) => "over",
            Reason::NoEvent { .. } => "no_event",
            Reason::SubscriberGone { .. } => "subscriber_gone",
            Reason::NoTime => "no_time",
            Reason::Journal(StoreError::Full { .. }) => "disk_full",
            Reason::Journal(StoreError::Latched { .. }) => "latched",
            Reason::Journal(_) => "journal",
            Reason::Down { .. } => "down",
            Reason::Bad(_) => "bad_event",
            Reason::Lost => "lost",
        }
    }

    /// Whether the journal takes nothing more in this life: what is owed goes out in the next.
    pub fn is_latched(&self) -> bool {
        matches!(self, Reason::Journal(error) if error.is_unknown())
    }

    /// Whether the same may be taken later, with nobody doing anything but sending it again.
    pub fn is_passing(&self) -> bool {
        match self {
            Reason::Full { .. } | Reason::Crowded { .. } | Reason::Down { .. } | Reason::Lost => true,
            Reason::Workflow(Refusal::TooManyOpen { .. } | Refusal::OpenTooLarge { .. }) => true,
            Reason::Journal(error) => error.is_passing(),
            _ => false,
        }
    }
}

/// An event that was not taken, handed back.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// The event.
    pub event: Box<Incoming>,
}

impl Refused {
    /// The same as a result, for those who answer in one form.
    pub fn to_result(&self) -> EventResult {
        let event = self.event.event();
        EventResult {
            event_id: event.id.clone(),
            correlation_id: event.correlation_id.to_string(),
            position: None,
            event_state: None,
            status: Status::Refused,
            current_state: None,
            signals: Vec::new(),
            signals_filtered: Vec::new(),
            policy_decisions: Vec::new(),
            state_transitions: Vec::new(),
            processing_time_ms: 0.0,
            reasoning_time_ms: 0.0,
            deferred_until: None,
            error: Some(ErrorInfo::new(self.reason.code(), &self.reason)),
        }
    }
}
