//! The answers of a run, told to a file as they come.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use regie_core::event::EventResult;

/// A file that each answer is told to; none unless it was asked for.
pub(super) struct Answers(Option<File>);

impl Answers {
    /// Opens the file. What it holds stays: a run that goes on after another adds to it.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, String> {
        let Some(path) = path else { return Ok(Self(None)) };
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| format!("{} cannot be written ({error})", path.display()))?;
        Ok(Self(Some(file)))
    }

    /// Tells one, as a line, at once: whoever follows the file sees it. After a failure nothing more is told, so that no
    /// answer is missing between others.
    pub(super) fn tell(&mut self, result: &EventResult) -> io::Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let mut line = serde_json::to_vec(result)?;
        line.push(b'\n');
        let told = file.write_all(&line);
        if told.is_err() {
            self.0 = None;
        }
        told
    }
}
