//! The index's thread: follows the journal, so that queries, identities and snapshots can be looked up.
//!
//! Should the indexer panic, whoever waits for the index is told, and a new one takes its place with the next commit, or after
//! a second. It is tried again for as long as it takes, as on a full disk: the journal itself is unharmed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use regie_journal::{Indexer, Kept, Readers, Snapshot, StoreError};
use tokio::sync::oneshot;

use crate::faults::{FaultPoint, Faults};
use crate::life::PartView;

/// Requests that may wait: more heads say no more than one, and a snapshot that does not fit is taken another time.
const QUEUE: usize = 1_024;

/// How soon an index that could not follow tries again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long work may gather while nobody waits for the index.
const GATHERS: Duration = Duration::from_millis(50);

enum Request {
    More,
    Snapshot(Snapshot),
    Keep(Kept),
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
    pub fn start(
        indexer: Indexer,
        readers: Readers,
        view: Arc<PartView>,
        faults: Faults,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (requests, inbox) = sync_channel(QUEUE);
        let mut thread = Thread {
            indexer: Some(indexer),
            readers,
            view,
            faults,
            snapshots: Vec::new(),
            folds: Vec::new(),
            behind: false,
        };
        let joined = std::thread::Builder::new().name("regie-index".into()).spawn(move || thread.run(&inbox))?;
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

    /// Keeps a fold over the journal, if there is room in the queue: it only saves time.
    pub fn keep(&self, fold: Kept) {
        if self.0.try_send(Request::Keep(fold)).is_err() {
            tracing::debug!("a fold was passed over: the index is busy");
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

struct Thread {
    /// None while there is no new one in the place of one that panicked.
    indexer: Option<Indexer>,
    readers: Readers,
    view: Arc<PartView>,
    faults: Faults,
    snapshots: Vec<Snapshot>,
    folds: Vec<Kept>,
    behind: bool,
}

impl Thread {
    fn run(&mut self, inbox: &Receiver<Request>) {
        loop {
            // After a failure it is tried again by itself: without a commit nobody would ask, and who waits would wait for
            // ever.
            let first = match inbox.recv_timeout(if self.behind { AGAIN } else { Duration::MAX }) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => Request::More,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let (Request::More, Some(indexer)) = (&first, &self.indexer) {
                indexer.gather(GATHERS);
            }
            let mut closing = None;
            for request in std::iter::once(first).chain(inbox.try_iter().take(QUEUE)) {
                match request {
                    Request::More => {}
                    Request::Snapshot(snapshot) => self.snapshots.push(snapshot),
                    Request::Keep(fold) => self.folds.push(fold),
                    Request::Close(closed) => closing = Some(closed),
                }
            }
            self.follow();
            if let Some(closed) = closing {
                if let Some(indexer) = self.indexer.take() {
                    indexer.close();
                }
                let _ = closed.send(());
                return;
            }
        }
    }

    fn follow(&mut self) {
        let caught_up = catch_unwind(AssertUnwindSafe(|| self.catch_up())).unwrap_or_else(|_| Err(self.panicked()));
        tell(self.behind, caught_up.as_ref().err());
        self.behind = caught_up.is_err();
        match caught_up {
            Ok(()) => self.view.is_up(),
            // Snapshots of what it does not cover would be trusted before it does.
            Err(_) => self.snapshots.clear(),
        }
    }

    fn catch_up(&mut self) -> Result<(), StoreError> {
        self.faults.maybe_in(FaultPoint::Index, self.view.name());
        let indexer = match &mut self.indexer {
            Some(indexer) => indexer,
            // If there is none, whoever waits is told why.
            none => {
                none.insert(self.readers.indexer_anew().inspect_err(|error| self.readers.index_failed(error.clone()))?)
            }
        };
        indexer.catch_up()?;
        if let Err(error) = indexer.put_snapshots(std::mem::take(&mut self.snapshots)) {
            tracing::warn!(%error, "snapshots were not kept");
        }
        if let Err(error) = indexer.keep(&std::mem::take(&mut self.folds)) {
            tracing::warn!(%error, "folds were not kept");
        }
        Ok(())
    }

    /// What an indexer knows after a panic may be wrong.
    fn panicked(&mut self) -> StoreError {
        self.indexer = None;
        self.view.died();
        let error = StoreError::Failed { why: "the index panicked; it is opened anew".into() };
        self.readers.index_failed(error.clone());
        error
    }
}

/// Says when the index ceases to follow, and when it does again; not each time that it is tried.
fn tell(was_behind: bool, trouble: Option<&StoreError>) {
    match trouble {
        Some(error) if was_behind => tracing::debug!(%error, "the index is still behind"),
        Some(error) if error.is_passing() => tracing::warn!(%error, "the index fell behind; it is tried again"),
        Some(error) => tracing::error!(%error, "the index fell behind; it is tried again"),
        None if was_behind => tracing::info!("the index follows again"),
        None => {}
    }
}
