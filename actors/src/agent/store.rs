//! Where results are kept beside the memory: the journal, or a store of yours.

use futures::FutureExt;
use futures::future::BoxFuture;
use regie_core::Digest;
use regie_core::agents::{Kept, ResultTold, kept_correlation};

use super::links::AgentLinks;
use crate::own;

/// Keeps agents' results, so that other processes and later lives of this one find them. It runs on the pool that agents run on.
pub trait ResultStore: Send + Sync + 'static {
    /// The result of a key, and until when it holds. One that takes longer than a second is not waited for.
    fn get<'a>(&'a self, agent: &'a str, key: Digest) -> BoxFuture<'a, Result<Option<Kept>, String>>;

    /// Keeps a result. Nobody waits for it.
    fn put<'a>(&'a self, agent: &'a str, key: Digest, kept: Kept) -> BoxFuture<'a, Result<(), String>>;
}

/// In the journal: an own event a result, the last one of its correlation.
pub(super) struct InJournal(pub(super) AgentLinks);

impl ResultStore for InJournal {
    fn get<'a>(&'a self, agent: &'a str, key: Digest) -> BoxFuture<'a, Result<Option<Kept>, String>> {
        let home = kept_correlation(agent, &key);
        async move {
            // What the index does not cover yet is asked for again: that costs a call, and a wait would cost each.
            let last = self.0.readers.run(move |reader| own::latest(reader, &home)).await;
            let last = last.map_err(|error| error.to_string())?;
            Ok(last.and_then(|event| ResultTold::read(event.event())))
        }
        .boxed()
    }

    fn put<'a>(&'a self, agent: &'a str, key: Digest, kept: Kept) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let event = ResultTold::event(agent, &key, &kept, self.0.clock.now());
            let told = own::submit(&self.0.router, &self.0.busy, event).await;
            told.map(|_| ()).map_err(|why| why.to_string())
        }
        .boxed()
    }
}
