//! Agents that tell how they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use regie::actors::agent::{Agent, AgentError, AgentLimits, AgentSpec, AgentTask, BlockingAgent, Health};
use regie::core::Json;
use serde_json::json;

use super::{ask, asks, done, refused, seconds, status, until};
use crate::runtime_support::{Stage, within};

const WELL: u8 = 0;
const ILL: u8 = 1;
const SILENT: u8 = 2;
const PANICS: u8 = 3;

/// Tells what a test wants it to.
#[derive(Clone, Default)]
struct Bank(Arc<AtomicU8>);

impl Bank {
    fn is(&self, how: u8) {
        self.0.store(how, Ordering::Relaxed);
    }
}

impl Agent for Bank {
    async fn handle(&self, _: AgentTask) -> Result<Json, AgentError> {
        Ok(Json::of("paid"))
    }

    fn health(&self) -> Option<BoxFuture<'_, Result<(), AgentError>>> {
        let how = Arc::clone(&self.0);
        let tells = async move {
            match how.load(Ordering::Relaxed) {
                WELL => Ok(()),
                ILL => Err("the vault is closed".into()),
                PANICS => panic!("no idea"),
                _ => std::future::pending().await,
            }
        };
        Some(tells.boxed())
    }
}

/// The same, and holds its thread while it does.
struct Blocks(Bank);

impl BlockingAgent for Blocks {
    fn handle(&self, _: AgentTask) -> Result<Json, AgentError> {
        Ok(Json::of("paid"))
    }

    fn health(&self) -> Option<Result<(), AgentError>> {
        Some(if self.0.0.load(Ordering::Relaxed) == WELL { Ok(()) } else { Err("the vault is closed".into()) })
    }
}

async fn stage(spec: AgentSpec) -> Stage {
    Stage::with(|builder| builder.handler(asks()).agent_as(spec.probe(seconds(10), seconds(2)))).await
}

fn health(stage: &Stage) -> Health {
    status(stage, "bank").instances[0].health.clone()
}

fn ill(why: &str) -> Health {
    Health::Ill(why.into())
}

/// Time passes until that is told.
fn becomes(stage: &Stage, then: &Health) {
    until(|| {
        stage.clock.advance(seconds(1));
        health(stage) == *then
    });
}

#[test]
fn an_agent_that_is_not_well_is_given_nothing_until_it_is() {
    within(async {
        let bank = Bank::default();
        bank.is(ILL);
        let stage = stage(AgentSpec::new("bank", bank.clone(), AgentLimits::default())).await;
        until(|| health(&stage) == ill("the vault is closed"));
        let why = refused(ask(&stage, "a", "bank", json!(1)).await);
        assert!(why.contains("the vault is closed (UNHEALTHY)"), "{why}");
        bank.is(WELL);
        becomes(&stage, &Health::Well);
        assert_eq!(ask(&stage, "b", "bank", json!(1)).await, done(json!("paid")));
        stage.close().await;
    });
}

#[test]
fn one_that_does_not_tell_in_time_or_panics_is_not_well() {
    within(async {
        let bank = Bank::default();
        let stage = stage(AgentSpec::new("bank", bank.clone(), AgentLimits::default())).await;
        until(|| health(&stage) == Health::Well);
        bank.is(PANICS);
        becomes(&stage, &ill("it panicked when it was asked how it is: no idea"));
        bank.is(SILENT);
        becomes(&stage, &ill("it did not tell how it is within 2s"));
        stage.close().await;
    });
}

#[test]
fn one_that_blocks_tells_on_a_thread_of_its_own() {
    within(async {
        let bank = Bank::default();
        bank.is(ILL);
        let stage = stage(AgentSpec::blocking("bank", Blocks(bank), AgentLimits::default())).await;
        until(|| health(&stage) == ill("the vault is closed"));
        stage.close().await;
    });
}

#[test]
fn one_that_cannot_tell_is_asked_all_the_same() {
    within(async {
        let bank = regie::testing::ScriptedAgent::new().answers(json!("paid"));
        let stage = stage(AgentSpec::new("bank", bank, AgentLimits::default())).await;
        assert_eq!(ask(&stage, "a", "bank", json!(1)).await, done(json!("paid")));
        assert_eq!(health(&stage), Health::Unknown);
        stage.close().await;
    });
}
