//! Where one call's work runs: a task on the pool, or a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use regie_core::workflow::panic_text;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::view::GateView;
use super::{Begun, Unfinished};

/// How long work that is given up has to let go of its thread before it is left to itself; that which yields takes no time.
const GRACE: Duration = Duration::from_millis(20);

/// Where one call's work runs. Dropped before it has ended, it is given up.
pub(crate) enum Slot<O, P, V: AsRef<GateView>> {
    /// Nothing runs.
    Empty,
    /// On the pool, which holds its place for as long as it truly runs.
    Task(JoinHandle<O>),
    /// On a thread of its own, which is replaced if it is stuck: the place is the call's.
    Thread(Thread<O, V>, P),
}

impl<O, P, V> Slot<O, P, V>
where
    O: Send + 'static,
    P: Send + 'static,
    V: AsRef<GateView> + Send + Sync + 'static,
{
    pub(crate) fn begin(
        work: Begun<O>,
        place: P,
        pool: &tokio::runtime::Handle,
        view: &Arc<V>,
    ) -> Result<Self, Unfinished> {
        match work {
            Begun::Blocks(work) => Ok(Slot::Thread(Thread::start(work, view)?, place)),
            Begun::Yields(work) => Ok(Slot::Task(pool.spawn(async move {
                let outcome = work.await;
                drop(place); // whoever is told of the end finds the place free
                outcome
            }))),
        }
    }

    /// What came of it.
    pub(crate) async fn ended(&mut self) -> Result<O, Unfinished> {
        let lost = || Err(Unfinished::Failed("the call was lost".into()));
        let ended = match self {
            Slot::Empty => return lost(),
            Slot::Task(task) => match task.await {
                Ok(outcome) => Ok(outcome),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => Err(Unfinished::Panicked(panic_text(panic.as_ref()))),
                    Err(_) => lost(), // the pool is shutting down
                },
            },
            Slot::Thread(thread, _) => thread.ended().await,
        };
        *self = Slot::Empty;
        ended
    }

    /// Gives up what still runs. It has a moment to let go of its thread: who is told of the end finds the place free,
    /// unless the work blocks.
    pub(crate) async fn let_go(mut self) {
        if let Slot::Task(task) = &mut self {
            task.abort();
            let _ = tokio::time::timeout(GRACE, task).await;
        }
    }
}

impl<O, P, V: AsRef<GateView>> Drop for Slot<O, P, V> {
    fn drop(&mut self) {
        if let Slot::Task(task) = self {
            task.abort();
        }
    }
}

/// What a blocking call's thread will say. Dropped before it has, the thread is left behind and counts as stuck until it ends.
pub(crate) struct Thread<O, V: AsRef<GateView>> {
    result: oneshot::Receiver<std::thread::Result<O>>,
    view: Arc<V>,
    is_over: bool,
}

impl<O: Send + 'static, V: AsRef<GateView> + Send + Sync + 'static> Thread<O, V> {
    fn start(work: Box<dyn FnOnce() -> O + Send>, view: &Arc<V>) -> Result<Self, Unfinished> {
        let (done, result) = oneshot::channel();
        let left_by = Arc::clone(view);
        let thread = std::thread::Builder::new().name("regie-blocking".into()).spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(work));
            if done.send(result).is_err() {
                // It was left behind, and has come to its end all the same.
                left_by.as_ref().as_ref().stuck.fetch_sub(1, Ordering::Relaxed);
            }
        });
        thread.map_err(|error| Unfinished::Failed(format!("no thread: {error}")))?;
        Ok(Self { result, view: Arc::clone(view), is_over: false })
    }

    async fn ended(&mut self) -> Result<O, Unfinished> {
        let result = (&mut self.result).await;
        self.is_over = true;
        match result {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(panic)) => Err(Unfinished::Panicked(panic_text(panic.as_ref()))),
            Err(_) => Err(Unfinished::Failed("the thread is gone".into())),
        }
    }
}

impl<O, V: AsRef<GateView>> Drop for Thread<O, V> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let view = self.view.as_ref().as_ref();
        view.stuck.fetch_add(1, Ordering::Relaxed);
        self.result.close();
        if self.result.try_recv().is_ok() {
            view.stuck.fetch_sub(1, Ordering::Relaxed); // it had just ended
        }
    }
}
