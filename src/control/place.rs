//! Where a journal's socket is: in its folder, under a name and by a path that the system takes.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use regie_core::Digest;

/// Bytes of a socket's path that every system takes.
const PATH_BYTES: usize = 100;
/// Bytes of its name, which leave room for the way to its folder.
const NAME_BYTES: usize = 72;

/// Where a journal's socket is.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    name: OsString,
}

/// A path to a socket that is short enough, for as long as this lives.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) path: PathBuf,
    _folder: Option<File>,
}

impl Place {
    /// The place of a journal's socket, by whatever link the journal is reached.
    pub(super) fn of(journal: &Path) -> io::Result<Self> {
        let truth = std::fs::canonicalize(journal)?;
        let no_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is no file");
        let (folder, file) = truth.parent().zip(truth.file_name()).ok_or_else(no_file)?;
        let mut name = file.to_os_string();
        name.push("-socket");
        if name.len() > NAME_BYTES {
            name = format!("regie-{}-socket", Digest::of(file.as_encoded_bytes()).short()).into();
        }
        Ok(Self { folder: folder.to_path_buf(), name })
    }

    /// The path as it is told to people, and as files are removed by.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// A path for the system.
    pub(super) fn reach(&self) -> io::Result<Reach> {
        let path = self.path();
        if path.as_os_str().len() <= PATH_BYTES {
            return Ok(Reach { path, _folder: None });
        }
        self.through_folder()
    }

    /// By the handle of the folder: so the socket lies beside its journal, however long the way there is.
    #[cfg(target_os = "linux")]
    fn through_folder(&self) -> io::Result<Reach> {
        use std::os::fd::AsRawFd;

        let folder = File::open(&self.folder)?;
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(&self.name);
        Ok(Reach { path, _folder: Some(folder) })
    }

    #[cfg(not(target_os = "linux"))]
    fn through_folder(&self) -> io::Result<Reach> {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is too long for a socket"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of(folder: &Path, file: &str) -> Place {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(file), "").unwrap();
        Place::of(&folder.join(file)).unwrap()
    }

    #[test]
    fn a_socket_lies_beside_its_journal_by_whatever_link_that_is_reached() {
        let folder = tempfile::tempdir().unwrap();
        let place = place_of(folder.path(), "regie.db");
        std::os::unix::fs::symlink(folder.path().join("regie.db"), folder.path().join("link")).unwrap();
        assert_eq!(place.path(), folder.path().canonicalize().unwrap().join("regie.db-socket"));
        assert_eq!(Place::of(&folder.path().join("link")).unwrap().path(), place.path());
        assert_eq!(place.reach().unwrap().path, place.path());
    }

    #[test]
    fn a_long_name_gives_way_to_a_short_one_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a", "b"].map(|end| place_of(folder.path(), &("x".repeat(200) + end)).path());
        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|name| name.file_name().unwrap().len() < NAME_BYTES));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_path_that_is_too_long_is_reached_through_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let place = place_of(&folder.path().join("deep".repeat(50)), "regie.db");
        let reach = place.reach().unwrap();
        assert!(reach.path.as_os_str().len() <= PATH_BYTES);
        std::fs::write(&reach.path, "here").unwrap();
        assert_eq!(std::fs::read_to_string(place.path()).unwrap(), "here");
    }
}
