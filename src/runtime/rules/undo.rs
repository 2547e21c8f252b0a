//! Putting back what a run did.

use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use regie_actors::refused::Reason;
use regie_actors::traced::{sent, traced};
use regie_actors::updated::received;
use regie_core::Json;
use regie_core::automation::{
    LaterChange, RULE_SOURCE, RULE_UNDONE, Undo, UndoAsk, UndoRefusal, run_correlation, undo, undo_correlation,
};
use regie_core::event::{Catalogue, CorrelationId, Event, EventError, Incoming, Principal, emitted_id};
use regie_core::workflow::{Command, check_signed};
use regie_journal::{Reader, StoreError};
use serde::{Deserialize, Serialize};

use super::PATIENCE;
use super::runs::{Attempt, RunState, attempts, state_of};
use crate::Handle;
use crate::runtime::Waited;

/// How long a run, or its undo, that is still under way is waited for, and the rules that have not looked at all yet.
const OVER: Duration = Duration::from_secs(10);

/// Why a run was not put back.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// It cannot be put back, or not without force.
    #[error(transparent)]
    Refused(#[from] UndoRefusal),
    /// It was begun, and something of it was refused: by a change that came just then, mostly. The run is not undone, and its
    /// undo can be asked for again.
    #[error("the run '{run}' is not undone, and that can be asked for again: {why}")]
    Failed {
        /// The run.
        run: String,
        /// What was put back and what was not, and why.
        why: String,
    },
    /// The run, or an undo of it, is still under way.
    #[error("'{correlation}' is still under way: ask again once it has ended")]
    UnderWay {
        /// Where it is recorded.
        correlation: CorrelationId,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] StoreError),
    /// The undo was not taken.
    #[error(transparent)]
    NotTaken(#[from] Reason),
}

/// A run that was put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoneRun {
    /// The position of the first event that puts it back; of the record that tells of it where nothing differed any more.
    pub position: u64,
    /// The events that put it back, as they are recorded, in the journal's order.
    pub events: Vec<Json>,
}

impl UndoError {
    /// A short name for it.
    pub fn code(&self) -> &'static str {
        match self {
            UndoError::Refused(UndoRefusal::Unknown { .. }) => "no_run",
            UndoError::Refused(UndoRefusal::Later(_)) => "later_changes",
            UndoError::Refused(_) => "not_undone",
            UndoError::Failed { .. } => "undo_failed",
            UndoError::UnderWay { .. } => "under_way",
            UndoError::Journal(_) => "journal",
            UndoError::NotTaken(reason) => reason.code(),
        }
    }

    /// The later changes for which it was refused.
    pub fn later(&self) -> &[LaterChange] {
        match self {
            UndoError::Refused(UndoRefusal::Later(later)) => later,
            _ => &[],
        }
    }
}

impl Handle {
    /// Puts back what a run changed: each field gets the value that it had before, by updates, which fire no rule again. Each
    /// of them looks whether what the run made of its fields is there still, in the turn that records it. What was sent or
    /// called cannot be taken back. Comes back once all of it has ended; a run that is still under way is waited for.
    ///
    /// # Errors
    /// If it is not said who and why, there is no such run, it changed nothing or was put back before; if later changes lie on
    /// top, each of which is named, and `force` does not overwrite them. If one comes on top just then, what it lies on is left as
    /// it is, and the run is not undone: it can be asked for again.
    ///
    /// # Cancellation
    /// Dropping the future does not take the undo back.
    pub async fn undo(&self, run: &str, by: Principal, why: &str, force: bool) -> Result<UndoneRun, UndoError> {
        check_signed(&by, why).map_err(Reason::from)?;
        let wanted = Wanted { run: run.to_string(), by, why: why.to_string(), force };
        loop {
            self.looked(&wanted.run).await?;
            let undo = match self.read(&wanted, planned).await?? {
                Next::Wait(correlation) => {
                    self.over(correlation).await?;
                    continue;
                }
                Next::Undo(undo) => undo,
            };
            let event = recorded(&undo).map_err(UndoRefusal::NoEvent)?;
            let correlation = event.event().correlation_id.clone();
            match self.command(correlation.clone(), Command::Submit { event, emitted: true }).await {
                Ok(_) => {}
                // Somebody else was faster: what becomes of that is looked at first.
                Err(Reason::OtherContent { .. }) => continue,
                Err(reason) => return Err(reason.into()),
            }
            self.over(correlation).await?;
            let attempt = undo.attempt;
            return self.read(&wanted, move |reader, wanted, _| ended(reader, wanted, attempt)).await?;
        }
    }

    /// Waits until the rules have looked at all that is committed, so that the run is there if it is to be.
    async fn looked(&self, run: &str) -> Result<(), UndoError> {
        let asleep = self.core.pool.spawn(self.core.clock.sleep(OVER));
        match select(self.rules_looked().boxed(), asleep).await {
            Either::Left(((), asleep)) => {
                asleep.abort();
                Ok(())
            }
            Either::Right(_) => Err(UndoError::UnderWay { correlation: run_correlation(run) }),
        }
    }

    /// Waits until that run, or undo, is over.
    async fn over(&self, correlation: CorrelationId) -> Result<(), UndoError> {
        match self.wait(&correlation, Some(OVER)).await? {
            Waited::Ended { .. } => Ok(()),
            Waited::TimedOut(_) => Err(UndoError::UnderWay { correlation }),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        wanted: &Wanted,
        read: impl FnOnce(&mut Reader, &Wanted, &Catalogue) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (least, wanted, catalogue) = (self.position(), wanted.clone(), self.core.definitions.catalogue().clone());
        let read = self.core.readers.run(move |reader| {
            reader.caught_up(least, PATIENCE)?;
            read(reader, &wanted, &catalogue)
        });
        read.await
    }
}

/// The event that an undo is recorded as: its id is made from the run's and the attempt, so that each is made once.
fn recorded(undo: &Undo) -> Result<Incoming, EventError> {
    Event::new(RULE_UNDONE, undo_correlation(&undo.run, undo.attempt))
        .id(emitted_id(&undo.run, "undo", undo.attempt))
        .source(RULE_SOURCE)
        .actor(undo.by.clone())
        .payload(Json::of(undo))
        .build()
}

/// What is asked for.
#[derive(Clone)]
struct Wanted {
    run: String,
    by: Principal,
    why: String,
    force: bool,
}

/// What is to be done about it.
enum Next {
    /// Something has to end first.
    Wait(CorrelationId),
    /// It is undone like this.
    Undo(Undo),
}

fn planned(
    reader: &mut Reader,
    wanted: &Wanted,
    catalogue: &Catalogue,
) -> Result<Result<Next, UndoRefusal>, StoreError> {
    let correlation = run_correlation(&wanted.run);
    let records = reader.load(&correlation, 0)?;
    let does_something = records
        .iter()
        .flat_map(|stored| &stored.record.facts)
        .any(|fact| matches!(fact, regie_core::workflow::Fact::Owes { .. }));
    if does_something && state_of(&records) == RunState::UnderWay {
        return Ok(Ok(Next::Wait(correlation)));
    }
    let attempts = attempts(reader, &wanted.run)?;
    let last = attempts.last();
    if let Some(under_way) = last.filter(|last| last.state == RunState::UnderWay) {
        return Ok(Ok(Next::Wait(undo_correlation(&wanted.run, under_way.undo.attempt))));
    }
    let traced = traced(reader, &wanted.run, catalogue)?;
    let ask = UndoAsk {
        run: &wanted.run,
        is_known: traced.is_some(),
        is_undone: last.is_some_and(|last| last.state == RunState::Done),
        waits: traced.as_ref().and_then(|traced| traced.waits),
        attempt: u32::try_from(attempts.len()).unwrap_or(u32::MAX).saturating_add(1),
        by: &wanted.by,
        why: &wanted.why,
        force: wanted.force,
    };
    Ok(undo(&ask, &traced.unwrap_or_default().changed).map(Next::Undo))
}

/// What became of an attempt that is over.
fn ended(reader: &mut Reader, wanted: &Wanted, attempt: u32) -> Result<Result<UndoneRun, UndoError>, StoreError> {
    let missing = || StoreError::Damaged { why: format!("the undo of '{}' is not to be found", wanted.run) };
    let mut all = attempts(reader, &wanted.run)?.into_iter();
    let Attempt { state, position, records, .. } = all.find(|one| one.undo.attempt == attempt).ok_or_else(missing)?;
    if let RunState::Failed { error } = state {
        return Ok(Err(UndoError::Failed { run: wanted.run.clone(), why: error }));
    }
    let positions = sent(reader, &records)?;
    let mut events = Vec::with_capacity(positions.len());
    for position in &positions {
        let incoming = reader.record(*position)?.and_then(|stored| received(&stored.record)).ok_or_else(missing)?;
        events.push(Json::parse(incoming.raw()).unwrap_or_default());
    }
    Ok(Ok(UndoneRun { position: positions.first().copied().unwrap_or(position), events }))
}
