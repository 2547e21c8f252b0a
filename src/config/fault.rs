//! What is wrong with a setting, and where.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a fault is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In a file; lines and columns count from 1, columns in characters.
    In {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: usize,
        /// The column in that line.
        column: usize,
    },
    /// A file as a whole.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl Place {
    /// The place of a byte in a file's text.
    pub(super) fn of_byte(path: &Path, text: &str, byte: usize) -> Self {
        let before = text.get(..byte.min(text.len())).unwrap_or(text);
        let line = before.bytes().filter(|it| *it == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |it| it.chars().count()) + 1;
        Self::In { path: path.into(), line, column }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::In { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Variable(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong, its place, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
}

impl Fault {
    pub(super) fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }
}

/// Everything that is wrong with the settings, in the order in which it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Nothing, if nothing is wrong.
    pub(super) fn none(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    /// One fault a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let place = |byte| Place::of_byte(Path::new("f"), "a\nbä c\n", byte).to_string();
        assert_eq!([place(0), place(2), place(6), place(99)], ["f:1:1", "f:2:1", "f:2:4", "f:3:1"]);
    }
}
