//! The indexer: follows behind the journal.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, TransactionBehavior};
use uuid::Uuid;

use super::batch::Batch;
use super::dictionary::Dictionary;
use super::{apply, kept, schema};
use crate::error::StoreError;
use crate::handed::HandedRow;
use crate::kept::Kept;
use crate::progress::Progress;
use crate::snapshot::Snapshot;
use crate::sqlite::lock::OwnerLock;
use crate::sqlite::{connection, errors};
use crate::store::{EventReader, Head};

/// Turns that one transaction of the index takes together; large ones are cut by their bytes before. Many, because each
/// transaction writes every page that it touches, and pages of what is keyed by correlation are touched by every one.
const BATCH_TURNS: usize = 8_192;

/// Reads the journal and writes the index. Owned by one thread.
pub struct Indexer {
    connection: Connection,
    source: Box<dyn EventReader>,
    dictionary: Dictionary,
    head: Head,
    progress: Arc<Progress>,
    /// Where to leave a mark if the index proves to be corrupt.
    bad: Option<PathBuf>,
    /// The journal is owned as long as its index is written.
    lock: Option<Arc<OwnerLock>>,
}

impl Indexer {
    /// Over an index that has its tables.
    pub(crate) fn over(
        connection: Connection,
        source: Box<dyn EventReader>,
        progress: Arc<Progress>,
        bad: Option<PathBuf>,
    ) -> Result<Self, StoreError> {
        let covers = schema::covers(&connection).map_err(errors::indexing)?;
        let head = covers.map(|covers| covers.head).unwrap_or_default();
        progress.index_reached(head.position);
        Ok(Self { connection, source, dictionary: Dictionary::default(), head, progress, bad, lock: None })
    }

    /// Owns the journal together with its writer.
    pub(crate) fn owning(mut self, lock: Arc<OwnerLock>) -> Self {
        self.lock = Some(lock);
        self
    }

    /// Over an index of its own in memory, which covers nothing yet.
    pub(crate) fn in_memory(source: Box<dyn EventReader>) -> Result<Self, StoreError> {
        let mut connection = connection::in_memory()?;
        schema::create(&mut connection, Uuid::nil()).map_err(errors::indexing)?;
        Self::over(connection, source, Arc::new(Progress::new(0, 0)), None)
    }

    /// Lets work gather, at most for so long: many records in one transaction cost far less than each in its own. Comes
    /// back at once for whoever waits for the index, and where there is much to do. Blocks the one thread that indexes.
    pub fn gather(&self, at_most: Duration) {
        self.progress.gather(at_most);
    }

    /// Brings the index up to where the journal ended when this was called, batch by batch. Returns the position that it
    /// covers, which whoever waits for it is told too.
    ///
    /// On an error it stands where the last whole batch left it, and may be called again; whoever waits for it is given
    /// the error until then.
    pub fn catch_up(&mut self) -> Result<u64, StoreError> {
        let reached = self.follow();
        if let Err(error) = &reached {
            self.progress.index_failed(error.clone());
        }
        reached
    }

    fn follow(&mut self) -> Result<u64, StoreError> {
        let goal = self.source.head()?.position;
        while self.head.position < goal {
            let mut rows = self.progress.handed(self.head.position, BATCH_TURNS);
            if rows.is_empty() {
                let read = self.source.rows_after(self.head.position, BATCH_TURNS)?;
                rows = read.into_iter().map(HandedRow::Row).collect();
            }
            if rows.is_empty() {
                break;
            }
            self.apply(&rows)?;
        }
        Ok(self.head.position)
    }

    /// Keeps snapshots, each in place of the one before it.
    pub fn put_snapshots(&mut self, snapshots: Vec<Snapshot>) -> Result<(), StoreError> {
        let put = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let sql = "INSERT OR REPLACE INTO snapshots
                    SELECT number, ?2, ?3, ?4 FROM correlations WHERE name = ?1";
                let mut statement = transaction.prepare_cached(sql)?;
                for Snapshot { correlation, tip, body } in &snapshots {
                    statement.execute((correlation.as_str(), tip.sequence.cast_signed(), tip.digest.0, body))?;
                }
            }
            transaction.commit()
        };
        put(&mut self.connection).map_err(|error| self.failed(error))
    }

    /// Keeps folds over the journal, each in place of the one before it.
    pub fn keep(&mut self, folds: &[Kept]) -> Result<(), StoreError> {
        let covered = self.head.position;
        let put = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            folds.iter().try_for_each(|fold| kept::put(&transaction, fold, covered))?;
            transaction.commit()
        };
        put(&mut self.connection).map_err(|error| self.failed(error))
    }

    /// Closes in good order.
    pub fn close(self) {
        // Otherwise the log stays as large as it ever was.
        if let Err(error) = self.connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE) {
            tracing::warn!(%error, "the index's log was not written back; it is at the next start");
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the index did not close in good order; what it lacks is made up at the next start");
        }
    }

    /// The connection, to be read from.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    fn apply(&mut self, rows: &[HandedRow]) -> Result<(), StoreError> {
        let batch = Batch::of(rows)?;
        let dictionary = &mut self.dictionary;
        let mut write = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            apply::write(&transaction, dictionary, &batch)?;
            transaction.commit()
        };
        if let Err(error) = write(&mut self.connection) {
            self.dictionary.forget();
            return Err(self.failed(error));
        }
        self.head = batch.head;
        self.progress.index_reached(self.head.position);
        Ok(())
    }

    fn failed(&self, error: rusqlite::Error) -> StoreError {
        let error = errors::indexing(error);
        if let (StoreError::Damaged { .. }, Some(bad)) = (&error, &self.bad)
            && let Err(error) = File::create(bad)
        {
            tracing::warn!(%error, "the mark of a corrupt index could not be left");
        }
        error
    }
}

impl std::fmt::Debug for Indexer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Indexer").field("head", &self.head).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use regie_core::Json;
    use regie_core::workflow::{Fact, Record};

    use crate::store::{Tip, Turn, Wake};
    use crate::{Journal, Opened, SqliteOptions, StoreError};

    fn append(opened: &mut Opened, correlation: &str) {
        let name = regie_core::event::CorrelationId::from(correlation);
        let facts = vec![Fact::Opened { correlation: name.clone() }, Fact::Noted { data: Json::of(&"x") }];
        let record =
            Record { sequence: 1, at: regie_core::Timestamp::from_micros(0), facts }.encode(Tip::default().digest);
        let turn = Turn {
            correlation: name,
            expected: Tip::default(),
            records: vec![record],
            wake: Wake::Never,
            at: regie_core::Timestamp::from_micros(0),
            sets: Vec::new(),
        };
        assert!(opened.writer.append(&[turn]).unwrap().placed[0].is_ok());
    }

    #[test]
    fn an_index_without_room_tells_whoever_waits_for_it_and_follows_again_once_there_is_some() {
        let place = tempfile::tempdir().unwrap();
        let mut opened = Journal::open(SqliteOptions::at(place.path().join("j.db"))).unwrap();
        let mut indexer = opened.indexer.take().unwrap();
        let pages: i64 = indexer.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        indexer.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        (0..500).for_each(|nth| append(&mut opened, &format!("c-{nth}")));
        let mut reader = opened.readers.open().unwrap();
        assert!(matches!(indexer.catch_up(), Err(StoreError::Full { .. })));
        assert!(matches!(reader.caught_up(500, Duration::MAX), Err(StoreError::Full { .. })));
        assert!(matches!(opened.readers.index_trouble(), Some(StoreError::Full { .. })));
        indexer.connection.pragma_update_and_check(None, "max_page_count", pages * 1_000, |_| Ok(())).unwrap();
        assert_eq!(indexer.catch_up(), Ok(500));
        assert_eq!((reader.caught_up(500, Duration::MAX), opened.readers.index_trouble()), (Ok(()), None));
    }
}
