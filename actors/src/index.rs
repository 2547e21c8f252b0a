//! The index's thread: follows the journal, so that queries, identities and snapshots can be looked up.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use regie_journal::{Indexer, Snapshot, StoreError};
use tokio::sync::oneshot;

/// Requests that may wait: more heads say no more than one, and a snapshot that does not fit is taken another time.
const QUEUE: usize = 1_024;

/// How soon an index that could not follow tries again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long work may gather while nobody waits for the index.
const GATHERS: Duration = Duration::from_millis(50);

enum Request {
    More,
    Snapshot(Snapshot),
    Close(oneshot::Sender<()>),
}

/// The way to the index's thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct IndexHandle(SyncSender<Request>);

impl IndexHandle {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(indexer: Indexer) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (requests, inbox) = sync_channel(QUEUE);
        let joined = std::thread::Builder::new().name("regie-index".into()).spawn(move || run(indexer, &inbox))?;
        Ok((Self(requests), joined))
    }

    /// There is more in the journal. If the queue is full, the thread is going to look anyway.
    pub fn more(&self) {
        match self.0.try_send(Request::More) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    /// Keeps a snapshot, if there is room in the queue: it only saves time.
    pub fn snapshot(&self, snapshot: Snapshot) {
        if self.0.try_send(Request::Snapshot(snapshot)).is_err() {
            tracing::debug!("a snapshot was passed over: the index is busy");
        }
    }

    /// Catches up and closes.
    pub async fn close(&self) {
        let (closed, close) = oneshot::channel();
        let requests = self.0.clone();
        // A thread of its own for one blocking send: the queue may be full for as long as the index takes to catch up.
        let sent = std::thread::Builder::new().spawn(move || requests.send(Request::Close(closed)));
        if sent.is_ok() {
            let _ = close.await;
        }
    }
}

fn run(mut indexer: Indexer, inbox: &Receiver<Request>) {
    let mut snapshots = Vec::new();
    let mut behind = false;
    loop {
        // After a failure it is tried again by itself: without a commit nobody would ask, and who waits would wait for ever.
        let first = match inbox.recv_timeout(if behind { AGAIN } else { Duration::MAX }) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => Request::More,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut closing = None;
        if matches!(first, Request::More) {
            indexer.gather(GATHERS);
        }
        for request in std::iter::once(first).chain(inbox.try_iter().take(QUEUE)) {
            match request {
                Request::More => {}
                Request::Snapshot(snapshot) => snapshots.push(snapshot),
                Request::Close(closed) => closing = Some(closed),
            }
        }
        let caught_up = indexer.catch_up();
        tell(behind, caught_up.as_ref().err());
        behind = caught_up.is_err();
        if behind {
            // Snapshots of what it does not cover would be trusted before it does.
            snapshots.clear();
        }
        if let Err(error) = indexer.put_snapshots(std::mem::take(&mut snapshots)) {
            tracing::warn!(%error, "snapshots were not kept");
        }
        if let Some(closed) = closing {
            indexer.close();
            let _ = closed.send(());
            return;
        }
    }
}

/// Says when the index ceases to follow, and when it does again; not each time that it is tried.
fn tell(was_behind: bool, trouble: Option<&StoreError>) {
    match trouble {
        Some(error) if !was_behind => tracing::error!(%error, "the index fell behind; it is tried again"),
        Some(error) => tracing::debug!(%error, "the index is still behind"),
        None if was_behind => tracing::info!("the index follows again"),
        None => {}
    }
}
