//! Where readers come from.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::error::StoreError;
use crate::index::open::Unfit;
use crate::index::{Indexer, open};
use crate::memory::MemoryStore;
use crate::note::OpenNote;
use crate::progress::Progress;
use crate::reader::{Reader, Side, wait_for_owner};
use crate::snapshot::Snapshot;
use crate::sqlite::connection;
use crate::sqlite::files::Files;
use crate::sqlite::lock::{self, OwnerLock};
use crate::sqlite::reader::SqliteReader;
use crate::sqlite::soundness;
use crate::store::EventReader;

/// How long a process that does not own the journal waits for the owner's index to reach the journal's end.
const OWNER_PATIENCE: Duration = Duration::from_secs(2);

/// Opens readers of one journal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Readers(Source);

#[derive(Clone, Debug)]
enum Source {
    /// A journal in memory.
    Memory(MemoryStore),
    /// A journal in files that this process owns.
    Owner { files: Arc<Files>, progress: Arc<Progress>, lock: Weak<OwnerLock> },
    /// A journal in files that this process only reads, and whether its index can be used.
    Visitor { files: Arc<Files>, usable: bool },
}

impl Readers {
    pub(crate) fn memory(store: MemoryStore) -> Self {
        Self(Source::Memory(store))
    }

    /// Of a journal that this process owns for as long as that lock is held by somebody else.
    pub(crate) fn owner(files: Files, progress: Arc<Progress>, lock: Weak<OwnerLock>) -> Self {
        Self(Source::Owner { files: Arc::new(files), progress, lock })
    }

    /// Of a journal that somebody else may own. Writes nothing.
    pub(crate) fn visitor(path: &Path) -> Result<(Self, Vec<OpenNote>), StoreError> {
        let files = Files::of(path);
        if !files.truth.exists() {
            return Err(StoreError::Missing { path: files.name() });
        }
        soundness::look_beside_an_owner(&files)?;
        let mut truth = SqliteReader::open(&files.truth)?;
        let unusable = why_not(&files, &mut truth)?;
        let usable = unusable.is_none();
        let notes = match unusable {
            Some(Unfit { why, lost }) => lost.into_iter().chain([OpenNote::IndexInMemory { why }]).collect(),
            None => Vec::new(),
        };
        Ok((Self(Source::Visitor { files: Arc::new(files), usable }), notes))
    }

    /// Opens a reader.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::NotOurs`], [`StoreError::Newer`] or [`StoreError::Damaged`] if the files have
    /// changed since; [`StoreError::Failed`] if the system refuses.
    pub fn open(&self) -> Result<Reader, StoreError> {
        let truth = self.truth()?;
        let side = match &self.0 {
            Source::Memory(store) => Side::Memory { store: store.clone(), queries: None },
            Source::Owner { files, progress, .. } => {
                Side::File { index: connection::for_reading(&files.index)?, progress: Some(Arc::clone(progress)) }
            }
            Source::Visitor { files, usable: true } => {
                Side::File { index: connection::for_reading(&files.index)?, progress: None }
            }
            Source::Visitor { .. } => return self.open_alone(),
        };
        Ok(Reader::new(truth, side))
    }

    /// Opens a reader with an index of its own in memory: slower by a walk over the journal, and whole where the index in
    /// the files does not follow.
    ///
    /// # Errors
    /// As [`Readers::open`].
    pub fn open_alone(&self) -> Result<Reader, StoreError> {
        Ok(Reader::new(self.truth()?, Side::Own(Indexer::in_memory(self.truth()?)?)))
    }

    /// Opens a reader of the truth alone, which is all that [`verify`](crate::verify) takes.
    ///
    /// # Errors
    /// As [`Readers::open`].
    pub fn truth(&self) -> Result<Box<dyn EventReader>, StoreError> {
        Ok(match &self.0 {
            Source::Memory(store) => Box::new(store.clone()),
            Source::Owner { files, .. } | Source::Visitor { files, .. } => Box::new(SqliteReader::open(&files.truth)?),
        })
    }

    /// The position up to which identities and snapshots are found; the largest number in memory, where all are.
    ///
    /// In a process that does not own the journal, nothing is announced, and this is 0.
    pub fn indexed(&self) -> u64 {
        match &self.0 {
            Source::Memory(_) => u64::MAX,
            Source::Owner { progress, .. } => progress.indexed(),
            Source::Visitor { .. } => 0,
        }
    }

    /// Why the index does not follow, if it does not. It is tried again by whoever runs it.
    pub fn index_trouble(&self) -> Option<StoreError> {
        match &self.0 {
            Source::Owner { progress, .. } => progress.index_trouble(),
            Source::Memory(_) | Source::Visitor { .. } => None,
        }
    }

    /// The index does not follow, until it is said to have reached something again: whoever waits for it is told why.
    pub fn index_failed(&self, error: StoreError) {
        if let Source::Owner { progress, .. } = &self.0 {
            progress.index_failed(error);
        }
    }

    /// An indexer in place of one that panicked, and that is not to be used any more: what it had in memory may be wrong.
    /// The index is looked over as at a start. It is not built anew beside readers that
    /// have it open: one that cannot be used is at the next start.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if this process does not own the journal, or not any more; else as [`Readers::open`].
    pub fn indexer_anew(&self) -> Result<Indexer, StoreError> {
        let not_owned = || StoreError::Failed { why: "the journal is not owned by this process".into() };
        let Source::Owner { files, progress, lock } = &self.0 else { return Err(not_owned()) };
        let lock = lock.upgrade().ok_or_else(not_owned)?;
        let mut source = SqliteReader::open(&files.truth)?;
        let journal = source.journal(&files.truth)?;
        let unusable = |Unfit { why, .. }: Unfit| StoreError::Failed {
            why: format!("the index is built anew at the next start: {why}"),
        };
        open::for_reader(files, journal, &mut source).map_err(unusable)?;
        let (connection, bad) = (connection::for_index(&files.index)?, Some(files.index_bad.clone()));
        let indexer = Indexer::over(connection, Box::new(source), Arc::clone(progress), bad)?;
        Ok(indexer.owning(lock))
    }

    /// Keeps snapshots of a journal in memory, which has no indexer to do so. Tells whether this is one.
    pub fn put_snapshots_in_memory(&self, snapshots: Vec<Snapshot>) -> bool {
        match &self.0 {
            Source::Memory(store) => {
                store.put_snapshots(snapshots);
                true
            }
            _ => false,
        }
    }
}

/// Why the index in the files cannot be used by somebody who may not write it, if it cannot.
fn why_not(files: &Files, truth: &mut SqliteReader) -> Result<Option<Unfit>, StoreError> {
    let journal = truth.journal(&files.truth)?;
    let end = match truth.head() {
        Ok(head) => head.position,
        // Whoever reads on will be told; whoever verifies must get that far.
        Err(StoreError::Damaged { why }) => return Ok(Some(why.into())),
        Err(error) => return Err(error),
    };
    let index = match open::for_reader(files, journal, truth) {
        Ok(index) => index,
        Err(unfit) if end == 0 && unfit.lost.is_none() => return Ok(Some("the journal is empty".to_string().into())),
        Err(unfit) => return Ok(Some(unfit)),
    };
    let patience = if lock::owner_may_live(&files.lock) { OWNER_PATIENCE } else { Duration::ZERO };
    let reached = wait_for_owner(&index, end, patience)?;
    Ok((reached < end).then(|| format!("it covers {reached} of {end} records").into()))
}
