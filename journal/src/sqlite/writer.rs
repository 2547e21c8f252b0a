//! The write side: one connection, one transaction a batch.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use uuid::Uuid;

use super::checkpoint::{self, Checkpoints};
use super::connection::{self, Synchronous};
use super::files::{Files, beside};
use super::lock::OwnerLock;
use super::reader::{self, SqliteReader};
use super::tips::Tips;
use super::{errors, renew, schema, soundness};
use crate::error::StoreError;
use crate::handed::Told;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::row;
use crate::store::{Conflict, EventReader, EventStore, Head, Placed, Turn, Wake};

/// Pages in the log at which the writer itself makes a checkpoint, and cuts the log: 64 MiB.
const CAP_PAGES: u64 = 16_384;
/// How long the writer waits there for readers that still need the log.
const CAP_PATIENCE: Duration = Duration::from_millis(50);
/// How long it waits for a tool that holds SQLite's lock.
const BUSY: Duration = Duration::from_secs(2);

/// The file of truth, opened to be written; not yet ready to append, for which the index is needed.
pub(crate) struct TruthFile {
    pub(crate) connection: Connection,
    pub(crate) journal: Uuid,
    pub(crate) files: Files,
    pub(crate) lock: Arc<OwnerLock>,
    pub(crate) sync: Synchronous,
}

impl TruthFile {
    /// Opens the file under its lock, and makes it if there is none. Writes no record.
    pub(crate) fn open(
        files: Files,
        lock: OwnerLock,
        sync: Synchronous,
        max_bytes: Option<u64>,
    ) -> Result<Self, StoreError> {
        let lock = Arc::new(lock);
        let size = std::fs::metadata(&files.truth).map(|file| file.len()).ok();
        if size.is_some_and(|bytes| bytes > 0) && !soundness::was_being_made(&files) {
            schema::refuse_others(&connection::for_reading(&files.truth)?, &files.truth)?;
        } else if size == Some(0) && files.index.exists() {
            return Err(StoreError::Damaged { why: format!("{} is empty, although it has an index", files.name()) });
        }
        renew::renew(&beside(&files.truth, "-wal"))?;
        let mut connection = connection::for_writing(&files.truth, sync, 0)?;
        let opening = |error| errors::opening(error, &files.truth);
        let is_new = schema::is_empty(&connection).map_err(opening)?;
        let journal = schema::prepare(&mut connection, &files.truth)?;
        if is_new {
            // On disk before anything is made beside it: a file that holds nothing beside an index is then no loss of power.
            connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE).map_err(opening)?;
        }
        sync_directory(&files)?;
        cap(&connection, max_bytes).map_err(opening)?;
        Ok(Self { connection, journal, files, lock, sync })
    }
}

/// The SQLite store: the write side of a journal in files.
pub(crate) struct SqliteStore {
    connection: Connection,
    files: Files,
    name: String,
    head: Head,
    tips: Tips,
    checkpoints: Checkpoints,
    /// Pages that the log held after the last commit.
    pages: Arc<AtomicU64>,
    /// Pages at which the next checkpoint by the writer itself is due.
    cap: u64,
    latched: Option<String>,
    progress: Arc<Progress>,
    /// Dropped last, and held by the indexer too: whoever opens next must find the connections closed.
    lock: Arc<OwnerLock>,
}

impl SqliteStore {
    /// Makes an opened file ready to append. The index must cover all of it.
    pub(crate) fn new(truth: TruthFile, index: Connection, progress: Arc<Progress>) -> Result<Self, StoreError> {
        let TruthFile { mut connection, files, lock, sync, .. } = truth;
        let head = reader::head(&connection)?;
        let pages = Arc::new(AtomicU64::new(0));
        let hook = Arc::clone(&pages);
        connection
            .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
                hook.store(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(errors::reading)?;
        let checkpoints = Checkpoints::start(&files.truth, sync)?;
        let (name, tips) = (files.name(), Tips::new(index));
        let (cap, latched) = (CAP_PAGES, None);
        Ok(Self { connection, files, name, head, tips, checkpoints, pages, cap, latched, progress, lock })
    }

    /// Latches if the outcome of a write is unknown, and passes the error on.
    fn failed(&mut self, error: StoreError) -> StoreError {
        if let StoreError::Latched { why } = &error {
            tracing::error!(%why, journal = %self.name, "a write failed; the journal is latched shut");
            self.latched = Some(why.clone());
            // Whoever opens the journal next sees it and verifies. If even that cannot be written, SQLite's own recovery
            // and the check of the index against the journal's end remain.
            if let Err(error) = File::create(&self.files.latched).and_then(|file| file.sync_all()) {
                tracing::error!(%error, "the mark of the failed write could not be left");
            }
        }
        error
    }

    /// An index that proves to be corrupt is marked, so that the next start builds it anew.
    fn index_failed(&self, error: StoreError) -> StoreError {
        let StoreError::Damaged { why } = error else { return error };
        if let Err(error) = File::create(&self.files.index_bad) {
            tracing::warn!(%error, "the mark of a corrupt index could not be left");
        }
        StoreError::Failed { why: format!("the index is corrupt ({why}); it is built anew at the next start") }
    }

    fn tend_log(&mut self) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.cap {
            self.cap = CAP_PAGES;
            if pages >= checkpoint::BEGIN_PAGES {
                self.checkpoints.ask();
            }
            return;
        }
        let cut = self
            .connection
            .busy_timeout(CAP_PATIENCE)
            .and_then(|()| self.connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE));
        if let Err(error) = &cut
            && matches!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt))
        {
            // What was acknowledged was synced before; what the file holds now is not certain.
            self.failed(StoreError::Latched { why: error.to_string() });
        } else if let Err(error) = cut {
            // A reader still needs it. It is tried again when the log has grown by another quarter.
            tracing::warn!(%error, pages, "the log of the journal has passed its cap and could not be cut");
            self.cap = pages + CAP_PAGES / 4;
        }
        let _ = self.connection.busy_timeout(BUSY);
    }
}

impl EventStore for SqliteStore {
    fn append(&mut self, turns: &[Turn]) -> Result<Vec<Result<Placed, Conflict>>, StoreError> {
        self.append_told(turns, Vec::new())
    }

    fn append_told(
        &mut self,
        turns: &[Turn],
        told: Vec<Option<Told>>,
    ) -> Result<Vec<Result<Placed, Conflict>>, StoreError> {
        if let Some(why) = &self.latched {
            return Err(StoreError::Latched { why: why.clone() });
        }
        if let Some(why) = self.checkpoints.failure().map(str::to_string) {
            return Err(self.failed(StoreError::Latched { why }));
        }
        let plan = Plan::of(self.head, turns, |correlation| self.tips.of(correlation));
        let plan = plan.map_err(|error| self.index_failed(error))?;
        if plan.rows.is_empty() {
            return Ok(plan.placed);
        }
        if let Err(error) = write(&mut self.connection, &plan) {
            let error = errors::writing(error, &self.name);
            return Err(self.failed(error));
        }
        self.head = plan.head;
        self.progress.hand_over(&plan, told);
        self.progress.wrote(plan.head.position);
        let indexed = self.progress.indexed();
        for (correlation, known) in plan.known.values() {
            self.tips.remember(correlation, *known, indexed);
        }
        self.tend_log();
        Ok(plan.placed)
    }

    fn head(&self) -> Head {
        self.head
    }

    fn reader(&self) -> Result<Box<dyn EventReader>, StoreError> {
        Ok(Box::new(SqliteReader::open(&self.files.truth)?))
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        let Self { connection, name, checkpoints, lock, tips, latched, .. } = *self;
        drop((checkpoints, tips));
        // The file of truth is whole by itself then, if no reader is in the way; SQLite does so by itself only where no
        // other connection is open.
        let cut = match latched {
            None => connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE).map(drop),
            // After a failed write nothing is touched any more.
            Some(_) => Ok(()),
        };
        let closed = connection.close().map_err(|(_, error)| errors::writing(error, &name));
        drop(lock);
        match cut.map_err(|error| errors::writing(error, &name)) {
            // The log keeps it, and the next start finds it there.
            Err(StoreError::Owned { .. } | StoreError::Full { .. }) | Ok(()) => closed,
            Err(error) => Err(error),
        }
    }
}

fn write(connection: &mut Connection, plan: &Plan<'_>) -> rusqlite::Result<()> {
    // Dropped without a commit, it rolls back.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut insert = transaction.prepare_cached("INSERT INTO turns VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for row in &plan.rows {
            let sequence = row.turn.expected.sequence + 1;
            let numbers = [row.first, row.number, sequence].map(u64::cast_signed);
            let [first, number, sequence] = numbers;
            insert.execute((first, number, sequence, &row.head.0, row::encode(&row.turn.records)))?;
        }
        let mut set = transaction.prepare_cached("INSERT OR REPLACE INTO wake VALUES (?1, ?2)")?;
        let mut clear = transaction.prepare_cached("DELETE FROM wake WHERE correlation = ?1")?;
        for (number, wake) in &plan.wakes {
            match wake {
                Wake::At(due) => set.execute((number.cast_signed(), due.micros()))?,
                Wake::Never => clear.execute([number.cast_signed()])?,
            };
        }
    }
    transaction.commit()
}

/// Bounds the size of the file; a bound below its present size stops its growth.
fn cap(connection: &Connection, max_bytes: Option<u64>) -> rusqlite::Result<()> {
    let Some(bytes) = max_bytes else { return Ok(()) };
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
    connection.pragma_update_and_check(None, "max_page_count", pages.clamp(1, 4_294_967_294), |_| Ok(()))
}

/// The names of the files must survive power loss as well as their content; SQLite does not tell if this fails.
fn sync_directory(files: &Files) -> Result<(), StoreError> {
    let directory = match files.truth.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => std::path::Path::new("."),
    };
    File::open(directory).and_then(|it| it.sync_all()).map_err(|error| errors::file(&error, directory))
}
