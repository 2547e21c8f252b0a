//! A definition that is taken away, or is another one under the same name and version, while its workflows run.

use std::time::Duration;

use regie::actors::agent::AgentLimits;
use regie::core::event::Principal;
use regie::core::workflow::RunStatus;
use regie::core::workflow::flow::{Flow, FlowBuilder, call, wait};
use regie::testing::{ScriptedAgent, assert_ended};
use serde_json::json;

use crate::runtime_support::{Folder, Stage, event, within};

const HOUR: Duration = Duration::from_secs(3_600);

fn first() -> FlowBuilder {
    Flow::named("f").starts_on("go").task("rest", wait(HOUR)).task("a", call("agent"))
}

/// A runtime on that journal, with that definition, if there is one.
async fn stage(folder: &Folder, agent: &ScriptedAgent, flow: Option<FlowBuilder>) -> Stage {
    let (journal, agent) = (folder.journal(), agent.clone());
    Stage::with(move |builder| {
        let builder = builder.journal(journal).agent("agent", agent, AgentLimits::default());
        match flow {
            Some(flow) => builder.handler(flow.build().unwrap()),
            None => builder,
        }
    })
    .await
}

/// A journal in which one rests.
async fn begun(agent: &ScriptedAgent) -> Folder {
    let folder = Folder::new();
    let stage = stage(&folder, agent, Some(first())).await;
    stage.submit(event("go", "c", "e")).await;
    stage.close().await;
    folder
}

#[test]
fn one_whose_definition_is_gone_rests_and_goes_on_once_it_is_back() {
    within(async {
        let agent = ScriptedAgent::new().answers(json!("done"));
        let folder = begun(&agent).await;
        let without = stage(&folder, &agent, None).await;
        without.advance(2 * HOUR).await;
        let refused = without.handle.submit(event("more", "c", "e-2").build().unwrap()).await.unwrap_err();
        assert!(refused.to_string().contains("'f' version 1"), "{refused}");
        assert_eq!(without.handle.look(&"c".into()).await.unwrap().run.unwrap().status, RunStatus::Running);
        without.close().await;
        let with = stage(&folder, &agent, Some(first())).await;
        with.advance(3 * HOUR).await;
        assert_ended(&with, "c", "\"done\"").await;
        with.close().await;
    });
}

#[test]
fn one_whose_definition_is_another_now_waits_for_a_person_where_it_cannot_go_on() {
    within(async {
        let agent = ScriptedAgent::new();
        let folder = begun(&agent).await;
        let other = Flow::named("f").starts_on("go").task("b", call("agent"));
        let stage = stage(&folder, &agent, Some(other)).await;
        stage.advance(2 * HOUR).await;
        stage.settle().await;
        let run = stage.handle.look(&"c".into()).await.unwrap().run.unwrap();
        assert_eq!((run.status, run.parked.len()), (RunStatus::Running, 1), "{:?}", run.parked);
        assert!(run.parked[0].error.contains("rest"), "{:?}", run.parked);
        stage.handle.terminate(&"c".into(), Principal::user("ada"), "it is of an old kind").await.unwrap();
        stage.close().await;
    });
}
