//! What an agent says that is no result, as its workflow is told.

use futures::FutureExt;
use regie::actors::agent::{AgentError, AgentLimits, AgentTask, read_answer};
use regie::core::Json;
use regie::core::workflow::AgentOutcome;
use regie::testing::ScriptedAgent;
use serde_json::json;

use super::{ask, asks, done};
use crate::runtime_support::{Acts, Stage, within};

#[test]
fn a_workflow_is_told_the_code_of_an_error_and_whether_trying_again_can_help() {
    within(async {
        let bank = ScriptedAgent::new()
            .fails("busy")
            .fails(AgentError::new("later").code("LIMIT"))
            .fails(AgentError::new("no such account").code("NO_ACCOUNT").is_final())
            .answers(json!("paid"));
        let stage = Stage::with(|builder| builder.handler(asks()).agent("bank", bank, AgentLimits::default())).await;
        let rejected = |code: &str, message: &str, is_final| AgentOutcome::Rejected {
            code: Some(code.into()),
            message: message.into(),
            is_final,
        };
        assert_eq!(ask(&stage, "a", "bank", json!(1)).await, AgentOutcome::Failed("busy".into()));
        assert_eq!(ask(&stage, "b", "bank", json!(1)).await, rejected("LIMIT", "later", false));
        assert_eq!(ask(&stage, "c", "bank", json!(1)).await, rejected("NO_ACCOUNT", "no such account", true));
        assert_eq!(ask(&stage, "d", "bank", json!(1)).await, done(json!("paid")));
        stage.close().await;
    });
}

#[test]
fn fifty_mebibytes_too_many_levels_and_bytes_that_are_no_text_are_failures() {
    within(async {
        let says = Acts(|task: AgentTask| {
            let said = match task.task.text() {
                "\"large\"" => Ok(Json::of(&"x".repeat(50 * 1024 * 1024))),
                "\"deep\"" => Ok(Json::parse(&("[".repeat(100) + &"]".repeat(100))).unwrap()),
                "\"long\"" => Err(AgentError::new("x".repeat(50 * 1024 * 1024))),
                _ => read_answer(b"\"\xff\""),
            };
            futures::future::ready(said).boxed()
        });
        let stage = Stage::with(|builder| builder.handler(asks()).agent("says", says, AgentLimits::default())).await;
        for (task, why) in [("large", "at most"), ("deep", "100 levels"), ("long", "at most"), ("bytes", "no UTF-8")] {
            let outcome = ask(&stage, task, "says", json!(task)).await;
            assert!(matches!(&outcome, AgentOutcome::Failed(said) if said.contains(why)), "{task}: {outcome:?}");
        }
        stage.close().await;
    });
}
