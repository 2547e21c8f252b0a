//! Threads that read the journal, so that no arbiter waits for a disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};

use regie_journal::{Reader, Readers, StoreError};
use tokio::sync::oneshot;

use crate::faults::{FaultPoint, Faults};
use crate::life::PartView;

type Job = Box<dyn FnOnce(&mut Reader) + Send>;

/// Readers on threads of their own, each with its own connection. Cheap to clone.
#[derive(Clone)]
pub struct ReaderPool {
    threads: Arc<[Worker]>,
    next: Arc<AtomicUsize>,
    readers: Readers,
}

impl ReaderPool {
    /// Starts so many threads. They end when the last clone is dropped.
    ///
    /// # Errors
    /// If a reader cannot be opened, or the system gives no thread.
    pub fn start(readers: Readers, count: usize, view: &Arc<PartView>, faults: &Faults) -> Result<Self, StoreError> {
        let start = |_| {
            let (view, faults) = (Arc::clone(view), faults.clone());
            let load = Arc::default();
            start_one(Thread { reader: readers.open()?, readers: readers.clone(), view, faults, load })
        };
        let threads = (0..count.max(1)).map(start).collect::<Result<_, StoreError>>()?;
        Ok(Self { threads, next: Arc::default(), readers })
    }

    /// Runs something with a reader, on one of the threads. The future can be dropped; what was begun runs to its end.
    ///
    /// # Errors
    /// Whatever it gives; [`StoreError::Failed`] if the thread is gone.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move |reader| {
            // Who does not wait any more does not care.
            let _ = done.send(job(reader));
        });
        let gone = || StoreError::Failed { why: "a reader's thread is gone".into() };
        self.least_loaded().take(job).map_err(|_| gone())?;
        result.await.unwrap_or_else(|_| Err(gone()))
    }

    /// The thread with the least before it, from the next in turn on: what takes long holds up as little as can be.
    fn least_loaded(&self) -> &Worker {
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        let (before, from) = self.threads.split_at(first);
        let in_turn = from.iter().chain(before);
        in_turn.min_by_key(|worker| worker.load.load(Ordering::Relaxed)).unwrap_or(&self.threads[first])
    }

    /// Where readers come from.
    pub fn readers(&self) -> &Readers {
        &self.readers
    }
}

/// The way to one thread.
struct Worker {
    jobs: Sender<Job>,
    /// What it has before it, and is at.
    load: Arc<AtomicUsize>,
}

impl Worker {
    fn take(&self, job: Job) -> Result<(), SendError<Job>> {
        self.load.fetch_add(1, Ordering::Relaxed);
        self.jobs.send(job).inspect_err(|_| {
            self.load.fetch_sub(1, Ordering::Relaxed);
        })
    }
}

/// What one thread works with.
struct Thread {
    reader: Reader,
    readers: Readers,
    view: Arc<PartView>,
    faults: Faults,
    load: Arc<AtomicUsize>,
}

fn start_one(mut thread: Thread) -> Result<Worker, StoreError> {
    let (jobs, inbox) = channel();
    let load = Arc::clone(&thread.load);
    let named = std::thread::Builder::new().name("regie-reader".into());
    named.spawn(move || thread.run(&inbox)).map_err(|error| StoreError::Failed { why: error.to_string() })?;
    Ok(Worker { jobs, load })
}

impl Thread {
    fn run(&mut self, inbox: &Receiver<Job>) {
        while let Ok(job) = inbox.recv() {
            // A panic in a job drops its answer, which its caller is told; the thread goes on.
            let done = catch_unwind(AssertUnwindSafe(|| {
                self.faults.maybe_in(FaultPoint::Reader, self.view.name());
                job(&mut self.reader);
            }));
            self.load.fetch_sub(1, Ordering::Relaxed);
            if done.is_err() {
                self.open_anew();
            }
        }
    }

    /// What a reader knows after a panic may be wrong.
    fn open_anew(&mut self) {
        self.view.died();
        tracing::error!("a reader of the journal panicked; it is opened anew");
        match self.readers.open() {
            Ok(reader) => self.reader = reader,
            Err(error) => tracing::error!(%error, "a reader cannot be opened anew; the old one goes on"),
        }
        self.view.is_up();
    }
}
