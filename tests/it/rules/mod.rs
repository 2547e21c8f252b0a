//! Rules in a running runtime: exactly once, over crashes and panics, on real logs, and stopped where they go round in
//! circles.

mod bad;
mod circles;
mod crashes;
mod held_back;
mod late;
mod logs;
mod sprints;
mod undo;

use std::collections::BTreeMap;

use regie::Handle;
use regie::core::automation::RuleSet;
use regie::core::query::{Filter, Order};
use regie::runtime::RunReport;

/// Rules from a text.
fn rules(text: &str) -> RuleSet {
    RuleSet::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

/// All runs, in the order in which they were recorded.
async fn runs(handle: &Handle) -> Vec<RunReport> {
    handle.settle().await;
    handle.runs(None, None, Order::Oldest).await.unwrap()
}

/// How many events of each type rules have sent out.
async fn emitted(handle: &Handle) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for stored in handle.events(Filter::default()).await.unwrap() {
        let event = stored.incoming.event();
        if event.actor.as_ref().is_some_and(|actor| actor.kind == "rule") {
            *counts.entry(event.kind.clone()).or_default() += 1;
        }
    }
    counts
}
