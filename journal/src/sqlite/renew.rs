//! Writing a log anew that was left behind, before anything is put after it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::errors;
use crate::error::StoreError;

/// Bytes that are held at once.
const PART: usize = 1024 * 1024;

/// Writes the same bytes to the same places, and syncs them.
///
/// A sync of the log may have failed. The system says so once and counts the pages as clean from then on, so that what is
/// read back may be in memory alone. Whatever was put after it, and whatever a checkpoint brought from it into the file,
/// would not fit what the disk holds after a loss of power. Written anew, it is synced anew.
pub(crate) fn renew(log: &Path) -> Result<(), StoreError> {
    let file = match OpenOptions::new().read(true).write(true).open(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(|error| errors::file(&error, log))?,
    };
    write_back(file).map_err(|error| errors::file(&error, log))
}

fn write_back(mut file: File) -> io::Result<()> {
    let (mut part, mut at) = (vec![0; PART], 0);
    loop {
        let read = file.read(&mut part)?;
        if read == 0 {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&part[..read])?;
        at += read as u64;
    }
    if at == 0 { Ok(()) } else { file.sync_all() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_renewed_is_the_same() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..3 * PART + 7).map(|at| (at % 251) as u8).collect();
        std::fs::write(file.path(), &bytes).unwrap();
        renew(file.path()).unwrap();
        assert!(std::fs::read(file.path()).unwrap() == bytes);
    }

    #[test]
    fn what_is_not_there_need_not_be_renewed() {
        assert_eq!(renew(Path::new("/no/such/log")), Ok(()));
    }
}
