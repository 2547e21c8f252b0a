//! Updating an entity: by what differs, as events of the catalogue.

use std::time::Duration;

use regie_actors::refused::Reason;
use regie_actors::updated::{Updated, updated};
use regie_core::automation::RUNS_METADATA;
use regie_core::entity::{self, Update};
use regie_core::event::{EventError, EventResult, Status};
use regie_core::workflow::Command;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::handle::Handle;

/// How long an answer waits for the index to cover what was committed before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How an update was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UpdateStatus {
    /// Its events are recorded by this call.
    New,
    /// Its id was asked before with the same content: these are the first answers again.
    Duplicate,
    /// Nothing differs: nothing was recorded.
    Unchanged,
    /// It was refused, and an event that tells so is recorded.
    Refused,
}

/// The answer to an update, as stable JSON: fields may be added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateResult {
    /// The update's id, made by the runtime if it came without.
    pub update_id: String,
    /// The correlation of its events.
    pub correlation_id: String,
    /// How it was taken.
    pub status: UpdateStatus,
    /// The answer to each of its events, in order. A policy may have stopped one.
    #[serde(default)]
    pub events: Vec<EventResult>,
    /// The field for which it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl UpdateResult {
    /// The position of its first event: of the one that tells of the refusal, if it was refused.
    pub fn position(&self) -> Option<u64> {
        self.events.first().and_then(|event| event.position)
    }
}

impl Handle {
    /// Has an entity's fields have the values of an update. What differs is told by events of the catalogue, in one turn;
    /// comes back once they are recorded with their verdicts. An update that is not possible is recorded too, as refused.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use regie::core::entity::Update;
    /// use regie::core::event::{EntityRef, Principal};
    ///
    /// let runtime = regie::builder().start().await?;
    /// let update = Update::of(EntityRef::new("task", "TASK-1"), Principal::user("ana")).set("status", "open");
    /// let done = runtime.handle().update(update).await?;
    /// assert_eq!((done.events.len(), done.correlation_id.as_str()), (1, "task/TASK-1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// If no event can tell it, its id was used for another one, or the runtime or the journal does not take it now. Then
    /// nothing is recorded.
    ///
    /// # Cancellation
    /// Dropping the future does not take the update back. With an id, asking again is safe.
    pub async fn update(&self, mut update: Update) -> Result<UpdateResult, Reason> {
        entity::check(&update)?;
        if let Some(name) = RUNS_METADATA.iter().find(|name| update.metadata.contains_key(**name)) {
            return Err(EventError::wrong("metadata", format!("'{name}' is filled in by the runtime")).into());
        }
        let update_id = update.id.get_or_insert_with(|| Uuid::now_v7().to_string()).clone();
        let correlation = update.correlation();
        let _permit = self.permit()?;
        let answer = self.command(correlation.clone(), Command::Update(Box::new(update))).await?;
        let mut result = UpdateResult {
            update_id,
            correlation_id: correlation.to_string(),
            status: UpdateStatus::Unchanged,
            events: Vec::new(),
            field: None,
            reason: None,
        };
        let Some(first) = answer else { return Ok(result) };
        let Updated { events, refused } = self.updated(first.position.ok_or(Reason::Lost)?).await?;
        let again = first.status == Status::Duplicate;
        result.status = if again { UpdateStatus::Duplicate } else { UpdateStatus::New };
        result.events = events;
        for event in &mut result.events {
            event.status = first.status;
        }
        if let Some(first_again) = result.events.first_mut() {
            *first_again = first;
        }
        if let Some(refused) = refused {
            result.status = UpdateStatus::Refused;
            (result.field, result.reason) = (refused.field, Some(refused.reason));
        }
        Ok(result)
    }

    async fn updated(&self, position: u64) -> Result<Updated, Reason> {
        let least = self.position();
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            updated(reader, position)
        });
        Ok(read.await?)
    }
}
