//! How a workflow went, as whoever is to be told is told it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fact::RunEnd;
use crate::Json;
use crate::event::{CorrelationId, Event, EventBuilder};

/// The type of the event that asks for somebody to be told.
pub const NOTIFICATION: &str = "orchestration.notification.requested";

/// How a workflow went. Amounts are decimal texts: no digit of them is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Which workflow.
    pub workflow: CorrelationId,
    /// `completed`, `failed`, `cancelled` or `terminated`.
    pub outcome: String,
    /// What it was about, if that can be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// In which mode it ran, if it has any: `paper`, `live`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How many of what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
    /// How much of what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub amounts: BTreeMap<String, String>,
    /// What went wrong, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<NotificationError>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationError {
    /// In words.
    pub text: String,
    /// The agent's name for it, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Notification {
    /// How a workflow ended: its outcome, and its error if it did not complete.
    pub fn of(workflow: &CorrelationId, end: &RunEnd) -> Self {
        let outcome = super::RunStatus::from(end).name().to_string();
        let error = match end {
            RunEnd::Completed { .. } => None,
            RunEnd::Failed { error: text }
            | RunEnd::Cancelled { reason: text }
            | RunEnd::Terminated { reason: text } => Some(NotificationError { text: text.clone(), code: None }),
        };
        let (counts, amounts) = (BTreeMap::new(), BTreeMap::new());
        Self { workflow: workflow.clone(), outcome, subject: None, mode: None, counts, amounts, error }
    }

    /// What it was about.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The mode that it ran in.
    #[must_use]
    pub fn mode(mut self, mode: impl Into<String>) -> Self {
        self.mode = Some(mode.into());
        self
    }

    /// So many of something.
    #[must_use]
    pub fn count(mut self, what: impl Into<String>, count: u64) -> Self {
        self.counts.insert(what.into(), count);
        self
    }

    /// So much of something.
    #[must_use]
    pub fn amount(mut self, what: impl Into<String>, amount: impl ToString) -> Self {
        self.amounts.insert(what.into(), amount.to_string());
        self
    }

    /// The agent's name for what went wrong.
    #[must_use]
    pub fn code(mut self, code: Option<String>) -> Self {
        self.error.iter_mut().for_each(|error| error.code.clone_from(&code));
        self
    }

    /// The event that asks for it to be told. It is beside the workflow, which is over: what comes to that is skipped.
    pub fn event(&self) -> EventBuilder {
        Event::new(NOTIFICATION, format!("{}/notification", self.workflow)).payload(Json::of(self))
    }
}
