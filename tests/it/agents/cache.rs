//! Results that are kept, and calls that share one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use regie::actors::agent::{AgentError, AgentLimits, AgentSpec, AgentTask, CacheRule, ResultStore};
use regie::core::Digest;
use regie::core::agents::Kept;
use regie::core::workflow::AgentOutcome;
use regie::testing::ScriptedAgent;
use serde_json::json;

use super::{ask, asks, begin, counts, done, outcome, seconds, until};
use crate::runtime_support::{Acts, Folder, Stage, at, event, within};

fn minute() -> CacheRule {
    CacheRule::new(seconds(60))
}

fn spec(agent: &ScriptedAgent) -> AgentSpec {
    AgentSpec::new("bank", agent.clone(), AgentLimits::default())
}

async fn stage(spec: AgentSpec) -> Stage {
    Stage::with(|builder| builder.handler(asks()).agent_as(spec)).await
}

/// Hits, misses, shared.
async fn kept(stage: &Stage) -> (u64, u64, u64) {
    let counts = counts(stage, "bank").await;
    (counts.hits, counts.misses, counts.shared)
}

#[test]
fn the_same_task_is_answered_by_what_is_kept_until_its_time_is_up() {
    within(async {
        let bank = ScriptedAgent::new().answers(json!(1)).answers(json!(2));
        let stage = stage(spec(&bank).cache_in_memory(minute())).await;
        assert_eq!(ask(&stage, "a", "bank", json!({"x": 1, "y": [2]})).await, done(json!(1)));
        stage.advance_to(at(59_999)).await;
        assert_eq!(ask(&stage, "b", "bank", json!({"y": [2], "x": 1})).await, done(json!(1)));
        stage.advance_to(at(60_000)).await;
        assert_eq!(ask(&stage, "c", "bank", json!({"x": 1, "y": [2]})).await, done(json!(2)));
        assert_eq!((kept(&stage).await, bank.calls().len()), ((1, 2, 0), 2));
        stage.close().await;
    });
}

#[test]
fn errors_are_not_kept() {
    within(async {
        let bank = ScriptedAgent::new().fails("down").answers(json!(2));
        let stage = stage(spec(&bank).cache(minute())).await;
        assert_eq!(ask(&stage, "a", "bank", json!(1)).await, AgentOutcome::Failed("down".into()));
        assert_eq!(ask(&stage, "b", "bank", json!(1)).await, done(json!(2)));
        stage.close().await;
    });
}

#[test]
fn equal_calls_at_once_are_one_and_who_gives_up_takes_it_from_nobody_else() {
    within(async {
        let (answer, answered) = futures::channel::oneshot::channel::<()>();
        let (answered, calls) = (answered.shared(), crate::runtime_support::Gate::default());
        let came = calls.clone();
        let slow = Acts(move |task: AgentTask| {
            came.come();
            answered.clone().map(|_| Ok::<_, AgentError>(task.task)).boxed()
        });
        let spec = AgentSpec::new("bank", slow, AgentLimits::default()).cache_in_memory(minute());
        let stage = stage(spec).await;
        for correlation in ["a", "b", "c"] {
            begin(&stage, correlation, "bank", json!(7)).await;
        }
        begin(&stage, "other", "bank", json!(8)).await;
        while kept(&stage).await != (0, 2, 2) {
            std::thread::yield_now();
        }
        calls.wait_for(2);
        stage.submit(event("work.end", "a", "2")).await;
        stage.handle.look(&"a".into()).await.unwrap();
        answer.send(()).unwrap();
        for correlation in ["b", "c"] {
            assert_eq!(outcome(&stage, correlation).await, done(json!(7)));
        }
        stage.handle.settle().await;
        assert_eq!((calls.came(), counts(&stage, "bank").await.done), (2, 2));
        stage.close().await;
    });
}

#[test]
fn a_call_that_all_have_given_up_is_given_up() {
    within(async {
        let bank = ScriptedAgent::new().never_answers();
        let stage = stage(spec(&bank).cache_in_memory(minute())).await;
        for correlation in ["a", "b"] {
            begin(&stage, correlation, "bank", json!(7)).await;
        }
        while kept(&stage).await != (0, 1, 1) {
            std::thread::yield_now();
        }
        until(|| bank.calls().len() == 1);
        for correlation in ["a", "b"] {
            stage.submit(event("work.end", correlation, "2")).await;
        }
        stage.handle.settle().await;
        while counts(&stage, "bank").await.cancelled == 0 {
            std::thread::yield_now();
        }
        begin(&stage, "c", "bank", json!(7)).await;
        until(|| bank.calls().len() == 2);
        stage.advance(seconds(30)).await;
        stage.close().await;
    });
}

#[test]
fn results_are_found_in_the_journal_after_a_restart_unless_the_agent_has_another_version() {
    within(async {
        let (bank, folder) = (ScriptedAgent::new().answers(json!(1)).answers(json!(2)), Folder::new());
        let at_start = |millis, version: &str| {
            let spec = spec(&bank).cache(minute().version(version));
            let journal = folder.journal();
            Stage::at(at(millis), |builder| builder.journal(journal).handler(asks()).agent_as(spec))
        };
        let stage = at_start(0, "1").await;
        assert_eq!(ask(&stage, "a", "bank", json!(7)).await, done(json!(1)));
        stage.close().await;
        let stage = at_start(1_000, "1").await;
        assert_eq!(ask(&stage, "b", "bank", json!(7)).await, done(json!(1)));
        assert_eq!(kept(&stage).await, (1, 0, 0));
        stage.close().await;
        let stage = at_start(2_000, "2").await;
        assert_eq!(ask(&stage, "c", "bank", json!(7)).await, done(json!(2)));
        stage.close().await;
    });
}

type Shelf = Arc<Mutex<BTreeMap<(String, Digest), Kept>>>;

/// A store of one's own, which fails when it is asked for what it has not.
struct Shared(Shelf);

impl ResultStore for Shared {
    fn get<'a>(&'a self, agent: &'a str, key: Digest) -> BoxFuture<'a, Result<Option<Kept>, String>> {
        let found = self.0.lock().unwrap().get(&(agent.to_string(), key)).cloned();
        futures::future::ready(found.map(Some).ok_or_else(|| "it is away".to_string())).boxed()
    }

    fn put<'a>(&'a self, agent: &'a str, key: Digest, kept: Kept) -> BoxFuture<'a, Result<(), String>> {
        self.0.lock().unwrap().insert((agent.to_string(), key), kept);
        futures::future::ready(Ok(())).boxed()
    }
}

#[test]
fn two_runtimes_share_what_is_kept_in_a_store_of_ones_own() {
    within(async {
        let shelf = Shelf::default();
        let (first, second) = (ScriptedAgent::new().answers(json!(1)), ScriptedAgent::new().answers(json!(2)));
        for bank in [&first, &second] {
            let stage = stage(spec(bank).cache_in(minute(), Arc::new(Shared(Arc::clone(&shelf))))).await;
            assert_eq!(ask(&stage, "a", "bank", json!(7)).await, done(json!(1)));
            stage.close().await;
        }
        assert_eq!((first.calls().len(), second.calls().len(), shelf.lock().unwrap().len()), (1, 0, 1));
    });
}
