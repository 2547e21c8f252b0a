//! Opening the journal for a command that only reads.

use std::io::Write;
use std::path::PathBuf;

use regie_journal::{Journal, Reader};

use super::args::CommonArgs;
use super::exit::Failure;
use super::screen::plain;
use crate::config::{Faults, Settings};

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
