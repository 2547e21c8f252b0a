//! The journal's thread: it owns the store's write side, commits in groups, and tells the index that there is more.
//!
//! A thread of our own rather than an actor: a commit blocks, and must not hold an arbiter.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use actix::{Message, Recipient};
use regie_core::limits;
use regie_journal::{Committed, Conflict, Placed, StoreError, Told, Turn, Writer};
use tokio::sync::{oneshot, watch};

use crate::index::IndexHandle;

/// How long one commit may wait for the index before it goes on all the same and is counted as slow.
const PATIENCE: Duration = Duration::from_millis(100);

/// Turns on their way to the journal. The room for them goes back and forth: to ask for much at once, commit after commit,
/// costs more than to move what is in it.
#[derive(Debug, Default)]
pub struct Load {
    /// The turns.
    pub turns: Vec<Turn>,
    /// What each of them holds.
    pub told: Vec<Option<Told>>,
}

/// The turns that one lane has gathered.
#[derive(Debug)]
pub struct Batch {
    /// The lane's number for it.
    pub id: u64,
    /// The turns.
    pub load: Load,
    /// Where the results go.
    pub lane: Recipient<Appended>,
}

/// What became of a batch: a result for each of its turns, or one error for all.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Appended {
    /// The lane's number for it.
    pub id: u64,
    /// The results.
    pub results: Result<Vec<Result<Placed, Conflict>>, StoreError>,
    /// The room that its turns had.
    pub emptied: Load,
}

enum Request {
    Append(Batch),
    Fence(oneshot::Sender<()>),
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// What others may see of the journal without asking it. Nothing is decided by it.
#[derive(Debug, Default)]
pub struct JournalView {
    /// The position of the last record.
    pub position: AtomicU64,
    /// The position of the last record of rules.
    rules_at: AtomicU64,
    /// Commits since the start.
    pub commits: AtomicU64,
    /// Commits that waited for the index.
    pub slowed: AtomicU64,
    /// Commits that failed.
    pub failed: AtomicU64,
    /// Whether it takes nothing more until it is opened anew.
    pub latched: AtomicBool,
    /// Whether the last commit found no room.
    pub full: AtomicBool,
}

/// The way to the journal's thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct JournalHandle {
    requests: Sender<Request>,
    view: Arc<JournalView>,
    heads: watch::Sender<u64>,
}

impl JournalHandle {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(writer: Writer, index: Option<IndexHandle>) -> std::io::Result<(Self, JoinHandle<()>)> {
        // Unbounded, and bounded all the same: what is in it holds permits or is an effect's end.
        let (requests, inbox) = channel();
        let view = Arc::new(JournalView::default());
        view.position.store(writer.head().position, Ordering::Relaxed);
        view.rules_at.store(writer.rules_at(), Ordering::Relaxed);
        let heads = watch::Sender::new(writer.head().position);
        let (seen, told) = (Arc::clone(&view), heads.clone());
        let turns = Vec::new();
        let thread = Thread { writer, inbox, index, view: seen, heads: told, turns, panicked: false };
        let joined = std::thread::Builder::new().name("regie-journal".into()).spawn(move || thread.run())?;
        Ok((Self { requests, view, heads }, joined))
    }

    /// Appends a batch; its lane is told. If the thread is gone, the batch is handed back.
    pub fn append(&self, batch: Batch) -> Result<(), Batch> {
        self.requests.send(Request::Append(batch)).map_err(|error| match error.0 {
            Request::Append(batch) => batch,
            Request::Fence(_) | Request::Close(_) => unreachable!("what comes back is what was sent"),
        })
    }

    /// Answers once everything that was sent before is committed or has failed.
    pub fn fence(&self) -> oneshot::Receiver<()> {
        let (passed, fence) = oneshot::channel();
        // If the thread is gone, so is the fence's other end: whoever waits is told.
        let _ = self.requests.send(Request::Fence(passed));
        fence
    }

    /// Closes the store, after everything that was sent before.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (closed, close) = oneshot::channel();
        let _ = self.requests.send(Request::Close(closed));
        close.await.unwrap_or_else(|_| Err(StoreError::Failed { why: "the journal's thread is gone".into() }))
    }

    /// Tells of every commit from now on by the position of its last record, which can be read by then.
    pub fn heads(&self) -> watch::Receiver<u64> {
        self.heads.subscribe()
    }

    /// The position of the last record of rules, up to every head that was told of; 0 if there is none.
    pub(crate) fn rules_at(&self) -> u64 {
        self.view.rules_at.load(Ordering::Acquire)
    }

    /// What may be seen of it.
    pub fn view(&self) -> &JournalView {
        &self.view
    }
}

struct Thread {
    writer: Writer,
    inbox: Receiver<Request>,
    index: Option<IndexHandle>,
    view: Arc<JournalView>,
    heads: watch::Sender<u64>,
    /// Room for those of one commit.
    turns: Vec<Turn>,
    /// Whether the writer has panicked: what it knows may be wrong, so that it takes nothing more.
    panicked: bool,
}

impl Thread {
    fn run(mut self) {
        let mut gathered: Vec<Batch> = Vec::new();
        while let Ok(first) = self.inbox.recv() {
            // Whoever is about to send more may do so first: larger groups, and fewer wakes of other threads.
            std::thread::yield_now();
            let mut last = self.gather(first, &mut gathered);
            self.commit(&mut gathered);
            match last.take() {
                Some(Request::Fence(passed)) => drop(passed.send(())),
                Some(Request::Close(closed)) => {
                    drop(closed.send(self.writer.close()));
                    return;
                }
                Some(Request::Append(_)) | None => {}
            }
        }
    }

    /// Takes whatever has queued up, as much as one commit takes; gives back what ends a group.
    fn gather(&self, first: Request, gathered: &mut Vec<Batch>) -> Option<Request> {
        let (mut turns, mut bytes) = (0, 0);
        let mut next = Some(first);
        while let Some(request) = next {
            let Request::Append(batch) = request else { return Some(request) };
            turns += batch.load.turns.len();
            bytes +=
                batch.load.turns.iter().flat_map(|turn| &turn.records).map(|record| record.bytes.len()).sum::<usize>();
            gathered.push(batch);
            if turns >= limits::COMMIT_TURNS || bytes >= limits::COMMIT_BYTES {
                return None;
            }
            next = self.inbox.try_recv().ok();
        }
        None
    }

    fn commit(&mut self, gathered: &mut Vec<Batch>) {
        if gathered.is_empty() {
            return;
        }
        if self.writer.lag() > limits::INDEX_LAG {
            self.view.slowed.fetch_add(1, Ordering::Relaxed);
            self.writer.wait_for_room(PATIENCE);
        }
        let counts: Vec<usize> = gathered.iter().map(|batch| batch.load.turns.len()).collect();
        let mut told = Vec::with_capacity(counts.iter().sum());
        let mut turns = std::mem::take(&mut self.turns);
        for Batch { load, .. } in gathered.iter_mut() {
            turns.append(&mut load.turns);
            told.append(&mut load.told);
        }
        let committed = self.append(&turns, told);
        self.note(&committed.as_ref().map(|it| it.head.position).map_err(Clone::clone));
        let mut placed = committed.map(|it| it.placed.into_iter());
        for (batch, count) in gathered.drain(..).zip(counts) {
            let results =
                placed.as_mut().map(|placed| placed.by_ref().take(count).collect()).map_err(|error| error.clone());
            tell(&batch.lane, Appended { id: batch.id, results, emptied: batch.load });
        }
        if let Some(index) = &self.index {
            index.more();
        }
        // Last: nobody waits for what is given back.
        turns.clear();
        turns.shrink_to(limits::COMMIT_TURNS);
        self.turns = turns;
    }

    /// Whoever waits for a commit is answered, even if it panics.
    fn append(&mut self, turns: &[Turn], told: Vec<Option<Told>>) -> Result<Committed, StoreError> {
        let latched = || StoreError::Latched { why: "the writer panicked".into() };
        if self.panicked {
            return Err(latched());
        }
        catch_unwind(AssertUnwindSafe(|| self.writer.append_told(turns, told))).unwrap_or_else(|_| {
            self.panicked = true;
            Err(latched())
        })
    }

    fn note(&self, committed: &Result<u64, StoreError>) {
        match committed {
            Ok(position) => {
                // Before the head: whoever sees that, sees the last rules up to there.
                self.view.rules_at.store(self.writer.rules_at(), Ordering::Release);
                self.view.position.store(*position, Ordering::Release);
                if self.heads.receiver_count() > 0 {
                    self.heads.send_replace(*position);
                }
                self.view.commits.fetch_add(1, Ordering::Relaxed);
                self.view.full.store(false, Ordering::Relaxed);
            }
            Err(error) => {
                if error.is_passing() {
                    tracing::warn!(%error, "a commit failed; the next may succeed");
                } else {
                    tracing::error!(%error, "a commit failed");
                }
                self.view.failed.fetch_add(1, Ordering::Relaxed);
                self.view.latched.store(error.is_unknown(), Ordering::Release); // before who asked is told
                self.view.full.store(matches!(error, StoreError::Full { .. }), Ordering::Relaxed);
            }
        }
    }
}

/// An answer upward, past the mailbox's capacity: if the lane is dead, its workflows are read anew behind a fence, and
/// find there what was committed.
#[allow(clippy::disallowed_methods)]
fn tell(lane: &Recipient<Appended>, appended: Appended) {
    lane.do_send(appended);
}
