//! Going on with what a disk has left: a runtime takes everything again, and ends complete.

use std::collections::HashMap;
use std::path::Path;

use regie::core::event::{EventResult, Incoming, Origin, Status};
use regie::core::query::Filter;
use regie::journal::Durability;
use regie::{JournalConfig, Refused};

use super::bench::{Answer, JOURNAL};
use crate::runtime_support::submit_all;

/// Sends everything again. Those that were answered and are there must be known, at their place; the journal then has all.
pub(crate) fn resume(folder: &Path, durability: Durability, sent: &str, answered: &[Answer]) -> Result<(), String> {
    futures::executor::block_on(async {
        let builder = regie::builder().journal(JournalConfig::sqlite(folder.join(JOURNAL))).durability(durability);
        let runtime = builder.shards(1).start().await.map_err(|error| format!("no runtime starts: {error}"))?;
        let events: Vec<Incoming> =
            sent.lines().map(|line| Incoming::read(line.as_bytes(), Origin::File).unwrap()).collect();
        let (handle, count) = (runtime.handle(), events.len() as u64);
        let results = submit_all(&handle, events).await;
        let known = known(results)?;
        let stats = handle.stats(Filter::default()).await.map_err(|error| error.to_string())?;
        let closed = runtime.shutdown().await.error;
        if let Some(lost) = answered.iter().find(|answer| known.get(&answer.event) != Some(&answer.position)) {
            return Err(format!("{lost:?} is not known when it is sent again"));
        }
        if stats.events != count {
            return Err(format!("{count} events were sent, and {} are there", stats.events));
        }
        closed.map_or(Ok(()), |error| Err(format!("no good end: {error}")))
    })
}

/// The positions of those that were known.
fn known(results: Vec<Result<EventResult, Refused>>) -> Result<HashMap<String, u64>, String> {
    let mut known = HashMap::new();
    for result in results {
        let result = result.map_err(|refused| format!("it takes nothing more: {refused}"))?;
        if let (Status::Duplicate, Some(position)) = (result.status, result.position) {
            known.insert(result.event_id, position);
        }
    }
    Ok(known)
}
