//! The files of one journal.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The files of one SQLite database, by the ends of their names.
const OF_SQLITE: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Where a journal's files are, all beside the file of truth.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// The file of truth.
    pub(crate) truth: PathBuf,
    /// The index.
    pub(crate) index: PathBuf,
    /// Locked by the owner, whose process id it holds.
    pub(crate) lock: PathBuf,
    /// There while a failed write has not been followed by a verification.
    pub(crate) latched: PathBuf,
    /// There while an index that proved to be corrupt has not been rebuilt.
    pub(crate) index_bad: PathBuf,
}

impl Files {
    /// The files of the journal at a path.
    pub(crate) fn of(path: &Path) -> Self {
        // One journal has one lock, by whatever link it is reached.
        let truth = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        Self {
            index: beside(&truth, "-index"),
            lock: beside(&truth, "-lock"),
            latched: beside(&truth, "-latched"),
            index_bad: beside(&truth, "-index-bad"),
            truth,
        }
    }

    /// The path as it is told to people.
    pub(crate) fn name(&self) -> String {
        self.truth.display().to_string()
    }

    /// All of them, with those that SQLite keeps beside its own.
    pub(crate) fn all(&self) -> Vec<PathBuf> {
        let databases = [&self.truth, &self.index];
        let of_sqlite = databases.into_iter().flat_map(|file| OF_SQLITE.map(|end| beside(file, end)));
        of_sqlite.chain([&self.lock, &self.latched, &self.index_bad].map(Clone::clone)).collect()
    }

    /// Removes the index with all that SQLite keeps beside it. Whatever is not there is fine.
    pub(crate) fn remove_index(&self) -> std::io::Result<()> {
        let parts = OF_SQLITE.map(|end| beside(&self.index, end));
        for part in parts.iter().chain([&self.index_bad]) {
            match std::fs::remove_file(part) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A path with something put to its end.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}
