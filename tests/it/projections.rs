//! Users' views of the journal: told each event once and in order, kept over a restart, made anew under another version.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use regie::JournalConfig;
use regie::actors::projections::ProjectionError;
use regie::core::event::Principal;
use regie::core::governance::PolicySet;
use regie::core::query::{Committed, Projection};

use crate::runtime_support::{Stage, event, within};

/// The ids in the order in which they came, and how many it was told in this process.
#[derive(Default)]
struct Ids {
    version: u32,
    told: Arc<AtomicU64>,
    /// The event that it cannot bear.
    bane: Option<&'static str>,
}

impl Projection for Ids {
    type State = Vec<String>;
    fn name(&self) -> &str {
        "ids"
    }
    fn version(&self) -> u32 {
        self.version
    }
    fn apply(&self, ids: &mut Vec<String>, committed: &Committed<'_>) {
        assert!(self.bane != Some(committed.event.id.as_str()), "not that one");
        self.told.fetch_add(1, Ordering::Relaxed);
        ids.push(committed.event.id.clone());
    }
}

async fn submit(stage: &Stage, ids: &[&str]) -> u64 {
    let mut last = 0;
    for id in ids {
        let answer = stage.handle.submit(event("t", &format!("c-{id}"), id).build().unwrap()).await.unwrap();
        last = answer.position.unwrap();
    }
    last
}

async fn ids(stage: &Stage, at_least: u64) -> Result<Vec<String>, ProjectionError> {
    stage.handle.projection("ids", at_least, |ids: &Vec<String>| ids.clone()).await
}

#[test]
fn a_view_holds_what_was_answered_and_no_event_twice() {
    within(async {
        let stage = Stage::with(|builder| builder.projection(Ids::default())).await;
        let last = submit(&stage, &["1", "2", "1", "3"]).await;
        assert_eq!(ids(&stage, last).await.unwrap(), ["1", "2", "3"]);
        stage.close().await;
    });
}

#[test]
fn a_view_holds_what_is_discarded_never_and_what_waits_for_a_person_once_it_has_gone_on() {
    within(async {
        let policy = |kind: &str| {
            format!(
                "[[policy]]\nname = \"{kind}\"\nkind = \"{kind}\"\nmatch = \"{kind}\"\nwhen = \"true\"\nreason = \"so\"\n"
            )
        };
        let policies = PolicySet::parse(&(policy("veto") + &policy("escalate"))).unwrap();
        let stage = Stage::with(|builder| builder.policies(policies).projection(Ids::default())).await;
        let send =
            async |kind: &str, id: &str| stage.handle.submit(event(kind, "c", id).build().unwrap()).await.unwrap();
        send("veto", "bad").await;
        let waits = send("escalate", "waits").await.position.unwrap();
        let last = send("t", "good").await.position.unwrap();
        assert_eq!(ids(&stage, last).await.unwrap(), ["good"]);
        let gone_on = stage.handle.approve(waits, Principal::user("ana"), "known").await.unwrap();
        assert_eq!(ids(&stage, gone_on.position.unwrap().max(last + 1)).await.unwrap(), ["good", "waits"]);
        stage.close().await;
    });
}

/// Two lives over the same file: what the second was told, and what its view holds in the end.
async fn second_life(first: u32, second: u32) -> (u64, Vec<String>) {
    let place = tempfile::tempdir().unwrap();
    let journal = JournalConfig::sqlite(place.path().join("j.db"));
    let old = Ids { version: first, ..Ids::default() };
    let stage = Stage::with(|builder| builder.journal(journal.clone()).projection(old)).await;
    let last = submit(&stage, &["1", "2"]).await;
    ids(&stage, last).await.unwrap();
    stage.close().await;
    let new = Ids { version: second, ..Ids::default() };
    let told = Arc::clone(&new.told);
    let stage = Stage::with(|builder| builder.journal(journal).projection(new)).await;
    let last = submit(&stage, &["3"]).await;
    let ids = ids(&stage, last).await.unwrap();
    stage.close().await;
    (told.load(Ordering::Relaxed), ids)
}

#[test]
fn what_a_view_held_is_kept_over_a_restart_and_made_anew_under_another_version() {
    within(async {
        let all = ["1", "2", "3"].map(str::to_string).to_vec();
        assert_eq!(second_life(1, 1).await, (1, all.clone()));
        assert_eq!(second_life(1, 2).await, (3, all));
    });
}

#[test]
fn a_view_that_panics_tells_where_and_harms_no_other() {
    within(async {
        struct Count;
        impl Projection for Count {
            type State = u64;
            fn name(&self) -> &str {
                "count"
            }
            fn apply(&self, count: &mut u64, _: &Committed<'_>) {
                *count += 1;
            }
        }
        let bane = Ids { bane: Some("2"), ..Ids::default() };
        let stage = Stage::with(|builder| builder.projection(bane).projection(Count)).await;
        let last = submit(&stage, &["1", "2", "3"]).await;
        let broken = ids(&stage, last).await.unwrap_err();
        assert!(matches!(&broken, ProjectionError::Broken { position: 2, why, .. } if why.contains("not that one")));
        assert_eq!(stage.handle.projection("count", last, |count: &u64| *count).await, Ok(3));
        stage.close().await;
    });
}

#[test]
fn a_view_that_there_is_not_or_of_another_type_is_a_value() {
    within(async {
        let stage = Stage::with(|builder| builder.projection(Ids::default())).await;
        let unknown = |name: &str| Err(ProjectionError::Unknown { name: name.into() });
        assert_eq!(stage.handle.projection("other", 0, |count: &u64| *count).await, unknown("other"));
        assert_eq!(stage.handle.projection("ids", 0, |count: &u64| *count).await, unknown("ids"));
        stage.close().await;
    });
}
