//! Asking the owner of a journal, from a process that does not own it. Blocking.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regie_core::limits;

use super::place::Place;
use super::protocol::{Answer, Ask};

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unheard {
    /// Nobody was asked, for nobody listens at this path.
    Nobody {
        /// Where the socket would be.
        socket: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// It was asked, and what came of that is not known.
    Unknown {
        /// How it ended.
        why: String,
    },
}

/// Asks whoever owns the journal.
pub(crate) fn ask(journal: &Path, ask: &Ask) -> Result<Answer, Unheard> {
    let patience = if matches!(ask, Ask::Live) { limits::CONTROL_LOOK } else { limits::CONTROL_ANSWER };
    let (mut stream, socket) = connect(journal, patience)?;
    let written = stream.write_all(ask.to_line().as_bytes());
    let answer = answer_of(&stream, patience);
    match (answer, written) {
        (Ok(answer), _) => Ok(answer),
        // The end of the line did not go out, and nothing is done before it is there.
        (Err(_), Err(why)) => Err(Unheard::Nobody { socket, why }),
        (Err(why), Ok(())) => Err(Unheard::Unknown { why }),
    }
}

fn connect(journal: &Path, patience: Duration) -> Result<(UnixStream, PathBuf), Unheard> {
    let nobody = |socket: &Path, why| Unheard::Nobody { socket: socket.to_path_buf(), why };
    let place = Place::of(journal).map_err(|why| nobody(journal, why))?;
    let socket = place.path();
    let connected = place.reach().and_then(|reach| {
        let stream = UnixStream::connect(&reach.path)?;
        stream.set_write_timeout(Some(limits::CONTROL_PATIENCE))?;
        stream.set_read_timeout(Some(patience))?;
        Ok(stream)
    });
    connected.map(|stream| (stream, socket.clone())).map_err(|why| nobody(&socket, why))
}

fn answer_of(stream: &UnixStream, patience: Duration) -> Result<Answer, String> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(limits::CONTROL_ANSWER_BYTES as u64));
    match reader.read_until(b'\n', &mut line) {
        Err(error) if [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind()) => {
            Err(format!("no answer within {} s", patience.as_secs()))
        }
        Err(error) => Err(error.to_string()),
        Ok(0) => Err("it closed the connection".into()),
        Ok(_) => Answer::read(&line).ok_or_else(|| "what it answered is not understood".into()),
    }
}
