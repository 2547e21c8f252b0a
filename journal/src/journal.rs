//! Opening a journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::StoreError;
use crate::index::{Indexer, open};
use crate::last;
use crate::memory::MemoryStore;
use crate::note::OpenNote;
use crate::progress::Progress;
use crate::readers::Readers;
use crate::sets::Trails;
use crate::sqlite::connection::{self, Synchronous};
use crate::sqlite::errors;
use crate::sqlite::files::Files;
use crate::sqlite::lock::OwnerLock;
use crate::sqlite::reader::SqliteReader;
use crate::sqlite::soundness;
use crate::sqlite::wakes;
use crate::sqlite::writer::{SqliteStore, TruthFile};
use crate::store::EventStore;
use crate::verify::{Break, BreakKind, verify};
use crate::writer::Writer;

/// What an answer means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It survives the loss of power.
    #[default]
    Strict,
    /// It survives the crash of the process, not that of the machine.
    Relaxed,
}

/// How a journal in files is opened.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The file of truth. The others lie beside it.
    pub path: PathBuf,
    /// What an answer means.
    pub durability: Durability,
    /// Bytes that the file of truth may have, in whole pages; beyond it appends are refused as on a full disk. No bound
    /// unless said.
    pub max_bytes: Option<u64>,
}

impl SqliteOptions {
    /// The file at a path, durable, without a bound.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), durability: Durability::Strict, max_bytes: None }
    }
}

/// An open journal, in its parts: each goes to the thread that works with it.
#[derive(Debug)]
pub struct Opened {
    /// Appends.
    pub writer: Writer,
    /// Follows behind; none in memory.
    pub indexer: Option<Indexer>,
    /// Opens readers.
    pub readers: Readers,
    /// What was put right.
    pub notes: Vec<OpenNote>,
}

/// The ways to open a journal.
#[derive(Debug)]
pub enum Journal {}

impl Journal {
    /// A new journal in memory.
    pub fn memory() -> Opened {
        let store = MemoryStore::new();
        let readers = Readers::memory(store.clone());
        let writer = Writer::over(Box::new(store), Trails::default());
        Opened { writer, indexer: None, readers, notes: Vec::new() }
    }

    /// A journal in files, which this process owns from now on; made if there is none. Writes no record. The index is
    /// brought up to the journal's end, and built anew if it cannot be used.
    ///
    /// # Errors
    /// [`StoreError::Owned`], [`StoreError::NotOurs`], [`StoreError::Newer`], [`StoreError::Damaged`],
    /// [`StoreError::ReadOnly`] or [`StoreError::Full`]; [`StoreError::Failed`] for whatever else the system says.
    pub fn open(options: SqliteOptions) -> Result<Opened, StoreError> {
        let files = Files::of(&options.path);
        let name = files.name();
        Self::open_files(files, options).map_err(|error| match error {
            // Whoever starts it may have named no file, and must know where to make room.
            StoreError::Full { why } if !why.contains(&name) => StoreError::Full { why: format!("{name}: {why}") },
            other => other,
        })
    }

    fn open_files(files: Files, options: SqliteOptions) -> Result<Opened, StoreError> {
        if files.truth.as_os_str().is_empty() || files.truth.is_dir() {
            return Err(StoreError::NotOurs { path: files.name(), why: "it is no file".into() });
        }
        let sync = match options.durability {
            Durability::Strict => Synchronous::Full,
            Durability::Relaxed => Synchronous::Normal,
        };
        // Nobody may be about to write what is looked at.
        let lock = OwnerLock::take(&files.lock, &files.name())?;
        let mut notes: Vec<_> = soundness::look(&files)?.into_iter().collect();
        let mut truth = TruthFile::open(files.clone(), lock, sync, options.max_bytes)?;
        truth.lock.made(truth.journal);
        let mut rows = SqliteReader::open(&files.truth)?;
        last::is_linked(&mut rows)?;
        notes.extend(put_right(&mut truth)?);
        let progress = Arc::new(Progress::new(0, 0));
        let source = Box::new(SqliteReader::open(&files.truth)?);
        let (indexer, found) = open::for_owner(&files, truth.journal, source, &progress)?;
        notes.extend(found);
        for note in notes.iter().filter(|note| note.is_loss()) {
            tracing::warn!(journal = %files.name(), "{note}");
        }
        let lock = Arc::downgrade(&truth.lock);
        let indexer = indexer.owning(Arc::clone(&truth.lock));
        let index = connection::for_reading(&files.index)?;
        let store = SqliteStore::new(truth, index, Arc::clone(&progress))?;
        progress.wrote(store.head().position);
        let readers = Readers::owner(files, Arc::clone(&progress), lock);
        let mut reader = readers.open()?;
        last::is_whole(&mut rows, &mut reader)?;
        let trail = Trails::read(&mut reader)?;
        let writer = Writer::new(Box::new(store), trail, progress);
        Ok(Opened { writer, indexer: Some(indexer), readers, notes })
    }

    /// A journal in files, to be read while somebody else may own it. Writes nothing. Where the index cannot be used,
    /// each reader builds one in memory.
    ///
    /// # Errors
    /// [`StoreError::Missing`] besides those of [`Journal::open`].
    pub fn open_read_only(path: &Path) -> Result<(Readers, Vec<OpenNote>), StoreError> {
        Readers::visitor(path)
    }
}

impl Journal {
    /// Every file that the journal at a path has or may have, all beside the file of truth.
    pub fn files(path: &Path) -> Vec<PathBuf> {
        Files::of(path).all()
    }
}

/// Verifies the file of truth after a failed write, before anything is added to it, and builds its table of what is to be
/// woken anew where that may not hold.
fn put_right(truth: &mut TruthFile) -> Result<Vec<OpenNote>, StoreError> {
    let files = truth.files.clone();
    let mut reader = SqliteReader::open(&files.truth)?;
    let mut notes = Vec::new();
    let mut wakes_hold = wakes::are_there(&truth.connection)?;
    let latched = files.latched.exists();
    if latched {
        let report = verify(&mut reader, &mut |_| {})?;
        match report.first_break {
            // A lost end is told when the index is opened.
            None | Some(Break { kind: BreakKind::JournalEnd, .. }) => {}
            Some(Break { kind: BreakKind::Wake, .. }) => wakes_hold = false,
            Some(broken) => return Err(StoreError::Damaged { why: broken.to_string() }),
        }
        notes.push(OpenNote::VerifiedAfterLatch { records: report.records });
    }
    // The table may be of records that are gone.
    if !wakes_hold || open::is_lost(&files, truth.journal, &mut reader)? {
        let correlations = wakes::build(&mut truth.connection, &mut reader, &files.name())?;
        notes.extend((!wakes_hold).then_some(OpenNote::WakesRebuilt { correlations }));
    }
    if latched {
        std::fs::remove_file(&files.latched).map_err(|error| errors::file(&error, &files.latched))?;
    }
    Ok(notes)
}
