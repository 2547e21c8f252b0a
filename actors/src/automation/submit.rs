//! Having runs recorded: each in a correlation of its own, once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::ready;
use futures::{StreamExt, TryStreamExt, stream};
use regie_core::Json;
use regie_core::automation::{RULE_FAILED, RULE_RAN, RULE_SOURCE, Run, Trigger, run_correlation};
use regie_core::event::{Event, EventError, Incoming, Principal};
use regie_core::workflow::Command;
use regie_journal::StoreError;
use tokio::sync::oneshot;

use super::AutomationView;
use crate::busy::Busy;
use crate::entry::{Entry, Router, Until, Work};
use crate::pool::ReaderPool;
use crate::refused::Reason;

/// Runs that are on their way to the journal at once.
const AT_ONCE: usize = 64;
/// How soon what could not be recorded is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// The way to the runs' correlations.
#[derive(Clone)]
pub struct Submitter {
    /// The shards.
    pub router: Router,
    /// Counts what is under way.
    pub busy: Busy,
    /// What tells of a run that was recorded before.
    pub readers: ReaderPool,
}

/// The event that a run is recorded as. Its id is the run's, so that recording it twice is once.
fn recorded(run: &Run) -> Result<Incoming, EventError> {
    let Trigger { source, id, .. } = &run.trigger;
    let kind = if run.error.is_none() { RULE_RAN } else { RULE_FAILED };
    Event::new(kind, run_correlation(&run.id))
        .id(run.id.as_str())
        .source(RULE_SOURCE)
        .cause(format!("{source}#{id}"))
        .actor(Principal { kind: "rule".into(), id: run.rule.clone() })
        .payload(Json::of(run))
        .build()
}

impl Submitter {
    /// Comes back once all are recorded; in their order where one waits for no other. Or once the journal does not take one of
    /// them: then they are to be found anew.
    pub(super) async fn record(&self, runs: Vec<Run>, began_at: u64, view: &AutomationView) -> Result<(), StoreError> {
        self.router.up().await; // what an earlier life left is found before there are shards
        let one_by_one = stream::iter(runs).map(|run| self.one(run, began_at, view)).buffered(AT_ONCE);
        one_by_one.try_for_each(|()| ready(Ok(()))).await
    }

    async fn one(&self, run: Run, began_at: u64, view: &AutomationView) -> Result<(), StoreError> {
        if run.trigger.position <= began_at && self.was_recorded(&run).await {
            return Ok(());
        }
        let taken = match recorded(&run) {
            Ok(event) => self.submit(event).await?,
            Err(error) => Err(error.into()),
        };
        match taken {
            Ok(()) => view.recorded(run.error.is_some()),
            Err(reason) => {
                tracing::error!(rule = run.rule, %reason, "a run cannot be recorded");
                view.trouble(run.trigger.position, &reason.to_string());
            }
        }
        Ok(())
    }

    /// Looks in the index alone: what it does not cover yet is found out by recording it again.
    async fn was_recorded(&self, run: &Run) -> bool {
        let correlation = run_correlation(&run.id);
        let known: Result<bool, StoreError> =
            self.readers.run(move |reader| Ok(reader.tip(&correlation)?.is_some())).await;
        known.unwrap_or(false)
    }

    /// Again and again, until it is taken or refused for good; not to a journal that does not take it.
    async fn submit(&self, event: Incoming) -> Result<Result<(), Reason>, StoreError> {
        loop {
            match self.enter(event.clone()).await {
                Err(reason) if reason.is_passing() => tokio::time::sleep(AGAIN).await,
                Err(Reason::Journal(error)) => return Err(error),
                taken => return Ok(taken),
            }
        }
    }

    async fn enter(&self, event: Incoming) -> Result<(), Reason> {
        let (reply, answer) = oneshot::channel();
        self.router.send(Entry {
            correlation: event.event().correlation_id.clone(),
            work: Work::Command(Arc::new(Command::Submit { event, emitted: true })),
            as_of: None,
            until: Until::Judged,
            reply: Some(reply),
            since: Instant::now(),
            permit: None, // bounded by how many are recorded at once
            under_way: Some(self.busy.begin()),
        });
        answer.await.unwrap_or(Err(Reason::Lost)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use actix::prelude::*;
    use futures::FutureExt;
    use regie_journal::Journal;
    use tokio::sync::watch;

    use super::*;
    use crate::entry::Places;
    use crate::faults::Faults;
    use crate::life::PartView;

    struct Shard;

    impl Actor for Shard {
        type Context = Context<Self>;
    }

    impl Handler<Entry> for Shard {
        type Result = ();
        fn handle(&mut self, _: Entry, _: &mut Self::Context) {}
    }

    #[test]
    fn what_an_earlier_life_left_waits_for_the_first_shards_of_this_one() {
        System::new().block_on(async {
            let (places, seen) = watch::channel::<Places<Entry>>(Arc::new([None]));
            let view = PartView::new("readers");
            let readers = ReaderPool::start(Journal::memory().readers, 1, &view, &Faults::default()).unwrap();
            let submitter = Submitter { router: Router::new(seen), busy: Busy::default(), readers };
            let view = AutomationView::default();
            let mut recorded = Box::pin(submitter.record(Vec::new(), 0, &view));
            assert!(recorded.as_mut().now_or_never().is_none());
            places.send_replace(Arc::new([Some(Shard.start().recipient())]));
            assert_eq!(recorded.await, Ok(()));
        });
    }
}
