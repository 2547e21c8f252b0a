//! The breaker of an agent: when it opens, what is told of it, and that it stands so after a restart and a kill.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use regie::actors::agent::{AgentError, AgentLimits};
use regie::actors::faults::{FaultPoint, Faults};
use regie::core::agents::{BreakerRule, Phase};
use regie::testing::ScriptedAgent;
use serde_json::json;

use super::{ask, asks, begin, breaks, done, outcome, refused, seconds, status, until};
use crate::runtime_support::{Folder, Stage, at, event, within};

fn phase(stage: &Stage) -> Phase {
    status(stage, "bank").instances[0].breaker.clone()
}

/// Fails twice, then answers.
fn fails_twice() -> ScriptedAgent {
    ScriptedAgent::new().fails("down").fails("down").answers(json!("paid"))
}

async fn broken(bank: &ScriptedAgent, folder: &Folder) -> Stage {
    let (bank, journal) = (bank.clone(), folder.journal());
    let stage = Stage::with(|builder| builder.journal(journal).handler(asks()).agent("bank", bank, breaks())).await;
    for correlation in ["a", "b"] {
        ask(&stage, correlation, "bank", json!(1)).await;
    }
    stage
}

async fn again(bank: &ScriptedAgent, folder: &Folder, millis: i64) -> Stage {
    let (bank, journal) = (bank.clone(), folder.journal());
    Stage::at(at(millis), |builder| builder.journal(journal).handler(asks()).agent("bank", bank, breaks())).await
}

#[test]
fn an_agent_that_fails_is_not_asked_until_a_probe_has_gone_well() {
    within(async {
        let (bank, folder) = (fails_twice(), Folder::new());
        let stage = broken(&bank, &folder).await;
        let why = refused(ask(&stage, "c", "bank", json!(1)).await);
        assert!(why.contains("1970-01-01T00:00:10") && why.contains("BREAKER_OPEN"), "{why}");
        assert_eq!(phase(&stage), Phase::Open { until: at(10_000), why: "2 calls in a row failed".into() });
        assert!(status(&stage, "bank").instances[0].trouble.is_some() && bank.calls().len() == 2);
        stage.advance_to(at(10_000)).await;
        assert_eq!(ask(&stage, "d", "bank", json!(1)).await, done(json!("paid")));
        assert_eq!((phase(&stage), bank.calls().len()), (Phase::Closed, 3));
        let told = stage.handle.records(&"regie/agent/bank".into()).await.unwrap();
        assert_eq!(told.len(), 3, "open, half open, closed");
        stage.close().await;
    });
}

#[test]
fn a_breaker_stands_after_a_restart_as_it_stood() {
    within(async {
        let (bank, folder) = (fails_twice(), Folder::new());
        broken(&bank, &folder).await.close().await;
        let stage = again(&bank, &folder, 9_999).await;
        refused(ask(&stage, "c", "bank", json!(1)).await);
        stage.advance_to(at(10_000)).await;
        assert_eq!(ask(&stage, "d", "bank", json!(1)).await, done(json!("paid")));
        stage.close().await;
    });
}

#[test]
fn and_after_a_kill() {
    within(async {
        let (bank, folder) = (fails_twice(), Folder::new());
        let killed = broken(&bank, &folder).await;
        let image = folder.image();
        let stage = again(&bank, &image, 9_999).await;
        refused(ask(&stage, "c", "bank", json!(1)).await);
        assert_eq!(bank.calls().len(), 2);
        stage.close().await;
        killed.close().await;
    });
}

#[test]
fn a_gate_that_dies_reads_how_its_breaker_stood() {
    within(async {
        let (bank, armed) = (fails_twice(), Arc::new(AtomicBool::new(false)));
        let (agent, arms) = (bank.clone(), Arc::clone(&armed));
        let dies = Faults::when(move |at, _| at == FaultPoint::GateCall && arms.swap(false, Ordering::Relaxed));
        let stage = Stage::with(|builder| builder.handler(asks()).agent("bank", agent, breaks()).faults(dies)).await;
        for correlation in ["a", "b"] {
            ask(&stage, correlation, "bank", json!(1)).await;
        }
        armed.store(true, Ordering::Relaxed);
        ask(&stage, "dies", "bank", json!(1)).await;
        until(|| stage.handle.health().parts.iter().all(|part| part.trouble.is_none()));
        let why = refused(ask(&stage, "c", "bank", json!(1)).await);
        assert!(why.contains("BREAKER_OPEN") && bank.calls().len() == 2, "{why}");
        stage.close().await;
    });
}

#[test]
fn a_probe_that_is_given_up_with_its_workflow_is_made_again() {
    within(async {
        let bank = ScriptedAgent::new().fails("down").fails("down").never_answers().answers(json!("paid"));
        let stage = broken(&bank, &Folder::new()).await;
        stage.advance_to(at(10_000)).await;
        begin(&stage, "probe", "bank", json!(1)).await;
        until(|| bank.calls().len() == 3);
        stage.submit(event("work.end", "probe", "2")).await;
        stage.handle.settle().await;
        assert_eq!(ask(&stage, "again", "bank", json!(1)).await, done(json!("paid")));
        stage.close().await;
    });
}

#[test]
fn panics_and_time_outs_open_it_and_rejections_for_good_do_not() {
    within(async {
        let wrong = || AgentError::new("no such account").is_final();
        let bank = ScriptedAgent::new().panics("oh").fails(wrong()).panics("oh").fails(wrong()).never_answers();
        let agent = bank.clone();
        let stage = Stage::with(|builder| builder.handler(asks()).agent("bank", agent, breaks())).await;
        for correlation in ["a", "b", "c", "d"] {
            ask(&stage, correlation, "bank", json!(1)).await;
            assert_eq!(phase(&stage), Phase::Closed, "after {correlation}");
        }
        for correlation in ["e", "f"] {
            begin(&stage, correlation, "bank", json!(1)).await;
        }
        until(|| bank.calls().len() == 6);
        stage.advance(seconds(30)).await;
        assert!(matches!(phase(&stage), Phase::Open { .. }));
        stage.close().await;
    });
}

#[test]
fn calls_that_wait_when_it_opens_are_refused_and_not_made() {
    within(async {
        let limits = AgentLimits { concurrency: 1, ..breaks() }.breaker(BreakerRule::default().failures(1));
        let bank = ScriptedAgent::new().never_answers();
        let agent = bank.clone();
        let stage = Stage::with(|builder| builder.handler(asks()).agent("bank", agent, limits)).await;
        for correlation in ["a", "b", "c"] {
            begin(&stage, correlation, "bank", json!(1)).await;
        }
        until(|| bank.calls().len() == 1 && status(&stage, "bank").instances[0].calls.waiting == 2);
        stage.advance(seconds(30)).await;
        for correlation in ["b", "c"] {
            assert!(refused(outcome(&stage, correlation).await).contains("BREAKER_OPEN"));
        }
        assert_eq!(bank.calls().len(), 1);
        stage.close().await;
    });
}
