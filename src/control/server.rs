//! The owner's end: listens, reads one line, does what it says, answers with one.

use std::fs::{File, Permissions};
use std::future::Future;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use regie_core::event::ErrorInfo;
use regie_core::limits;
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::perform::perform;
use super::place::Place;
use super::protocol::{Answer, Ask};
use crate::Handle;

/// Connections that the system keeps waiting.
const BACKLOG: u32 = 1_024;
/// How long to let go of what is open when the system has no room for a connection.
const BREATH: Duration = Duration::from_millis(100);
/// Bytes that are read at once.
const PIECE: usize = 4_096;

/// A socket that is listened on. Dropping it removes it; [`Control::close`] waits for those who are being answered too.
///
/// It lives within the time in which this process owns the journal: whatever socket is found was left by a dead owner.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    closing: watch::Sender<bool>,
    served: Option<JoinHandle<()>>,
}

impl Control {
    /// Listens beside a journal that this process owns. A runtime does its work without a socket too: why there is none
    /// is logged.
    pub(crate) fn open(handle: Handle, pool: &tokio::runtime::Handle, journal: &Path) -> Option<Self> {
        let opened = Self::listen(handle, pool, journal);
        opened.inspect_err(|error| tracing::warn!(journal = %journal.display(), %error, "no local socket")).ok()
    }

    fn listen(handle: Handle, pool: &tokio::runtime::Handle, journal: &Path) -> io::Result<Self> {
        let place = Place::of(journal)?;
        let _pool = pool.enter();
        let own = UnixStream::pair()?.0.peer_cred()?.uid();
        let listener = bind(&place)?;
        let (closing, closes) = watch::channel(false);
        let server = Server { handle, own, closes };
        Ok(Self { path: place.path(), closing, served: Some(pool.spawn(server.serve(listener))) })
    }

    /// Takes no more, and waits a while until those who have asked are answered.
    pub(crate) async fn close(mut self) {
        let served = self.served.take();
        drop(self);
        if let Some(served) = served {
            let _ = served.await;
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // What is left behind is replaced by the next owner.
        let _ = std::fs::remove_file(&self.path);
        self.closing.send_replace(true);
    }
}

fn bind(place: &Place) -> io::Result<UnixListener> {
    let path = place.path();
    match std::fs::symlink_metadata(&path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(&path)?,
        Ok(_) => return Err(io::Error::other(format!("{} is there, and is no socket", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let reach = place.reach()?;
    let socket = UnixSocket::new_stream()?;
    let owner_alone = || Permissions::from_mode(0o600);
    // On Linux the file has the mode of the socket when it appears. Elsewhere this may be refused, and the mode is set
    // below: nobody gets through before it is listened on.
    let _ = File::from(socket.as_fd().try_clone_to_owned()?).set_permissions(owner_alone());
    socket.bind(&reach.path)?;
    std::fs::set_permissions(&reach.path, owner_alone())?;
    socket.listen(BACKLOG)
}

/// Why a line could not be taken.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Fault {
    #[error("only the user who runs the owner of this journal may ask here")]
    NotAllowed,
    #[error("a line has at most {} bytes", limits::CONTROL_LINE_BYTES)]
    TooLong,
    #[error("nothing was asked within {} s", limits::CONTROL_PATIENCE.as_secs())]
    Silent,
    #[error("the runtime is shutting down")]
    Closing,
    /// The peer went away, and nobody is there to be told.
    #[error("the line has no end")]
    Gone,
}

impl Fault {
    fn code(self) -> &'static str {
        match self {
            Fault::NotAllowed => "not_allowed",
            Fault::TooLong => "too_long",
            Fault::Silent => "silent",
            Fault::Closing => "closing",
            Fault::Gone => "bad_request",
        }
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Answer::Refused(ErrorInfo::new(fault.code(), fault))
    }
}

#[derive(Clone)]
struct Server {
    handle: Handle,
    /// The user of this process.
    own: u32,
    closes: watch::Receiver<bool>,
}

impl Server {
    async fn serve(self, listener: UnixListener) {
        let places = Arc::new(Semaphore::new(limits::CONTROL_CONNECTIONS));
        while let Some((stream, place)) = self.or_closing(next(&listener, &places)).await {
            let server = self.clone();
            tokio::spawn(async move {
                server.converse(stream).await;
                drop(place);
            });
        }
        turn_away(listener);
        // Who has asked is answered while the runtime still works.
        let all = u32::try_from(limits::CONTROL_CONNECTIONS).unwrap_or(u32::MAX);
        let _ = timeout(limits::CONTROL_PATIENCE, places.acquire_many(all)).await;
    }

    /// What comes of some work; nothing once the runtime is to end.
    async fn or_closing<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut closes = self.closes.clone();
        let closed = pin!(closes.wait_for(|closing| *closing));
        match select(closed, pin!(work)).await {
            Either::Left(_) => None,
            Either::Right((done, _)) => Some(done),
        }
    }

    async fn converse(self, stream: UnixStream) {
        let answer = match self.ask_of(&stream).await {
            Ok(Ok(ask)) => perform(&self.handle, ask).await,
            Ok(Err(error)) => Answer::Refused(error),
            Err(fault) => fault.into(),
        };
        let _ = timeout(limits::CONTROL_PATIENCE, say(&stream, answer.into_line().as_bytes())).await;
    }

    async fn ask_of(&self, stream: &UnixStream) -> Result<Result<Ask, ErrorInfo>, Fault> {
        if !stream.peer_cred().is_ok_and(|peer| may_ask(peer.uid(), self.own)) {
            return Err(Fault::NotAllowed);
        }
        let line = self.or_closing(timeout(limits::CONTROL_PATIENCE, line_of(stream))).await;
        let line = line.ok_or(Fault::Closing)?.map_err(|_| Fault::Silent)??;
        Ok(Ask::read(&line))
    }
}

/// Whether a user may ask a process of that user.
fn may_ask(peer: u32, own: u32) -> bool {
    peer == own
}

/// The next connection, once there is a place for it.
async fn next(listener: &UnixListener, places: &Arc<Semaphore>) -> (UnixStream, Option<OwnedSemaphorePermit>) {
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "the local socket takes no connection now");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// Whoever has knocked by now is told that nothing was done, rather than left to guess.
fn turn_away(listener: UnixListener) {
    let Ok(listener) = listener.into_std() else { return };
    let line = Answer::from(Fault::Closing).into_line();
    while let Ok((mut stream, _)) = listener.accept() {
        // So short a line fits into a fresh socket, or its peer has gone.
        let _ = stream.write_all(line.as_bytes());
    }
}

/// One line without its end.
async fn line_of(stream: &UnixStream) -> Result<Vec<u8>, Fault> {
    let mut line = Vec::new();
    loop {
        stream.readable().await.map_err(|_| Fault::Gone)?;
        let mut piece = [0; PIECE];
        let read = match stream.try_read(&mut piece) {
            Ok(0) => return Err(Fault::Gone),
            Ok(read) => &piece[..read],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return Err(Fault::Gone),
        };
        let end = read.iter().position(|byte| *byte == b'\n');
        line.extend_from_slice(&read[..end.unwrap_or(read.len())]);
        if line.len() > limits::CONTROL_LINE_BYTES {
            return Err(Fault::TooLong);
        }
        if end.is_some() {
            return Ok(line);
        }
    }
}

async fn say(stream: &UnixStream, mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        stream.writable().await?;
        match stream.try_write(line) {
            Ok(written) => line = &line[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::may_ask;

    #[test]
    fn only_the_same_user_may_ask_not_even_the_one_who_may_do_anything() {
        assert!(may_ask(1_000, 1_000) && may_ask(0, 0));
        assert!(!may_ask(1_001, 1_000) && !may_ask(0, 1_000));
    }
}
