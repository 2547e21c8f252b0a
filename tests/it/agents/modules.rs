//! Modules: what belongs together, brought in one call.

use regie::actors::agent::{AgentLimits, AgentSpec, Candidate, Route};
use regie::core::automation::Rule;
use regie::core::event::{EventType, LifeState};
use regie::core::governance::Policy;
use regie::runtime::{Brought, Module, ModuleError};
use regie::testing::ScriptedAgent;
use regie::{Builder, StartError};
use serde_json::json;

use super::{ask, asks, done};
use crate::runtime_support::{Stage, event, pattern, within};

/// Brings one of each.
struct Shop(&'static str);

impl Module for Shop {
    fn name(&self) -> &str {
        self.0
    }

    fn brings(&self) -> Result<Brought, ModuleError> {
        let clerk = ScriptedAgent::new().answers(json!("sold"));
        let clerk = AgentSpec::new("clerk", clerk, AgentLimits::default()).capability("selling");
        let rule = Rule::named("thanks").on("shop.sold").notify(json!({"message": "thanks"})).build()?;
        Ok(Brought::default()
            .event_type(EventType::new("shop.sold").payload(json!({"type": "object", "required": ["price"]})))
            .handler(asks())
            .agent(clerk)
            .route(Route::new("shop").to(Candidate::capability("selling")))
            .policy(Policy::veto("closed", pattern("shop.closed"), "the shop is closed", |_| true))
            .rule(rule))
    }
}

/// Cannot be brought.
struct Broken;

impl Module for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    fn brings(&self) -> Result<Brought, ModuleError> {
        Err("the price list cannot be read".into())
    }
}

async fn refusal(build: impl FnOnce(Builder) -> Builder) -> String {
    match build(regie::builder()).start().await {
        Err(error @ StartError::Module { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
}

#[test]
fn what_a_module_brings_is_there() {
    within(async {
        let stage = Stage::with(|builder| builder.module(&Shop("shop"))).await;
        assert_eq!(ask(&stage, "a", "shop", json!(1)).await, done(json!("sold")));
        let closed = stage.submit(event("shop.closed", "b", "1")).await;
        assert_eq!(closed.event_state, Some(LifeState::Discarded));
        let unpriced = event("shop.sold", "c", "1").payload(json!({})).build().unwrap();
        assert!(stage.handle.submit(unpriced).await.is_err());
        let rules: Vec<String> = stage.handle.rules().rules().map(|rule| rule.name().to_string()).collect();
        assert!(rules.contains(&"thanks".to_string()) && rules.len() == 5, "{rules:?}");
        stage.close().await;
    });
}

#[test]
fn a_module_that_cannot_be_brought_is_refused_by_its_name() {
    within(async {
        assert_eq!(refusal(|it| it.module(&Broken)).await, "the module 'broken': the price list cannot be read");
        let why = refusal(|it| it.module(&Shop("shop")).module(&Shop("shop"))).await;
        assert_eq!(why, "the module 'shop': two modules have that name");
        let why = refusal(|it| it.module(&Shop("shop")).module(&Shop("again"))).await;
        assert_eq!(why, "the module 'again': two handlers have the name and version 'asks version 1'");
        let clerk = ScriptedAgent::new();
        let why = refusal(|it| it.agent("clerk", clerk, AgentLimits::default()).module(&Shop("shop"))).await;
        assert_eq!(why, "the module 'shop': there is an agent or route 'clerk' already");
        let types = regie::core::event::Catalogue::shipped().with(EventType::new("shop.sold")).unwrap();
        let why = refusal(|it| it.catalogue(types).module(&Shop("shop"))).await;
        assert_eq!(why, "the module 'shop': the event type 'shop.sold' is known already");
    });
}
