//! Opening the journal for a command that only reads.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use regie_journal::{Journal, Reader, StoreError};

use super::args::CommonArgs;
use super::exit::Failure;
use super::screen::plain;
use crate::config::{Faults, Settings};

/// How long the index of an owner may take to cover what it has answered: milliseconds, as a rule.
const PATIENCE: Duration = Duration::from_secs(1);

/// A journal that is open for reading.
pub(super) struct ReadOnly {
    pub(super) path: PathBuf,
    pub(super) reader: Reader,
}

/// Opens the journal that flags, environment and config file name. Nothing is written.
pub(super) fn read_only(common: &CommonArgs) -> Result<ReadOnly, Failure> {
    let path = settings(common)?.db;
    let (readers, notes) = Journal::open_read_only(&path)?;
    for note in notes {
        tell(&format!("regie: note: {note}"));
    }
    Ok(ReadOnly { reader: readers.open()?, path })
}

/// The same, once the index covers what the journal holds now: who asks right after something was done finds it. Where the index
/// does not follow, for nobody owns the journal, what it has is told.
pub(super) fn read_fresh(common: &CommonArgs) -> Result<ReadOnly, Failure> {
    let mut journal = read_only(common)?;
    let head = journal.reader.head()?;
    match journal.reader.caught_up(head.position, PATIENCE) {
        Ok(()) | Err(StoreError::Behind { .. }) => Ok(journal),
        Err(error) => Err(error.into()),
    }
}

/// The settings of a command that takes none but the common flags.
pub(super) fn settings(common: &CommonArgs) -> Result<Settings, Faults> {
    Settings::resolve(common.layer(), common.config.as_deref(), variable)
}

/// The environment.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A line for people on standard error; where that is closed, nobody is told.
pub(super) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", plain(line));
}
