//! Checkpoints: what the log holds goes into the file, beside the commits and not in their way.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode};

use super::connection::{self, Synchronous};
use crate::error::StoreError;

/// Pages in the log at which a checkpoint begins: 4 MiB.
pub(crate) const BEGIN_PAGES: u64 = 1_024;

/// The thread that makes checkpoints, and what it has to say.
pub(crate) struct Checkpoints {
    /// None once it was told to end.
    wish: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<OnceLock<String>>,
}

impl Checkpoints {
    /// Starts the thread with a connection of its own. Its syncs must be as good as the commits'.
    pub(crate) fn start(path: &Path, sync: Synchronous) -> Result<Self, StoreError> {
        let connection = connection::for_writing(path, sync, 0)?;
        let (wish, wishes) = sync_channel(1);
        let failure = Arc::new(OnceLock::new());
        let thread = std::thread::Builder::new().name("regie-checkpoint".into()).spawn({
            let failure = Arc::clone(&failure);
            move || run(&connection, &wishes, &failure)
        });
        let thread = thread.map_err(|error| StoreError::Failed { why: error.to_string() })?;
        Ok(Self { wish: Some(wish), thread: Some(thread), failure })
    }

    /// Asks for one; if one is asked for already, that one will do.
    pub(crate) fn ask(&self) {
        if let Some(Err(TrySendError::Disconnected(()))) = self.wish.as_ref().map(|wish| wish.try_send(())) {
            tracing::warn!("the checkpoint thread is gone: the log grows until the writer makes the checkpoint itself");
        }
    }

    /// Why a checkpoint could not write or sync, if one could not: what the file holds is then not certain.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wish = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, wishes: &Receiver<()>, failure: &OnceLock<String>) {
    while wishes.recv().is_ok() {
        if let Err(error) = connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE) {
            tracing::warn!(%error, "a checkpoint of the journal failed");
            // Without room the log just keeps what it holds.
            if matches!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt)) {
                let _ = failure.set(error.to_string());
            }
        }
    }
}
