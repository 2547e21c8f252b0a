//! The answers of a run, told to a file as they come.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use regie_core::event::EventResult;

/// A file that each answer is told to; none unless it was asked for.
pub(super) struct Answers(Option<Told>);

struct Told {
    file: File,
    /// Whether the file ends within a line, as one does that was cut or that something else wrote.
    within_line: bool,
}

impl Answers {
    /// Opens the file. What it holds stays: a run that goes on after another adds to it. It must be none of the files that
    /// the run itself needs, by whatever name.
    pub(super) fn open(path: Option<&Path>, needed: &[PathBuf]) -> Result<Self, String> {
        let Some(path) = path else { return Ok(Self(None)) };
        let cannot = |why: &dyn std::fmt::Display| format!("{} cannot be written ({why})", path.display());
        if path.is_dir() {
            return Err(format!("{} is a folder, not a file that answers can be added to", path.display()));
        }
        // Whatever it leads to would be made, and nobody knows yet what that is.
        if path.is_symlink() && !path.exists() {
            return Err(cannot(&"it is a link to what is not there"));
        }
        if let Some(same) = needed.iter().find(|it| are_one(path, it)) {
            let whose = format!("{} is {}, which this run needs itself", path.display(), same.display());
            return Err(format!("{whose}: answers go to a file of their own"));
        }
        let within_line = ends_within_line(path).map_err(|error| cannot(&error))?;
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(|error| cannot(&error))?;
        Ok(Self(Some(Told { file, within_line })))
    }

    /// Tells one, as a line, at once: whoever follows the file sees it. After a failure nothing more is told, so that no
    /// answer is missing between others.
    pub(super) fn tell(&mut self, result: &EventResult) -> io::Result<()> {
        let Some(Told { file, within_line }) = &mut self.0 else { return Ok(()) };
        let mut line = if std::mem::take(within_line) { vec![b'\n'] } else { Vec::new() };
        serde_json::to_writer(&mut line, result)?;
        line.push(b'\n');
        let told = file.write_all(&line);
        if told.is_err() {
            self.0 = None;
        }
        told
    }
}

/// Whether a file has something in it and no line feed at its end.
fn ends_within_line(path: &Path) -> io::Result<bool> {
    let bytes = match std::fs::metadata(path) {
        Ok(about) if about.is_file() => about.len(),
        // It will be made; or it is a pipe or the like, which has no end to look at.
        _ => return Ok(false),
    };
    if bytes == 0 {
        return Ok(false);
    }
    let (mut file, mut last) = (File::open(path)?, [0]);
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Whether two paths are of one file: by what they lead to, and where one of them leads nowhere yet, by place and name.
fn are_one(one: &Path, other: &Path) -> bool {
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(first), Ok(second)) => is_one((one, &first), (other, &second)),
        _ => placed(one).is_some_and(|place| placed(other) == Some(place)),
    }
}

#[cfg(unix)]
fn is_one((_, one): (&Path, &Metadata), (_, other): (&Path, &Metadata)) -> bool {
    use std::os::unix::fs::MetadataExt;
    // What is no file, such as a terminal, may be read and written.
    one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_one((one, about): (&Path, &Metadata), (other, _): (&Path, &Metadata)) -> bool {
    about.is_file() && one.canonicalize().is_ok_and(|place| other.canonicalize().is_ok_and(|it| it == place))
}

/// The folder of a path by its true name, and the name in it.
fn placed(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(folder.canonicalize().ok()?.join(path.file_name()?))
}
