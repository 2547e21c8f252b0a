//! Routes: who takes a task, what falls to the next, and what the journal tells of it.

use regie::actors::agent::{AgentLimits, AgentSpec, Candidate, Route};
use regie::core::agents::{Choice, PassedOver};
use regie::core::workflow::EffectEnd;
use regie::runtime::AgentMetrics;
use regie::testing::ScriptedAgent;
use regie::{Builder, StartError};
use serde_json::json;

use super::{ask, asks, begin, breaks, counts, done, end, outcome, refused, seconds, until};
use crate::runtime_support::{Folder, Stage, event, within};
use crate::support::Place;

fn says(text: &str) -> ScriptedAgent {
    ScriptedAgent::new().answers(json!(text))
}

fn bank() -> Route {
    Route::new("bank")
        .to(Candidate::agent("giro").kind("transfer.*"))
        .to(Candidate::capability("payments").prefer(1).when("task.amount < 100"))
        .fallback(Candidate::agent("clerk"))
}

fn agents(builder: Builder, giro: ScriptedAgent, sepa: ScriptedAgent) -> Builder {
    let limits = AgentLimits::default();
    let builder = builder.handler(asks()).route(bank()).agent("clerk", says("clerk"), limits);
    let builder = builder.agent_as(AgentSpec::new("giro", giro, breaks()));
    builder.agent_as(AgentSpec::new("sepa", sepa, limits).capability("payments"))
}

async fn choice(stage: &Stage, correlation: &str) -> Choice {
    match end(stage, correlation).await {
        EffectEnd::Routed { choice, .. } => *choice,
        other => panic!("{correlation} was not routed: {other:?}"),
    }
}

#[test]
fn a_task_goes_to_who_takes_its_kind_or_meets_its_condition_or_else_to_the_fallback() {
    within(async {
        let stage = Stage::with(|builder| agents(builder, says("giro"), says("sepa"))).await;
        for (task, who) in [
            (json!({"kind": "transfer.home", "amount": 700}), "giro"),
            (json!({"kind": "refund", "amount": 7}), "sepa"),
            (json!({"kind": "refund", "amount": 700}), "clerk"),
        ] {
            assert_eq!(ask(&stage, who, "bank", task).await, done(json!(who)));
        }
        let choice = choice(&stage, "clerk").await;
        assert_eq!((choice.route.as_str(), choice.agent.as_deref()), ("bank", Some("clerk")));
        let why = "its condition does not hold: task.amount < 100";
        assert!(choice.passed_over.contains(&PassedOver::new("sepa", why)), "{choice:?}");
        stage.close().await;
    });
}

#[test]
fn what_one_refuses_falls_to_the_next_and_who_is_known_to_be_in_trouble_is_not_asked() {
    within(async {
        let giro = ScriptedAgent::new().fails("down").fails("down").never_answers();
        let agent = giro.clone();
        let stage = Stage::with(|builder| agents(builder, agent, says("sepa"))).await;
        let task = json!({"kind": "transfer.home", "amount": 7});
        for correlation in ["a", "b"] {
            ask(&stage, correlation, "bank", task.clone()).await;
        }
        assert_eq!(ask(&stage, "c", "bank", task.clone()).await, done(json!("sepa")));
        let known = choice(&stage, "c").await;
        assert!(known.passed_over[0].why.contains("BREAKER_OPEN"), "{known:?}");
        assert_eq!(counts(&stage, "giro").await.refused, 0, "the route knew");
        let full = AgentLimits::default().places(1, 0);
        stage.handle.set_agent_limits("giro", full).await.unwrap();
        begin(&stage, "holds", "giro", task.clone()).await;
        until(|| giro.calls().len() == 3);
        assert_eq!(ask_beside(&stage, "d", task).await, done(json!("sepa")));
        let refused = choice(&stage, "d").await;
        assert!(refused.passed_over[0].why.contains("waiting already"), "{refused:?}");
        stage.advance(seconds(30)).await;
        stage.close().await;
    });
}

/// While another call is under way.
async fn ask_beside(stage: &Stage, correlation: &str, task: serde_json::Value) -> regie::core::workflow::AgentOutcome {
    begin(stage, correlation, "bank", task).await;
    outcome(stage, correlation).await
}

#[test]
fn where_nobody_takes_it_the_call_is_refused_with_every_reason() {
    within(async {
        let route = Route::new("bank").to(Candidate::agent("giro").kind("transfer"));
        let stage = Stage::with(|builder| {
            builder.handler(asks()).route(route).agent("giro", says("giro"), AgentLimits::default())
        })
        .await;
        let why = refused(ask(&stage, "a", "bank", json!({"kind": "refund"})).await);
        assert_eq!(
            why,
            "nobody on the route 'bank' takes it: giro: it takes other kinds of tasks: the task's is 'refund'"
        );
        assert_eq!(choice(&stage, "a").await.agent, None);
        stage.close().await;
    });
}

#[test]
fn a_routed_call_is_given_up_with_its_workflow() {
    within(async {
        let giro = ScriptedAgent::new().never_answers();
        let agent = giro.clone();
        let stage = Stage::with(|builder| agents(builder, agent, says("sepa"))).await;
        begin(&stage, "a", "bank", json!({"kind": "transfer.home"})).await;
        until(|| giro.calls().len() == 1);
        stage.submit(event("work.end", "a", "2")).await;
        stage.handle.settle().await;
        // It is given up on the agents' own thread, once the end stands.
        let given_up = AgentMetrics { cancelled: 1, ..AgentMetrics::default() };
        while counts(&stage, "giro").await != given_up {}
        stage.close().await;
    });
}

async fn refusal(build: impl FnOnce(Builder) -> Builder) -> String {
    match build(regie::builder()).start().await {
        Err(error @ (StartError::Route(_) | StartError::Agent { .. })) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
}

#[test]
fn a_route_that_names_what_there_is_not_is_refused_at_the_start() {
    within(async {
        let giro = |builder: Builder| builder.agent("giro", says("giro"), AgentLimits::default());
        let to = |who: &str| Route::new("bank").to(Candidate::agent(who));
        let why = refusal(|builder| giro(builder).route(to("grio"))).await;
        assert_eq!(why, "the route 'bank': there is no agent 'grio'; did you mean 'giro'?");
        let why = refusal(|builder| giro(builder).route(Route::new("giro").to(Candidate::agent("giro")))).await;
        assert_eq!(why, "the route 'giro': an agent or another route has that name");
        let why = refusal(|builder| giro(builder).route(to("giro")).route(to("giro"))).await;
        assert!(why.contains("another route has that name"), "{why}");
        let long = "n".repeat(129);
        let why = refusal(|builder| builder.agent(long, says("x"), AgentLimits::default())).await;
        assert!(why.contains("1 to 128 bytes"), "{why}");
    });
}

#[test]
fn the_story_of_a_correlation_tells_who_was_chosen_and_why_not_the_others() {
    within(async {
        let folder = Folder::new();
        let journal = folder.journal();
        let stage = Stage::with(|builder| agents(builder.journal(journal), says("giro"), says("sepa"))).await;
        ask(&stage, "a", "bank", json!({"kind": "refund", "amount": 7})).await;
        stage.close().await;
        let path = folder.path().display().to_string();
        let show = |more: &[&str]| {
            Place::new().with("COLUMNS", "120").run(&[&["show", "a", "--db", &path], more].concat()).succeeds()
        };
        show(&[]).tells(&[
            "route bank found agent sepa (preference 1: 0 of 16 places taken",
            "not giro: it takes other kinds of",
        ]);
        let facts = show(&["--json"]).json();
        let records = facts["records"].as_array().unwrap().iter();
        let ended = records.flat_map(|it| it["facts"].as_array().unwrap()).find(|it| it["fact"] == "ended").unwrap();
        assert_eq!(ended["end"]["kind"], "routed");
        assert_eq!(ended["end"]["choice"]["agent"], "sepa");
        assert_eq!(ended["end"]["end"], json!({"kind": "done", "result": "sepa"}));
    });
}
